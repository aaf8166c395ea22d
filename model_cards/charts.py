"""Charts as inline SVG: text, lines and dots, without scripts, fonts or network."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from ..evaluation.bootstrap import Interval

WIDTH = 360
"""Width of a drawing in its own units; text of 12 units is readable on a phone, at a scale of about 1:1."""
COLOURS = ("#1a56b0", "#c2570c", "#2f7d32", "#7b3fa0", "#8a6d00", "#5f6773")
_LEFT, _RIGHT, _TOP, _BOTTOM, _HEIGHT = 46, 12, 10, 34, 190


def interval_chart(label: str, found: Mapping[str, tuple[float, Interval | None]], per: str = "model") -> str:
    """One line per model: a dot at its mean and a bar from the low to the high end of its interval.

    Args:
        label: Name of the metric.
        found: Mean and interval by model; None for an unknown interval.
        per: What a line is for, if not a model.
    """
    shown = {name: pair for name, pair in found.items() if math.isfinite(pair[0])}
    top = max((pair[1].high if pair[1] else pair[0] for pair in shown.values()), default=0.0)
    if top <= 0:
        return ""
    ticks = _ticks(0.0, top)
    scale = (WIDTH - 32) / max(top, ticks[-1])
    height = 40 * len(shown) + 30
    parts = []
    for tick in ticks:
        x = 16 + tick * scale
        parts.append(f'<line class="g" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height - 26}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{_short(tick)}</text>')
    for place, (name, (mean, interval)) in enumerate(shown.items()):
        y = 40 * place + 28
        parts.append(f'<text x="16" y="{y - 11}" class="n">{html.escape(name)}</text>')
        if interval is not None:
            x1, x2 = 16 + interval.low * scale, 16 + interval.high * scale
            parts.append(f'<line x1="{x1:.1f}" y1="{y}" x2="{x2:.1f}" y2="{y}" stroke="{COLOURS[0]}" class="w"/>')
        parts.append(f'<circle cx="{16 + mean * scale:.1f}" cy="{y}" r="5" fill="{COLOURS[0]}"/>')
    return _drawing(f"{label} per {per}, with interval", height, parts)


def line_chart(label: str, series: Mapping[str, Sequence[tuple[float, float]]], kept: float | None = None) -> str:
    """Draw lines over epochs, with a legend below.

    Args:
        label: Name of the charted values.
        series: (epoch, value) points by name; a name without points is left out.
        kept: Epoch of the checkpoint's weights, drawn as a vertical line.
    """
    series = {name: points for name, points in series.items() if points}
    if not series:
        return ""
    epochs = [x for points in series.values() for x, _ in points]
    values = [y for points in series.values() for _, y in points]
    first, last = min(0.0, *epochs), max(epochs) or 1.0
    ticks = _ticks(min(values), max(values))
    low, high = min(ticks[0], *values), max(ticks[-1], *values)
    bottom = _HEIGHT - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + (x - first) / (last - first) * (WIDTH - _LEFT - _RIGHT)
        return across, bottom - (y - low) / ((high - low) or 1.0) * (bottom - _TOP)

    parts = []
    for tick in ticks:
        y = place(first, tick)[1]
        parts.append(f'<line class="g" x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(tick)}</text>')
    parts += [
        f'<text x="{place(tick, low)[0]:.1f}" y="{bottom + 16}" text-anchor="middle">{tick:g}</text>'
        for tick in _ticks(first, last, whole=True)
    ]
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{bottom + 31}" text-anchor="middle">epoch</text>')
    if kept is not None:
        x = place(kept, low)[0]
        parts.append(f'<line class="k" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>')
    for colour, points in zip(_cycle(len(series)), series.values(), strict=True):
        spots = [place(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(spots) <= 40:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in spots]
    height = _HEIGHT
    for colour, name in zip(_cycle(len(series)), series, strict=True):
        height += 18
        parts.append(f'<line x1="{_LEFT}" y1="{height - 8}" x2="{_LEFT + 20}" y2="{height - 8}" stroke="{colour}" ')
        parts[-1] += 'class="w"/>'
        parts.append(f'<text x="{_LEFT + 28}" y="{height - 4}">{html.escape(name)}</text>')
    return _drawing(f"{label} over epochs", height + 4, parts)


def _drawing(label: str, height: int, parts: Sequence[str]) -> str:
    name = html.escape(label)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{name}">{"".join(parts)}</svg>'


def _cycle(count: int) -> list[str]:
    return [COLOURS[place % len(COLOURS)] for place in range(count)]


def _ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """Three to six round numbers from about `low` to about `high`.

    >>> _ticks(0.0, 0.31), _ticks(1.0, 8.0, whole=True), _ticks(2.0, 2.0)
    ([0.0, 0.1, 0.2, 0.3], [0.0, 2.0, 4.0, 6.0, 8.0], [2.0, 3.0])
    """
    if high <= low:
        return [low, low + 1.0]
    size = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = next(size * factor for factor in (1, 2, 5, 10) if (high - low) / (size * factor) <= 5)
    step = max(1.0, step) if whole else step
    return [round(place * step, 10) for place in range(math.floor(low / step), math.floor(high / step) + 1)]


def _short(value: float) -> str:
    return f"{value:.3g}"

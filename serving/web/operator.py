"""The operator's view as HTML: latency, traffic, popular and never shown items, feedback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .desk import Overview, Sources, share_text
from .fragments import block, escaped
from .texts import Texts

_STEPS = {60: "per_minute", 3_600: "per_hour", 86_400: "per_day"}
_RECOMMENDING = ("lists", "/recommend")
"""Routes whose times are shown first: those of the page, and of the service."""


def operator_view(found: Overview, sources: Sources, texts: Texts) -> str:
    """The figures of an overview.

    Args:
        found: The figures.
        sources: Where they are from.
        texts: The words of the page.
    """
    feedback = found.feedback
    shown = len(feedback.shown)
    reactions = sum(feedback.reactions.values())
    first = next((one for name in _RECOMMENDING for one in found.routes if one.route == name), None)
    tiles = [
        _tile(texts("lists"), f"{feedback.lists:,}", ""),
        _tile(texts("reactions"), f"{reactions:,}",
              texts("per_list", share=f"{reactions / feedback.lists:.2f}") if feedback.lists else ""),
        _tile(texts("coverage"), f"{shown:,}", texts("of_catalogue", share=share_text(shown, found.num_items))),
        _tile(texts("median"), _time(first.median if first else None),
              texts("slowest", time=_time(first.slowest)) if first else ""),
    ]  # fmt: skip
    return block(
        texts,
        *(f'<p class="xw-note">{escaped(line)}</p>' for line in _sources(found, sources, texts)),
        f'<div class="xw-tiles">{"".join(tiles)}</div>',
        _section(texts("traffic"), _bars(feedback.traffic, texts(_STEPS[feedback.step]), texts)),
        _section(texts("routes"), _table(
            [texts(name) for name in ("route", "requests", "refused", "failed", "median_ms", "slowest_ms")],
            [[one.route, one.requests, one.refused, one.failed, _number(one.median), _number(one.slowest)]
             for one in found.routes], texts)),
        _section(texts("most_shown"), _table(
            [texts(name) for name in ("item", "times", "reactions")], [list(row) for row in found.shown], texts)),
        _section(texts("never_shown"), _table(
            [texts("item"), texts("purchases")], [list(row) for row in found.never], texts,
            texts("never_count", items=texts.items(found.num_never)))),
        _section(texts("reactions"), _table(
            [texts(name) for name in ("kind", "number", "rate")],
            [[kind, number, _number(100 * number / feedback.lists) if feedback.lists else "–"]
             for kind, number in feedback.reactions.items()], texts)),
    )  # fmt: skip


def _sources(found: Overview, sources: Sources, texts: Texts) -> list[str]:
    lines = []
    if found.error:
        lines.append(texts("failed_service", error=found.error))
    elif sources.service is not None:
        lines.append(texts("source_service", service=sources.service))
    if sources.log is not None:
        lines.append(texts("source_log", log=sources.log.name))
    return lines or [texts("source_page")]


def _tile(name: str, figure: str, note: str) -> str:
    more = f'<span class="xw-facts">{escaped(note)}</span>' if note else ""
    return f'<div class="xw-figure"><span>{escaped(name)}</span><b>{escaped(figure)}</b>{more}</div>'


def _section(name: str, content: str) -> str:
    return f'<section class="xw-section"><h3 class="xw-heading">{escaped(name)}</h3>{content}</section>'


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]], texts: Texts, note: str = "") -> str:
    """A table whose first column is text and whose others are numbers."""
    before = f'<p class="xw-note">{escaped(note)}</p>' if note else ""
    if not rows:
        return f'{before}<p class="xw-note">{escaped(texts("nothing_yet"))}</p>'
    names = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    cells = ("".join(f"<td>{escaped(_cell(one))}</td>" for one in row[1:]) for row in rows)
    lines = "".join(
        f'<tr><th scope="row">{escaped(row[0])}</th>{rest}</tr>' for row, rest in zip(rows, cells, strict=True)
    )
    return (
        f'{before}<div class="xw-scroll" tabindex="0" role="region" aria-label="{escaped(head[0])}"><table>'
        f"<thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _bars(traffic: Sequence[tuple[int, int]], label: str, texts: Texts) -> str:
    if not traffic:
        return f'<p class="xw-note">{escaped(texts("nothing_yet"))}</p>'
    most = max(count for _, count in traffic)
    bars = "".join(f'<i style="height:{100 * count / most:.0f}%" title="{count:,}"></i>' for _, count in traffic)
    name = f"{label}: {', '.join(str(count) for _, count in traffic)}"
    return (
        f'<p class="xw-note">{escaped(label)}</p><div class="xw-bars" role="img" aria-label="{escaped(name)}">{bars}'
        f'<span class="xw-facts">{most:,}</span></div>'
    )


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _time(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds:,.0f} ms"

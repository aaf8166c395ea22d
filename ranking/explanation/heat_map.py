"""Explanations as SVG pictures."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ...modeling_xcat.arguments_xcat import whole_number
from .explanation import signed

if TYPE_CHECKING:
    from .explanation import Explanation, WordInfluence

WIDTH = 760
"""Width of a picture in pixels, unless another one is given; the height depends on its content."""
NARROWEST = 280
"""Narrowest picture in pixels."""
_ROOM = 160
"""Pixels that a title has at least; a note that leaves it less is on a line of its own."""
_MARGIN, _LINE, _SIZE, _BAR = 24, 26, 14, 120
_SUPPORT, _AGAINST = (33, 102, 172), (178, 24, 43)
"""Colours of influences that raise and lower the score (blue and red of ColorBrewer RdBu)."""
_FAINT = 0.2
"""Influence that has the full colour if all words have less."""
_FONT = "font-family='sans-serif'"


@dataclass(frozen=True)
class _Labels:
    events: str
    words: dict[str, str]
    without: str
    legend: str


_LABELS = {
    "en": _Labels(
        "Items of the history, the latest first",
        {"query_words": "Words of the query", "item_words": "Words of the item",
         "event_words": "Words of the first reason"},
        "number {rank} without it",
        "blue raises the score, red lowers it",
    ),
    "zh": _Labels(
        "历史记录中的商品，最近的在前",
        {"query_words": "查询中的词", "item_words": "商品文字中的词", "event_words": "首要原因文字中的词"},
        "没有它则排第 {rank} 位",
        "蓝色提高分数，红色降低分数",
    ),
}  # fmt: skip


class _Canvas:
    """Collects shapes from top to bottom.

    Args:
        width: Width in pixels.
    """

    def __init__(self, width: int) -> None:
        self.width, self.inside = width, width - 2 * _MARGIN
        self.shapes: list[str] = []
        self.top: float = _MARGIN

    def text(self, left: float, text: str, *, size: int = _SIZE, weight: str = "normal", colour: str = "#222") -> None:
        """Write a line at the current height."""
        self.shapes.append(
            f"<text x='{left:.0f}' y='{self.top + 0.62 * _LINE:.0f}' font-size='{size}' font-weight='{weight}' "
            f"fill='{colour}'>{escape(text)}</text>"
        )

    def box(self, left: float, width: float, colour: str) -> None:
        """Draw a box at the current height."""
        self.shapes.append(
            f"<rect x='{left:.0f}' y='{self.top:.0f}' width='{width:.0f}' height='{_LINE - 4}' rx='3' "
            f"fill='{colour}'/>"
        )

    def heading(self, text: str) -> None:
        """Write a heading below what is there."""
        self.top += 0.5 * _LINE
        self.text(_MARGIN, text, size=12, colour="#595959")
        self.top += _LINE

    def svg(self) -> str:
        """The picture."""
        height = self.top + _MARGIN
        inside = "\n".join(self.shapes)
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{self.width}' height='{height:.0f}' "
            f"viewBox='0 0 {self.width} {height:.0f}' {_FONT}>\n<rect width='100%' height='100%' fill='white'/>\n"
            f"{inside}\n</svg>\n"
        )


def svg_of(found: Explanation, width: int = WIDTH) -> str:
    """Draw an explanation: the item, its place, the items of the history and the words, coloured by influence.

    Args:
        found: The explanation.
        width: Width in pixels.

    Raises:
        ValueError: If the width is not a whole number, or below `NARROWEST`.
    """
    width = whole_number("width", width)
    if width < NARROWEST:
        raise ValueError(f"width is {width}; give {NARROWEST} pixels or more")
    labels, canvas = _LABELS[found.language], _Canvas(width)
    place = f"{found.probability:.1%}" if found.probability is not None else f"#{found.rank:,}"
    canvas.text(_MARGIN, fitted(f"{place}  {found.title}", canvas.inside, 16), size=16, weight="bold")
    canvas.top += _LINE
    if found.category_path:
        canvas.text(_MARGIN, fitted(" › ".join(found.category_path), canvas.inside, 12), size=12, colour="#595959")
        canvas.top += _LINE
    if found.events:
        canvas.heading(labels.events)
        _draw_events(canvas, found, labels)
    groups: dict[str, Sequence[WordInfluence]] = {label: getattr(found, name) for name, label in labels.words.items()}
    largest = max((abs(one.influence) for words in groups.values() for one in words), default=0.0)
    for label, words in groups.items():
        if words:
            canvas.heading(label)
            _draw_words(canvas, words, max(largest, _FAINT))
    if found.events or found.query_words or found.item_words:
        canvas.top += 0.4 * _LINE
        canvas.text(_MARGIN, labels.legend, size=12, colour="#595959")
        canvas.top += _LINE
    else:
        canvas.text(_MARGIN, fitted(found.sentence, canvas.inside, _SIZE))
        canvas.top += _LINE
    return canvas.svg()


def _draw_events(canvas: _Canvas, found: Explanation, labels: _Labels) -> None:
    """One line per item of the history: a coloured cell with its weight, the title, and the place without it."""
    ranks = {one.item_id: one.rank for one in found.counterfactuals if one.rank is not None}
    largest = max(abs(one.influence) for one in found.events)
    for one in found.events:
        colour = colour_of(one.influence, largest)
        canvas.box(_MARGIN, 76, colour)
        canvas.text(_MARGIN + 8, signed(one.influence), colour=text_colour_on(colour))
        note = labels.without.format(rank=f"{ranks[one.item_id]:,}") if one.item_id in ranks else ""
        room = canvas.inside - 90 - text_width(note, 12) - 12
        beside = room >= _ROOM or not note
        canvas.text(_MARGIN + 90, fitted(one.title, room if beside else canvas.inside - 90, _SIZE))
        if note:
            canvas.top += 0 if beside else _LINE - 6
            left = canvas.width - _MARGIN - text_width(note, 12) if beside else _MARGIN + 90
            canvas.text(left, note, size=12, colour="#595959")
        canvas.top += _LINE


def _draw_words(canvas: _Canvas, words: Sequence[WordInfluence], largest: float) -> None:
    """Words in their order, each on its colour; `largest` has the full colour."""
    left = float(_MARGIN)
    for one in words:
        word = fitted(one.word, canvas.inside - 12, _SIZE)
        width = text_width(word, _SIZE) + 12
        if left + width > canvas.width - _MARGIN and left > _MARGIN:
            left, canvas.top = float(_MARGIN), canvas.top + _LINE
        colour = colour_of(one.influence, largest)
        canvas.box(left, width, colour)
        canvas.text(left + 6, word, colour=text_colour_on(colour))
        left += width + 4
    canvas.top += _LINE


def _share(influence: float, largest: float) -> float:
    return abs(influence) / largest if largest > 0 else 0.0


def colour_of(influence: float, largest: float) -> str:
    """Colour of an influence, from white for 0 to full blue or red for the largest.

    Example:
        >>> colour_of(0.5, 0.5), colour_of(0.0, 0.5), colour_of(-0.5, 0.5)
        ('#2166ac', '#f7f7f7', '#b2182b')
    """
    full, share = _SUPPORT if influence > 0 else _AGAINST, _share(influence, largest)
    return "#" + "".join(f"{round(247 + share * (part - 247)):02x}" for part in full)


def text_colour_on(colour: str) -> str:
    """Black or white, whichever has more contrast with a colour: 4.5:1 or more (WCAG 2.2, 1.4.3).

    Example:
        >>> text_colour_on("#2166ac"), text_colour_on("#7fa6cd"), text_colour_on("#f7f7f7")
        ('#fff', '#000', '#000')
    """
    light = luminance(colour)
    return "#fff" if 1.05 / (light + 0.05) > (light + 0.05) / 0.05 else "#000"


def luminance(colour: str) -> float:
    """Relative luminance of a colour, from 0 for black to 1 for white (WCAG 2.2)."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def text_width(text: str, size: float) -> float:
    """Estimated width of a text in pixels, in any sans-serif font; East Asian characters are square."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return size * (wide + 0.6 * (len(text) - wide))


def fitted(text: str, room: float, size: float) -> str:
    """A text on one line, cut with an ellipsis to a width in pixels.

    Example:
        >>> fitted("waterproof boots for winter", 100, 14)
        'waterproof…'
    """
    text = " ".join(text.split())
    if text_width(text, size) <= room:
        return text
    while text and text_width(f"{text}…", size) > room:
        text = text[:-1]
    return f"{text}…"

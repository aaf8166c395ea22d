"""Draws the figures of docs/concepts: boxes, arrows and labels on a light panel, legible on light and dark pages.

Run as `python -m xcat_rec.docs.site.figures`. A test compares the files with what this script draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "images" / "concepts"
FILLS = {
    "data": ("#f1f3f5", "#8b949e"),
    "text": ("#e9e5f5", "#8b7bc8"),
    "model": ("#dbeafe", "#3b82f6"),
    "fitted": ("#fdecc8", "#d29922"),
    "list": ("#d9f2df", "#2da44e"),
    "faded": ("#ffffff", "#8b949e"),
}
INK, PANEL, LINE = "#24292f", "#ffffff", "#57606a"
WIDTH, HEIGHT = 132, 56


@dataclass(frozen=True)
class Box:
    """A box: its kind, its left and upper edge, a bold name and lines below it."""

    kind: str
    left: int
    top: int
    name: str
    lines: tuple[str, ...] = ()
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class Figure:
    """A figure: title, description, size, boxes, arrows (SVG paths), and labels (left, baseline, text)."""

    title: str
    about: str
    size: tuple[int, int]
    boxes: tuple[Box, ...]
    arrows: tuple[str, ...] = ()
    labels: tuple[tuple[int, int, str], ...] = ()


def drawn(figure: Figure) -> str:
    """The SVG of a figure."""
    width, height = figure.size
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img"'
        ' lang="en" aria-labelledby="title description">',
        f'  <title id="title">{escape(figure.title)}</title>',
        f'  <desc id="description">{escape(figure.about)}</desc>',
        "  <style>",
        f'    text {{ font: 12px "Helvetica Neue", Arial, sans-serif; fill: {INK}; text-anchor: middle; }}',
        "    .name { font-weight: bold; }",
        "    rect { rx: 8px; stroke-width: 1.5; }",
        *(f"    .{kind} {{ fill: {fill}; stroke: {edge}; }}" for kind, (fill, edge) in FILLS.items()),
        f"    .panel {{ fill: {PANEL}; stroke: none; }}",
        f"    path {{ fill: none; stroke: {LINE}; stroke-width: 1.5; marker-end: url(#head); }}",
        "  </style>",
        '  <defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
        f' orient="auto"><polygon points="0,0 10,5 0,10" fill="{LINE}"/></marker></defs>',
        f'  <rect class="panel" x="0" y="0" width="{width}" height="{height}"/>',
        *(f'  <path d="{arrow}"/>' for arrow in figure.arrows),
        *(part for box in figure.boxes for part in _box(box)),
        *(f'  <text x="{x}" y="{y}">{escape(text)}</text>' for x, y, text in figure.labels),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _box(box: Box) -> list[str]:
    middle, rows = box.left + box.width // 2, len(box.lines) + 1
    first = box.top + box.height // 2 + 4 - 8 * (rows - 1)
    texts = [(' class="name"', box.name), *(("", line) for line in box.lines)]
    return [
        f'  <rect class="{box.kind}" x="{box.left}" y="{box.top}" width="{box.width}" height="{box.height}"/>',
        *(
            f'  <text{kind} x="{middle}" y="{first + 16 * n}">{escape(text)}</text>'
            for n, (kind, text) in enumerate(texts)
        ),
    ]


def _events() -> Figure:
    names = (("Tea", "view"), ("Tea", "purchase"), ("Mug", "purchase"), ("Lamp", "return"))
    boxes = [Box("data", 20 + 116 * n, 40, item, (kind,), 96) for n, (item, kind) in enumerate(names)]
    boxes.append(Box("model", 500, 40, "Next item?", ("the target",), 110))
    boxes += [
        Box("text", 20, 130, "Item", ("title, brand, category", "and an id vector"), 212, 64),
        Box("fitted", 252, 130, "Role of an event", ("target, context", "or negative"), 212, 64),
    ]
    return Figure(
        "Items and events",
        "A history of four events of one customer: a view of tea, a purchase of tea, a purchase of a mug, and the "
        "return of a lamp. The model predicts the next item. Items have texts and an id vector; events have a role.",
        (630, 212), tuple(boxes), (*(f"M{116 + 116 * n} 68H{134 + 116 * n}" for n in range(3)), "M464 68H498"),
        ((250, 24, "one customer, oldest event first"),),
    )  # fmt: skip


def _fusion() -> Figure:
    return Figure(
        "Fusion",
        "The states of the events attend to the text tokens of the items. The result is compared with the vector of "
        "every item. Item-to-item weights and the cold-item boost are added to the scores.",
        (660, 232),
        (
            Box("data", 20, 30, "Events", ("item, type, time",)),
            Box("model", 180, 30, "Encoder", ("a state per event",)),
            Box("text", 344, 146, "Item texts", ("tokens of the titles",)),
            Box("model", 344, 30, "Cross-attention", ("states read texts",)),
            Box("fitted", 508, 146, "Item-to-item", ("weights, boost",)),
            Box("list", 508, 30, "Scores", ("all items",)),
        ),
        ("M152 58H178", "M312 58H342", "M410 146V88", "M476 58H506", "M574 146V88"),
    )  # fmt: skip


def _cross_category() -> Figure:
    return Figure(
        "Cross-category",
        "A customer bought food. Ids connect items that were bought together. Texts also connect items of two "
        "categories that share words, such as a tea and a teapot.",
        (560, 230),
        (
            Box("data", 24, 40, "Green tea", ("bought",)),
            Box("data", 24, 140, "Honey", ("bought",)),
            Box("list", 380, 40, "Teapot", ("shares a word: texts",), 150),
            Box("list", 380, 140, "Mug", ("bought together: ids",), 150),
        ),
        ("M156 60H378", "M156 76C240 90 300 150 378 160", "M156 168H378"),
        ((90, 24, "category Food"), (455, 24, "category Kitchen")),
    )  # fmt: skip


def _cold() -> Figure:
    return Figure(
        "Cold start",
        "A new item has a text and no events. Its vector is computed from its text. Its item-to-item weights are "
        "copied from items with similar texts. A new customer gets popular items, or items that match a query.",
        (620, 232),
        (
            Box("faded", 20, 30, "New item", ("a title, no events",)),
            Box("text", 196, 30, "Text encoder", ("the item's vector",)),
            Box("fitted", 196, 146, "Similar items", ("weights are copied",)),
            Box("list", 380, 86, "Scored", ("like any other item",), 150),
        ),
        (
            "M152 58H194", "M328 58C350 60 360 90 378 104", "M328 174C350 172 360 140 378 126",
            "M86 86C90 150 140 174 194 174",
        ),
        ((455, 166, "+ cold-item boost"),),
    )  # fmt: skip


def _purposes() -> Figure:
    return Figure(
        "Next and discover",
        "One checkpoint makes two lists of a history of tea and honey. The list next may contain tea again. The list "
        "discover has only items that the history lacks, with scores of its own.",
        (600, 232),
        (
            Box("data", 20, 88, "History", ("tea, honey",)),
            Box("model", 190, 88, "Checkpoint", ("one model",)),
            Box("list", 390, 30, "next", ("tea, mug, honey, teapot",), 190),
            Box("list", 390, 146, "discover", ("mug, teapot, biscuits",), 190),
        ),
        ("M152 116H188", "M322 108C350 100 360 70 388 60", "M322 124C350 132 360 160 388 172"),
        ((485, 104, "items of the history stay in"), (485, 220, "items of the history are left out")),
    )  # fmt: skip


FIGURES = {
    "items_and_events": _events,
    "fusion": _fusion,
    "cross_category": _cross_category,
    "cold_start": _cold,
    "next_and_discover": _purposes,
}


def main() -> None:
    """Write all figures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, figure in FIGURES.items():
        (FOLDER / f"{name}.svg").write_text(drawn(figure()), encoding="utf-8")


if __name__ == "__main__":
    main()

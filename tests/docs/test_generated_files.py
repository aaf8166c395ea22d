"""Files that come from pages and scripts are not stale: llms.txt and the figures; figures are legible."""

from __future__ import annotations

import itertools
import re

import pytest

from xcat_rec.cli.app import COMMANDS, load_command
from xcat_rec.docs.site import figures, llms
from xcat_rec.ranking.explanation import heat_map

from ..pages import ROOT, read, words_of


def test_llms_is_current() -> None:
    assert llms.FILE.read_text(encoding="utf-8") == llms.text(), "run `make pages`"


def test_llms_lists_every_guide_once() -> None:
    text = llms.FILE.read_text(encoding="utf-8")
    linked = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): \S", text, re.MULTILINE)
    assert len(linked) == len(set(linked))
    guides = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert {page for page in guides if not page.startswith("zh/")} <= set(linked)
    assert not re.search(r"^- \[<|: English$", text, re.MULTILINE), "a title or first sentence of a Chinese page"


def test_commands_of_llms_parse() -> None:
    listing = re.findall(r"^```bash\n(.*?)^```", llms.FILE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[0]
    commands = [words for words in words_of(listing) if words[0] == "xcat" and words[1] in COMMANDS]
    assert {"fit", "recommend", "serve", "audit", "evaluate"} <= {words[1] for words in commands}
    for words in commands:
        load_command(words[1]).make_context(words[1], words[2:], resilient_parsing="--help" in words)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_figures_are_current_and_legible(name: str) -> None:
    figure = figures.FIGURES[name]()
    assert (figures.FOLDER / f"{name}.svg").read_text(encoding="utf-8") == figures.drawn(figure), "run `make pages`"
    for box in figure.boxes:
        assert contrast(figures.INK, figures.FILLS[box.kind][0]) >= 4.5
        assert max(map(len, (box.name, *box.lines))) * 6.5 <= box.width, box
        assert box.left + box.width <= figure.size[0] and box.top + box.height <= figure.size[1]
    assert contrast(figures.INK, figures.PANEL) >= 4.5


def test_the_picture_of_an_explanation_is_legible() -> None:
    """Each text on a box, or on white, as `Explanation.heat_map` draws it now."""
    shapes = re.findall(r"<(rect|text) x='([\d.]+)'[^>]*?fill='([^']+)'", read("docs/images/explanation.svg"))
    assert len([kind for kind, *_ in shapes if kind == "text"]) > 20
    for (before, left, below), (kind, place, ink) in itertools.pairwise([("text", "0", ""), *shapes]):
        if kind == "text":
            on_box = before == "rect" and float(place) - float(left) < 10
            assert ink == heat_map.text_colour_on(below) if on_box else ink in ("#222", "#595959")


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, by WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

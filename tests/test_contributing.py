"""The table "Where a change goes" in CONTRIBUTING names files and registries that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLE = (ROOT / "CONTRIBUTING.md").read_text().partition("## Where a change goes")[2].partition("## Rules")[0]
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", TABLE, re.MULTILINE)[1:]
ROOMS = [file.parent for file in ROOT.glob("*/__init__.py") if file.parent.name != "tests"]


def test_the_table_has_rows() -> None:
    assert len(ROWS) >= 12


@pytest.mark.parametrize(("change", "files"), ROWS, ids=[change for change, _ in ROWS])
def test_every_named_file_and_name_exists(change: str, files: str) -> None:
    named = re.findall(r"`([^`]+)`", files)
    paths = [name for name in named if re.fullmatch(r"[\w./-]+(\.py|\.md|/)", name)]
    assert paths
    places = []
    for path in paths:
        found = [
            place
            for place in (ROOT / path, *(inner for room in ROOMS for inner in room.rglob(path)))
            if place.exists()
        ]
        assert found, f"{change}: no {path}"
        places += found
    code = "".join(
        file.read_text()
        for place in places
        for file in [*(place.rglob("*.py") if place.is_dir() else [place]), *place.parent.glob("*.py")]
    )
    names = [re.match(r"@?(\w+)", name) for name in named if name not in paths and not name.startswith("XCatTrainer")]
    for name in filter(None, names):
        assert name[1] in code, f"{change}: {name[1]} is not in {', '.join(paths)}"

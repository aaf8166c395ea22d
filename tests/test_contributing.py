"""The table "Where a change goes" in CONTRIBUTING names files and registries that exist; so do the workflows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

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


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_call_targets_that_exist(workflow: Path) -> None:
    """A workflow may read the repository, and runs what the Makefile has."""
    read = yaml.safe_load(workflow.read_text())
    assert read["permissions"] == {"contents": "read"}
    commands = [step["run"] for job in read["jobs"].values() for step in job["steps"] if "run" in step]
    assert commands
    for command in commands:
        words = command.split()
        assert words[0] != "make" or words[1] in TARGETS, command
        assert not words[0].startswith(".ci/") or (ROOT / words[0]).exists(), command


def test_there_are_workflows() -> None:
    assert [file.stem for file in WORKFLOWS] == ["release", "tests", "weekly"]

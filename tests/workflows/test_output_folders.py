"""Outputs that cannot be written are refused before any work, whatever writes them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import xcat_rec
from xcat_rec.serving.batch import write_recommendations
from xcat_rec.workflows.output_folders import check_file_to_write, check_folder_to_write

NOTHING = "nothing can be written into"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "here"
    (place / "folder").mkdir(parents=True)
    monkeypatch.chdir(place)
    (place / "file").write_text("a note")
    (place / "gone").symlink_to("nowhere")
    return place


@pytest.mark.parametrize("place", ["new", "new/below", "folder", "folder/new", "../new", "."])
def test_folders_that_can_be_made_pass_and_are_not_made(here: Path, place: str) -> None:
    before = sorted(here.parent.rglob("*"))
    check_folder_to_write(Path(place), place)
    check_folder_to_write(here / place, place)
    assert sorted(here.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("file", "it is a file; give a folder"),
        ("file/new/below", "it: file is not a folder; give a place elsewhere"),
        ("gone", "it: gone is not a folder"),
        ("gone/new", "it: gone is not a folder"),
        ("/proc/new/below", f"it: {NOTHING} /proc ("),
    ],
)
def test_folders_that_cannot_be_made(here: Path, place: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        check_folder_to_write(Path(place), "it")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("new.csv", "it is written as json; give a name that ends in .json"),
        ("folder/in.json", "it is a folder; give a file in it"),
        ("nowhere/new.json", "it: there is no folder nowhere; make it first"),
        ("file/new.json", "it: file is not a folder"),
        ("/proc/new.json", f"it: {NOTHING} /proc ("),
    ],
)
def test_files_that_cannot_be_written(here: Path, place: str, words: str) -> None:
    (here / "folder" / "in.json").mkdir()
    check_file_to_write(Path("folder/new.json"), "it", ".json")
    with pytest.raises(ValueError, match=re.escape(words)):
        check_file_to_write(Path(place), "it", ".json")


CALLS: dict[str, Callable[[str], Any]] = {
    "fit": lambda output: xcat_rec.fit("no-shop", output),
    "prepare": lambda output: xcat_rec.prepare("no-shop", output),
    "inspect": lambda output: xcat_rec.inspect("no-shop", output),
    "add_items": lambda output: xcat_rec.add_items("no-checkpoint", "no-items.csv", output),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_functions_find_it_before_they_read_anything(here: Path, call: Callable[[str], Any]) -> None:
    with pytest.raises(ValueError, match="output='file' is a file"):
        call("file")
    with pytest.raises(ValueError, match="output='file/below': file is not a folder"):
        call("file/below")
    with pytest.raises(ValueError, match=f"output='/proc/new': {NOTHING} /proc"):
        call("/proc/new")


def test_lists_are_not_computed_for_a_file_that_cannot_be_written(here: Path) -> None:
    computed: list[bool] = []

    def tables() -> Any:
        computed.append(True)
        yield pa.table({})

    for place in ("folder", "file/lists.parquet", "nowhere/lists.parquet"):
        with pytest.raises(OSError):
            write_recommendations(tables(), Path(place))
    assert not computed


def test_earlier_graphs_are_not_replaced(here: Path) -> None:
    (here / "folder" / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="onnx='folder' holds an earlier result; give another folder or"):
        xcat_rec.export("no-checkpoint", "folder")


def test_a_report_whose_files_are_in_the_way(here: Path) -> None:
    (here / "folder" / "report.html").mkdir()
    with pytest.raises(ValueError, match=r"output='folder': report\.html is a folder"):
        xcat_rec.inspect("no-shop", "folder")

"""Labels that people gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from xcat_rec.tokenization.sources.labels import known_labels, read_labels


def test_a_filled_file_is_read_and_empty_labels_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"text": "it broke, twice", "label": "negative", "reason": "uncertain"},
        {"text": "fine\nand warm", "label": "  ", "reason": "typical"},
        {"text": "7", "label": "5", "reason": "typical"},
    ]
    pl.DataFrame(rows).write_csv(tmp_path / "labels.csv")
    (tmp_path / "labels.json").write_text(json.dumps(rows), encoding="utf-8")
    for file in ("labels.csv", "labels.json"):
        assert read_labels(tmp_path / file, "text") == {"it broke, twice": "negative", "7": "5"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"text": ["a"]}, "labels has no column 'label'; it has text"),
        ({"item_id": ["a"], "label": ["b"]}, "labels has no column 'text'; it has item_id, label"),
        ({"text": ["a", "b"], "label": ["", None]}, "none of its 2 rows has a label; fill in the column 'label'"),
        (
            {"text": ["a", "a"], "label": ["x", "y"]},
            "1 values of text have several labels, .*'x' .masked. has 'x', 'y'",
        ),
    ],
)
def test_a_table_without_usable_labels_is_refused(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_labels(table, "text")


def test_the_same_label_twice_counts_once() -> None:
    assert read_labels({"user_id": ["1", "1"], "label": ["b2b", "b2b"]}, "user_id") == {"1": "b2b"}


def test_several_files_are_one() -> None:
    tables = [{"user_id": ["1", "2"], "label": ["b2b", ""]}, {"user_id": ["2", "3"], "label": ["b2c", "b2b"]}]
    assert read_labels(tables, "user_id") == {"1": "b2b", "2": "b2c", "3": "b2b"}
    assert read_labels(None, "user_id") == {}
    with pytest.raises(ValueError, match="1 values of user_id have several labels"):
        read_labels([*tables, {"user_id": ["3"], "label": ["b2c"]}], "user_id")


def test_the_error_of_one_of_several_files_names_it(tmp_path: Path) -> None:
    for name, text in (("good.csv", "text,label\na,5\n"), ("bad.csv", "text\na\n"), ("open.csv", "text,label\na,\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name, words in (("bad.csv", "has no column 'label'"), ("open.csv", ": none of its 1 rows has a label")):
        with pytest.raises(ValueError, match=rf"^labels='[^']*{name}' ?{words}"):
            read_labels([tmp_path / "good.csv", tmp_path / name], "text")


def test_labels_of_other_data_are_refused() -> None:
    assert known_labels({"a": "x", "b": "y"}, {"a"}, "item_id") == {"a": "x"}
    with pytest.raises(ValueError, match=r"none of its 1 values of item_id, for example 'x' .masked."):
        known_labels({"b": "y"}, {"a"}, "item_id")

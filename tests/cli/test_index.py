"""xcat index, and lists of xcat recommend with its index."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from xcat_rec.checkpoints.load import note_catalogue

from ..ranking.index.indexed_shop import prepared
from .commands import refused, run


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    place, start = tmp_path_factory.mktemp("checkpoint"), prepared()
    note_catalogue(start.model, start.processor)
    start.model.save_pretrained(place)
    start.processor.save_pretrained(place)
    return str(place)


def test_build_change_and_recommend(checkpoint: str, tmp_path: Path, capsys) -> None:
    place, new = str(tmp_path / "index"), tmp_path / "new.csv"
    built = run(["index", checkpoint, "--kind", "int8", "--output", place, "--recall", "0.9", "--json"], capsys)
    assert (built["kind"], built["num_items"], built["k"]) == ("int8", 1_500, 100)
    assert built["recall"] > 0.8 and built["bytes"] > 0 and built["added"] is None
    pl.DataFrame({"item_id": ["new-1"], "title": ["tents number 3 3"], "category": ["tents"]}).write_csv(new)
    changed = run(["index", checkpoint, "--output", place, "--add", str(new), "--delete", 'i3,"i4"', "--json"], capsys)
    assert (changed["kind"], changed["num_items"], changed["num_deleted"]) == ("int8", 1_499, 2)
    assert changed["added"] == {"num_new": 1, "num_changed": 0}
    line = ["recommend", checkpoint, "--index", place, "--json", "-k", "3"]
    found = run([*line, "--filter", "item_id in new-1,i3", "--history", "i3,i10"], capsys)
    assert [item["item_id"] for item in found["recommendations"]] == ["new-1"]
    users, output = tmp_path / "users.csv", tmp_path / "lists.parquet"
    pl.DataFrame({"user_id": ["u", "v"], "item_id": ["new-1", "i10"], "timestamp": [1, 2]}).write_csv(users)
    many = ["--users", str(users), "--output", str(output), "--on-unknown", "error"]
    run([*line, *many, "--filter", "item_id in new-1,i3,i9"], capsys)
    listed = pq.read_table(output).to_pydict()
    assert set(listed["item_id"]) == {"new-1", "i9"} and set(listed["unknown_items"]) == {0}


def test_bad_input(checkpoint: str, tmp_path: Path, capsys) -> None:
    place = str(tmp_path / "index")
    refused(["index", checkpoint, "--output", checkpoint], capsys, ["is the checkpoint itself"])
    refused(["index", checkpoint, "--output", place, "--delete", ","], capsys, ["--delete has no item ids"])
    told = ["--url is None; give the address of a Qdrant server"]
    refused(["index", checkpoint, "--output", place, "--kind", "qdrant"], capsys, told)
    told = ["has no index.json", "(xcat index, or index_items) with xcat fit --output"]
    refused(["recommend", checkpoint, "--index", str(tmp_path), "--history", "i1"], capsys, told[:1])

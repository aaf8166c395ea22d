"""Files of an index: a damaged, foreign or half-written one is refused and built again."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from pathlib import Path

import pytest

from xcat_rec.checkpoints.load import note_catalogue
from xcat_rec.ranking.index import IndexFilesError, folder
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.workflows.item_index import index_items

from .indexed_shop import HISTORIES, ids, indexed, prepared, recommender

ADDED = {"item_id": ["new-1"], "title": ["tents number 3 3"], "category": ["tents"]}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    place, start = tmp_path_factory.mktemp("checkpoint"), prepared()
    note_catalogue(start.model, start.processor)
    start.model.save_pretrained(place)
    start.processor.save_pretrained(place)
    return str(place)


def saved(place: Path, kind: str = "int8") -> Path:
    """An index with an added and a deleted item."""
    found = indexed(kind)
    found.add_items(ADDED)
    found.delete_items(["i3"])
    return found.save_index(place)


def files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


def test_its_files(tmp_path: Path) -> None:
    place = saved(tmp_path / "index")
    names = {str(path.relative_to(place)) for path in files(place)}
    version = {f"version-1/{name}" for name in ("index.faiss", "index.safetensors", "items.arrow")}
    assert names == {"index.json", *version}
    manifest = json.loads((place / "index.json").read_text())
    assert manifest["version"] == 1 and set(manifest["files"]) == {name[10:] for name in version}
    assert all(os.stat(path).st_mode & 0o044 for path in files(place)), "readable for others, as new files are"


@pytest.mark.parametrize("damage", ["cut", "flipped", "removed"])
def test_every_damaged_file_is_refused(damage: str, tmp_path: Path) -> None:
    for number in range(len(files(saved(tmp_path / "names")))):
        place = saved(tmp_path / f"{number}")
        file = files(place)[number]
        content = bytearray(file.read_bytes())
        if damage == "removed":
            file.unlink()
        else:
            content[len(content) // 2] ^= 1
            file.write_bytes(content[:-7] if damage == "cut" else content)
        with pytest.raises(IndexFilesError, match=r"build the index again in .* \(xcat index, or index_items\)"):
            recommender().load_index(place)


def test_an_interrupted_save_leaves_the_old_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = saved(tmp_path / "index")
    found = recommender()
    found.load_index(place)
    lists = found.recommend_many(HISTORIES, 10)
    found.add_items({"item_id": ["new-2"], "title": ["maps number 1 1"]})
    for step in ("_write_manifest", "_sync"):

        def stop(*args: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(folder, step, stop)
            with pytest.raises(KeyboardInterrupt):
                found.save_index(place)
        same = recommender()
        same.load_index(place)
        assert same.recommend_many(HISTORIES, 10) == lists
    found.save_index(place)
    same = recommender()
    same.load_index(place)
    assert same.index.num_items == found.index.num_items
    assert len(list(place.glob("version-*"))) == 1 and not list(place.glob("*.unfinished"))


def test_other_folders_and_other_checkpoints_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(FileExistsError, match=r"has photo\.jpg, which is not of an index"):
        recommender().save_index(tmp_path)
    with pytest.raises(IndexFilesError, match=r"has no index\.json"):
        recommender().load_index(tmp_path)
    for place in (tmp_path / "photo.jpg", tmp_path / "photo.jpg" / "index"):
        with pytest.raises(NotADirectoryError, match=r"photo\.jpg is a file; give another folder"):
            recommender().save_index(place)
    place = saved(tmp_path / "index")
    other = recommender()
    other.add_items(ADDED)
    with pytest.raises(IndexFilesError, match="is the index of a checkpoint with other items"):
        XCatRecommender(other.model, other.processor).load_index(place)
    model = deepcopy(prepared().model)
    model.model.items.adaptor.contract.weight.data += 0.5
    with pytest.raises(IndexFilesError, match="is the index of other weights"):
        XCatRecommender(model, prepared().processor).load_index(place)


def test_a_damaged_index_is_built_again_with_its_items(checkpoint: str, tmp_path: Path) -> None:
    place = tmp_path / "index"
    first = index_items(checkpoint, place, kind="int8", add=ADDED, delete=["i3", "i4"])
    assert (first.added.new, first.deleted, first.report.num_items, first.notes) == (1, 2, 1_499, ())
    unchanged = index_items(checkpoint, place)
    assert unchanged.report == first.report and unchanged.bytes == pytest.approx(first.bytes, rel=0.01)
    lists = XCatRecommender.from_pretrained(checkpoint, index=place).recommend_many(HISTORIES, 10)

    graph = next(place.rglob("index.faiss"))
    graph.write_bytes(graph.read_bytes()[:-100])
    with pytest.raises(IndexFilesError, match=r"index.faiss was changed or cut: it has [\d,]+ bytes and index.json"):
        XCatRecommender.from_pretrained(checkpoint, index=place)
    again = index_items(checkpoint, place)
    assert (again.report.kind, again.report.num_items) == ("int8", 1_499)
    assert "index.faiss was changed or cut" in again.notes[0] and again.notes[0].endswith(
        "so the index is built again"
    )
    found = XCatRecommender.from_pretrained(checkpoint, index=place)
    assert [ids(items) for items in found.recommend_many(HISTORIES, 10)] == [ids(items) for items in lists]
    assert ids(found.recommend(HISTORIES[0], 3, only_items=["i3", "new-1"])) == ["new-1"]

    next(place.rglob("items.arrow")).unlink()
    lost = index_items(checkpoint, place, kind="exact")
    assert (lost.report.kind, lost.report.num_items) == ("exact", 1_500)
    assert lost.notes[0].endswith("items that were added to it or deleted may be lost: give them again")
    assert XCatRecommender.from_pretrained(checkpoint, index=place).index.num_items == 1_500

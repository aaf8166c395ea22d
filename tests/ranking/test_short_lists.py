"""Every list that is empty or shorter than wanted has a note that states why and what to change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xcat_rec.cli.app import main
from xcat_rec.modeling_xcat import pipeline_xcat
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.modeling_xcat.pipeline_xcat import XCatPipeline
from xcat_rec.ranking.pipelines import pipeline
from xcat_rec.ranking.recommender import XCatRecommender

from .test_discovery import prepared


@pytest.fixture(scope="module")
def using() -> XCatRecommender:
    made = prepared()
    made.model.model.asks.view.fill_(1.0)
    return XCatRecommender(made.model, made.processor)


@pytest.fixture(scope="module")
def checkpoint(using: XCatRecommender, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("short")
    using.model.save_pretrained(folder)
    using.processor.save_pretrained(folder)
    return str(folder)


IDS = [f"item-{i:02d}" for i in range(40)]
ALL = "the catalogue has 40 items"
CASES: dict[str, tuple[list[str], dict[str, Any], int, str]] = {
    "everything seen": (IDS, {}, 0, f"no items: {ALL}, the history has 40 of them; give exclude_seen=False"),
    "no items wanted": (
        IDS[:1], {"only_items": []}, 0, f"no items: {ALL}, only_items keeps 0 of them; loosen only_items",
    ),
    "no items wanted by a new customer": (
        [], {"only_items": []}, 0, f"no items: {ALL}, only_items keeps 0 of them; loosen only_items",
    ),
    "wanted items seen": (
        IDS[:3], {"only_items": IDS[:3]}, 0,
        f"no items: {ALL}, only_items keeps 3 of them, the history has 3 of them; loosen only_items or give "
        "exclude_seen=False",
    ),
    "no categories wanted": (
        IDS[:1], {"only_categories": []}, 0,
        f"no items: {ALL}, only_categories keeps 0 of them; loosen only_categories",
    ),
    "every category known": (
        IDS[1::10], {"cross_category": True, "exclude_seen": False, "only_categories": ["boots"]}, 0,
        f"no items: {ALL}, only_categories keeps 10 of them, cross_category keeps 0 of them; loosen only_categories "
        "or leave cross_category out",
    ),
    "two filters": (
        ["item-01", "x"], {"only_categories": ["tents", "boots"], "exclude_categories": "boots"}, 10,
        f"only 10 of 30 items: {ALL}, only_categories and exclude_categories keep 11 of them, the history has 1 of "
        "them; loosen only_categories or exclude_categories or give exclude_seen=False",
    ),
}  # fmt: skip


@pytest.mark.parametrize("query", [None, "maps"])
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_notes(using: XCatRecommender, case: tuple[list[str], dict[str, Any], int, str], query: str | None) -> None:
    history, filters, size, note = case
    found = using.recommend(history, 30, query=query, **filters)
    assert len(found) == size and found.notes.count(note) == 1
    assert (found.basis == "none") == (size == 0)
    assert found.to_dict()["notes"] == found.notes and found.facts()["basis"] == found.basis
    assert not any("no recommendations" in one or "the history is empty" in one for one in found.notes if not size)


def test_more_than_the_catalogue_has(using: XCatRecommender) -> None:
    found = using.recommend(["x"], 50)
    assert found.notes[1:] == ["only 40 of 50 items: the catalogue has 40 items; give a smaller k"]
    assert found.basis == "popular" and using.recommend(["x"], 40).shortage is None
    whole = using.recommend(IDS, 40, exclude_seen=False)
    assert whole.shortage is None and whole.basis == "history"


def test_skipped_users(using: XCatRecommender) -> None:
    found = using.recommend([], on_unknown="skip")
    assert found.notes == ["no recommendations: the history is empty; give on_unknown='popular' for popular items"]


def test_pipelines_log_the_notes(using: XCatRecommender, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(pipeline_xcat.logger, "warning_once", logged.append)
    for recommend in (
        pipeline("item-recommendation", model=using.model, processor=using.processor),
        XCatPipeline(using.model, using.processor, task="item-recommendation"),
    ):
        logged.clear()
        assert recommend(IDS, k=3) == [] and recommend([], k=3, on_unknown="skip") == []
        assert logged == [CASES["everything seen"][3]]
        logged.clear()
        assert recommend([IDS[:2]], k=3, query=["帐篷"]) == recommend([IDS[:2]], k=3)
        assert logged[0].startswith("the query: 100% of the tokens are unknown") and len(logged) == 2
        logged.clear()
        assert recommend([[]], k=3, query=["maps"])[0][0]["words"] == ["maps"] and not logged
        assert recommend({"query": "maps"}, k=3) == recommend([[]], k=3, query=["maps"])[0], "no history"
        beside, alone = recommend([{"query": "maps"}, {"history": IDS[:1]}], k=3)[1], recommend(IDS[:1], k=3)
        assert [one["score"] for one in beside] == pytest.approx([one["score"] for one in alone], abs=1e-5)
        assert [one["item_id"] for one in beside] == [one["item_id"] for one in alone]
        assert recommend([], k=3, query="帐篷") == recommend([], k=3), "popular items"
        with pytest.raises(ValueError, match="explain is 'nonsense'; give True, False, 'history' or 'query'"):
            recommend([IDS[0]], explain="nonsense")
        by_query = recommend([IDS[:2]], k=40, query=["maps"], explain="query")[0]
        assert any("words" in item for item in by_query) and not any(item["because"] for item in by_query)


def shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Output and messages of a command, each in one line."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    found = capsys.readouterr()
    assert not stop.value.code, found.err
    return found.out, " ".join(found.err.split())


def test_the_command_line_names_its_options(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    output, told = shown(["recommend", checkpoint, "--history", ",".join(IDS), "--json"], capsys)
    assert json.loads(output.splitlines()[-1])["basis"] == "none"
    assert f"note: no items: {ALL}, the history has 40 of them; add --include-seen" in told
    _, told = shown(["recommend", checkpoint, "--history", "item-01", "-k", "20", "--only-category", "tents"], capsys)
    assert "--only-category keeps 11 of them, the history has 1 of them; loosen --only-category or add" in told


def test_users_without_a_row_have_a_note(checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users = tmp_path / "events.csv"
    lines = [f"full,{item},2024-01-01" for item in IDS] + ["some,item-01,2024-01-01"]
    users.write_text("\n".join(["user_id,item_id,timestamp", *lines]))
    arguments = ["recommend", checkpoint, "--users", str(users), "-k", "3", "--json"]
    output, told = shown([*arguments, "--output", str(tmp_path / "found.parquet")], capsys)
    assert json.loads(output.splitlines()[-1])["num_rows"] == 3
    assert f"note: no items: {ALL}" in told and "(1 of 2 users)" in told
    assert f"note: no items: {ALL}" in shown(arguments, capsys)[1]


def test_filters_of_many(using: XCatRecommender) -> None:
    lists = using.recommend_many([IDS, IDS[:1]], 2, filters=Filters())
    assert [found.shortage is None for found in lists] == [False, True]

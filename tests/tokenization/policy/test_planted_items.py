"""A part of the planted set of benchmarks/content_policy.py: none is shown, none is cited, all are queued."""

from __future__ import annotations

import sys

import pytest

from xcat_rec.ranking.recommender import XCatRecommender

from ...pages import ROOT
from ...ranking.test_live_policy import OTHERS, prepared


@pytest.mark.parametrize("language", ["en", "zh"])
def test_planted_items_are_neither_shown_nor_cited(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "planted_items", raising=False)
    import content_policy  # type: ignore[import-not-found]

    table = content_policy.planted(0).filter(language=language).gather_every(5)
    own = XCatRecommender(prepared().model, prepared().processor)
    own.policy = "standard"
    own.add_items(table.select("item_id", "title"))
    ids = set(table["item_id"])
    assert table.height == 50 and table.filter(table["way"] != "").height >= 5
    assert own.policy is not None and ids <= set(own.policy["items"])
    lists = own.recommend_many([OTHERS, []], 200)
    lists += own.recommend_many([[]] * table.height, 20, queries=table["title"].to_list())
    assert all(lists) and not ids & {item.item_id for listed in lists for item in listed}
    mixed = own.recommend_many([[*OTHERS, item] for item in sorted(ids)], 20)
    assert not ids & {reason.item_id for listed in mixed for item in listed for reason in item.because}
    assert any(item.because for listed in mixed for item in listed)

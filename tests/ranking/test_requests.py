"""Requests as callers send them: unknown users, times in every form, containers of every library, forks."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat.arguments_xcat import whole_number
from xcat_rec.modeling_xcat.filters_xcat import Filters, ItemFilter
from xcat_rec.modeling_xcat.popular_xcat import popular_rows
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.requests import read_requests
from xcat_rec.ranking.timed_history import read_timed_history
from xcat_rec.tokenization.tables.event_times import read_call_times
from xcat_rec.tokenization.tables.time_columns import read_times
from xcat_rec.tokenization.vocabulary import ItemVocabulary

from ..tiny_shop import COLD
from .test_recommender import HISTORIES, ids, prepared, recommender

HISTORY = ["item-03", "item-10", "item-17"]
SECONDS = [1_600_000_000, 1_600_003_600, 1_600_090_000]
MOMENTS = [datetime.fromtimestamp(second, UTC) for second in SECONDS]


def test_new_and_unknown_customers_get_popular_items_by_category() -> None:
    using = recommender()
    found = using.recommend(k=8)
    assert found == using.recommend([], 8)
    counts = using.model.model.items.item_counts
    rows = using.vocabulary.encode(ids(found))
    assert found.basis == "popular" and found.gaps_known is None and all(item.because == () for item in found)
    assert found[0].score == float(counts.max()) == float(counts[rows[0]])
    assert {item.category for item in found} == {"tents", "boots", "stoves", "maps", None}
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    assert using.recommend(["kite", "rope"], 8) == found
    assert found.notes == ["popular items of each category: the history is empty"]
    assert using.recommend([], 3, only_categories="maps") == using.recommend(["kite"], 40, only_categories="maps")[:3]
    assert {i.category for i in using.recommend([], 40, exclude_categories=["maps", "tents"])} == {
        "boots", "stoves", None
    }  # fmt: skip
    assert found.to_dict() == {
        "recommendations": [item.to_dict() for item in found], "basis": "popular", "unknown_items": 0,
        "gaps_known": None, "notes": ["popular items of each category: the history is empty"],
    }  # fmt: skip
    nobody = using.recommend(["kite"], on_unknown="skip")
    assert nobody == [] and nobody.basis == "none" and nobody.unknown_items == 1


def test_known_and_unknown_customers_of_one_call_keep_their_places() -> None:
    using = recommender()
    many = using.recommend_many([["kite"], HISTORY, [], ["rope", "item-22"]], 4, batch_size=1)
    assert [(found.basis, found.unknown_items) for found in many] == [
        ("popular", 1), ("history", 0), ("popular", 0), ("history", 1)
    ]  # fmt: skip
    assert ids(many[1]) == ids(using.recommend(HISTORY, 4))
    assert many[0] == many[2] == using.recommend([], 4)


def test_categories_get_places_in_proportion_to_their_events() -> None:
    codes, counts = torch.tensor([-1, -1, 0, 0, 0, 1, -1]), torch.tensor([0, 0, 10, 9, 8, 4, 3])
    allowed = torch.tensor([False] * 2 + [True] * 5)
    found = popular_rows(codes, counts, allowed, 5)
    assert found == [(2, 10.0), (3, 4.5), (5, 4.0), (6, 3.0), (4, pytest.approx(8 / 3))]
    assert [row for row, _ in popular_rows(torch.full((7,), -1), counts, allowed, 3)] == [2, 3, 4]
    nothing_bought = popular_rows(codes, torch.zeros(7, dtype=torch.long), allowed, 3)
    assert [row for row, _ in nothing_bought] == [2, 5, 6]  # one of each category first
    assert popular_rows(codes, counts, torch.zeros(7, dtype=torch.bool), 3) == []


@pytest.mark.parametrize(
    "named", [{"cross_category": True}, {"only_categories": ["tents"]}, {"exclude_categories": "tents"}]
)
def test_filters_by_category_need_a_catalogue_with_categories(named: dict[str, Any]) -> None:
    argument = next(iter(named))
    for table in (pa.table({"item_id": ["a"]}), pa.table({"item_id": ["a"], "category": pa.nulls(1, pa.string())})):
        catalogue = ItemFilter(ItemVocabulary(table), torch.device("cpu"))
        assert catalogue.allowed(Filters(exclude_categories=[])).all()
        with pytest.raises(
            ValueError, match=f"^{argument}: no item of the catalogue has a category; leave {argument}"
        ):
            catalogue.allowed(Filters(**named))


def times_of_every_kind() -> dict[str, Any]:
    naive = [moment.replace(tzinfo=None) for moment in MOMENTS]
    east = timezone(timedelta(hours=8))
    return {
        "seconds": SECONDS,
        "seconds as floats": [float(s) for s in SECONDS],
        "milliseconds": [s * 1000 for s in SECONDS],
        "numpy milliseconds": np.array(SECONDS) * 1000,
        "nanoseconds": [s * 10**9 for s in SECONDS],
        "datetimes without zone": naive,
        "datetimes of another zone": [moment.astimezone(east) for moment in MOMENTS],
        "pandas": pd.to_datetime(SECONDS, unit="s"),
        "pandas with zone": pd.Series(pd.to_datetime(SECONDS, unit="s", utc=True)),
        "pandas timestamps": [pd.Timestamp(s, unit="s") for s in SECONDS],
        "numpy datetimes": np.array(naive, dtype="datetime64[ns]"),
        "numpy datetime scalars": list(np.array(naive, dtype="datetime64[s]")),
        "polars": pl.Series(naive),
        "texts": [moment.isoformat() for moment in MOMENTS],
        "texts of numbers": [str(s) for s in SECONDS],
        "arrow": pa.array(naive),
    }


@pytest.mark.parametrize("kind", times_of_every_kind())
def test_times_of_every_kind_are_the_same_times(kind: str) -> None:
    assert read_requests([HISTORY], timestamps=[times_of_every_kind()[kind]]).timestamps == [SECONDS]


def test_times_may_be_unknown_and_are_dates_too() -> None:
    missing = [None, float("nan"), np.datetime64("NaT"), pd.NaT, pd.NA, MOMENTS[0]]
    assert read_call_times("timestamps", missing) == [None] * 5 + [SECONDS[0]]
    assert read_call_times("timestamps", [date(2020, 9, 13), None]) == [1_599_955_200, None]
    assert read_call_times("timestamps", []) == []


@settings(max_examples=50, deadline=None)
@given(times=st.lists(st.none() | st.integers(10**9, int(time.time()) + 80_000), min_size=1, max_size=5))
def test_whole_seconds_are_read_as_in_a_table(times: list[int | None]) -> None:
    assert read_call_times("timestamps", times) == read_times(pl.Series(times, dtype=pl.Float64)).values.to_list()
    assert all(value is None or type(value) is int for value in read_call_times("timestamps", times))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([SECONDS[0], MOMENTS[0], None], "timestamps mixes numbers, texts and dates"),
        ([SECONDS[0], SECONDS[1] * 1000, SECONDS[2] * 1000], "timestamps: 1 of 3 times are not in milliseconds"),
        (["2020-01-01", "yesterday", "2020-01-02"], "timestamps: 1 of 3 times are not times"),
        ([-5, 3, 4], "timestamps: 1 of 3 times are not times"),
        ([True, 3, 4], "timestamps has a value of type bool, which is not a time"),
        ([4e9, 4e9, 4e9], "timestamps: 3 of 3 times are in the future"),
        (SECONDS[:2], "timestamps of history 0 has 2 entries for 3 events"),
        (SECONDS[0], "timestamps of history 0 is a list of values, one per event; got a value of type int"),
        ([SECONDS[1], None, SECONDS[0]], "timestamps of history 0 do not ascend and 1 of 3 are missing"),
    ],
)
def test_times_that_cannot_be_read_are_refused_by_name(times: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        recommender().recommend(HISTORY, timestamps=times)


def test_events_are_sorted_by_times_that_do_not_ascend() -> None:
    using = recommender()
    details: dict[str, Any] = {"ratings": [5.0, None, 1.0], "event_types": ["buy", "view", "buy"]}
    expected = using.recommend(HISTORY, 5, timestamps=SECONDS, **details)
    turned = {name: values[::-1] for name, values in details.items()}
    found = using.recommend(HISTORY[::-1], 5, timestamps=SECONDS[::-1], **turned)
    assert found == expected and found.sorted_by_time and not expected.sorted_by_time
    assert found.notes == ["the events were sorted by their times, which did not ascend"]
    same = read_requests([["b", "a", "c"]], timestamps=[[5, 5, 5]])
    assert same.histories == [["b", "a", "c"]] and not same.sorted_by_time


def test_a_result_says_whether_time_gaps_are_known() -> None:
    using = recommender()
    assert using.recommend(HISTORY, 3, timestamps=SECONDS).gaps_known is True
    without = using.recommend(HISTORY, 3)
    assert without.gaps_known is False and without.notes == [], "a request without times is an ordinary one"
    some = using.recommend(HISTORY, 3, timestamps=[None, *SECONDS[1:]])
    assert some.gaps_known is False and some.notes == [
        "time gaps are unknown to the model: not every event has a time; give timestamps= for all events"
    ]
    assert {i.score for i in without} != {i.score for i in using.recommend(HISTORY, 3, timestamps=SECONDS)}
    config = using.model.config
    gaps, config.num_time_gap_buckets = config.num_time_gap_buckets, 0
    try:
        assert using._gaps_known(read_requests([HISTORY]), 0) is None  # a model that reads no gaps
    finally:
        config.num_time_gap_buckets = gaps


def test_the_processor_takes_seconds_and_nothing_else() -> None:
    processor = prepared("transformer").processor
    for times in ([s * 1000 for s in SECONDS], MOMENTS):
        with pytest.raises(ValueError, match="timestamps of history 0: 3 of 3 are not seconds since 1970"):
            processor([HISTORY], timestamps=[times])


def test_containers_of_every_library_are_taken() -> None:
    using = recommender()
    expected = using.recommend(HISTORY, 5, ratings=[5, None, 1])
    for container in (tuple, iter, np.array, pd.Series, pd.Index, pl.Series, pa.array):
        assert using.recommend(container(HISTORY), 5, ratings=[5, np.nan, np.float32(1)]) == expected
    assert using.recommend(HISTORY, 5.0, ratings=pd.array([5, None, 1], dtype="Int64")) == expected  # type: ignore[arg-type]
    assert using.recommend(HISTORY, np.int64(5), ratings=np.array([5, np.nan, 1])) == expected
    together = using.recommend_many(pd.Series([HISTORY, HISTORIES[1]]), np.array(5), batch_size=np.int8(1))
    assert together[0] == using.recommend(HISTORY, 5)
    assert whole_number("k", np.float64(7)) == 7


def test_ids_are_read_as_those_of_tables_are() -> None:
    read = read_requests([[7, 7.0, np.int64(7), np.float32(7), " 7 ", np.str_("7")]])
    assert read.histories == [["7"] * 6]
    for bad in (2.0**53, True, b"7", 7.5):
        with pytest.raises(ValueError, match="history 0 has no item id at place 0"):
            read_requests([[bad]])


def test_cold_boost_moves_cold_items_alone(tmp_path: Any) -> None:
    using = recommender()
    using.cold_boost = 0.5
    try:
        before = {item.item_id: item.score for item in using.recommend(HISTORY, 40)}
        boosted = using.recommend(HISTORY, 40, cold_boost=100)
        assert boosted[0].item_id == f"item-{COLD}"
        after = {item.item_id: item.score for item in boosted}
        moved = {item: after[item] - score for item, score in before.items()}
        assert moved.pop(f"item-{COLD}") == pytest.approx(99.5, abs=1e-3)
        assert all(change == pytest.approx(0, abs=1e-4) for change in moved.values())
        using.cold_boost = 100
        assert ids(using.recommend(HISTORY, 40)) == ids(boosted)
        rows = using.processor.history_rows([HISTORY])
        assert using.score_rows(rows).argmax() == using.vocabulary.encode([f"item-{COLD}"])[0]
        using.model.save_pretrained(tmp_path)
        using.processor.save_pretrained(tmp_path)
        assert XCatRecommender.from_pretrained(tmp_path).cold_boost == 100
        with pytest.raises(ValueError, match="cold_boost is inf; give a number"):
            using.cold_boost = float("inf")
    finally:
        using.cold_boost = 0.0


@pytest.mark.parametrize("name", ["transformer", "dot"])
def test_products_of_embeddings_are_the_base_scores(name: str) -> None:
    using = recommender(name)
    base = using.model.model
    items = using.item_embeddings()
    users = using.user_embeddings(HISTORIES, batch_size=3)
    assert items.ids == using.vocabulary.table["item_id"].to_pylist() == using.column_ids[2:]
    assert items.vectors.shape == (40, 32) and users.shape == (4, 32) and items.vectors.dtype == np.float32
    states, _, _ = base.encode_queries(**using.processor(HISTORIES))
    expected = base.first_stage(states, None, cold_boost=0.0).scores(base.item_side(base.items().float()))[:, 2:]
    np.testing.assert_allclose(users @ items.vectors.T, expected.detach(), atol=1e-4)
    if name == "transformer":
        np.testing.assert_allclose(np.linalg.norm(items.vectors, axis=1), 1, atol=1e-5)
    timed = using.user_embeddings([HISTORY], timestamps=[SECONDS])
    assert np.abs(timed - using.user_embeddings([HISTORY])).max() > 1e-4
    assert using.user_embeddings([]).shape == (0, 32)
    with pytest.raises(ValueError, match="histories: 2 of 3 have no item of the catalogue"):
        using.user_embeddings([["kite"], HISTORY, []])


def test_a_history_in_one_line_may_have_times() -> None:
    shop = ItemVocabulary(pa.table({"item_id": ["a", "b@home", "c@2024-01-31"]}))
    for entries, items, times in [
        (["a", "b@home"], ["a", "b@home"], None),
        (["a@2024-01-31", "b@home@2024-02-01T12:00"], ["a", "b@home"], [1_706_659_200, 1_706_788_800]),
        (["a@1706659200", "a"], ["a", "a"], [1_706_659_200, None]),
        (["a@1706659200000"], ["a"], [1_706_659_200]),
        (["a@20240131"], ["a"], [1_706_659_200]),
        (["c@2024-01-31"], ["c@2024-01-31"], None),  # an id of the catalogue
        (["d@2024-01-31@"], ["d@2024-01-31"], None),  # an id that is not there, and no time
        (["c@2024-01-31@2024-01-31"], ["c@2024-01-31"], [1_706_659_200]),
        (["@a", "x@123"], ["@a", "x@123"], None),
        (["a@13/12/2009 10:33"], ["a"], [1_260_700_380]),
    ]:
        assert read_timed_history(entries, shop) == (items, times)
    with pytest.raises(ValueError, match="the times of the history: 1 of 1 times are not times"):
        read_timed_history(["a@2024-31-01"], shop)
    with pytest.raises(ValueError, match="the times of the history: 1 of 1 times are not times"):
        read_timed_history(["a@home"], shop)  # the id is there, so the rest is meant as a time


FORK = """
import os, signal, sys
import torch
from xcat_rec.ranking.recommender import XCatRecommender

torch.set_num_threads(4)
torch.rand(2000, 2000) @ torch.rand(2000, 2000)
recommender = XCatRecommender.from_pretrained(sys.argv[1])
history = ["item-03", "item-10"]
first = [item.item_id for item in recommender.recommend(history, 5)]
child = os.fork()
if not child:
    signal.alarm(60)
    torch.rand(2000, 2000) @ torch.rand(2000, 2000)
    timed = recommender.recommend(history, 5, timestamps=["2024-01-31", "2024-02-03"])
    again = [item.item_id for item in recommender.recommend(history, 5)]
    os._exit(0 if again == first and timed.gaps_known and torch.get_num_threads() == 1 else 3)
_, status = os.waitpid(child, 0)
assert torch.get_num_threads() == 4
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_process_answers(tmp_path: Any) -> None:
    """As gunicorn --preload does: load, answer once, fork, answer in the child; with several threads in the parent."""
    prepared("transformer").model.save_pretrained(tmp_path)
    prepared("transformer").processor.save_pretrained(tmp_path)
    threads = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path)], env={**threads, "OMP_NUM_THREADS": "4"}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_request_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        recommender().recommend_many([["kite"], ["item-03", "rope"], []], 2)
    assert not caplog.records


def test_categories_are_filtered_regardless_of_case() -> None:
    using = recommender()
    for name in ("only_categories", "exclude_categories"):
        found = [using.recommend(HISTORY, 40, **{name: given}) for given in ("maps", " MAPS", ["Maps"])]
        assert found[0] == found[1] == found[2] and len(found[0]) > 5
    assert using.recommend([], 3, only_categories="Maps") == using.recommend([], 3, only_categories="maps")
    table = pa.table({"item_id": ["a", "b", "c"], "category": ["Tents", "tents", "straße"]})
    filters = ItemFilter(ItemVocabulary(table), torch.device("cpu"))
    assert filters.allowed(Filters(only_categories="TENTS"))[2:].tolist() == [True, True, False]
    assert filters.allowed(Filters(exclude_categories="STRASSE"))[2:].tolist() == [True, True, False]
    hidden = torch.zeros(1, 5)
    across = Filters(exclude_seen=False, cross_category=True)
    filters.hide(across, [[2]])(hidden, 0)
    assert hidden[0, 2:].tolist() == [-torch.inf, 0.0, 0.0]


def test_texts_with_half_a_character_are_read() -> None:
    read = read_requests([["a"]], texts=["tent \ud83c"], event_texts=[["\udf92"]])
    assert read.texts == [["tent \ufffd"]] and read.event_texts == [["\ufffd"]]

"""`prepare` reads chunks like `fit` reads the whole table: decimal commas, units of times, order of dates."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.tokenization.out_of_core.chunks import ChunkReading, cut_chunks, merge_facts, read_chunk
from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.tables.event_times import event_columns, exact_time
from xcat_rec.tokenization.tables.problems import TableError
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.tokenization.tables.table_columns import MICROSECOND
from xcat_rec.tokenization.vocabulary import VOCABULARY_FILE

ITEMS = pl.DataFrame({"item_id": ["A", "B"], "title": ["Tent", "Lamp"]})
Outcome = tuple[pl.DataFrame | None, set[tuple[str, int]] | set[str]]
"""The events and their issues with rows; without events the fatal issues."""


def in_chunks(events: pl.DataFrame, folder: Path, time_format: str | None) -> Outcome:
    """The events as `prepare` reads them, in chunks of two rows."""
    ITEMS.write_parquet(folder / "items.parquet")
    events.write_parquet(folder / "events.parquet", row_group_size=2)
    try:
        inputs = PreparationInputs(
            items=folder / "items.parquet", events=folder / "events.parquet", time_format=time_format
        )
        tables = inputs.write_tables(folder, folder)
        vocabulary = str(folder / VOCABULARY_FILE)
        reading = ChunkReading(vocabulary, tables.columns, "error", tables.style, tables.time_format)
        read = [read_chunk(chunk, reading) for chunk in cut_chunks(tables.events, 2)]
        facts = merge_facts((found for _, found in read), "shop")
    except TableError as error:
        return None, {problem.kind for problem in error.problems if problem.fatal}
    log = pl.concat([part for part, _ in read], how="diagonal")
    noted = {(problem.kind, problem.count) for problem in [*tables.problems, *facts.problems]}
    return _plain(log), noted


def whole(events: pl.DataFrame, time_format: str | None) -> Outcome:
    """The events as `fit` reads them."""
    try:
        shop = validate_tables(ITEMS, events, time_format=time_format)
    except TableError as error:
        return None, {problem.kind for problem in error.problems if problem.fatal}
    # Found in the partitions, where all events of a user are together.
    later = ("repeated_event", "single_event_user")
    noted = {(problem.kind, problem.count) for problem in shop.problems if problem.kind not in later}
    return _plain(shop.events), noted


def _plain(log: pl.DataFrame) -> pl.DataFrame:
    ours = [name for name in event_columns(log) if name != MICROSECOND]  # a chunk without fractions lacks it
    return log.select(*ours, exact=exact_time(log))


def agree(events: pl.DataFrame, time_format: str | None = None) -> Outcome:
    """Both outcomes, which are the same."""
    with tempfile.TemporaryDirectory() as folder:
        chunks = in_chunks(events, Path(folder), time_format)
    in_memory = whole(events, time_format)
    assert chunks[1] == in_memory[1]
    assert (chunks[0] is None) == (in_memory[0] is None)
    assert chunks[0] is None or chunks[0].equals(in_memory[0])
    return in_memory


RATINGS = st.sampled_from(["4,5", "4.5", "3", "1,234", "1.234,5", "nan", "", "good", ",5", None])
SECONDS, DAY = 1_706_659_200, "%d/%m/%Y"
TIMES = {
    "seconds": st.integers(SECONDS, SECONDS + 10**6).map(str),
    "milliseconds": st.integers(SECONDS * 1000, SECONDS * 1000 + 10**9).map(str),
    "decimals": st.sampled_from([f"{SECONDS}.5", f"{SECONDS},25", f"{SECONDS}"]),
    "days": st.sampled_from(["40148.5", "40149", "45000,25"]),
    "compact": st.sampled_from(["20240131", "20240201", "20240230"]),
    "months": st.sampled_from(["202401", "202312"]),
    "dates": st.sampled_from(["01/02/2024", "03/04/2024", "13/02/2024", "01/14/2024"]),
    "ISO 8601": st.sampled_from(["2024-01-31", "2024-01-31T12:00:00.5Z"]),
    "old": st.sampled_from(["5", "70000", "-3"]),
}


@st.composite
def logs(draw: st.DrawFn) -> tuple[pl.DataFrame, str | None]:
    kinds = draw(st.lists(st.sampled_from(list(TIMES)), min_size=1, max_size=2, unique=True))
    time = st.one_of([TIMES[kind] for kind in kinds])
    rows = draw(st.lists(st.tuples(time, RATINGS, st.sampled_from(["1", "-1", "1,5"])), min_size=3, max_size=9))
    events = pl.DataFrame(
        {
            "user_id": [f"u{place % 2}" for place in range(len(rows))], "item_id": ["A"] * len(rows),
            **{name: [row[place] for row in rows] for place, name in enumerate(("timestamp", "rating", "quantity"))},
        },
        schema_overrides=dict.fromkeys(("timestamp", "rating", "quantity"), pl.String),
    )  # fmt: skip
    if draw(st.booleans()):
        numbers = events["timestamp"].cast(pl.Float64, strict=False)
        events = events.with_columns(numbers) if not numbers.null_count() else events
    return events, draw(st.sampled_from([None, None, "day-first", "excel", DAY]))


@given(logs())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_chunks_are_read_like_the_whole_table(log: tuple[pl.DataFrame, str | None]) -> None:
    agree(*log)


def table(times: list[str], ratings: list[str]) -> pl.DataFrame:
    users = ["u", "v"] * (len(times) // 2)
    return pl.DataFrame({"user_id": users, "item_id": ["A"] * len(users), "timestamp": times, "rating": ratings})


def test_decimal_commas_are_detected_in_the_whole_table() -> None:
    times = [str(SECONDS + place) for place in range(4)]
    events, noted = agree(table(times, ["1,234", "3", "4,5", "2"]))
    assert events is not None and events["rating"].to_list() == [1.234, 3, 4.5, 2]
    assert ("decimal_comma", 2) in noted
    thousands, noted = agree(table(times, ["1,234", "3", "4.5", "2"]))
    assert thousands is not None and thousands["rating"].to_list() == [None, 3, 4.5, 2]
    assert ("not_numeric", 1) in noted


@pytest.mark.parametrize("last", ["1706659203", "1706659203000"])
def test_units_are_detected_in_the_whole_table(last: str) -> None:
    times = ["1706659200000", "1706659201000", "1706659202000", last]
    events, noted = agree(table(times, ["1"] * 4))
    if last == "1706659203":
        assert events is None and noted == {"mixed_timestamp_units"}
    else:
        assert events is not None and events["timestamp"].to_list() == [SECONDS + place for place in range(4)]
        assert ("timestamp_unit", 4) in noted


def test_files_of_numbers_and_of_texts_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    ITEMS.write_parquet(tmp_path / "items.parquet")
    times = [1_706_659_200_000, 1_706_659_201_000]
    for name, kind in (("a", pl.Int64), ("b", pl.String)):
        log = table(list(map(str, times)), ["1,5", "2"]).with_columns(pl.col("timestamp").cast(kind))
        log.write_parquet(tmp_path / "events" / f"{name}.parquet")
    tables = PreparationInputs(tmp_path).write_tables(tmp_path, tmp_path)
    reading = ChunkReading(str(tmp_path / VOCABULARY_FILE), style=tables.style)
    for chunk in cut_chunks(tables.events):
        events, _ = read_chunk(chunk, reading)
        assert events["timestamp"].to_list() == [SECONDS, SECONDS + 1]
        assert events["rating"].to_list() == [1.5, 2]

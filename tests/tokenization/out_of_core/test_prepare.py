"""Out-of-core preparation gives the rows of the in-memory code: any split, process and engine, after a kill too."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xcat_rec.cli.app import main
from xcat_rec.tokenization.out_of_core import chunks as event_chunks
from xcat_rec.tokenization.out_of_core import local_engine, prepare, ray_engine
from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.out_of_core.prepare import PrepareOptions, prepare_tables
from xcat_rec.tokenization.out_of_core.prepared_folder import WORK, is_prepared, load_prepared, open_prepared
from xcat_rec.tokenization.sequences.build import build_splits
from xcat_rec.tokenization.sequences.event_options import EventOptions
from xcat_rec.tokenization.sequences.filters import filter_events
from xcat_rec.tokenization.sequences.held_out_items import choose_cold_items, without_items
from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.tables.schema import TableError, validate_tables
from xcat_rec.tokenization.text.vocabulary_texts import items_table
from xcat_rec.tokenization.vocabulary import ItemVocabulary

from ...fresh_processes import run_program
from ...ray_cluster import two_nodes
from ...tiny_shop import events_table, save_text_encoder
from ...tiny_shop import items_table as shop_items

try:
    import ray
except ImportError:
    ray = None


def rows_of(splits) -> dict[str, list[dict[str, object]]]:
    """Rows of each split by user; NaN as None."""
    plain = {name: splits[name].to_polars() for name in ("train", "validation", "test")}
    return {name: json.loads(table.sort("user_id").write_json()) for name, table in plain.items()}


def in_memory(items: pl.DataFrame, events: pl.DataFrame, options: PrepareOptions, unknown: str = "error"):
    shop = filter_events(
        validate_tables(items, events, on_unknown_items=unknown), repeats=options.repeats,
        min_user_events=options.min_user_events, min_item_events=options.min_item_events,
        session_gap=options.session_gap,
    )  # fmt: skip
    vocabulary = ItemVocabulary(items_table(shop.items))
    splits = build_splits(
        shop, vocabulary, shop.event_type_names(), split=options.split, tie_policy=options.tie_policy,
        seed=options.seed, max_history=options.max_history,
    )  # fmt: skip
    cold = choose_cold_items(splits["train"], options.cold_items, options.cold_policy, options.seed)
    if len(cold):
        splits["train"] = without_items(splits["train"], cold)
    return splits


def catalogue_of(options: PrepareOptions, events: pl.DataFrame) -> list[str]:
    shop = validate_tables(shop_items(), events)
    names = ("repeats", "min_user_events", "min_item_events")
    return filter_events(shop, **{name: getattr(options, name) for name in names}).items["item_id"].to_list()


def write(folder: Path, items: pl.DataFrame, events: pl.DataFrame, group: int = 16) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    items.write_parquet(folder / "items.parquet")
    events.write_parquet(folder / "events.parquet", row_group_size=group)
    return folder


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of some 50 events and partitions of some 100, so that a tiny data set has many of both."""
    monkeypatch.setattr(prepare, "PARTITION_EVENTS", 100)
    cut = event_chunks.cut_chunks
    monkeypatch.setattr(prepare, "cut_chunks", lambda paths: cut(paths, 50))


def shuffled() -> pl.DataFrame:
    """Events with ties, baskets, marks and splits, users mixed."""
    events = events_table().sample(fraction=1, shuffle=True, seed=3)
    index = pl.int_range(pl.len())
    return events.with_columns(
        timestamp=pl.col("timestamp") // 200_000 * 200_000,
        basket_id=pl.when(index % 3 > 0).then(pl.col("timestamp").cast(pl.String) + (index % 2).cast(pl.String)),
        order=(index * 7) % 5,
        split=pl.Series(["train"] * 6 + ["valid", "Test"]).gather(
            pl.select(pl.int_range(events.height) % 8).to_series()
        ),
        is_target=index % 5 == 0,
    )


OPTIONS = [
    PrepareOptions("user-level"),
    PrepareOptions("leave-one-out"),
    PrepareOptions("leave-one-out", "shuffle", seed=5, max_history=3),
    PrepareOptions("last-basket"),
    PrepareOptions("last-basket", "shuffle", seed=1),
    PrepareOptions("global-time"),
    PrepareOptions("global-time", "shuffle", seed=2, max_history=2),
    PrepareOptions("auto"),
    PrepareOptions("leave-one-out", repeats="first", min_user_events=5, min_item_events=4),
    PrepareOptions("global-time", "shuffle", seed=4, repeats="collapse", min_user_events=3, min_item_events=6),
    PrepareOptions("last-basket", session_gap=200_000, min_item_events=8, cold_items=0.2),
    PrepareOptions("cold-items"),
    PrepareOptions("cold-items", "shuffle", seed=3, min_user_events=7),
    PrepareOptions("leave-one-out", seed=6, cold_items=0.3, cold_policy="newest"),
    PrepareOptions("auto", repeats="first", cold_items=0.1, min_item_events=1),
]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_rows_match_the_in_memory_code(options, tmp_path):
    events = shuffled()
    data = write(tmp_path / "shop", shop_items(), events)
    prepared = prepare_tables(PreparationInputs(data), tmp_path / "out", options, progress=False)
    expected = in_memory(shop_items(), events, options)
    assert prepared.manifest["partitions"] > 3
    assert rows_of(prepared.splits()) == rows_of(expected)
    assert prepared.vocabulary().table["item_id"].to_pylist() == catalogue_of(options, events)
    assert {name: len(split) for name, split in expected.items()} == prepared.manifest["rows"]
    assert sum(prepared.manifest["rows"].values()) > 50
    assert not (tmp_path / "out" / WORK).exists()


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_times_within_a_second_keep_their_order(options, tmp_path):
    # Whole seconds in the first chunks, six tenths of a second to choose from in the others.
    place = pl.int_range(pl.len())
    tenths = pl.when(place < 110).then(0).otherwise(place * 7 % 6)
    events = shuffled().with_columns(timestamp=(pl.col("timestamp") * 10 + tenths) * 100)
    data = write(tmp_path / "shop", shop_items(), events)
    prepared = prepare_tables(PreparationInputs(data), tmp_path / "out", options, progress=False)
    assert rows_of(prepared.splits()) == rows_of(in_memory(shop_items(), events, options))
    if "split" in options.split or options.split == "auto":
        return
    floored = events.with_columns(pl.col("timestamp") // 1000)
    assert rows_of(prepared.splits()) != rows_of(in_memory(shop_items(), floored, options))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 6), st.integers(0, 3), st.integers(0, 9), st.sampled_from([None, "a", "b"]),
            st.booleans(), st.sampled_from(["train", "train", "valid", "test"]),
        ),
        min_size=4, max_size=40,
    ),
    options=st.sampled_from([
        *OPTIONS,
        PrepareOptions("column"),
        PrepareOptions("column", "shuffle", min_user_events=2, min_item_events=2),
        PrepareOptions("cold-items", min_item_events=3),
        PrepareOptions("leave-one-out", "shuffle", repeats="first", cold_items=0.4),
    ]),
)  # fmt: skip
@pytest.mark.usefixtures("small_pieces")
def test_any_events(rows, options, tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    schema = {
        "user_id": pl.Int64, "item_id": pl.Int64, "timestamp": pl.Int64, "basket_id": pl.String,
        "is_target": pl.Boolean, "split": pl.String,
    }  # fmt: skip
    events = pl.DataFrame(rows, schema=schema, orient="row")
    items = pl.DataFrame({"item_id": [0, 1, 2], "title": ["a", "b", "c"]})
    try:
        expected = in_memory(items, events, options, "drop")
    except ValueError:
        expected = None
    data = write(folder / "shop", items, events, group=2)
    inputs = PreparationInputs(data, on_unknown_items="drop")
    if expected is None or not len(expected["train"]):
        with pytest.raises(ValueError, match=r"no event|leaves no user|none of \d+"):
            prepare_tables(inputs, folder / "out", options, progress=False)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "PARTITION_EVENTS", 5)
        patch.setattr(prepare, "cut_chunks", lambda paths: event_chunks.cut_chunks(paths, 4))
        prepared = prepare_tables(inputs, folder / "out", options, progress=False)
    assert rows_of(prepared.splits()) == rows_of(expected)


def test_blocks_of_a_cluster_have_one_schema(tmp_path):
    ItemVocabulary(items_table(validate_tables(shop_items(), events_table()).items)).save(tmp_path)
    later = (pl.int_range(pl.len()) >= 60).cast(pl.Int64)
    events = events_table().with_columns(timestamp=pl.col("timestamp") * 1000 + 250 * later)
    events.head(120).write_parquet(tmp_path / "events.parquet", row_group_size=60)
    chunks = event_chunks.cut_chunks([tmp_path / "events.parquet"], 60)
    reading = event_chunks.ChunkReading(str(tmp_path / "items.arrow"))
    blocks = [ray_engine._events_of(pa.table({"number": [number]}), chunks, reading, 2, set()) for number in range(2)]
    assert pa.concat_tables(blocks)["_microsecond"].to_pylist() == [None] * 60 + [250_000] * 60


@pytest.mark.usefixtures("small_pieces")
def test_two_processes_give_the_files_of_one(tmp_path):
    data = write(tmp_path / "shop", shop_items(), shuffled())
    for processes in (1, 2):
        prepare_tables(PreparationInputs(data), tmp_path / str(processes), num_proc=processes, progress=False)
    one, two = ({p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.parquet")} for n in "12")
    assert one == two and len(one) > 12


KILLED = """
import os, signal, sys
from pathlib import Path
from xcat_rec.tokenization.out_of_core import chunks as event_chunks, local_engine, prepare as preparing
from xcat_rec.tokenization.sequences.held_out_items import choose_cold_items, without_items
from xcat_rec.tokenization.sequences.filters import filter_events
from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs

preparing.PARTITION_EVENTS = 100
cut = event_chunks.cut_chunks
preparing.cut_chunks = lambda paths: cut(paths, 50)
finish = preparing.finish_partition

def dying(events, number, plan, output):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return finish(events, number, plan, output)

preparing.finish_partition = dying
preparing.prepare_tables(PreparationInputs(sys.argv[1]), Path(sys.argv[2]), progress=False)
"""


@pytest.mark.usefixtures("small_pieces")
def test_resumes_after_a_kill(tmp_path, monkeypatch):
    data, output = write(tmp_path / "shop", shop_items(), shuffled()), tmp_path / "out"
    died = run_program(KILLED, str(data), str(output))
    assert died.returncode == -signal.SIGKILL
    assert is_prepared(output) and len(list((output / WORK).glob("part-*.json"))) == 3
    with pytest.raises(ValueError, match="unfinished preparation; run the same xcat prepare again"):
        open_prepared(output)
    with pytest.raises(ValueError, match="other tables or with other options"):
        prepare_tables(PreparationInputs(data), output, PrepareOptions(seed=9), progress=False)
    before = {path: path.stat().st_mtime_ns for path in output.glob("*/part-*.parquet")}
    read: list[int] = []
    real = local_engine.read_chunk
    monkeypatch.setattr(local_engine, "read_chunk", lambda *args: read.append(1) or real(*args))
    prepared = prepare_tables(PreparationInputs(data), output, progress=False)
    assert not read  # all chunks had been distributed
    assert len(before) == 9 and all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert rows_of(prepared.splits()) == rows_of(in_memory(shop_items(), shuffled(), PrepareOptions()))
    again = prepare_tables(PreparationInputs(data), output, progress=False)
    assert again.manifest == prepared.manifest


def test_other_tables_have_another_hash(tmp_path):
    data = write(tmp_path / "shop", shop_items(), shuffled())
    prepare_tables(PreparationInputs(data), tmp_path / "out", progress=False)
    write(data, shop_items(), shuffled().reverse())
    with pytest.raises(ValueError, match="overwrite=True"):
        prepare_tables(PreparationInputs(data), tmp_path / "out", progress=False)
    prepared = prepare_tables(PreparationInputs(data), tmp_path / "out", overwrite=True, progress=False)
    assert rows_of(prepared.splits()) == rows_of(in_memory(shop_items(), shuffled().reverse(), PrepareOptions()))


def test_formats_that_are_not_streamed(tmp_path):
    (tmp_path / "shop").mkdir()
    shop_items().write_csv(tmp_path / "shop" / "items.csv")
    events = (
        shuffled().with_columns(timestamp=pl.col("timestamp") * 1000 + pl.int_range(pl.len()) * 7 % 10).drop("split")
    )
    events.write_csv(tmp_path / "shop" / "events.csv")
    inputs = PreparationInputs(tmp_path / "shop")
    assert not inputs.streamed
    prepared = prepare_tables(inputs, tmp_path / "out", progress=False)
    assert rows_of(prepared.splits()) == rows_of(in_memory(shop_items(), events, PrepareOptions()))


LATE = (pl.int_range(pl.len()) > 100).cast(pl.Int64)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda e: e.with_columns(item_id=pl.lit("kite")), {}, "rows have an item"),
        (lambda e: e.with_columns(timestamp=pl.when(LATE == 1).then("timestamp")), {}, "no time"),
        (lambda e: e.with_columns(timestamp=pl.col("timestamp") * (1 + 999 * LATE)), {}, "another unit"),
        (lambda e: e.with_columns(split=pl.lit(None)), {"split": "column"}, "rows have no value"),
        (lambda e: e.with_columns(split=pl.lit("holdout")), {"split": "column"}, "'xxxxxxx'"),
        (lambda e: e.with_columns(timestamp=None, order=LATE), {"split": "global-time"}, "needs one for every event"),
        (lambda e: e.unique("user_id"), {}, "leaves no user with two training events"),
    ],
)  # fmt: skip
def test_bad_input_leaves_nothing(change, options, message, tmp_path):
    data = write(tmp_path / "shop", shop_items(), change(events_table()))
    with pytest.raises(ValueError, match=message):
        prepare_tables(PreparationInputs(data), tmp_path / "out", PrepareOptions(**options), progress=False)
    assert not (tmp_path / "out").exists()


def test_issues_match_the_in_memory_code(tmp_path, monkeypatch):
    events = pl.concat([events_table(), events_table().head(3)]).with_columns(rating=pl.lit("good"))
    expected = {(p.kind, p.column, p.count) for p in validate_tables(shop_items(), events).problems}
    data = write(tmp_path / "shop", shop_items(), events)
    monkeypatch.setattr(prepare, "PARTITION_EVENTS", 100)
    monkeypatch.setattr(prepare, "cut_chunks", lambda paths: event_chunks.cut_chunks(paths, 50))
    prepared = prepare_tables(PreparationInputs(data), tmp_path / "out", progress=False)
    assert {(p.kind, p.column, p.count) for p in prepared.problems()} == expected
    assert ("repeated_event", "", 3) in expected


@pytest.mark.parametrize("options", [{}, {"min_user_events": 2}], ids=["all events", "filtered"])
@pytest.mark.parametrize("listed", [True, False], ids=["items table", "derived items"])
@pytest.mark.parametrize("change", ["unique", "one repeated", "few"])
def test_unique_items_are_noted_as_in_memory(listed, options, change, tmp_path, monkeypatch):
    numbered = pl.format("line-{}", pl.int_range(pl.len()))
    events = events_table().head(5 if change == "few" else 40).with_columns(item_id=numbered)
    items = pl.DataFrame({"item_id": [f"line-{number}" for number in range(60)], "title": "tent"}) if listed else None
    if change == "one repeated":
        events = events.with_columns(item_id=pl.col("item_id").replace("line-39", "line-0"))
    events = events.rename({"item_id": "line"})
    items = None if items is None else items.rename({"item_id": "line"})
    (tmp_path / "shop").mkdir()
    for name, table in (("items", items), ("events", events)):
        if table is not None:
            table.write_parquet(tmp_path / "shop" / f"{name}.parquet")
    columns = {"item_id": "line"}
    expected = [str(problem) for problem in load_shop(tmp_path / "shop", columns=columns).problems]
    assert any("has its own item" in note for note in expected) == (change == "unique")
    monkeypatch.setattr(prepare, "cut_chunks", lambda paths: event_chunks.cut_chunks(paths, 15))
    inputs = PreparationInputs(tmp_path / "shop", columns=columns)
    assert inputs.streamed
    made = prepare_tables(inputs, tmp_path / "out", PrepareOptions(**options), progress=False)
    assert [str(p) for p in made.found if p.kind == "unique_items"] == [n for n in expected if "its own item" in n]
    loaded = PreparationInputs(load_shop(tmp_path / "shop", columns=columns))
    again = prepare_tables(loaded, tmp_path / "again", PrepareOptions(**options), progress=False)
    assert [p.count for p in again.found if p.kind == "unique_items"] == [40] * (change == "unique")


def test_command(tmp_path, capsys):
    data = write(tmp_path / "shop", shop_items(), events_table())
    with pytest.raises(SystemExit) as stop:
        main(["prepare", str(data), "--output", str(tmp_path / "out"), "--split", "leave-one-out", "--json"])
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    told = json.loads(shown.out.splitlines()[-1])
    assert told["rows"] == {"train": 60, "validation": 60, "test": 60} and told["users"] == 60
    shop = load_prepared(tmp_path / "out")
    assert shop.made_split == "leave-one-out" and shop.card.users == 60 and len(shop.sequences["test"]) == 60
    with pytest.raises(SystemExit) as stop:
        main(["prepare", str(data), "--output", str(data / "items.parquet")])
    assert stop.value.code == 2 and "is a file; give a folder" in capsys.readouterr().err


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with two_nodes():
        yield


@pytest.mark.slow
@pytest.mark.skipif(ray is None, reason="Ray is not installed: pip install 'xcat-rec[ray]'")
@pytest.mark.usefixtures("small_pieces", "cluster")
@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[9], OPTIONS[10], OPTIONS[12]], ids=str)
def test_two_ray_nodes_give_the_files_of_one_process(options, tmp_path):
    data = write(tmp_path / "shop", shop_items(), shuffled())
    for engine in ("local", "ray"):
        prepare_tables(
            PreparationInputs(data), tmp_path / engine, options, engine=engine, num_proc=2, progress=False
        )  # fmt: skip
    local, other = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.parquet")}
        for n in ("local", "ray")
    )
    assert local == other and len(local) > 10
    assert len([node for node in ray.nodes() if node["Alive"]]) == 2
    bad = write(tmp_path / "bad", shop_items(), shuffled().with_columns(item_id=pl.lit("kite")))
    with pytest.raises(TableError, match="rows have an item"):
        prepare_tables(PreparationInputs(bad), tmp_path / "none", options, engine="ray", progress=False)
    assert not (tmp_path / "none").exists()


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    data = write(tmp_path / "shop", shop_items(), events_table())
    with pytest.raises(ImportError, match=r"pip install -e .*\[ray\]"):
        prepare_tables(PreparationInputs(data), tmp_path / "out", engine="ray")
    assert not (tmp_path / "out").exists()


def test_fit_takes_the_sequences(tmp_path):
    """Splits and vocabulary equal those of the tables; options that need the original events are refused."""
    from xcat_rec.training.preparation.options import PreparationOptions
    from xcat_rec.training.preparation.prepare import split_shop

    data = write(tmp_path / "shop", shop_items(), events_table())
    prepare_tables(PreparationInputs(data), tmp_path / "out", PrepareOptions("last-basket"), progress=False)
    shop = load_prepared(tmp_path / "out")
    found = split_shop(shop, PreparationOptions(cold_items=0.1))
    tables = validate_tables(shop_items(), events_table())
    expected = split_shop(tables, PreparationOptions(split="last-basket", cold_items=0.1))
    assert found.vocabulary.table.equals(expected.vocabulary.table)
    assert found.event_types == expected.event_types == ["buy", "purchase"]
    assert rows_of(found.splits) == rows_of(expected.splits)
    assert found.settings == expected.settings and found.shop.num_events == expected.shop.num_events > 2
    assert shop.report.rows["events"] == tables.report.rows["events"]
    for options, message in (
        (
            PreparationOptions(split="leave-one-out"),
            "split is 'leave-one-out', and shop was prepared with 'last-basket'",
        ),
        (PreparationOptions(tie_policy="shuffle"), "prepared with 'file'"),
        (
            PreparationOptions(repeats="first"),
            "repeats is 'first', and shop was prepared with 'keep'; prepare the original tables again",
        ),
        (PreparationOptions(min_user_events=3), "min_user_events is 3, and shop was prepared with 0"),
    ):
        with pytest.raises(ValueError, match=message):
            split_shop(shop, options)


def test_the_options_of_the_folder_are_used(tmp_path):
    """Cold items are removed once; an option of the preparation may be repeated."""
    from xcat_rec.training.preparation.options import PreparationOptions
    from xcat_rec.training.preparation.prepare import split_shop

    data = write(tmp_path / "shop", shop_items(), events_table())
    made = PrepareOptions("leave-one-out", "shuffle", 3, min_user_events=7, cold_items=0.2)
    prepare_tables(PreparationInputs(data), tmp_path / "out", made, progress=False)
    shop = load_prepared(tmp_path / "out")
    wanted = {"split": "leave-one-out", "tie_policy": "shuffle", "min_user_events": 7, "cold_items": 0.2}
    resolved = shop.resolved(PreparationOptions())
    assert {name: getattr(resolved, name) for name in wanted} == wanted
    tables = validate_tables(shop_items(), events_table())
    expected = split_shop(tables, PreparationOptions(**wanted, seed=3)).splits
    for options in (PreparationOptions(), PreparationOptions(**wanted)):
        assert rows_of(split_shop(shop, options).splits) == rows_of(expected)
    with pytest.raises(ValueError, match=r"cold_items is 0.1, and shop was prepared with 0.2"):
        split_shop(shop, PreparationOptions(cold_items=0.1))


def test_a_prepared_folder_is_loaded_and_split_like_tables(tmp_path):
    """`load_shop` and `split` work on both: parts, vocabulary, roles and settings are the same."""
    data = write(tmp_path / "shop", shop_items(), events_table())
    wanted = EventOptions("last-basket", min_user_events=7)
    prepare_tables(
        PreparationInputs(data), tmp_path / "out", PrepareOptions("last-basket", min_user_events=7), progress=False
    )
    tables, prepared = load_shop(data), load_shop(tmp_path / "out")
    assert tables.log("texts are read").height == tables.num_events
    expected = tables.split(wanted)
    for options in (wanted, None):
        found = prepared.split(options)
        assert rows_of(found.splits) == rows_of(expected.splits) and len(found.test) == len(expected.test) > 10
        assert found.vocabulary.table.equals(expected.vocabulary.table)
        assert (found.event_types, found.roles, found.split) == (expected.event_types, expected.roles, "last-basket")
        assert found.settings == expected.settings
    with pytest.raises(
        ValueError, match=r"texts are read, and the prepared shop does not contain them; give the original tables"
    ):
        prepared.log("texts are read")
    expected.splits["test"] = expected.test.select([])
    with pytest.raises(ValueError, match=r"split 'last-basket' leaves no user in test \(\d{2,} rows\)"):
        expected.require("train", "validation", "test")


def test_rows_of_another_catalogue(tmp_path):
    """The splits equal those of the tables with that catalogue; its unknown items are not targets."""
    data = write(tmp_path / "shop", shop_items(), events_table())
    prepare_tables(PreparationInputs(data), tmp_path / "out", progress=False)
    tables = validate_tables(shop_items(), events_table())
    other = ItemVocabulary(items_table(tables.items.reverse().head(30)))
    kinds = ["wish", "view"]
    expected = build_splits(tables, other, kinds)
    found = load_prepared(tmp_path / "out").splits_for(other, kinds)
    assert rows_of(found) == rows_of(expected)
    assert 0 < len(found["test"]) < len(tables.events["user_id"].unique())


def run(arguments: list[str], capsys, code: int = 0) -> tuple[dict[str, Any], str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = capsys.readouterr()
    assert (stop.value.code or 0) == code, shown.err
    return (json.loads(shown.out.splitlines()[-1]) if not code else {}), shown.err


@pytest.mark.usefixtures("runs_here")
def test_commands_read_the_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = write(tmp_path / "shop", shop_items(), events_table())
    encoder = save_text_encoder(tmp_path / "encoder")
    prepare_tables(PreparationInputs(data), tmp_path / "out", PrepareOptions("last-basket"), progress=False)
    told, _ = run(
        [
            "fit", "out", "--output", "checkpoint", "--text-encoder", str(encoder), "--num-train-epochs", "1",
            "--hidden-size", "16", "--intermediate-size", "16", "--num-attention-heads", "2", "--precision", "fp32",
            "--use-cpu", "--json",
        ],
        capsys,
    )  # fmt: skip
    assert told["split"] == "last-basket" and told["num_users"] == 60
    judged, _ = run(["evaluate", "checkpoint", "out", "--json"], capsys)
    assert judged["metrics"] and judged["metrics"].items() <= told["metrics"].items() and judged["num_users"] == 60
    benched, _ = run(["bench", "out", "--models", "popularity,item-knn", "--json"], capsys)
    tables = ["bench", "shop", "--split", "last-basket", "--output", "tables.json"]
    again, _ = run([*tables, "--models", "popularity,item-knn", "--json"], capsys)
    for one, other in zip(benched["runs"], again["runs"], strict=True):
        assert one["metrics"] == other["metrics"]
        kept = ("users", "items", "events", "split", "tie_policy", "test_users")
        assert {name: one["data"][name] for name in kept} == {name: other["data"][name] for name in kept}
    _, error = run(["evaluate", "checkpoint", "out", "--split", "leave-one-out"], capsys, 2)
    assert "shop was prepared with 'last-basket'" in error
    _, error = run(["fit", "out", "--output", "other", "--columns", "title=name"], capsys, 2)
    assert "its columns already have our names" in error
    for command in (["inspect", "out"], ["interests", "out"], ["prepare", "out", "--output", "two"],
                    ["recommend", "checkpoint", "--users", "out"]):  # fmt: skip
        _, error = run(command, capsys, 2)
        assert "not an events table" in error and "events.parquet" in error and "Traceback" not in error
    assert not (tmp_path / "two").exists() and not (tmp_path / "inspection").exists()

"""Preparation out of core: the rows of the path in memory, whatever the split, the processes, the engine or a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xcat_rec.cli.app import main
from xcat_rec.tokenization import event_chunks, preparing
from xcat_rec.tokenization.preparation_inputs import PreparationInputs, items_table
from xcat_rec.tokenization.prepared import WORK, is_prepared, load_prepared, open_prepared
from xcat_rec.tokenization.preparing import PrepareOptions, prepare_tables
from xcat_rec.tokenization.schema import TableError, validate_tables
from xcat_rec.tokenization.sequences import build_splits, event_type_names
from xcat_rec.tokenization.vocabulary import ItemVocabulary

from ..tiny_shop import events_table, save_text_encoder
from ..tiny_shop import items_table as shop_items

try:
    import ray
    from ray.cluster_utils import Cluster
except ImportError:
    ray = None


def rows_of(splits) -> dict[str, list[dict[str, object]]]:
    """Rows of each split by user; NaN as None."""
    plain = {name: splits[name].to_polars() for name in ("train", "validation", "test")}
    return {name: json.loads(table.sort("user_id").write_json()) for name, table in plain.items()}


def in_memory(items: pl.DataFrame, events: pl.DataFrame, options: PrepareOptions, unknown: str = "error"):
    shop = validate_tables(items, events, on_unknown_items=unknown)
    vocabulary = ItemVocabulary(items_table(shop.items))
    return build_splits(
        shop, vocabulary, event_type_names(shop), split=options.split, tie_policy=options.tie_policy,
        seed=options.seed, max_history=options.max_history,
    )  # fmt: skip


def write(folder: Path, items: pl.DataFrame, events: pl.DataFrame, group: int = 16) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    items.write_parquet(folder / "items.parquet")
    events.write_parquet(folder / "events.parquet", row_group_size=group)
    return folder


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of some 50 events and partitions of some 100, so that a tiny shop has many of both."""
    monkeypatch.setattr(preparing, "PARTITION_EVENTS", 100)
    cut = event_chunks.cut_chunks
    monkeypatch.setattr(preparing, "cut_chunks", lambda paths: cut(paths, 50))


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
]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: f"{o.split}-{o.tie_policy}")
def test_rows_are_those_of_the_path_in_memory(options, tmp_path):
    events = shuffled()
    data = write(tmp_path / "shop", shop_items(), events)
    prepared = prepare_tables(PreparationInputs(data), tmp_path / "out", options, progress=False)
    expected = in_memory(shop_items(), events, options)
    assert prepared.manifest["partitions"] > 3
    assert rows_of(prepared.splits()) == rows_of(expected)
    assert {name: len(split) for name, split in expected.items()} == prepared.manifest["rows"]
    assert sum(prepared.manifest["rows"].values()) > 50
    assert not (tmp_path / "out" / WORK).exists()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 6), st.integers(0, 3), st.integers(0, 9), st.sampled_from([None, "a", "b"]),
            st.booleans(), st.sampled_from(["train", "train", "valid", "test"]),
        ),
        min_size=4, max_size=40,
    ),
    options=st.sampled_from([*OPTIONS, PrepareOptions("column")]),
)  # fmt: skip
@pytest.mark.usefixtures("small_pieces")
def test_any_log(rows, options, tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    schema = {
        "user_id": pl.Int64, "item_id": pl.Int64, "timestamp": pl.Int64, "basket_id": pl.String,
        "is_target": pl.Boolean, "split": pl.String,
    }  # fmt: skip
    events = pl.DataFrame(rows, schema=schema, orient="row")
    items = pl.DataFrame({"item_id": [0, 1, 2], "title": ["a", "b", "c"]})
    expected = in_memory(items, events, options, "drop") if events["item_id"].min() < 3 else None
    data = write(folder / "shop", items, events, group=2)
    inputs = PreparationInputs(data, on_unknown_items="drop")
    if expected is None or not len(expected["train"]):
        with pytest.raises(ValueError, match=r"no event|leaves no user"):
            prepare_tables(inputs, folder / "out", options, progress=False)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "PARTITION_EVENTS", 5)
        patch.setattr(preparing, "cut_chunks", lambda paths: event_chunks.cut_chunks(paths, 4))
        prepared = prepare_tables(inputs, folder / "out", options, progress=False)
    assert rows_of(prepared.splits()) == rows_of(expected)


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
from xcat_rec.tokenization import event_chunks, preparing
from xcat_rec.tokenization.preparation_inputs import PreparationInputs

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
def test_goes_on_after_a_kill(tmp_path, monkeypatch):
    data, output = write(tmp_path / "shop", shop_items(), shuffled()), tmp_path / "out"
    died = subprocess.run([sys.executable, "-c", KILLED, str(data), str(output)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert is_prepared(output) and len(list((output / WORK).glob("part-*.json"))) == 3
    with pytest.raises(ValueError, match="unfinished preparation; run the same xcat prepare again"):
        open_prepared(output)
    with pytest.raises(ValueError, match="other tables or with other options"):
        prepare_tables(PreparationInputs(data), output, PrepareOptions(seed=9), progress=False)
    before = {path: path.stat().st_mtime_ns for path in output.glob("*/part-*.parquet")}
    read: list[int] = []
    real = preparing.read_chunk
    monkeypatch.setattr(preparing, "read_chunk", lambda *args: read.append(1) or real(*args))
    prepared = prepare_tables(PreparationInputs(data), output, progress=False)
    assert not read  # every chunk had been scattered
    assert len(before) == 9 and all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert rows_of(prepared.splits()) == rows_of(in_memory(shop_items(), shuffled(), PrepareOptions()))
    again = prepare_tables(PreparationInputs(data), output, progress=False)
    assert again.manifest == prepared.manifest


def test_other_tables_are_told_by_their_hash(tmp_path):
    data = write(tmp_path / "shop", shop_items(), shuffled())
    prepare_tables(PreparationInputs(data), tmp_path / "out", progress=False)
    write(data, shop_items(), shuffled().reverse())
    with pytest.raises(ValueError, match="--overwrite"):
        prepare_tables(PreparationInputs(data), tmp_path / "out", progress=False)
    prepared = prepare_tables(PreparationInputs(data), tmp_path / "out", overwrite=True, progress=False)
    assert rows_of(prepared.splits()) == rows_of(in_memory(shop_items(), shuffled().reverse(), PrepareOptions()))


def test_formats_that_are_not_streamed(tmp_path):
    (tmp_path / "shop").mkdir()
    shop_items().write_csv(tmp_path / "shop" / "items.csv")
    events_table().write_csv(tmp_path / "shop" / "events.csv")
    inputs = PreparationInputs(tmp_path / "shop")
    assert not inputs.streamed
    prepared = prepare_tables(inputs, tmp_path / "out", progress=False)
    assert rows_of(prepared.splits()) == rows_of(in_memory(shop_items(), events_table(), PrepareOptions()))


LATE = (pl.int_range(pl.len()) > 100).cast(pl.Int64)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda e: e.with_columns(item_id=pl.lit("kite")), {}, "rows name an item"),
        (lambda e: e.with_columns(timestamp=pl.when(LATE == 1).then("timestamp")), {}, "no time"),
        (lambda e: e.with_columns(timestamp=pl.col("timestamp") * (1 + 999 * LATE)), {}, "another unit"),
        (lambda e: e.with_columns(split=pl.lit(None)), {"split": "column"}, "rows have no value"),
        (lambda e: e.with_columns(split=pl.lit("holdout")), {"split": "column"}, "'holdout'"),
        (lambda e: e.with_columns(timestamp=None, order=LATE), {"split": "global-time"}, "needs one for every event"),
        (lambda e: e.unique("user_id"), {}, "leaves no user with two training events"),
    ],
)  # fmt: skip
def test_bad_input_leaves_nothing(change, options, message, tmp_path):
    data = write(tmp_path / "shop", shop_items(), change(events_table()))
    with pytest.raises(ValueError, match=message):
        prepare_tables(PreparationInputs(data), tmp_path / "out", PrepareOptions(**options), progress=False)
    assert not (tmp_path / "out").exists()


def test_problems_are_those_of_the_path_in_memory(tmp_path, monkeypatch):
    events = pl.concat([events_table(), events_table().head(3)]).with_columns(rating=pl.lit("good"))
    expected = {(p.kind, p.column, p.count) for p in validate_tables(shop_items(), events).problems}
    data = write(tmp_path / "shop", shop_items(), events)
    monkeypatch.setattr(preparing, "PARTITION_EVENTS", 100)
    monkeypatch.setattr(preparing, "cut_chunks", lambda paths: event_chunks.cut_chunks(paths, 50))
    prepared = prepare_tables(PreparationInputs(data), tmp_path / "out", progress=False)
    assert {(p.kind, p.column, p.count) for p in prepared.problems()} == expected
    assert ("repeated_event", "", 3) in expected


def test_command(tmp_path, capsys):
    data = write(tmp_path / "shop", shop_items(), events_table())
    with pytest.raises(SystemExit) as stop:
        main(["prepare", str(data), "--output", str(tmp_path / "out"), "--split", "leave-one-out", "--json"])
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    told = json.loads(shown.out.splitlines()[-1])
    assert told["rows"] == {"train": 60, "validation": 60, "test": 60} and told["users"] == 60
    shop = load_prepared(tmp_path / "out")
    assert shop.split == "leave-one-out" and shop.card.users == 60 and len(shop.sequences["test"]) == 60
    with pytest.raises(SystemExit) as stop:
        main(["prepare", str(data), "--output", str(data / "items.parquet")])
    assert stop.value.code == 2 and "is a file; give a folder" in capsys.readouterr().err


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two nodes of one CPU each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    nodes = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False},
    )
    try:
        nodes.add_node(num_cpus=1, object_store_memory=80 * 2**20)
        ray.init(address=nodes.address, log_to_driver=False)
        yield
    finally:
        ray.shutdown()
        nodes.shutdown()


@pytest.mark.slow
@pytest.mark.skipif(ray is None, reason="Ray is not installed: pip install 'xcat-rec[ray]'")
@pytest.mark.usefixtures("small_pieces", "cluster")
@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[5]], ids=lambda o: f"{o.split}-{o.tie_policy}")
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
    with pytest.raises(TableError, match="rows name an item"):
        prepare_tables(PreparationInputs(bad), tmp_path / "none", options, engine="ray", progress=False)
    assert not (tmp_path / "none").exists()


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    data = write(tmp_path / "shop", shop_items(), events_table())
    with pytest.raises(ImportError, match=r"pip install 'xcat-rec\[ray\]'"):
        prepare_tables(PreparationInputs(data), tmp_path / "out", engine="ray")
    assert not (tmp_path / "out").exists()


def test_fit_takes_the_sequences(tmp_path):
    """Splits and vocabulary are those of the tables; what would need the log is refused."""
    from xcat_rec.training.preparation import PreparationOptions, split_shop

    data = write(tmp_path / "shop", shop_items(), events_table())
    prepare_tables(PreparationInputs(data), tmp_path / "out", PrepareOptions("last-basket"), progress=False)
    shop = load_prepared(tmp_path / "out")
    vocabulary, kinds, splits = split_shop(shop, PreparationOptions(cold_items=0.1))
    tables = validate_tables(shop_items(), events_table())
    same, same_kinds, expected = split_shop(tables, PreparationOptions(split="last-basket", cold_items=0.1))
    assert vocabulary.table.equals(same.table) and kinds == same_kinds == ["buy", "view"]
    assert rows_of(splits) == rows_of(expected)
    for options, message in (
        (PreparationOptions(split="leave-one-out"), "prepared with last-basket"),
        (PreparationOptions(tie_policy="shuffle"), "prepared with file"),
        (PreparationOptions(repeats="first"), "--repeats chooses among events"),
        (PreparationOptions(min_user_events=3), "--min-user-events chooses among events"),
    ):
        with pytest.raises(ValueError, match=message):
            split_shop(shop, options)
    with pytest.raises(ValueError, match="sequences of its own catalogue"):
        split_shop(shop, PreparationOptions(), vocabulary, kinds)


def test_fit_command_reads_the_folder(tmp_path, capsys):
    data = write(tmp_path / "shop", shop_items(), events_table())
    encoder = save_text_encoder(tmp_path / "encoder")
    prepare_tables(PreparationInputs(data), tmp_path / "out", progress=False)
    with pytest.raises(SystemExit) as stop:
        main([
            "fit", str(tmp_path / "out"), "--output", str(tmp_path / "checkpoint"), "--text-encoder", str(encoder),
            "--num-train-epochs", "1", "--hidden-size", "16", "--intermediate-size", "16",
            "--num-attention-heads", "2", "--precision", "fp32", "--use-cpu", "--json",
        ])  # fmt: skip
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    told = json.loads(shown.out.splitlines()[-1])
    assert told["split"] == "leave-one-out" and told["num_users"] == 60

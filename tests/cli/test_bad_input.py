"""Bad input gives one clear message and exit code 2, and nothing is written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, events_table, items_table, save_text_encoder, shop, write_shop
from .commands import refused

ITEMS, EVENTS = items_table(), events_table(10)


def write(folder: Path, items: pl.DataFrame = ITEMS, events: pl.DataFrame = EVENTS) -> str:
    folder.mkdir()
    items.write_parquet(folder / "items.parquet")
    events.write_parquet(folder / "events.parquet")
    return str(folder)


TABLES = {
    "a column is missing": (ITEMS, EVENTS.drop("user_id"), ["events", "user_id", "missing"]),
    "a key is null": (
        ITEMS, EVENTS.with_columns(pl.lit(None, pl.String).alias("user_id")), ["user_id", str(EVENTS.height)],
    ),
    "item ids repeat": (pl.concat([ITEMS, ITEMS.head(2)]), EVENTS, ["items", "item_id", "2", "item-00"]),
    "events of unknown items": (ITEMS.filter(pl.col("item_id") != "item-05"), EVENTS, ["events", "item-05"]),
    "a timestamp does not parse": (
        ITEMS, EVENTS.with_columns(timestamp=pl.lit("yesterday")), ["timestamp", "'xxxxxxxxx' (masked, row 1)"],
    ),
    "no time and no order": (ITEMS, EVENTS.drop("timestamp"), ["timestamp", "order"]),
    "no events": (ITEMS, EVENTS.head(0), ["events"]),
    "nobody has three events": (ITEMS, EVENTS.unique("user_id", keep="first", maintain_order=True), ["events"]),
}  # fmt: skip
ARGUMENTS = {
    "no such option": (["--hiden-size", "64"], ["--hiden-size", "--hidden-size"]),
    "a number is a word": (["--hidden-size", "wide"], ["--hidden-size", "wide"]),
    "sizes do not fit": (["--hidden-size", "30", "--num-attention-heads", "4"], ["--hidden-size", "30"]),
    "no such encoder": (["--behavior-encoder", "cnn"], ["--behavior-encoder", "cnn", "gru"]),
    "no such split": (["--split", "random"], ["random", "leave-one-out"]),
    "no split column": (["--split", "column"], ["split"]),
    "no such text field": (["--text-fields", "slogan"], ["slogan", "title"]),
    "no such precision": (["--precision", "int3"], ["int3", "fp32"]),
    "a value without an option": (["--seed", "1", "--columns", "sku"], ["sku", "item_id"]),
    "no such configuration file": (["--config", "nowhere.yaml"], ["nowhere.yaml"]),
    "no such encoder folder": (["--text-encoder", "./nowhere"], ["nowhere"]),
    "no such metric": (["--metric-for-best-model", "accuracy"], ["--metric-for-best-model", "'accuracy'", "ndcg@10"]),
    "a cut-off of nothing": (["--metric-ks", "5,0"], ["--metric-ks", "[5, 0]"]),
    "a cut-off is a word": (["--metric-ks", "five"], ["--metric-ks", "'five'"]),
    "nothing to learn with": (["--learning-rate", "-1"], ["--learning-rate", "-1"]),
    "no epochs": (["--num-train-epochs", "0"], ["--num-train-epochs", "0"]),
    "no batch": (["--per-device-train-batch-size", "0"], ["--per-device-train-batch-size", "0"]),
    "an option without its value": (["--hidden-size", "--use-cpu"], ["--hidden-size", "number"]),
    "no such activation": (["--hidden-act", "gello"], ["--hidden-act", "'gello'", "gelu"]),
    "no such memory": (["--memory-sources", "images"], ["--memory-sources", "images", "item_text"]),
    "images twice": (["--images", "front", "--images", "back"], ["--images is given 2 times: front, back; give one"]),
    "no such feature": (["--item-features", "size"], ["--item-features", "'size'", "brand"]),
    "texts longer than the encoder reads": (["--max-text-length", "999"], ["--max-text-length", "999", "64"]),
    "no such logger": (["--report-to", "papyrus"], ["papyrus", "tensorboard"]),
    "no such scheduler": (["--lr-scheduler-type", "zigzag"], ["zigzag", "cosine"]),
    "a seed below 0": (["--seed", "-1"], ["--seed", "0"]),
    "an option of the machine": (["--output-dir", "elsewhere"], ["--output-dir", "unknown option"]),
    "one table of two": (["--items", "items.csv"], ["either DATA or the tables --items and --events"]),
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_text_encoder(tmp_path_factory.mktemp("encoder")))


@pytest.mark.parametrize(("items", "events", "words"), TABLES.values(), ids=TABLES.keys())
def test_tables(items, events, words, encoder, tmp_path, capsys):
    output = tmp_path / "checkpoint"
    data = write(tmp_path / "shop", items, events)
    refused(["fit", data, "--output", str(output), "--text-encoder", encoder], capsys, words)
    assert not output.exists()


@pytest.mark.parametrize(("arguments", "words"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_arguments(arguments, words, encoder, tmp_path, capsys):
    output = tmp_path / "checkpoint"
    data = str(write_shop(tmp_path / "shop", 10))
    given = [] if "--text-encoder" in arguments else ["--text-encoder", encoder]
    refused(["fit", data, "--output", str(output), *given, *arguments], capsys, words)
    assert not output.exists()


def test_errors_in_training_leave_nothing_behind(encoder, tmp_path, capsys):
    data, output = str(write_shop(tmp_path / "shop", 10)), tmp_path / "checkpoint"
    arguments = ["fit", data, "--output", str(output), "--text-encoder", encoder, "--metric-for-best-model", "mrr"]
    refused([*arguments, "--use-cpu"], capsys, ["--metric-for-best-model", "ndcg@10"])
    assert not output.exists()
    output.mkdir()
    refused([*arguments, "--use-cpu"], capsys, ["--metric-for-best-model"])
    assert output.is_dir(), "a folder that was there before is not ours to remove"


def test_files_that_are_not_what_their_names_say(encoder, tmp_path, capsys):
    folder = tmp_path / "shop"
    write(folder)
    arguments = ["fit", str(folder), "--output", str(tmp_path / "out"), "--text-encoder", encoder]
    (folder / "events.parquet").write_bytes(b"no parquet")
    refused(arguments, capsys, ["events.parquet", "cannot be read"])
    (folder / "events.parquet").unlink()
    (folder / "events.csv").write_text("user_id,item_id\n")
    refused(arguments, capsys, ["events", "row"])
    (folder / "events.tsv").write_text("user_id\n")
    refused(arguments, capsys, ["2 events tables", "events.csv", "events.tsv"])
    assert not (tmp_path / "out").exists()


def test_there_is_no_data(tmp_path, capsys):
    refused(["fit", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")], capsys, ["nowhere"])
    (tmp_path / "empty").mkdir()
    refused(["fit", str(tmp_path / "empty"), "--output", str(tmp_path / "out")], capsys, ["no events table"])
    assert not (tmp_path / "out").exists()


def test_an_output_folder_in_use_is_left_alone(tmp_path, capsys):
    data = str(write_shop(tmp_path / "shop", 10))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("important")
    refused(["fit", data, "--output", str(tmp_path / "out")], capsys, ["not empty"])
    refused(["fit", data, "--output", str(tmp_path / "out"), "--overwrite"], capsys, ["not empty"])
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["thesis.tex"]
    refused(["fit", data, "--output", str(tmp_path / "new"), "--resume"], capsys, ["resume"])


@pytest.fixture(scope="module")
def checkpoint(encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    prepared = prepare_training(shop(10), PreparationOptions(text_encoder=encoder, config=SMALL))
    prepared.model.save_pretrained(folder)
    prepared.processor.save_pretrained(folder)
    return folder


USES = {
    "no recommendations wanted": (["recommend", "-k", "0", "--history", "item-01"], ["-k is 0"]),
    "no history": (["recommend", "--history", " , "], ["--history has no item ids"]),
    "history and users": (["recommend", "--history", "item-01", "--users", "users.csv"], ["either --history"]),
    "no such table of users": (["recommend", "--users", "nobody.csv"], ["nobody.csv"]),
    "a history of strangers": (
        ["recommend", "--history", "kite,rope", "--on-unknown", "error"],
        ["1 of 1 user has"],
    ),
    "a time that is none": (["recommend", "--history", "item-01@2024-13-45"], ["1 of 1 times are not times"]),
    "times of two kinds": (
        ["recommend", "--history", "item-01@2024-01-31,item-02@1706745600"],
        ["1 of 2 times are not times"],
    ),
    "no such category": (["recommend", "--history", "item-01", "--only-category", "kites"], ["'kites'", "maps"]),
    "no such category to leave out": (["recommend", "--history", "item-01", "--exclude-category", "x"], ["'x'"]),
    "no tables": (["evaluate"], ["--items and --events"]),
    "no such part": (["evaluate", "{shop}", "--part", "train"], ["--part", "'train'", "validation"]),
    "a cut-off of nothing": (["evaluate", "{shop}", "-k", "0"], ["-k is 0"]),
    "no such split to judge": (["evaluate", "{shop}", "--split", "random"], ["'random'", "last-basket"]),
    "no such policy": (["evaluate", "{shop}", "--tie-policy", "coin"], ["'coin'", "shuffle"]),
    "no such shop": (["evaluate", "{nowhere}"], ["nowhere", "does not exist"]),
}


@pytest.mark.parametrize(("arguments", "words"), USES.values(), ids=USES.keys())
def test_using_a_checkpoint(arguments, words, checkpoint, tmp_path, capsys):
    data = {"{shop}": str(write_shop(tmp_path / "shop", 10)), "{nowhere}": str(tmp_path / "nowhere")}
    command, *others = [data.get(argument, argument) for argument in arguments]
    refused([command, str(checkpoint), *others], capsys, words)


def test_damaged_checkpoints(checkpoint, encoder, tmp_path, capsys):
    refused(["recommend", encoder, "--history", "item-01"], capsys, ["not a checkpoint of xcat fit", "'bert'"])
    for name, words in {
        "model.safetensors": ["model.safetensors", "damaged"],
        "items.arrow": ["items.arrow", "damaged"],
        "config.json": ["config.json", "JSON"],
    }.items():
        copy = tmp_path / name
        shutil.copytree(checkpoint, copy)
        (copy / name).write_bytes((copy / name).read_bytes()[:100])
        refused(["recommend", str(copy), "--history", "item-01"], capsys, words)
    newer = tmp_path / "newer"
    shutil.copytree(checkpoint, newer)
    config = json.loads((newer / "config.json").read_text())
    (newer / "config.json").write_text(json.dumps({**config, "format_version": 99}))
    refused(["recommend", str(newer), "--history", "item-01"], capsys, ["99", "update xcat-rec"])


MODULE = pytest.param(["python", "-m", "xcat_rec.cli.app"], id="module", marks=pytest.mark.slow)


@pytest.mark.parametrize("program", [pytest.param(["xcat"], id="script"), MODULE])
def test_the_program_itself(program, tmp_path):
    """A shell sees the same as the tests of `main` above."""
    folder = Path(sys.executable).parent
    output = tmp_path / "out"
    events = EVENTS.drop("item_id").with_columns(pl.lit("never").alias("timestamp"))
    data = write(tmp_path / "shop", pl.concat([ITEMS, ITEMS.head(1)]), events)
    command = [str(folder / program[0]), *program[1:], "fit", data, "--output", str(output), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    told = [line for line in done.stderr.splitlines() if not line.startswith("loading libraries: ")]
    assert told[0] == "xcat: error: 3 problems with the tables of shop:"
    for word in ("item_id", "'item-00'", "'xxxxx' (masked, row 1)", "missing"):
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()


def test_there_is_no_checkpoint(tmp_path, capsys):
    refused(["recommend", str(tmp_path / "nowhere"), "--history", "a"], capsys, ["nowhere"])
    refused(["recommend", str(tmp_path), "--history", "a"], capsys, ["config.json"])
    refused(["recommend", str(tmp_path)], capsys, ["config.json"])

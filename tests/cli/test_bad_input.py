"""Bad input gives one clear message and exit code 2, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from xcat_rec.cli.app import main

from ..tiny_shop import events_table, items_table, save_text_encoder, write_shop

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
        ITEMS, EVENTS.with_columns(pl.lit("yesterday").alias("timestamp")), ["timestamp", "yesterday"],
    ),
    "no time and no order": (ITEMS, EVENTS.drop("timestamp"), ["timestamp", "order"]),
    "no events": (ITEMS, EVENTS.head(0), ["events"]),
    "nobody has three events": (ITEMS, EVENTS.unique("user_id", keep="first", maintain_order=True), ["events"]),
}  # fmt: skip
ARGUMENTS = {
    "no such option": (["--hiden-size", "64"], ["--hiden-size", "--hidden-size"]),
    "a number is a word": (["--hidden-size", "wide"], ["--hidden-size", "wide"]),
    "sizes do not fit": (["--hidden-size", "30", "--num-attention-heads", "4"], ["hidden_size", "30"]),
    "no such encoder": (["--behavior-encoder", "cnn"], ["behavior_encoder", "cnn", "gru"]),
    "no such split": (["--split", "random"], ["random", "leave-one-out"]),
    "no split column": (["--split", "column"], ["split"]),
    "no such text field": (["--text-fields", "slogan"], ["slogan", "title"]),
    "no such precision": (["--precision", "int3"], ["int3", "fp32"]),
    "a value without an option": (["--seed", "1", "--columns", "sku"], ["sku", "item_id"]),
    "no such configuration file": (["--config", "nowhere.yaml"], ["nowhere.yaml"]),
    "no such encoder folder": (["--text-encoder", "./nowhere"], ["nowhere"]),
}


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = capsys.readouterr()
    message = " ".join(shown.err.split())
    assert stop.value.code == 2, message
    assert "Traceback" not in message
    assert not shown.out
    for word in words:
        assert word in message, message


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


def test_there_is_no_data(tmp_path, capsys):
    refused(["fit", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")], capsys, ["nowhere"])
    (tmp_path / "empty").mkdir()
    refused(["fit", str(tmp_path / "empty"), "--output", str(tmp_path / "out")], capsys, ["items"])
    assert not (tmp_path / "out").exists()


def test_an_output_folder_in_use_is_left_alone(tmp_path, capsys):
    data = str(write_shop(tmp_path / "shop", 10))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("important")
    refused(["fit", data, "--output", str(tmp_path / "out")], capsys, ["not empty"])
    refused(["fit", data, "--output", str(tmp_path / "out"), "--overwrite"], capsys, ["not empty"])
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["thesis.tex"]
    refused(["fit", data, "--output", str(tmp_path / "new"), "--resume"], capsys, ["resume"])


def test_there_is_no_checkpoint(tmp_path, capsys):
    refused(["recommend", str(tmp_path / "nowhere"), "--history", "a"], capsys, ["nowhere"])
    refused(["recommend", str(tmp_path), "--history", "a"], capsys, ["model.safetensors"])
    refused(["recommend", str(tmp_path)], capsys, ["--history"])

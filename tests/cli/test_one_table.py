"""A shop owner with one export: every command takes it as it is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import polars as pl
import pytest

from xcat_rec import load, load_data
from xcat_rec.checkpoints.saved_tables import saved_event_settings
from xcat_rec.cli.app import main
from xcat_rec.tokenization.tables.table_columns import ITEM_SCHEMA

from ..tiny_shop import events_table, items_table, save_text_encoder
from .commands import run

NAMES = {
    "item_id": "StockCode", "title": "Description", "price": "UnitPrice", "user_id": "Customer ID",
    "timestamp": "InvoiceDate",
}  # fmt: skip
SMALL = [
    "--hidden-size", "32", "--num-attention-heads", "2", "--max-history", "8", "--num-train-epochs", "1",
    "--precision", "fp32", "--use-cpu", "--per-device-train-batch-size", "10",
]  # fmt: skip


def export(users: int = 20) -> pl.DataFrame:
    """The tiny shop as one table under own names; the first row of each item has a price of its own."""
    items = items_table().select("item_id", "title", "price", "category")
    table = events_table(users).join(items, on="item_id", how="left", maintain_order="left").drop("rating")
    day = pl.from_epoch("timestamp").dt.strftime("%Y-%m-%d %H:%M")
    first = pl.int_range(pl.len()).over("item_id") == 0
    table = table.with_columns(timestamp=day, price=pl.col("price") + pl.when(first).then(1.0).otherwise(0.0))
    return table.with_columns(pl.format("{}@mail.example", "user_id").alias("Email")).rename(NAMES)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one export, and a text encoder beside it."""
    folder = tmp_path_factory.mktemp("one-table")
    (folder / "shop").mkdir()
    export().write_csv(folder / "shop" / "invoices.csv")
    save_text_encoder(folder / "encoder")
    return folder


def guessed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The printed option of `--guess-columns`, as words of the shell."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--guess-columns"])
    assert not ended.value.code
    return shlex.split(capsys.readouterr().out.strip())


def test_the_printed_line_is_accepted_and_the_model_is_made_of_one_file(place, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XCAT_CACHE", str(tmp_path / "cache"))
    file, checkpoint, encoder = str(place / "shop" / "invoices.csv"), str(tmp_path / "CKPT"), str(place / "encoder")
    option = guessed(["fit", file], capsys)
    assert option == ["--columns", ",".join(f"{ours}={own}" for ours, own in NAMES.items())]
    assert guessed(["inspect", str(place / "shop")], capsys) == option
    assert guessed(["prepare", "--events", file, "--items", file], capsys) == option
    split = ["--split", "leave-one-out", "--text-encoder", encoder]
    told = run(["fit", file, *option, *split, *SMALL, "--output", checkpoint, "--json"], capsys)
    notes = {note["kind"]: note for note in told["tables"]["problems"]}
    assert notes["derived_items"]["count"] == told["tables"]["rows"]["items"] == 40
    assert notes["several_values"]["column"] == "UnitPrice"
    assert saved_event_settings(checkpoint)["columns"] == NAMES
    judged = run(["evaluate", checkpoint, file, "--json"], capsys)
    assert judged["metrics"] == {name: told["metrics"][name] for name in judged["metrics"]}
    assert run(["evaluate", checkpoint, "--events", file, "--json"], capsys)["metrics"] == judged["metrics"]
    users = run(["recommend", checkpoint, "--users", file, "-k", "2", "--json"], capsys)["recommendations"]
    assert len(users) == 2 * 20 and users[0]["title"]
    grown = run(["catalogue", checkpoint, file, "--output", str(tmp_path / "grown"), "--json"], capsys)
    assert grown["num_new"] == 0 and grown["num_items"] == notes["derived_items"]["count"]
    held = load(checkpoint).vocabulary.table.to_pylist()
    assert not [row for row in held if re.search(r"user-\d|@", str(row))]
    card = (tmp_path / "CKPT" / "README.md").read_text()
    (command,) = re.findall(r"^xcat fit .*$", card, re.MULTILINE)
    assert command.startswith("xcat fit DATA.csv ") and "`DATA` is the data file or folder" in card
    words = shlex.split(command.replace("DATA.csv", file).replace("TEXT_ENCODER", encoder))[1:]
    words[words.index("--output") + 1] = str(tmp_path / "again")
    again = run([*words, "--json"], capsys)
    assert again["metrics"] == told["metrics"]


@pytest.mark.usefixtures("runs_here")
def test_the_other_commands_take_one_table(place, tmp_path, capsys):
    file = str(place / "shop" / "invoices.csv")
    named = ["--columns", ",".join(f"{ours}={own}" for ours, own in NAMES.items())]
    report = run(["inspect", file, *named, "--output", str(tmp_path / "inspection"), "--json"], capsys)
    assert str(report).count("@mail.example") == 0
    bench = ["bench", str(place / "shop"), *named, "--models", "popularity", "--split", "leave-one-out"]
    assert run([*bench, "--output", str(tmp_path / "bench.json"), "--json"], capsys)["runs"]
    split = ["--split", "leave-one-out", "--json"]
    run(["prepare", file, *named, *split, "--output", str(tmp_path / "ready")], capsys)
    export().write_parquet(tmp_path / "invoices.parquet")
    streamed = ["prepare", str(tmp_path / "invoices.parquet"), *named, *split, "--output", str(tmp_path / "streamed")]
    run(streamed, capsys)
    made = [load_data(str(tmp_path / name)) for name in ("ready", "streamed")]
    assert made[0].items.select(list(ITEM_SCHEMA)).equals(made[1].items.select(list(ITEM_SCHEMA)))
    assert made[0].items["price"].null_count() == 0
    targets = [shop.sequences["test"].select_columns(["items", "targets"]).to_list() for shop in made]
    assert targets[0] == targets[1]


def test_interests_are_read_from_one_table(place, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XCAT_CACHE", str(tmp_path / "cache"))
    table = export().with_columns(review_text=pl.lit("I like these tents, they are warm and light"))
    table.write_csv(tmp_path / "reviews.csv")
    asked = ["interests", str(tmp_path / "reviews.csv"), "--user", "user-01", "--json"]
    named = ["--columns", ",".join(f"{ours}={own}" for ours, own in NAMES.items())]
    (profile,) = run([*asked, *named, "--text-encoder", str(place / "encoder")], capsys)["profiles"]
    assert profile["opinions"] > 0

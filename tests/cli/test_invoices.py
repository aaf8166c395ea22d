"""Tables with other column names: guess the mapping, fit once with it, and never give it again."""

from __future__ import annotations

import json

import polars as pl
import pytest

from xcat_rec.cli.app import main

from ..tiny_shop import events_table, items_table, save_text_encoder
from .commands import run
from .test_end_to_end import OPTIONS


def test_invoices_from_guess_to_recommendation(tmp_path, capsys):
    """The mapping of fit is used by evaluate, recommend and catalogue; returns are context."""
    shop = tmp_path / "shop"
    shop.mkdir()
    items = items_table().select(StockCode="item_id", Description="title")
    index = pl.int_range(pl.len())
    events = events_table().select(
        InvoiceDate="timestamp", StockCode="item_id",
        Quantity=pl.when(index % 9 == 4).then(-1).otherwise(2),
        **{"Customer ID": "user_id"},
    )  # fmt: skip
    nobody = pl.lit(None).alias("Customer ID")
    events = pl.concat([events, events.gather_every(4).with_columns(nobody)], how="vertical_relaxed")
    items.write_csv(shop / "items.csv")
    events.write_csv(shop / "events.csv")
    checkpoint = str(tmp_path / "checkpoint")
    mapping = "item_id=StockCode,title=Description,user_id=Customer ID,timestamp=InvoiceDate,quantity=Quantity"
    encoder = str(save_text_encoder(tmp_path / "encoder"))
    fit = ["fit", str(shop), "--output", checkpoint, "--columns", mapping, "--text-encoder", encoder, "--json"]
    with pytest.raises(SystemExit):
        main([*fit, *OPTIONS])
    assert "events, column Customer ID" in (error := capsys.readouterr().err) and "--missing-users drop" in error
    fit += ["--missing-users", "drop"]
    told = run([*fit, *OPTIONS, "--num-train-epochs", "1"], capsys)
    settings = json.loads((tmp_path / "checkpoint" / "processor_config.json").read_text())["event_settings"]
    assert settings["target_event_types"] == ["interaction"] and settings["negative_event_types"] == ["return"]
    assert settings["columns"]["user_id"] == "Customer ID"
    judged = run(["evaluate", checkpoint, str(shop), "--json"], capsys)
    assert judged["metrics"] == {name: told["metrics"][name] for name in judged["metrics"]}
    everyone = ["recommend", checkpoint, "--users", str(shop / "events.csv"), "-k", "2", "--json"]
    with pytest.raises(SystemExit):
        main([*everyone, "--missing-users", "error"])
    assert "events, column Customer ID" in capsys.readouterr().err
    found = run(everyone, capsys)
    assert len(found["recommendations"]) == 2 * 60
    new = tmp_path / "new.csv"
    new.write_text("StockCode,Description\nnew,tents number 3\n")
    grown = run(["catalogue", checkpoint, str(new), "--output", str(tmp_path / "grown"), "--json"], capsys)
    assert grown["num_new"] == 1

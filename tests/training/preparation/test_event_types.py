"""Roles of event types stored in a model."""

from __future__ import annotations

import polars as pl

from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ...tiny_shop import events_table, items_table


def test_negative_types_are_kept_and_events_without_a_type_are_purchases():
    index = pl.int_range(pl.len()) % 4
    kind = (
        pl.when(index == 2).then(pl.lit("return")).when(index == 3).then(pl.lit("add")).otherwise(pl.lit("purchase"))
    )
    events = events_table().with_columns(event_type=kind)
    options = PreparationOptions(split="leave-one-out", config={"use_text": False, "num_fusion_layers": 0})
    made = prepare_training(validate_tables(items_table(), events), options)
    assert made.model.config.negative_event_types == ["return"]
    assert made.processor.default_event_type == "purchase"
    histories = [["item-01", "item-02"]]
    code = made.processor.event_types.index("purchase") + 1
    rows = made.processor.history_rows(histories)
    assert rows[0]["event_types"] == [code, code]
    assert made.processor.history_rows(histories, event_types=[["return", ""]])[0]["event_types"][1] == code

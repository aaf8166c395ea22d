"""Spark data frames as input; needs pyspark and a Java runtime."""

from __future__ import annotations

import shutil
import sys

import datasets
import polars as pl
import pytest

from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.out_of_core.prepare import PrepareOptions, prepare_tables
from xcat_rec.tokenization.sources import load_shop

from ...tiny_shop import events_table, items_table
from ..out_of_core.test_prepare import in_memory, rows_of


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs a Java runtime")
def test_a_spark_frame_is_an_events_table(tmp_path, monkeypatch):
    """As a dataset, and as the folder of parquet files that Spark writes."""
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYSPARK_DRIVER_PYTHON", sys.executable)
    events = events_table(users=10).select("user_id", "item_id", "timestamp", "event_type")
    builder = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    try:
        frame = session.createDataFrame(events.rows(), schema=events.columns).repartition(1)
        dataset = datasets.Dataset.from_spark(frame, cache_dir=str(tmp_path / "cache"))
        frame.write.parquet(str(tmp_path / "events"))
    finally:
        session.stop()
    shop = load_shop(items=items_table(), events=dataset)
    assert shop.events.select(events.columns).sort(*events.columns).equals(events.sort(*events.columns))
    items_table().write_parquet(tmp_path / "items.parquet")
    inputs = PreparationInputs(items=tmp_path / "items.parquet", events=tmp_path / "events")
    assert inputs.streamed
    prepared = prepare_tables(inputs, tmp_path / "out", progress=False)
    assert rows_of(prepared.splits()) == rows_of(
        in_memory(items_table(), pl.read_parquet(str(tmp_path / "events" / "*.parquet")), PrepareOptions())
    )

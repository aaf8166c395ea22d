"""FuxiCTR's csv form: labelled impressions in train, valid and test files, with a user's earlier items in one field.

Format: https://github.com/reczoo/FuxiCTR (data sets of BARS, such as AmazonElectronics_x1 and TaobaoAd_x1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ..tables.data_card import DataCard
from ..tables.problems import TableProblem
from ..tables.schema import ShopTables, TableColumns
from .generic import load_table
from .impression_labels import missing_labels, read_impression_labels
from .source import DataSource, SourceRequest, build_shop

_FILES = r"(train|valid|test)(?:_sample)?\.csv(?:\.gz)?"
_SPLITS = {"train": "train", "valid": "validation", "test": "test"}
_NAMES = {
    "clicked": ("label", "click", "clk", "is_click"),
    "user_id": ("userid", "user"),
    "item_id": ("itemid", "item", "adgroup_id"),
    "timestamp": ("time_stamp", "time"),
    "category": ("cate_id", "cate", "category_id"),
    "brand": ("brand_id",),
    "price": (),
}
"""Our columns, and their names in the published data sets."""
_SEQUENCES = ("item_history", "click_sequence", "click_history", "history")
_SEPARATOR = "^"


def read_fuxictr(request: SourceRequest) -> ShopTables:
    """Read a folder of FuxiCTR's csv files as impressions with clicks.

    The field with a user's earlier items (`item_history`, `click_sequence`) becomes events of the user: an impression
    with n earlier items has the first n of them as its history. Such a field orders events, in place of times.
    Impressions without a label are left out and counted.

    A category, brand or price that differs between rows of an item, such as a price at the time of an impression, is
    a column of the events too. The items table has the first value.

    Raises:
        FileNotFoundError: If there is no train file.
        ValueError: If a column or all labels are missing, or earlier items are not the beginning of the user's longest
            list.
        TableError: If the tables cannot be used, or a label is neither true nor false.
    """
    files = request.find(_FILES)
    if "train" not in [part for _, part in files]:
        raise FileNotFoundError(
            f"folder {request.folder} has no train.csv; FuxiCTR's form has train.csv, valid.csv and test.csv"
        )
    log, found = _impressions(files, request)
    missing = [name for name in ("clicked", "user_id", "item_id") if name not in log.columns]
    if missing:
        column = missing[0]
        raise ValueError(
            f"table {files[0][0]}: no column is {column} ({', '.join((column, *_NAMES[column]))}); it has "
            f"{', '.join(log.columns)}; name yours with TableColumns({column}='NAME')"
        )
    if log["clicked"].null_count() == log.height:
        raise ValueError(f"table {files[0][0]}: no row has a label; write 1 for a click and 0 for none")
    sequence = next((name for name in _SEQUENCES if name in log.columns), None)
    fields = [name for name in ("category", "brand", "price") if name in log.columns]
    items = log.group_by("item_id", maintain_order=True).agg(pl.col(name).drop_nulls().first() for name in fields)
    differ = log.group_by("item_id").agg(pl.col(name).drop_nulls().n_unique() > 1 for name in fields)
    log = log.drop(name for name in fields if not differ[name].any())
    events = log.drop_nulls("clicked") if sequence is None else _with_histories(log, sequence)
    card = DataCard(request.name or request.folder.resolve().name, "Impressions in FuxiCTR's csv form.")
    return build_shop(items.with_columns(title=pl.lit("")), events, card, found=found, time_format=request.time_format)


def _impressions(files: Sequence[tuple[Path, str]], request: SourceRequest) -> tuple[pl.DataFrame, list[TableProblem]]:
    """The rows of all files with our names, their labels as Booleans, and the issues."""
    tables, found, unlabelled, field = [], [], 0, "clicked"
    columns = request.columns or TableColumns()
    for path, part in files:
        table, problems = load_table(path, "events", encoding=request.encoding)
        found += problems
        field = _field(table, "clicked", columns) or field
        table = _renamed(table, columns).with_columns(split=pl.lit(_SPLITS[part])).cast(pl.String)
        if "clicked" in table.columns:
            table = table.with_columns(read_impression_labels(table, "clicked", field, path))
            unlabelled += table["clicked"].null_count()
        tables.append(table)
    if unlabelled:
        found.append(missing_labels(unlabelled, field))
    return pl.concat(tables, how="diagonal"), found


def _renamed(table: pl.DataFrame, columns: TableColumns) -> pl.DataFrame:
    """The table with our names; names that were given take precedence."""
    for ours in _NAMES:
        theirs = _field(table, ours, columns)
        if theirs is not None and theirs != ours:
            table = table.drop(ours, strict=False).rename({theirs: ours})
    return table


def _field(table: pl.DataFrame, ours: str, columns: TableColumns) -> str | None:
    """Name of one of our columns in a file; None if it has none."""
    given = columns.of_table(table.columns, "events").name_of(ours)
    return next((name for name in (given, *_NAMES[ours]) if name in table.columns), None)


def _with_histories(log: pl.DataFrame, sequence: str) -> pl.DataFrame:
    """Impressions with a label, and the earlier items of users, in the order of the lists."""
    lists = pl.col(sequence).str.split(_SEPARATOR).list.eval(pl.element().filter(pl.element() != "")).fill_null([])
    log = log.with_columns(_before=lists).with_columns(_count=pl.col("_before").list.len().cast(pl.Int64))
    longest = log.sort("_count", descending=True, maintain_order=True).group_by("user_id", maintain_order=True).agg(
        _all=pl.col("_before").first()
    )  # fmt: skip
    checked = log.join(longest, on="user_id", how="left", maintain_order="left")
    wrong = checked.filter(pl.col("_all").list.head(pl.col("_count")) != pl.col("_before")).height
    if wrong:
        raise ValueError(
            f"column {sequence}: the items of {wrong} of {log.height} rows are not the beginning of their user's "
            "longest list, so their events cannot be ordered; give lists from the first item on, not the latest items"
        )
    # An impression after n items has order 2n, and item k (from 0) has 2k + 1.
    shown = log.with_columns(order=2 * pl.col("_count")).drop("_before", "_count", sequence, "timestamp", strict=False)
    earlier = longest.explode("_all").drop_nulls("_all").with_columns(
        order=2 * pl.int_range(pl.len()).over("user_id") + 1
    ).rename({"_all": "item_id"})  # fmt: skip
    # A click on an impression is an item of longer lists, too; it is one event.
    clicked = shown.filter("clicked").select("user_id", "item_id", pl.col("order") + 1)
    earlier = earlier.join(clicked, on=["user_id", "item_id", "order"], how="anti", maintain_order="left")
    first_part = shown.group_by("user_id", maintain_order=True).agg(pl.col("order", "split"))
    parts = earlier.join(first_part.explode("order", "split").sort("order"), on="user_id", suffix="_shown")
    parts = parts.filter(pl.col("order_shown") > pl.col("order")).group_by("user_id", "order").agg(
        pl.col("split").sort_by("order_shown").first()
    )  # fmt: skip
    earlier = earlier.join(parts, on=["user_id", "order"], how="left", maintain_order="left")
    return pl.concat([earlier, shown.drop_nulls("clicked")], how="diagonal")


def _recognises(names: Sequence[str]) -> bool:
    found = {match[1] for name in names if (match := re.fullmatch(_FILES, name))}
    return {"train", "test"} <= found


FUXICTR = DataSource(
    "fuxictr",
    "FuxiCTR's csv files: train, valid and test, with labels and earlier items",
    read_fuxictr,
    _recognises,
    lambda selection: ["*train*.csv*", "*valid*.csv*", "*test*.csv*"],
    takes_columns=True,
)

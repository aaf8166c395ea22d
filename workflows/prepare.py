"""Prepare: write training sequences from tables, out of core."""

from __future__ import annotations

import os
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..registered_modules import import_registered
from ..tokenization.out_of_core.inputs import PreparationInputs
from ..tokenization.out_of_core.prepare import EngineName, PrepareOptions, prepare_tables
from ..tokenization.out_of_core.prepared_folder import PreparedFolder, refuse_prepared
from ..tokenization.sequences.splits import AUTO, SPLITS
from ..tokenization.tables.schema import MissingUsers, ShopTables, UnknownItems
from .fields import given_columns
from .output_folders import check_preparation_folder
from .read_shop import refuse_reading
from .similar_names import refuse_unknown

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource
    from .read_shop import ColumnNames, ShopSource


def prepare(
    data: ShopSource | PreparationInputs | None = None,
    output: str | os.PathLike[str] = "prepared",
    *,
    items: TableSource | None = None,
    events: TableSource | None = None,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    engine: EngineName = "local",
    num_proc: int = 1,
    overwrite: bool = False,
    progress: bool = False,
    **options: Any,
) -> PreparedFolder:
    """Make training sequences for `fit` from tables of any size; same defaults as `xcat prepare`.

    Args:
        data: Tables: a folder, SOURCE:PATH, a hub dataset, a data frame, the result of `load_shop`, or
            `PreparationInputs`. Events in parquet files are read in pieces.
        output: Folder of the result. An unfinished preparation in it is resumed.
        items: Items table, instead of `data`: a file or data frame; None to derive it from the events.
        events: Events table, instead of `data`: a file, a folder of parquet files or a data frame.
        columns: Column names, such as `{"item_id": "sku"}`.
        time_format: As in `load_shop`.
        encoding: As in `load_shop`.
        unknown_items: "error" refuses events of items that the items table lacks, "drop" leaves them out.
        missing_users: "error" refuses events without a user, "drop" leaves them out.
        engine: "local" or "ray".
        num_proc: Number of processes, or of parallel tasks on the Ray cluster.
        overwrite: Whether another preparation in the folder may be replaced.
        progress: Whether to show bars on standard error.
        **options: Fields of `PrepareOptions`: `split="last-basket"`, `min_user_events=5`.

    Raises:
        ValueError: If the folder holds something else, or the tables cannot be split.
        TableError: If the tables cannot be used.

    Example (not run: it writes a folder):
        fit(prepare("my-shop", "PREPARED", min_user_events=5).folder, "CKPT")
    """
    own = [field.name for field in fields(PrepareOptions)]
    refuse_unknown("prepare", options, [*own, *signature(prepare).parameters])
    check_preparation_folder(Path(output))
    import_registered(SPLITS, options.get("split", AUTO))
    chosen = PrepareOptions(**options)
    if isinstance(data, PreparationInputs | ShopTables):
        refuse_reading("data", items, events, columns, time_format, encoding)
    refuse_prepared(data, "prepare")
    if not isinstance(data, PreparationInputs):
        data = PreparationInputs(
            data, items=items, events=events, columns=given_columns(columns), on_unknown_items=unknown_items,
            missing_users=missing_users, time_format=time_format, encoding=encoding,
        )  # fmt: skip
    return prepare_tables(
        data, Path(output), chosen, engine=engine, num_proc=num_proc, overwrite=overwrite, progress=progress
    )

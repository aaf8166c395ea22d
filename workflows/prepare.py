"""Prepare: write training sequences from tables, out of core."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..registered_modules import import_registered
from ..tokenization.out_of_core.inputs import PreparationInputs
from ..tokenization.out_of_core.prepare import EngineName, PrepareOptions, prepare_tables
from ..tokenization.out_of_core.prepared_folder import PreparedFolder, refuse_prepared
from ..tokenization.sequences.splits import AUTO, SPLITS
from .output_folders import check_preparation_folder


def prepare(
    data: str | os.PathLike[str] | PreparationInputs,
    output: str | os.PathLike[str],
    *,
    engine: EngineName = "local",
    num_proc: int = 1,
    overwrite: bool = False,
    progress: bool = False,
    **options: Any,
) -> PreparedFolder:
    """Make training sequences for `fit` from tables of any size; same defaults as `xcat prepare`.

    Args:
        data: Input of `load_shop`: a folder, SOURCE:PATH, or a hub dataset. For columns with other names give
            `PreparationInputs(..., columns=...)`.
        output: Folder of the result. An unfinished preparation in it is resumed.
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
    check_preparation_folder(Path(output))
    if not isinstance(data, PreparationInputs):
        refuse_prepared(os.fspath(data), "prepare")
        data = PreparationInputs(os.fspath(data))
    import_registered(SPLITS, options.get("split", AUTO))
    chosen = PrepareOptions(**options)
    return prepare_tables(
        data, Path(output), chosen, engine=engine, num_proc=num_proc, overwrite=overwrite, progress=progress
    )

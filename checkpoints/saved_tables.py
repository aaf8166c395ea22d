"""What a checkpoint says about tables used with it: column names, file format, text columns and item ids."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..modeling_xcat.hub_xcat import locate_checkpoint
from ..modeling_xcat.saving_xcat import ADAPTER_CONFIG
from ..tokenization.tables.schema import TableColumns
from ..tokenization.tables.table_columns import saved_columns, table_formats
from ..tokenization.text.text_columns import TEXT_COLUMNS
from ..tokenization.vocabulary import VOCABULARY_FILE, ItemVocabulary
from .json_files import read_json

_PROCESSOR = "processor_config.json"
_SETTINGS = (_PROCESSOR, ADAPTER_CONFIG)


def saved_event_settings(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Event settings of the checkpoint in a folder, including column names, time format and encoding.

    For an adapter without a catalogue of its own these are the base's, if the base can be found.

    Args:
        folder: A checkpoint folder.

    Raises:
        ValueError: If a file is damaged.
    """
    file, adapter = Path(folder) / _PROCESSOR, Path(folder) / ADAPTER_CONFIG
    if not file.is_file() and adapter.is_file():
        named = read_json(adapter.parent, ADAPTER_CONFIG, str(folder))
        base = named.get("base_model_name_or_path")
        try:
            file = locate_checkpoint(base, revision=named.get("revision"), files=_SETTINGS) / _PROCESSOR
        except (OSError, TypeError, ValueError):
            return {}  # loading the adapter reports what is wrong with its base
    settings = read_json(file.parent, _PROCESSOR, str(folder)) if file.is_file() else {}
    return settings.get("event_settings") or {}


def table_options(
    checkpoint: str | os.PathLike[str] | Mapping[str, Any] | None,
    columns: TableColumns | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
) -> dict[str, Any]:
    """Choose the arguments `columns`, `time_format` and `encoding` of `load_shop` for tables used with a checkpoint.

    Args:
        checkpoint: A folder, NAMESPACE/NAME on the hub, or event settings of a loaded checkpoint; None for none.
        columns: Column names given for these tables; None for the names of the checkpoint's training tables.
        time_format: Likewise.
        encoding: Likewise.

    Raises:
        OSError: If there is no such checkpoint.
    """
    saved = checkpoint or {}
    if not isinstance(saved, Mapping):
        saved = saved_event_settings(locate_checkpoint(saved, files=_SETTINGS))
    return {"columns": columns or saved_columns(saved), **table_formats(saved, time_format, encoding)}


def saved_text_columns(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """`XCatRecommender.text_columns` of a checkpoint folder; for an adapter, the usual names.

    Args:
        folder: A checkpoint folder.
    """
    file = Path(folder) / _PROCESSOR
    if not file.is_file():
        return TEXT_COLUMNS
    settings = read_json(file.parent, file.name, str(folder)).get("interest_settings")
    return () if settings is None else tuple(settings["text_columns"])


def saved_item_ids(folder: str | os.PathLike[str]) -> pa.ChunkedArray | None:
    """Item ids of a checkpoint folder; None for an adapter, because its base has them.

    Args:
        folder: A checkpoint folder.
    """
    there = (Path(folder) / VOCABULARY_FILE).is_file()
    return ItemVocabulary.load(folder).column("item_id") if there else None

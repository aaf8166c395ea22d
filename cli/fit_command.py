"""The command in a model card, which trains the model again."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..model_cards.markdown import is_hub_id
from ..model_cards.scrubbing import is_secret_name
from ..tokenization.out_of_core.prepared_folder import is_prepared, open_prepared
from ..tokenization.sources import SOURCES, split_data
from ..tokenization.sources.generic import table_suffix
from ..tokenization.tables.column_guess import changed_columns, columns_text
from ..tokenization.tables.schema import TableColumns
from .options import parse_value

NOT_SHOWN = {
    "data", "output", "config_file", "resume", "overwrite", "card", "json_output", "show_values", "guess_columns",
    "report",
}  # fmt: skip
"""Parameters of `xcat fit` that do not change the model, or are written elsewhere; the command has all others."""
FIELDS_NOT_SHOWN = {"cache_dir", "disable_tqdm", "push_to_hub", "report_to", "run_name"}
"""Fields that do not change the model."""
_PLACES = {"items", "events", "base", "text_encoder", "image_encoder"}
"""Options that may name a file or folder; its path differs between machines."""
_PREPARED_NAMES = {"on_unknown_items": "unknown_items", "on_missing_users": "missing_users"}
"""Entries of a manifest whose option has another name."""


def given_options(context: Any) -> dict[str, Any]:
    """Options of a command with a value other than their default, by name.

    Args:
        context: The context of click.
    """
    options = [p for p in context.command.params if p.param_type_name == "option" and p.name not in NOT_SHOWN]
    values = {option.name: context.params.get(option.name) for option in options}
    return {p.name: values[p.name] for p in options if values[p.name] not in (None, (), p.get_default(context))}


def fit_command(
    data: str | None, fields: Mapping[str, Any], options: Mapping[str, Any] | None = None, *, here: bool = False
) -> str:
    """The command that fits a model again.

    A word in capitals (DATA, ITEMS.csv, TEXT_ENCODER) replaces each file or folder of this machine. For a prepared
    folder, the command that prepares it comes first.

    Args:
        data: The data argument.
        fields: Fields that were given, on the command line or in a file.
        options: Other options of the command, as `given_options` gives them.
        here: Whether the command is for this machine: files and folders keep their paths.

    Example:
        >>> fit_command("shop/", {"seed": 1}, here=True)
        'xcat fit shop/ --output checkpoint --seed 1'
        >>> fit_command("shop/", {"hidden_size": 64, "text_fields": ("title", "brand"), "bf16": True})
        'xcat fit DATA --output checkpoint --hidden-size 64 --text-fields title,brand --bf16 true'
    """
    prepared = data is not None and not here and is_prepared(data)
    alone = data is None and options is not None and "events" in options
    shown = ["PREPARED"] if prepared else [] if alone else [data if here and data else _data_word(data)]
    words = ["xcat", "fit", *shown, "--output", "checkpoint"]
    for name, value in (options or {}).items():
        if name not in fields:
            words += _option(name, value, here)
    for name, value in fields.items():
        if name in FIELDS_NOT_SHOWN or name.startswith("hub_") or is_secret_name(name) or value is None:
            continue
        word = None if here else _place(name, value)
        words += [f"--{name.replace('_', '-')}", word or _as_word(value)]
    first = f"{_prepare_command(str(data))} && " if prepared else ""
    return first + shlex.join(words)


def other_command(context: Any, checkpoint: str | None, data: str | None) -> str:
    """The command of `xcat evaluate` or `xcat bench`, with words in capitals for files and folders of this machine.

    Args:
        context: The context of click, with fields in `args`.
        checkpoint: The checkpoint argument, where there is one.
        data: The data argument.
    """
    words = ["xcat", context.command.name]
    if checkpoint is not None:
        words.append(checkpoint if is_hub_id(checkpoint) and not Path(checkpoint).exists() else "CHECKPOINT")
    words += [] if data is None and context.params.get("events") else [_data_word(data)]
    for name, value in given_options(context).items():
        if name == "k":
            words += [part for cutoff in value for part in ("-k", str(cutoff))]
        else:
            words += _option(name, value)
    return shlex.join([*words, *(_place("text_encoder", word) or word for word in context.args)])


def data_words(data: Sequence[str]) -> list[str]:
    """The words for several data arguments, with words in capitals for files and folders of this machine.

    Example:
        >>> data_words(["shop-a/", "complete-journey"])
        ['DATA', 'complete-journey']
    """
    return [_data_word(one) for one in data]


def _data_word(data: str | None) -> str:
    name, path, parts = split_data(data) if data else (None, None, ())
    if name in SOURCES and path is None:
        return str(name)
    if path and not Path(path).exists() and is_hub_id(path):
        return str(data)
    word = f"DATA{_suffixes(Path(path))}" if path else "DATA"
    return ":".join([name, word, *([",".join(parts)] if parts else [])]) if name else word


def _suffixes(path: Path) -> str:
    """The suffixes by which a table is read, such as `.csv.gz`; empty for a folder."""
    known = table_suffix(path) if path.is_file() else None
    return "" if known is None else path.name[path.name.lower().rindex(known) :]


def _prepare_command(folder: str) -> str:
    """The command that prepares a folder again, from its manifest."""
    request = dict(open_prepared(folder).manifest["request"])
    made, columns = request.pop("options", {}), request.pop("columns", {})
    mapping = changed_columns(TableColumns(**columns))
    words = ["xcat", "prepare", "DATA", "--output", "PREPARED"]
    if mapping:
        words += ["--columns", columns_text(mapping)]
    defaults = _prepare_defaults() | dict.fromkeys(_PREPARED_NAMES, "error")
    told = {name: value for name, value in {**request, **made}.items() if name not in ("layout", "inputs")}
    for name, value in told.items():
        if value is not None and _plain(value) != _plain(defaults.get(name)):
            words += _option(_PREPARED_NAMES.get(name, name), value)
    return shlex.join(words)


def _prepare_defaults() -> dict[str, Any]:
    from ..tokenization.out_of_core.prepare import PrepareOptions

    return dataclasses.asdict(PrepareOptions())


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value


def _option(name: str, value: Any, here: bool = False) -> list[str]:
    """An option of the command line with its value; a switch has none."""
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    return [f"--{option}", (None if here else _place(name, str(value))) or str(value)]


def _place(name: str, value: Any) -> str | None:
    """The word for a file or folder of this machine; None for other values."""
    if not isinstance(value, str | os.PathLike) or not (name in _PLACES or Path(value).is_absolute()):
        return None
    path = Path(value)
    if not path.exists():
        return None
    return name.upper() + _suffixes(path)


def _as_word(value: Any) -> str:
    """A value of a field as one word, which `parse_value` reads as the same value."""
    if isinstance(value, list | tuple):
        joined = ",".join(map(str, value))
        plain = all(isinstance(part, int) or (isinstance(part, str) and "," not in part) for part in value)
        return joined if plain and value and _reads(joined) in (joined, value[0]) else json.dumps(list(value))
    if isinstance(value, str):
        return value if _reads(value) == value else json.dumps(value)
    return json.dumps(value, default=str)


def _reads(word: str) -> Any:
    try:
        return parse_value(word)
    except ValueError:
        return None

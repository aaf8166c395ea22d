"""Fields of preparation, configuration and training arguments in one mapping by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .option_fields import CLICK, CONFIG, PREPARATION, TRAINING, OptionField, option_fields
from .similar_names import did_you_mean

if TYPE_CHECKING:
    from ..tokenization.tables.table_columns import TableColumns

RESERVED = {
    "output_dir",
    "data_seed",
    "dtype",
    "text_config",
    "image_config",
    "image_encoder_dim",
    "images_per_item",
    "num_images",
    "num_item_rows",
    "num_texts",
    "event_types",
    "target_head_groups",
    "target_head_weights",
}
"""Fields that the commands set themselves."""
OTHER_NAMES = {"cold_boost": "untrained_bonus"}
"""Options whose saved field has another name, with that field."""

TASK_OPTIONS = {"click": CLICK}
"""Tasks of this package with options of their own, and the class of the options."""
SHARED = frozenset({"seed"})
"""Fields of such a class that are set from the fields of `PreparationOptions`."""

_SHORTER = {"on_missing_users": "missing_users", "on_unknown_items": "unknown_items"}
"""Arguments of `load_shop` that workflows have under a shorter name."""


class UnknownFieldError(ValueError):
    """A name that is not a field of any of the classes.

    Args:
        name: The name.
        known: Names that could be meant.
    """

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        hint = did_you_mean(_SHORTER.get(name, name), known)
        super().__init__(f"{name} is not a field of {PREPARATION}, {CONFIG} or {TRAINING}{hint}")
        self.name = name


def task_fields(owner: str = CLICK) -> dict[str, OptionField]:
    """Options of a task by name, without the shared ones.

    Args:
        owner: Class of the options.
    """
    return {name: field for name, field in option_fields(owner).items() if name not in SHARED}


def fields_of_task(task: Any) -> dict[str, OptionField]:
    """Options of a task of this package by name; empty for a task without any.

    Args:
        task: Name of the task, or a `Task`.
    """
    options = getattr(task, "option_class", None)
    owner = TASK_OPTIONS.get(task) if isinstance(task, str) else getattr(options, "__name__", None)
    return task_fields(owner) if owner is not None and owner in TASK_OPTIONS.values() else {}


def take_task_fields(values: Mapping[str, Any], task: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Separate the options of a task from the fields of `split_fields`.

    Args:
        values: Fields by name.
        task: Name of the task, or a `Task`.

    Returns:
        The other fields, and the options of the task.

    Raises:
        ValueError: If an option belongs to a task that is not given, has the wrong type, or is out of range.
    """
    known = fields_of_task(task)
    for name, taken in TASK_OPTIONS.items():
        stray = next((key for key in values if key in task_fields(taken) and key not in known), None)
        if stray is not None:
            raise ValueError(f"{stray} is an option of click prediction; give task={name!r} too, or leave it out")
    own = {name: _typed(name, value, known[name]) for name, value in values.items() if name in known}
    if known and isinstance(task, str):  # a `Task` has options of its own beside these
        from ..tokenization.sequences.click_options import ClickOptions

        ClickOptions(**own)  # before tables are read
    return {name: value for name, value in values.items() if name not in known}, own


def split_fields(
    values: Mapping[str, Any], arguments: Iterable[str] = ()
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Sort fields into those of preparation, of `XCatConfig` and of `XCatTrainingArguments`.

    Args:
        values: Fields by name.
        arguments: Other arguments of the function that got the fields, to suggest for an unknown name.

    Raises:
        UnknownFieldError: If a field belongs to no class.
        ValueError: If its value has the wrong type.
    """
    rooms: list[tuple[dict[str, Any], dict[str, OptionField]]] = [
        ({}, {name: field for name, field in option_fields(owner).items() if name not in RESERVED})
        for owner in (PREPARATION, CONFIG, TRAINING)
    ]
    for name, value in values.items():
        name = OTHER_NAMES.get(name, name)
        for chosen, fields in rooms:
            if name in fields and name != "config":
                chosen[name] = _typed(name, value, fields[name])
                break
        else:
            raise UnknownFieldError(name, [*arguments, *OTHER_NAMES, *(one for _, fields in rooms for one in fields)])
    _import_split(rooms[0][0].get("split"))
    _import_metrics(rooms[2][0].get("metrics") or ())
    return rooms[0][0], rooms[1][0], rooms[2][0]


def _import_split(split: Any) -> None:
    """Import the module of a split MODULE:NAME."""
    if isinstance(split, str) and ":" in split:
        from ..registered_modules import import_registered
        from ..tokenization.sequences.splits import SPLITS

        import_registered(SPLITS, split)


def _import_metrics(names: Sequence[str]) -> None:
    """Import the modules of metrics MODULE:NAME."""
    if names:
        from ..evaluation.more_metrics import metric_names

        metric_names(names)


def _typed(name: str, value: Any, declared: OptionField) -> Any:
    kind = declared.kind
    if kind.startswith(("tuple", "list", "Sequence")):
        return _listed(name, value, kind)
    if "Path" in kind:
        return None if value is None else Path(str(value))
    if "str" in kind and "bool" not in kind and isinstance(value, bool):
        return "yes" if value else "no"  # YAML reads the words yes and no as true and false
    if isinstance(value, bool) and "bool" not in kind and "str" not in kind and ("int" in kind or "float" in kind):
        raise ValueError(f"{name} is {value}; give a number")
    if "int" in kind and "float" not in kind and "list" not in kind and "dict" not in kind:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, int) and value is not None and "str" not in kind:
            raise ValueError(f"{name} is {value!r}; give a whole number")
    elif "float" in kind and not isinstance(value, int | float) and value is not None and "str" not in kind:
        raise ValueError(f"{name} is {value!r}; give a number")
    elif "bool" in kind and not isinstance(value, bool) and value is not None and "str" not in kind:
        raise ValueError(f"{name} is {value!r}; give true or false")
    return value


def _listed(name: str, value: Any, kind: str) -> Any:
    """A list or tuple from a YAML list, or from values separated by commas."""
    if value is None:
        return None if "None" in kind else ()
    given = list(value) if isinstance(value, list | tuple) else str(value).split(",")
    parts: list[Any] = [part.strip() if isinstance(part, str) else part for part in given]
    if "int" in kind:
        try:
            parts = [int(str(part)) for part in parts]
        except ValueError:
            raise ValueError(f"{name} is {value!r}; give whole numbers separated by commas, such as 10,20") from None
    return tuple(parts) if kind.startswith("tuple") else parts


def parse_columns(text: str | None) -> Any:
    r"""`TableColumns` from `item_id=sku,title=name`; the defaults from None.

    A name with a table before it, `events.item_id=product_id`, applies to that table only.

    Write a comma within a name with a backslash, `user_id=Customer\, ID`; also a backslash before a comma or at the
    end. Blanks and more equals signs are kept.

    Raises:
        ValueError: If a part is not `name=column`, or the name is not a field of `TableColumns`.
    """
    from ..tokenization.tables.table_columns import TABLES, TableColumns, column_names

    names = column_names()
    chosen: dict[str, str] = {}
    by_table: dict[str, str] = {}
    for part in re.findall(r"(?:\\[,\\]|[^,])+", text or ""):
        name, equals, column = part.partition("=")
        table, dot, ours = name.rpartition(".")
        if not equals or ours not in names or (dot and table not in TABLES):
            raise ValueError(
                f"columns has {part!r}; give name=column with a name among {', '.join(names)}; for one table only "
                "such as events.item_id=column"
            )
        (by_table if dot else chosen)[name] = re.sub(r"\\([,\\])", r"\1", column)
    return TableColumns(**chosen, by_table=by_table)


def given_columns(columns: TableColumns | Mapping[str, str] | str | None) -> TableColumns | None:
    """Column names in any form; None for the default names or those of a checkpoint.

    Args:
        columns: As in `load_shop`, or a text that `parse_columns` reads.

    Raises:
        ValueError: As `as_columns` or `parse_columns`.
    """
    from ..tokenization.tables.table_columns import as_columns

    if isinstance(columns, str):
        return parse_columns(columns) if columns else None
    return as_columns(columns)


def columns_option(columns: TableColumns | Mapping[str, str] | str | None) -> str | None:
    r"""Column names as the text that `parse_columns` reads.

    Args:
        columns: As in `load_shop`, or such a text.

    Example:
        >>> print(columns_option({"item_id": "sku", "events.user_id": "Customer, ID"}))
        item_id=sku,events.user_id=Customer\, ID
    """
    from ..tokenization.tables.column_guess import columns_text
    from ..tokenization.tables.table_columns import TableColumns, as_columns

    if columns is None or isinstance(columns, str):
        return columns
    chosen, usual = as_columns(columns) or TableColumns(), asdict(TableColumns())
    return columns_text({name: column for name, column in asdict(chosen).items() if column != usual[name]}) or None

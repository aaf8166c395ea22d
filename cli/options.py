"""Every field of the configuration and of the training arguments as a command-line option or a line of YAML."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from .option_fields import CONFIG, PREPARATION, TRAINING, OptionField, option_fields
from .suggestions import option_hint

Report = Annotated[Path | None, typer.Option(help="HTML file to write the results to as a page: page.html.")]
TimeFormat = Annotated[
    str | None,
    typer.Option(help="Format of times: day-first, month-first, excel or a strptime pattern; found if left out."),
]
Encoding = Annotated[str | None, typer.Option(help="Encoding of files of text, such as cp1252; found if left out.")]
MissingUsers = Annotated[Literal["error", "drop"], typer.Option(help="What to do with events without a user.")]

RESERVED = {
    "output_dir",
    "data_seed",
    "dtype",
    "text_config",
    "num_item_rows",
    "num_texts",
    "event_types",
}
"""Fields that the command sets itself."""
OTHER_NAMES = {"cold_boost": "untrained_bonus"}
"""Options and the fields that they are, where the name of a saved field is not that of the option."""


def parse_extra(arguments: Sequence[str]) -> dict[str, Any]:
    """Read `--some-field value`, `--some-field=value` and `--flag` into a mapping of field names to values.

    Example:
        >>> parse_extra(["--learning-rate", "1e-3", "--memory-sources=[item_text]", "--bf16"])
        {'learning_rate': 0.001, 'memory_sources': ['item_text'], 'bf16': True}

    Raises:
        ValueError: If a value stands without an option.
    """
    values: dict[str, Any] = {}
    pending: str | None = None
    for argument in arguments:
        if argument.startswith("--"):
            if pending is not None:
                values[pending] = True
            name, equals, value = argument[2:].partition("=")
            pending = name.replace("-", "_")
            if equals:
                values[pending] = parse_value(value)
                pending = None
        elif pending is None:
            raise ValueError(f"{argument!r} is no option; options are written --name value")
        else:
            values[pending] = parse_value(argument)
            pending = None
    if pending is not None:
        values[pending] = True
    return values


def parse_value(text: str) -> Any:
    """A value as YAML reads it, and numbers such as 1e-3 besides."""
    try:
        return float(text) if "e" in text.lower() else yaml.safe_load(text)
    except ValueError:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{text!r} is no value: {error}") from error


def read_yaml(path: Path | None) -> dict[str, Any]:
    """Fields from a YAML file; none without a file."""
    if path is None:
        return {}
    if not path.is_file():
        raise ValueError(f"configuration file {path} does not exist")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"configuration file {path} is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"configuration file {path} holds a {type(values).__name__}; give one `field: value` a line")
    return {str(name).replace("-", "_"): value for name, value in values.items()}


def split_fields(
    values: Mapping[str, Any], command: str = "fit"
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Sort fields into those of preparation, of `XCatConfig` and of `XCatTrainingArguments`.

    Args:
        values: Fields by name.
        command: Name of the command that was given them.

    Raises:
        ValueError: If a field belongs to none of them, or its value has the wrong type; similar names are suggested.
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
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} is no option{option_hint(option, command)}")
    return rooms[0][0], rooms[1][0], rooms[2][0]


def _typed(name: str, value: Any, declared: OptionField) -> Any:
    kind = declared.kind
    option = f"--{name.replace('_', '-')}"
    if kind.startswith(("tuple", "list")):
        return _listed(option, value, kind)
    if "Path" in kind:
        return None if value is None else Path(str(value))
    if "str" in kind and "bool" not in kind and isinstance(value, bool):
        return "yes" if value else "no"  # YAML takes the words yes and no for true and false
    if isinstance(value, bool) and "bool" not in kind and "str" not in kind and ("int" in kind or "float" in kind):
        raise ValueError(f"{option} is {value}; give a number")
    if "int" in kind and "float" not in kind and "list" not in kind and "dict" not in kind:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, int) and value is not None and "str" not in kind:
            raise ValueError(f"{option} is {value!r}; give a whole number")
    elif "float" in kind and not isinstance(value, int | float) and value is not None and "str" not in kind:
        raise ValueError(f"{option} is {value!r}; give a number")
    elif "bool" in kind and not isinstance(value, bool) and value is not None and "str" not in kind:
        raise ValueError(f"{option} is {value!r}; give true or false")
    return value


def _listed(option: str, value: Any, kind: str) -> Any:
    """A list or tuple from a YAML list, or from values with commas between."""
    if value is None:
        return None if "None" in kind else ()
    given = list(value) if isinstance(value, list | tuple) else str(value).split(",")
    parts: list[Any] = [part.strip() if isinstance(part, str) else part for part in given]
    if "int" in kind:
        try:
            parts = [int(str(part)) for part in parts]
        except ValueError:
            raise ValueError(f"{option} is {value!r}; give whole numbers with commas between") from None
    return tuple(parts) if kind.startswith("tuple") else parts


def parse_event_types(text: str | None) -> tuple[str, ...] | None:
    """Event types with commas between; None without any, for the default.

    Example:
        >>> parse_event_types("purchase, order"), parse_event_types(None)
        (('purchase', 'order'), None)
    """
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


TARGETS_HELP = "Event types to predict, such as purchase,order; without it their names decide."
NEGATIVE_HELP = "Negative event types, such as return,hide; without it their names decide."


def parse_columns(text: str | None) -> Any:
    r"""`TableColumns` from `item_id=sku,title=name`; the defaults from None.

    A comma within a name has a backslash, `user_id=Customer\, ID`, and so has a backslash before a comma or at the
    end. Blanks and further equals signs stay as they are.

    Raises:
        ValueError: If a part is not `name=column`, or the name is no field of `TableColumns`.
    """
    from ..tokenization.schema import TableColumns

    names = [field.name for field in dataclasses.fields(TableColumns)]
    chosen: dict[str, str] = {}
    for part in re.findall(r"(?:\\[,\\]|[^,])+", text or ""):
        name, equals, column = part.partition("=")
        if not equals or name not in names:
            raise ValueError(f"--columns has {part!r}; give name=column with a name among {', '.join(names)}")
        chosen[name] = re.sub(r"\\([,\\])", r"\1", column)
    return TableColumns(**chosen)


def take_card(values: dict[str, Any], wanted: bool = True) -> dict[str, Any] | None:
    """Take the author's part of the card out of the fields of a configuration file.

    Args:
        values: Fields; the section `card` is removed.
        wanted: Whether a card is wanted at all; `card: false` in the file says no too.

    Returns:
        What the author says, or None for no card.

    Raises:
        ValueError: If the section is neither a mapping nor true or false, or a field is none of a card.
    """
    section = values.pop("card", None)
    if section is not None and not isinstance(section, dict | bool):
        raise ValueError(f"card is {section!r}; give a section of `field: value` lines, or false for no card")
    author = section if isinstance(section, dict) else {}
    if author:
        from ..model_cards.card_data import XCatModelCardData

        XCatModelCardData().given(author)
    return None if section is False or not wanted else author

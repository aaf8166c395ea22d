"""Every field of the configuration and of the training arguments as a command-line option or a line of YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from ..workflows import fields
from .suggestions import option_hint

Report = Annotated[Path | None, typer.Option(help="HTML file to write the results to as a page: page.html.")]
Columns = Annotated[
    str | None,
    typer.Option(help="Names of your columns: item_id=sku,title=name, or of one table: events.item_id=product_id."),
]
GuessColumns = Annotated[
    bool, typer.Option("--guess-columns", help="Print the --columns that names and values propose, and stop.")
]
TimeFormat = Annotated[
    str | None,
    typer.Option(help="Format of times: day-first, month-first, excel or a strptime pattern; found if left out."),
]
Encoding = Annotated[str | None, typer.Option(help="Encoding of files of text, such as cp1252; found if left out.")]
MissingUsers = Annotated[Literal["error", "drop"], typer.Option(help="What to do with events without a user.")]


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
    """Sort fields as `workflows.fields.split_fields` does; similar options are suggested for an unknown one.

    Args:
        values: Fields by name.
        command: Name of the command that was given them.

    Raises:
        ValueError: If a field is unknown, or its value has the wrong type.
    """
    try:
        return fields.split_fields(values)
    except fields.UnknownFieldError as error:
        option = f"--{error.name.replace('_', '-')}"
        raise ValueError(f"{option} is no option{option_hint(option, command)}") from None


def parse_event_types(text: str | None) -> tuple[str, ...] | None:
    """Event types with commas between; None without any, for the default.

    Example:
        >>> parse_event_types("purchase, order"), parse_event_types(None)
        (('purchase', 'order'), None)
    """
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


TARGETS_HELP = "Event types to predict, such as purchase,order; without it their names decide."
NEGATIVE_HELP = "Negative event types, such as return,hide; without it their names decide."


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

"""Fields of the configuration and of the training arguments as command-line options or lines of YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from ..workflows import fields
from .suggestions import option_hint

Report = Annotated[Path | None, typer.Option(help="Also write the results as an HTML page: page.html.")]
Overwrite = Annotated[bool, typer.Option(help="Replace an earlier result in the output.")]
Data = Annotated[
    str | None,
    typer.Argument(help="One file, a folder with your tables or a prepared one, SOURCE:PATH, or a hub dataset."),
]
Items = Annotated[
    str | None, typer.Option(help="Items table, instead of DATA; omit it if the events table has its columns.")
]
Events = Annotated[str | None, typer.Option(help="Events table, instead of DATA.")]
Columns = Annotated[
    str | None,
    typer.Option(help="Your column names: item_id=sku,title=name; for one table only: events.item_id=product_id."),
]
History = Annotated[
    str | None,
    typer.Option(
        help='Item ids of one user, oldest first: A,B or A,"B, large"; with times: A@2024-01-31,B@1706745600; '
        "omit it for a new customer."
    ),
]
UserText = Annotated[
    list[str] | None,
    typer.Option(help="Text written by the user, for a model of xcat fit --interests; may be repeated."),
]
GuessColumns = Annotated[bool, typer.Option("--guess-columns", help="Print a proposed --columns mapping and exit.")]
TimeFormat = Annotated[
    str | None,
    typer.Option(help="Time format: day-first, month-first, excel or a strptime pattern; detected by default."),
]
Encoding = Annotated[str | None, typer.Option(help="Encoding of text files, such as cp1252; detected by default.")]
UnknownItems = Annotated[
    Literal["error", "drop"], typer.Option(help="Events of items that the items table lacks: error (stop) or drop.")
]
MissingUsers = Annotated[Literal["error", "drop"], typer.Option(help="Events without a user: error (stop) or drop.")]
Images = Annotated[
    list[str] | None,
    typer.Option(help="Column of the items with images: files, web addresses, lists of them, or vectors."),
]
Policy = Annotated[
    str | None,
    typer.Option(help="Content policy of the items: standard, off, or a JSON file with its settings."),
]
Filter = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help="Condition on a column of the catalogue: 'price<20', 'brand!=X' or 'category in tents,maps'; may be "
        "repeated.",
    ),
]
Explore = Annotated[
    Literal["familiar", "balanced", "adventurous"] | None,
    typer.Option(help="Varied lists: familiar, balanced or adventurous; by default the model's order."),
]
Rerank = Annotated[
    str | None,
    typer.Option(help="Re-ranking rules in their order, such as mmr=0.3,calibrate=0.5 or max-per=brand:2."),
]


def only_one(option: str, given: list[str] | None) -> str | None:
    """The value of an option that is given once; None if it is not given.

    Args:
        option: The option, with its dashes.
        given: Its values; click would take the last of several without a word.

    Raises:
        ValueError: If it is given several times.
    """
    if given and given[1:]:
        raise ValueError(f"{option} is given {len(given)} times: {', '.join(given)}; give one")
    return given[0] if given else None


def parse_extra(arguments: Sequence[str]) -> dict[str, Any]:
    """Read `--some-field value`, `--some-field=value` and `--flag` into a mapping of field names to values.

    Example:
        >>> parse_extra(["--learning-rate", "1e-3", "--memory-sources=[item_text]", "--bf16"])
        {'learning_rate': 0.001, 'memory_sources': ['item_text'], 'bf16': True}

    Raises:
        ValueError: If a value has no option before it.
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
            raise ValueError(f"{argument!r} is not an option; write options as --name value")
        else:
            values[pending] = parse_value(argument)
            pending = None
    if pending is not None:
        values[pending] = True
    return values


_Loader: Any = type("_Loader", (yaml.SafeLoader,), {})
"""YAML 1.1, plus numbers such as 1e-3, which it would read as text."""
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_value(text: str) -> Any:
    """Read a value as YAML, plus numbers such as 1e-3."""
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date such as 2024-02-30 is a ValueError
        raise ValueError(f"{text!r:.200} is not a valid value: {error}") from error


def read_yaml(path: Path | None) -> dict[str, Any]:
    """Fields from a YAML file; none without a file."""
    if path is None:
        return {}
    if not path.is_file():
        raise ValueError(f"configuration file {path} does not exist")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date such as 2024-02-30 is a ValueError
        raise ValueError(f"configuration file {path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(
            f"configuration file {path} holds a {type(values).__name__}; give one `field: value` per line"
        )
    return {str(name).replace("-", "_"): value for name, value in values.items()}


def split_fields(
    values: Mapping[str, Any], command: str = "fit", task: str | None = None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Sort fields as `workflows.fields.split_fields` does, and suggest similar options for an unknown field.

    Args:
        values: Fields by name; options of the task are left out.
        command: Name of the command that received them.
        task: Name of the task; None for the default.

    Raises:
        ValueError: If a field is unknown, or its value has the wrong type.
    """
    try:
        return fields.split_fields(fields.take_task_fields(values, task or "")[0])
    except fields.UnknownFieldError as error:
        option = f"--{error.name.replace('_', '-')}"
        raise ValueError(f"unknown option {option}{option_hint(option, command)}") from None


def task_options_of(values: Mapping[str, Any], task: str | None) -> dict[str, Any]:
    """The options of a task among fields.

    Args:
        values: Fields by name.
        task: Name of the task; None for the default.
    """
    return fields.take_task_fields(values, task or "")[1]


def parse_event_types(text: str | None) -> tuple[str, ...] | None:
    """Event types separated by commas; None for the default.

    Example:
        >>> parse_event_types("purchase, order"), parse_event_types(None)
        (('purchase', 'order'), None)
    """
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


TARGETS_HELP = "Event types to predict, such as purchase,order; by default chosen by their names."
NEGATIVE_HELP = "Negative event types, such as return,hide; by default chosen by their names."


def take_card(values: dict[str, Any], wanted: bool = True) -> dict[str, Any] | None:
    """Remove the author's part of the card from the fields of a configuration file.

    Args:
        values: Fields; the section `card` is removed.
        wanted: Whether to write a card; `card: false` in the file turns it off too.

    Returns:
        The author's fields, or None for no card.

    Raises:
        ValueError: If the section is neither a mapping nor true or false, or a field is not a card field.
    """
    section = values.pop("card", None)
    if section is not None and not isinstance(section, dict | bool):
        raise ValueError(f"card is {section!r}; give a section of `field: value` lines, or false for no card")
    author = section if isinstance(section, dict) else {}
    if author:
        from ..model_cards.card_data import XCatModelCardData

        XCatModelCardData().given(author)
    return None if section is False or not wanted else author

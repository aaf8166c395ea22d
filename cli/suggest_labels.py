"""`xcat suggest-labels`: rank the texts, items or users whose labels would teach most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import Columns, Data, Encoding, Events, Items, MissingUsers, TimeFormat, UnknownItems

if TYPE_CHECKING:
    from ..workflows.suggest_labels import LabelSuggestions


def suggest_labels(
    data: Data = None,
    kind: Annotated[
        Literal["texts", "items", "users"],
        typer.Option(help="texts (sentiment of reviews), items (values of --column) or users (your segments)."),
    ] = "texts",
    n: Annotated[int, typer.Option("-n", help="Number of suggestions, such as 100.")] = 100,
    output: Annotated[
        Path | None, typer.Option(help="Write them with an empty column label: to-label.csv or to-label.json.")
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(help="File of an earlier --output, filled in; may be repeated; these are not suggested again."),
    ] = None,
    column: Annotated[str, typer.Option(help="Column of items that is labelled, such as brand.")] = "category",
    items: Items = None,
    events: Events = None,
    text_column: Annotated[
        list[str] | None,
        typer.Option(help="Text column of events, such as review; may be repeated; by default the usual names."),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(help="Checkpoint with column names and text encoder; it predicts users' next category."),
    ] = None,
    columns: Columns = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    text_encoder: Annotated[
        str | None,
        typer.Option(help="Hub id or folder of the text encoder; auto, the default, chooses by the texts' language."),
    ] = None,
    pool: Annotated[int, typer.Option(help="Most candidates and labelled things read, evenly spread.")] = 5_000,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Rank the texts, items or users whose labels would teach most, by uncertainty and diversity.

    Fill in the column label of the written file, and give it as --labels for the next suggestions.

    Examples:

        xcat suggest-labels my-shop/ --kind texts -n 100 --output to-label.csv

        xcat suggest-labels my-shop/ --kind texts --labels to-label.csv --output to-label-2.csv

        xcat suggest-labels my-shop/ --kind items --column brand -n 20 --json
    """
    from ..workflows.input_checks import check_checkpoint, check_text_encoder
    from ..workflows.suggest_labels import check_suggestions
    from .usage import check_file_to_read

    check_suggestions(kind, n, pool, output)
    for file in labels or ():
        check_file_to_read("--labels", file)
    if checkpoint is not None:
        check_checkpoint(checkpoint)
    check_text_encoder(text_encoder)

    from ..workflows.suggest_labels import suggest_labels as suggestions_of
    from .console import print_json, say

    found = suggestions_of(
        data, kind, n, items=items, events=events, labels=labels, output=output, column=column,
        text_columns=text_column, checkpoint=checkpoint, columns=columns, time_format=time_format, encoding=encoding,
        unknown_items=unknown_items, missing_users=missing_users, text_encoder=text_encoder, pool=pool, tell=say,
    )  # fmt: skip
    if json_output:
        print_json(found.to_dict())
        return
    _show(found)


def _show(found: LabelSuggestions) -> None:
    """Print the suggestions, and the way back."""
    from ..workflows.suggest_labels import KEYS
    from .console import results
    from .plain_tables import GAP, Column, PlainTable

    key = KEYS[found.kind]
    texts = key == "text"
    columns = [Column("", right=True), *(Column(name, cut=True) for name in ([key] if texts else [key, "about"]))]
    indent = " " * (len(str(len(found.suggestions))) + GAP)
    rows: list[Sequence[str] | str] = []
    for place, one in enumerate(found.suggestions, start=1):
        rows.append((str(place), *([] if texts else [one.id]), one.shown))
        rows.append(f"{indent}{one.reason}")
    below = [f"{found.candidates:,} candidates, {found.labelled:,} labelled {found.kind}"]
    if found.output is not None:
        below.append(f"fill in the column label of {found.output}, and give it as --labels")
    results.print(PlainTable(f"{found.kind} to label", columns, rows, below), highlight=False)

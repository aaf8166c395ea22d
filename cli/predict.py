"""`xcat predict`: probabilities of clicks on items that are shown to one user or to many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..counting import counted
from .options import Encoding, History, MissingUsers, Overwrite, TimeFormat, UserText

if TYPE_CHECKING:
    import polars as pl


def predict(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint of xcat fit --task click, or NAMESPACE/NAME.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    history: History = None,
    items: Annotated[str | None, typer.Option(help="Ids of the items that are shown to the user: C,D.")] = None,
    text: UserText = None,
    context: Annotated[
        list[str] | None,
        typer.Option(help="Value of a context column: price=9.5, or price= if unknown; may be repeated."),
    ] = None,
    shown: Annotated[
        Path | None,
        typer.Option(help="Table of users and items, such as shown.csv; with times, for the events before them."),
    ] = None,
    users: Annotated[
        Path | None, typer.Option(help="Events table of the users of --shown, such as events.csv.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Column names of the tables: item_id=sku,user_id=customer.")
    ] = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    missing_users: MissingUsers = "drop",
    output: Annotated[Path | None, typer.Option(help="Parquet file for --shown with probabilities.")] = None,
    overwrite: Overwrite = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Predict the probability that a user clicks an item that is shown, for a model of xcat fit --task click.

    Examples:

        xcat predict my-clicks --history B004756YJA,B004ZT0SSG --items B0012345,B0067890

        xcat predict my-clicks --items B0012345 --context price=9.5 --json

        xcat predict my-clicks --shown shown.csv --users events.csv --output predicted.parquet
    """
    from ..workflows.fields import parse_columns
    from ..workflows.input_checks import check_checkpoint
    from .usage import check_file_to_read, check_file_to_write

    of_one = {"--history": history, "--items": items, "--text": text, "--context": context}
    of_many = {"--users": users, "--columns": columns, "--output": output}
    for option, value in (of_many if shown is None else of_one).items():
        if value is not None:
            other = "--shown, which is missing" if shown is None else "one user; leave it out, or leave --shown out"
            raise ValueError(f"{option} is for {other}")
    if shown is None and items is None:
        raise ValueError("give --items A,B for one user, or --shown FILE for many")
    check_file_to_read("--shown", shown)
    check_file_to_read("--users", users)
    check_file_to_write("--output", output, ".parquet", overwrite)
    parse_columns(columns)
    check_checkpoint(checkpoint, revision)
    if shown is None:
        _one(checkpoint, revision, history or "", items or "", text, context, json_output)
        return

    from ..workflows.predict_clicks import predict_clicks
    from .console import messages, print_json, say

    found = predict_clicks(
        checkpoint, shown, users, output=output, revision=revision, columns=columns, time_format=time_format,
        encoding=encoding, missing_users=missing_users, overwrite=overwrite,
    )  # fmt: skip
    for note in found.notes:
        say(f"note: {note}")
    if output is not None:
        messages.print(f"{counted(len(found.table), 'row')}: {output}")
    elif not json_output:
        _print(found.table)
    if json_output:
        print_json(found.to_dict() if output is None else {"output": str(output), "num_rows": len(found.table)})


def _one(
    checkpoint: str, revision: str | None, history: str, items: str, text: list[str] | None,
    context: list[str] | None, json_output: bool,
) -> None:  # fmt: skip
    """Print the probabilities of one user."""
    from .explain import context_of
    from .recommend import entries_of

    entries, wanted = entries_of(history), entries_of(items, "--items")

    import polars as pl

    from ..ranking.recommender import XCatRecommender
    from ..ranking.timed_history import read_timed_history
    from .console import print_json

    recommender = XCatRecommender.from_pretrained(checkpoint, revision=revision)
    ids, times = read_timed_history(entries, recommender.vocabulary)
    found = recommender.click_probability(ids, wanted, context=context_of(context), texts=text, timestamps=times)
    table = pl.DataFrame({"item_id": wanted, "probability": found})
    if json_output:
        print_json({"predictions": table.to_dicts()})
        return
    named = [recommender.vocabulary.item(row).get("title") or "" for row in recommender.vocabulary.encode(wanted)]
    _print(table.insert_column(1, pl.Series("title", named, dtype=pl.String)))


def _print(table: pl.DataFrame) -> None:
    from .console import results
    from .plain_tables import Column, PlainTable

    kinds = {name: table[name].dtype.is_numeric() for name in table.columns}
    columns = [Column(name, right=number, cut=not number) for name, number in kinds.items()]
    rows = [[_written(name, value) for name, value in row.items()] for row in table.iter_rows(named=True)]
    results.print(PlainTable("Probabilities of a click", columns, rows), highlight=False)


def _written(name: str, value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if name == "probability" else str(value)

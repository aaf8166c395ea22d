"""`xcat inspect`: report the contents of tables on the terminal, as an HTML page and as a dataset card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..modeling_xcat.saving_xcat import CARD_FILE
from ..workflows.output_folders import PAGE, check_report_folder
from .options import (
    NEGATIVE_HELP,
    TARGETS_HELP,
    Columns,
    Encoding,
    Events,
    GuessColumns,
    Items,
    MissingUsers,
    TimeFormat,
    UnknownItems,
)

if TYPE_CHECKING:
    import polars as pl

    from ..tokenization.inspection.inspect import Inspection
    from ..tokenization.tables.data_card import DataCard
    from ..tokenization.tables.schema import ShopTables


def inspect(
    data: Annotated[
        str | None,
        typer.Argument(help="One file, a folder with your tables, SOURCE:PATH, a hub dataset, or complete-journey."),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for report.html and README.md.")] = Path("inspection"),
    items: Items = None,
    events: Events = None,
    columns: Columns = None,
    guess_columns: GuessColumns = False,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    split: Annotated[
        str, typer.Option(help="Split to count leaks for, such as last-basket; see xcat fit --help.")
    ] = "auto",
    tie_policy: Annotated[
        str, typer.Option(help="Order of a user's events with equal times: file or shuffle.")
    ] = "file",
    target_event_types: Annotated[str | None, typer.Option(help=TARGETS_HELP)] = None,
    negative_event_types: Annotated[str | None, typer.Option(help=NEGATIVE_HELP)] = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    push: Annotated[
        str | None,
        typer.Option(
            help="Upload items, events, card and report to the hub: NAMESPACE/NAME. Customer ids become numbers; "
            "customers' texts, their table and columns without a known meaning are not uploaded."
        ),
    ] = None,
    user_data: Annotated[
        bool, typer.Option("--user-data", help="Also upload customers' ids, texts and table, unchanged.")
    ] = False,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Show customers' values in notes and errors; masked by default.")
    ] = False,
    private: Annotated[bool, typer.Option("--private", help="Make the dataset on the hub private.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Report on your tables: history lengths, categories, popularity, texts, languages, duplicates, times, leaks.

    Examples:

        xcat inspect my-shop/ --output inspection

        xcat inspect complete-journey --split last-basket --json

        xcat inspect my-shop/ --push me/my-shop --private
    """
    from ..workflows.input_checks import check_split
    from .usage import check_tables

    if guess_columns:
        from .guessing import show_guess

        show_guess(data, items, events, encoding)
        return
    _check(output, push)
    if push is not None and show_values:
        raise ValueError("--show-values writes values of customers into the report; leave it out to --push it")
    check_split(split, tie_policy)
    check_tables(data, items, events, columns)

    from ..tokenization.inspection.inspect import inspect_shop
    from ..tokenization.out_of_core.prepared_folder import refuse_prepared
    from ..tokenization.tables.problems import values_shown
    from ..workflows.inspect import write_inspection
    from ..workflows.read_shop import read_shop
    from .argument_options import with_options
    from .console import messages, print_json
    from .options import parse_event_types

    refuse_prepared(data, "inspect")
    with values_shown(show_values):
        shop = read_shop(
            data, items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
            unknown_items=unknown_items, missing_users=missing_users,
        )  # fmt: skip
    messages.print(f"inspecting {shop.name} ...")
    report = inspect_shop(
        shop, split, tie_policy, show_values=show_values, target_event_types=parse_event_types(target_event_types),
        negative_event_types=parse_event_types(negative_event_types),
    )  # fmt: skip
    report.warnings = [with_options(warning) for warning in report.warnings]
    tables = {} if push is None else _tables(shop, user_data)
    described = shop.card if push is None else _card_of(shop.card, tables)
    write_inspection(report, described, output, show_values=show_values)
    url = None if push is None else _push(tables, output, push, private)
    if json_output:
        print_json({**report.to_dict(), "output": str(output), "url": url})
        return
    _show(report, shop, show_values)
    messages.print(f"report: {output / PAGE}; card: {output / CARD_FILE}" + (f"; pushed: {url}" if url else ""))


def _show(report: Inspection, shop: ShopTables, show_values: bool) -> None:
    """Print warnings, tables and notes."""
    from ..tokenization.inspection.page import inspection_tables
    from ..tokenization.unknown_tokens import unknown_note
    from .argument_options import with_options
    from .console import messages, results
    from .rendering import inspection_table

    for warning in report.warnings:
        messages.print(f"warning: {warning}", highlight=False)
    for title, rows in inspection_tables(report).items():
        if rows:
            results.print(inspection_table(title, rows), "", highlight=False, sep="\n")
    for problem in shop.problems:
        results.print(with_options(f"note: {problem.describe(show_values)}"), markup=False)
    for name, share in report.unknown_tokens.items():
        note = unknown_note(share, "titles" if name == "titles" else "texts of users")
        if note is not None:
            results.print(with_options(f"note: {note}"), markup=False)


def _check(output: Path, push: str | None) -> None:
    """Refuse outputs that cannot be written, before any work is done."""
    check_report_folder(output)
    if push is not None and push.count("/") != 1:
        raise ValueError(f"--push {push} is not the name of a dataset; give NAMESPACE/NAME")


def _tables(shop: ShopTables, user_data: bool) -> dict[str, pl.LazyFrame]:
    """The tables to upload."""
    from polars import col

    from ..tokenization.tables.event_times import with_times_to_write
    from ..tokenization.tables.pseudonyms import without_user_data

    events = shop.events if user_data else without_user_data(shop.events)
    tables = {"items": shop.items.lazy(), "events": with_times_to_write(events).lazy()}
    if shop.promotions is not None:
        # A promotion that reached a single customer identifies that customer.
        offers = shop.promotions if user_data else shop.promotions.filter(col("user_id").is_null())
        tables["promotions"] = offers
    if user_data and shop.users is not None:
        tables["users"] = shop.users.lazy()
    return tables


def _card_of(card: DataCard, tables: dict[str, pl.LazyFrame]) -> DataCard:
    """The card with the tables to upload."""
    from dataclasses import replace

    columns = {label: tuple(table.collect_schema().names()) for label, table in tables.items()}
    return replace(card, columns=columns, rows={label: n for label, n in card.rows.items() if label in tables})


def _push(tables: dict[str, pl.LazyFrame], output: Path, name: str, private: bool) -> str:
    """Upload tables, card and report; returns their address."""
    import tempfile

    from huggingface_hub import HfApi

    api = HfApi()
    repository = api.create_repo(name, repo_type="dataset", private=private or None, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for file in (PAGE, CARD_FILE):
            (Path(folder) / file).write_bytes((output / file).read_bytes())
        for label, table in tables.items():
            table.sink_parquet(Path(folder) / f"{label}.parquet")
        api.upload_folder(
            repo_id=repository.repo_id, folder_path=folder, repo_type="dataset", commit_message="Upload tables"
        )
    return str(repository)

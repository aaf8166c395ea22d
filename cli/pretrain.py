"""`xcat pretrain`: pretrain a base on the tables of several datasets."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Columns, Encoding, MissingUsers, TimeFormat, UnknownItems

if TYPE_CHECKING:
    from ..workflows.fit_result import FitResult


def pretrain(
    context: typer.Context,
    data: Annotated[
        list[str],
        typer.Argument(help="Two datasets or more: files, folders with tables, SOURCE:PATH or hub datasets."),
    ],
    output: Annotated[Path, typer.Option(help="Folder for the base, such as my-base.")] = Path("base"),
    columns: Columns = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    config_file: Annotated[
        Path | None, typer.Option("--config", help="YAML file with values for any of the fields below.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Resume from the last saved epoch in the output folder.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace a checkpoint in the output folder.")] = False,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Show customers' values in notes and errors; masked by default.")
    ] = False,
    card: Annotated[bool, typer.Option("--card/--no-card", help="Write a model card.")] = True,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Pretrain a base on several datasets without shared ids; it reads item texts alone.

    The losses are the next item, masked items, and contrasts of histories with dropped items and texts; their weights
    are options (--masked-item-weight 0), as are the fields of xcat fit. Then train on another dataset with
    xcat fit NEW_DATA --base BASE, or give the base a new catalogue with xcat catalogue BASE ITEMS --replace.

    Examples:

        xcat pretrain shop-a/ shop-b/ --output my-base

        xcat pretrain shop-a/ shop-b/ shop-c/ --output my-base --num-train-epochs 3 --behavior-encoder gru
    """
    from ..workflows.output_folders import check_output
    from .options import parse_extra, read_yaml, split_fields, take_card

    values = {**read_yaml(config_file), **parse_extra(context.args)}
    author = take_card(values, card)
    fields = split_fields(values, command="pretrain")
    check_output(output, resume, overwrite)

    from ..tokenization.progress import stage

    with stage("loading libraries"):
        from ..tokenization.sequences.joined_shops import join_shops
        from ..tokenization.tables.problems import values_shown
        from ..tokenization.text.item_text import DEFAULT_TEXT_FIELDS
        from ..workflows.pretrain import check_inputs, pretrain_shops
        from ..workflows.read_shop import read_shop
        from .console import print_json, say

    check_inputs(data, output, fields, resume=resume, overwrite=overwrite)
    shops = []
    for one in data:
        with values_shown(show_values):
            shop = read_shop(
                one, columns=columns, time_format=time_format, encoding=encoding, unknown_items=unknown_items,
                missing_users=missing_users,
            )  # fmt: skip
        say(shop.report.describe(show_values))
        shops.append(shop)
    joined = join_shops(shops, fields[0].get("text_fields") or DEFAULT_TEXT_FIELDS)
    outcome = pretrain_shops(
        joined, output, fields, card=author, resume=resume, command=_command(context, data, values), tell=say
    )
    _show(outcome, joined.name)
    if json_output:
        print_json({**outcome.to_dict(), "tables": joined.report.to_dict(show_values)})


def _command(context: Any, data: list[str], fields: dict[str, Any]) -> str:
    """The command for the card, with words in capitals for files and folders of this machine."""
    from .fit_command import data_words, fit_command, given_options

    command = fit_command(data[0], fields, given_options(context))
    words = shlex.split(command)
    start = words.index("--output")
    return shlex.join(["xcat", "pretrain", *data_words(data), *words[start:]])


def _show(outcome: FitResult, name: str) -> None:
    from .console import measurements, messages
    from .metric_tables import metrics_table, shown_blocks

    title = f"{name}, {outcome.split}, test; items of all datasets ranked"
    measurements().print(metrics_table(outcome.reports, shown_blocks(outcome.reports), title), highlight=False)
    messages.print(
        f"pretrained in {outcome.train_seconds:.0f} s, {outcome.total_seconds:.0f} s in all, "
        f"peak memory {outcome.peak_memory_mb:.0f} MB; base: {outcome.output}\n"
        f"to train on another dataset: xcat fit NEW_DATA --base {outcome.output}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip

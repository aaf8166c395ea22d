"""`xcat fit`: train on tables and evaluate the checkpoint."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import (
    Columns,
    Data,
    Encoding,
    Events,
    GuessColumns,
    Images,
    Items,
    MissingUsers,
    Policy,
    Report,
    TimeFormat,
    UnknownItems,
)
from .usage import DEFAULT_RANK

if TYPE_CHECKING:
    from ..tokenization.tables.schema import ShopTables
    from ..workflows.fit_result import FitResult


def fit(
    context: typer.Context,
    data: Data = None,
    output: Annotated[Path, typer.Option(help="Folder for the checkpoint, such as my-checkpoint.")] = Path(
        "checkpoint"
    ),
    items: Items = None,
    events: Events = None,
    columns: Columns = None,
    guess_columns: GuessColumns = False,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    text_encoder: Annotated[
        str | None,
        typer.Option(help="Hub id or folder of the text encoder; auto, the default, chooses by the texts' language."),
    ] = None,
    images: Images = None,
    policy: Policy = None,
    base: Annotated[str | None, typer.Option(help="Trained checkpoint to start from: folder or repo id.")] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="What to train for: next-item, the default; click, with --negatives uniform, popularity or category; "
            "or my_package:name of a package of your own."
        ),
    ] = None,
    peft: Annotated[
        str | None, typer.Option(help="Train an adapter on the base instead of its weights: lora, dora or loha.")
    ] = None,
    lora_rank: Annotated[int, typer.Option(help="Rank of the adapter's matrices.")] = DEFAULT_RANK,
    lora_targets: Annotated[
        str, typer.Option(help="Parts with an adapter: some of behavior,fusion,items,text.")
    ] = "behavior,fusion,items",
    seed: Annotated[int | None, typer.Option(help="Seed of weights, training order and ties; by default 0.")] = None,
    split: Annotated[
        str | None,
        typer.Option(help="leave-one-out, last-basket, global-time, user-level, cold-items, column or auto."),
    ] = None,
    interests: Annotated[
        str | None,
        typer.Option(
            help="Interest profiles as memory: none, words (from users' texts) or items (from items they reviewed)."
        ),
    ] = None,
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
    card_baselines: Annotated[
        str, typer.Option(help="Id-based models to train for the card's table, such as sasrec,gru4rec.")
    ] = "",
    report: Report = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Train on your tables and evaluate the result beside baselines.

    Fields of XCatConfig, XCatTrainingArguments and PreparationOptions are options too (--hidden-size 64,
    --learning-rate 1e-3, --text-fields title,brand), or lines of the YAML file; with --task click also fields of
    ClickOptions (--negatives category, --dense price). The file's section `card` has fields
    of the model card: license, language, model_name, limits, ...

    DATA may be one events table that also has titles, prices or other item columns. The items table is then derived
    from it, one row per item.

    Examples:

        xcat fit invoices.csv --guess-columns

        xcat fit my-shop/ --output my-checkpoint

        xcat fit new-data/ --base my-checkpoint --peft lora --output my-adapter

        xcat fit my-shop/ --images picture --output my-checkpoint

        xcat fit my-shop/ --task click --negatives popularity --output my-clicks

        xcat fit --items items.csv --events events.parquet --columns item_id=sku --num-train-epochs 10
    """
    if guess_columns:
        from .guessing import show_guess

        show_guess(data, items, events, encoding)
        return
    from ..workflows.baselines import check_names
    from ..workflows.output_folders import check_output
    from .options import only_one, split_fields, take_card, task_options_of
    from .usage import check_report, check_tables

    own = {"text_encoder": text_encoder, "split": split, "seed": seed, "interests": interests, "policy": policy}
    own["images"] = only_one("--images", images)
    values = _read_fields(context.args, own, config_file)
    author = take_card(values, card)
    compared, groups = _names(card_baselines), _names(lora_targets)
    check_names(compared)
    fields, task_options = split_fields(values, task=task), task_options_of(values, task)
    _check_model(fields, base, peft, lora_rank, groups, output, ranked=task in (None, "next-item"))
    check_tables(data, items, events, columns)
    check_report(report, output, overwrite)
    check_output(output, resume, overwrite)

    from ..tokenization.progress import stage

    with stage("loading libraries"):
        from ..tokenization.tables.problems import values_shown
        from ..training.tasks.next_item import NEXT_ITEM
        from ..workflows.fit import check_base, fit_shop
        from ..workflows.fit_request import FitRequest
        from ..workflows.read_shop import read_shop
        from ..workflows.resume import check_resumable
        from ..workflows.task_checks import check_ranked_report, check_task
        from .console import print_json, say
        from .fit_command import fit_command, given_options

    if resume:
        check_resumable(output)
    check_base(base, peft, output)
    check_ranked_report(check_task(task or NEXT_ITEM, peft, compared, task_options), fields[1], report)
    begun = time.perf_counter()
    with values_shown(show_values):
        shop = read_shop(
            data, items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
            unknown_items=unknown_items, missing_users=missing_users, saved=base,
        )  # fmt: skip
    say(shop.report.describe(show_values))
    request = FitRequest(
        shop, output, *fields, resume=resume, base=base, task=task or NEXT_ITEM, task_options=task_options, peft=peft,
        lora_rank=lora_rank, lora_targets=groups, card=author, data=data,
        command=fit_command(data, values, given_options(context)), card_baselines=compared, begun=begun,
    )  # fmt: skip
    outcome = fit_shop(request, tell=say)
    if report is not None:
        from .report_files import report_fit

        report_fit(report, outcome, shop)
    _show(outcome, shop)
    if json_output:
        print_json({**outcome.to_dict(), "tables": shop.report.to_dict(show_values)})


def _read_fields(arguments: list[str], own: dict[str, Any], config_file: Path | None) -> dict[str, Any]:
    """Fields of the YAML file, and those of the command line, which take precedence."""
    from .options import parse_extra, read_yaml

    given = parse_extra(arguments)
    return {**read_yaml(config_file), **given, **{name: value for name, value in own.items() if value is not None}}


def _check_model(
    fields: tuple[dict[str, Any], dict[str, Any], dict[str, Any]],
    base: str | None,
    peft: str | None,
    lora_rank: int,
    lora_targets: tuple[str, ...],
    output: Path,
    ranked: bool,
) -> None:
    """Refuse fields, a base and an adapter that cannot be used, before torch is imported."""
    from ..workflows.input_checks import check_checkpoint, check_fields
    from ..workflows.output_folders import check_base_choice
    from .usage import check_adapter_options

    check_fields(*fields, ranked=ranked)
    check_adapter_options(peft, lora_rank, lora_targets)
    check_base_choice(base, peft, output)
    if base is not None:
        check_checkpoint(base)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _show(outcome: FitResult, shop: ShopTables) -> None:
    from .click_tables import clicks_table
    from .console import measurements, messages
    from .metric_tables import metrics_table, shown_blocks

    title = f"{shop.name}, {outcome.split}, test"
    if outcome.clicks:
        measurements().print(clicks_table(outcome.clicks, f"{title}, clicks"), highlight=False)
    if outcome.reports:
        measurements().print(metrics_table(outcome.reports, shown_blocks(outcome.reports), title), highlight=False)
    elif not outcome.clicks:
        measured = ", ".join(f"{name} {value:.4f}" for name, value in outcome.metrics.items())
        measurements().print(f"{title}: {measured}", markup=False, highlight=False)
    messages.print(
        f"trained in {outcome.train_seconds:.0f} s, {outcome.total_seconds:.0f} s in all, "
        f"peak memory {outcome.peak_memory_mb:.0f} MB; checkpoint: {outcome.output}"
    )

"""`xcat bench`: compare models on one data set, over seeds, with confidence intervals of their differences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..workflows.baselines import DEFAULT_MODELS
from ..workflows.click_models import CLICK
from ..workflows.output_folders import check_results
from ..workflows.task_runs import plan_task_runs
from .options import Columns, Data, Encoding, Events, Items, MissingUsers, Overwrite, Report, TimeFormat, UnknownItems
from .usage import check_report, check_tables

if TYPE_CHECKING:
    from ..evaluation.ranker_evaluation import RankingReport
    from ..workflows.bench_models import BenchResult
    from ..workflows.results import Row


def bench(
    context: typer.Context,
    data: Data = None,
    models: Annotated[
        str | None,
        typer.Option(
            help="Model names separated by commas, such as popularity,xcat; with --task click, such as din,xcat.",
            show_default=", ".join(DEFAULT_MODELS),
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs per trained model, with seeds 0, 1, 2, ...")] = 3,
    output: Annotated[Path, typer.Option(help="JSON file for the results; each run is added when it ends.")] = Path(
        "bench.json"
    ),
    items: Items = None,
    events: Events = None,
    columns: Columns = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    split: Annotated[
        str | None,
        typer.Option(help="leave-one-out, last-basket, global-time, user-level, cold-items, column or auto."),
    ] = None,
    tie_policy: Annotated[str | None, typer.Option(help="file or shuffle: order of events with equal times.")] = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    cold_items: Annotated[
        float, typer.Option(help="Share of items, up to 0.5, whose training events are removed, such as 0.2.")
    ] = 0.0,
    cold_policy: Annotated[str, typer.Option(help="Choice of the cold items: random or newest.")] = "random",
    base: Annotated[
        str | None,
        typer.Option(help="Checkpoint that xcat-zero-shot and xcat-fine-tuned start from: folder or repo id."),
    ] = None,
    by_category: Annotated[
        bool, typer.Option(help="Add metrics by category of the last event and of the target to the file.")
    ] = False,
    category_column: Annotated[
        str | None, typer.Option(help="Column of the items table for --by-category, such as department.")
    ] = None,
    asks: Annotated[
        str | None,
        typer.Option(
            help="Also measure with queries made of the targets (category, attributes, review, title, paraphrase, "
            "own-title) or of events (query); several with commas between."
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="What to train for: next-item, the default; click, for models of clicks; or my_package:name of a "
            "package of your own that ranks."
        ),
    ] = None,
    negatives: Annotated[
        str | None,
        typer.Option(
            help="With --task click: kind of sampled negatives, uniform (the default), popularity or category."
        ),
    ] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="YAML file with values for any of the fields below.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Keep the runs in the file and add the missing ones.")] = False,
    report: Report = None,
    list_models: Annotated[
        bool,
        typer.Option(
            "--list-models",
            help="Print names, descriptions and sources of the models, or of those of --task, and exit.",
        ),
    ] = False,
    overwrite: Overwrite = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Fit several models on your tables, each run in its own process, and evaluate them on one test split.

    Baselines are fitted once, trained models once per seed. Fields of XCatConfig, XCatTrainingArguments and
    PreparationOptions are options too (--hidden-size 64), or lines of the YAML file. They apply to every trained
    model. A file for `xcat fit --config` is read too, without its section `card`.

    Examples:

        xcat bench my-shop/ --models popularity,item-knn,sasrec,xcat --seeds 3 --output bench.json

        xcat bench my-shop/ --models text-knn,xcat,xcat-no-text --cold-items 0.2 --output cold.json --resume

        xcat bench new-shop/ --models text-knn,xcat,xcat-fine-tuned,xcat-zero-shot --base old-shop-checkpoint

        xcat bench my-shop/ --task click --negatives category --models din,dien,bst,xcat --output clicks.json
    """
    if list_models:
        _print_models(json_output, task)
        return
    cold = {"cold_items": cold_items, "cold_policy": cold_policy} if cold_items else {}
    own = {"split": split, "tie_policy": tie_policy, "negatives": negatives, **cold}
    fields = _fields(context.args, own, config_file)
    planned = plan_task_runs(models, seeds, base, task)
    _check_usage(fields, [model for model, _ in planned], base, (cold_items, cold_policy), task)
    check_results(output, resume, overwrite)
    if report is not None and task == CLICK:
        raise ValueError("--report is for tasks that rank items; leave it out for --task click")
    check_report(report, overwrite=resume or overwrite)
    check_tables(data, items, events, columns)

    from ..workflows.bench_models import bench as run_bench
    from ..workflows.bench_results import ask_lines, comparison_lines, mean_reports
    from ..workflows.bench_worker import RunFailedError
    from .console import print_json, say

    try:
        result = run_bench(
            data, models, seeds=seeds, output=output, resume=resume, overwrite=overwrite,
            items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
            unknown_items=unknown_items, missing_users=missing_users, base=base, by_category=by_category,
            category_column=category_column, asks=asks, **({} if task is None else {"task": task}), tell=say, **fields,
        )  # fmt: skip
    except RunFailedError as error:
        say(f"xcat: error: {error}")
        raise typer.Exit(1) from None
    rows = [run.row for run in result.runs]
    if task == CLICK:
        _show_clicks(rows, result)
    else:
        reports = mean_reports(result.runs)
        _show(rows, reports, result)
    if report is not None:
        from .fit_command import other_command
        from .report_files import report_bench

        command = other_command(context, None, data)
        findings = comparison_lines(result.comparisons) + ask_lines(result.ask_comparisons)
        report_bench(report, rows, reports, findings, fields, command)
    if json_output:
        print_json(result.to_dict())


def _show_data(data: dict[str, Any]) -> None:
    """Print event types and notes of a row's `data`."""
    from ..tokenization.tables.event_roles import EventRoles
    from .console import messages, say

    if "event_roles" in data:  # older files do not have it
        roles = EventRoles.from_dict(data["event_roles"])
        messages.print(f"event types: {roles}", markup=False, highlight=False)
    for note in data.get("notes", []):
        say(f"note: {note}")


def _show_clicks(rows: list[Row], result: BenchResult) -> None:
    """Print event types, notes and tables of clicks."""
    from .click_bench_tables import click_differences_table, click_results_table
    from .console import measurements

    _show_data(rows[0]["data"])
    measurements().print(click_results_table(rows, result.intervals, _title(rows[0]["data"])), highlight=False)
    measurements().print("", click_differences_table(rows, result.comparisons), highlight=False, sep="\n")


def _show(rows: list[Row], reports: dict[str, RankingReport], result: BenchResult) -> None:
    """Print event types, notes and tables."""
    from ..workflows.bench_results import ask_kinds_of
    from .bench_tables import ask_ratios_table, asks_table, comparison_table, results_table
    from .console import measurements

    _show_data(rows[0]["data"])
    measurements().print(results_table(rows, reports, title=_title(rows[0]["data"])), highlight=False)
    if result.comparisons:
        measurements().print("", comparison_table(result.comparisons), highlight=False, sep="\n")
    if ask_kinds_of(rows):
        measurements().print("", asks_table(rows, reports), highlight=False, sep="\n")
    if result.ask_comparisons:
        measurements().print("", ask_ratios_table(result.ask_comparisons), highlight=False, sep="\n")


def _print_models(as_json: bool, task: str | None) -> None:
    """Print the models of a task, or of all, on standard output."""
    from ..workflows.model_list import PURPOSES, list_models
    from .console import print_json, results
    from .model_page import ModelPage

    if task is not None and task not in PURPOSES:
        raise ValueError(f"--task is {task!r}; --list-models has the models of {' and '.join(PURPOSES)}")
    models = list_models(task)
    if as_json:
        print_json({"models": [model.to_dict() for model in models]})
    else:
        results.print(ModelPage(models), highlight=False)


def _fields(arguments: list[str], own: dict[str, Any], config_file: Path | None) -> dict[str, Any]:
    """Fields of the YAML file, and those of the command line, which take precedence."""
    from .options import parse_extra, read_yaml, take_card

    given = {**read_yaml(config_file), **parse_extra(arguments)}
    take_card(given)
    if "seed" in given:
        raise ValueError(
            f"--seed {given['seed']} is not an option of bench; give --seeds N, which runs seeds 0 to N - 1 on one "
            "split, or --split-seed S for another draw of ties and cold items"
        )
    return given | {name: value for name, value in own.items() if value is not None}


def _check_usage(
    fields: dict[str, Any], models: list[str], base: str | None, cold: tuple[float, str], task: str | None
) -> None:
    """Refuse invalid fields and names before torch is imported."""
    from ..tokenization.sequences.held_out_items import check_cold
    from ..training.recipes import RECIPES
    from ..workflows.input_checks import check_checkpoint, check_fields
    from .options import split_fields

    check_cold(*cold)
    preparation, config, training = split_fields(fields, "bench", task)
    ranked = task in (None, "next-item")
    check_fields(preparation, config, training, ranked)
    for recipe in (RECIPES[model] for model in dict.fromkeys(models) if model in RECIPES):
        check_fields(preparation, {**recipe.config, **config}, {**recipe.training, **training}, ranked)
    if base is not None:
        check_checkpoint(base)


def _title(data: dict[str, Any]) -> str:
    cold = f", {data['cold_items']:.0%} of the items cold ({data['cold_policy']})" if data["cold_items"] else ""
    return f"{data['name']}, {data['split']}, test{cold}"

"""`xcat evaluate`: evaluate a checkpoint on tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..counting import counted
from .options import (
    NEGATIVE_HELP,
    TARGETS_HELP,
    Columns,
    Data,
    Encoding,
    Events,
    Explore,
    Items,
    MissingUsers,
    Overwrite,
    Report,
    Rerank,
    TimeFormat,
    UnknownItems,
)

if TYPE_CHECKING:
    from ..evaluation.ranker_evaluation import RankingReport
    from ..ranking.recommender import XCatRecommender
    from ..tokenization.tables.schema import ShopTables
    from ..workflows.checkpoint_evaluation import EvaluationData


def evaluate(
    context: typer.Context,
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    data: Data = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    items: Items = None,
    events: Events = None,
    columns: Columns = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    unknown_items: UnknownItems = "drop",
    missing_users: MissingUsers = "drop",
    split: Annotated[
        str | None,
        typer.Option(
            help="leave-one-out, last-basket, global-time, user-level, cold-items, column or auto; "
            "by default as in training."
        ),
    ] = None,
    part: Annotated[
        str, typer.Option(help="test, or validation (the re-ranker is off: it was fitted on validation).")
    ] = "test",
    tie_policy: Annotated[
        str | None, typer.Option(help="file or shuffle: order of events with equal times; by default as in training.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the order of ties; by default as in training.")] = None,
    target_event_types: Annotated[str | None, typer.Option(help=f"{TARGETS_HELP[:-1]}, as in training.")] = None,
    negative_event_types: Annotated[str | None, typer.Option(help=f"{NEGATIVE_HELP[:-1]}, as in training.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Rank values of a column of the items instead of items: brand, category, campaign or another column."
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="click or next-item; by default the task that the checkpoint was trained for.")
    ] = None,
    negatives: Annotated[
        str | None,
        typer.Option(help="Sampled negatives of clicks: uniform, popularity or category; by default as in training."),
    ] = None,
    k: Annotated[
        list[int] | None, typer.Option("-k", help="Cut-off of the metrics, such as 10; may be repeated.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Metrics reported beside recall, NDCG, MRR and coverage, such as hit_rate or my_package:precision."
        ),
    ] = None,
    cold_boost: Annotated[
        float | None,
        typer.Option(
            help="Added to scores of cold items (no training events), such as 0.25; 0.7 doubles their odds. By "
            "default the checkpoint's value."
        ),
    ] = None,
    explore: Explore = None,
    rerank: Rerank = None,
    by_history: Annotated[bool, typer.Option(help="Also show metrics by length of the user's history.")] = False,
    by_category: Annotated[
        bool, typer.Option(help="Also show metrics by category of the last event and of the target.")
    ] = False,
    category_column: Annotated[
        str | None, typer.Option(help="Column of the items table for --by-category, such as department.")
    ] = None,
    modalities: Annotated[
        bool, typer.Option("--modalities", help="Also measure what texts and images of items bring.")
    ] = False,
    report: Report = None,
    overwrite: Overwrite = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Rank the targets of a split against the whole catalogue, beside popularity, repeat purchases and item-kNN.

    With --target, values such as brands are ranked by summing items, beside popularity, the user's most frequent ones
    (repeat-purchase) and transitions from the latest one. If the checkpoint has a head of the column, rows compare
    summed items, the head, and both as xcat recommend --target has them.

    A checkpoint of xcat fit --task click predicts clicks on the shown items of the split, beside popularity and
    category match of the items.

    Events are filtered and split as in the checkpoint's training; options given here take precedence. Targets that are
    not in the checkpoint's catalogue are left out for all models and counted.

    Examples:

        xcat evaluate my-checkpoint my-shop/

        xcat evaluate my-checkpoint my-shop/ --split global-time -k 5 -k 20 --json

        xcat evaluate my-checkpoint my-shop/ --target brand

        xcat evaluate my-checkpoint my-shop/ --modalities

        xcat evaluate my-checkpoint my-shop/ --by-category --category-column department
    """
    from ..workflows.input_checks import check_checkpoint, check_split
    from .usage import check_metrics, check_report, check_tables

    cutoffs = _cutoffs(k, part, cold_boost)
    more = check_metrics(metrics)
    check_split(split, tie_policy)
    check_checkpoint(checkpoint, revision)
    check_tables(data, items, events, columns)
    check_report(report, overwrite=overwrite)
    _check_target(target, report, by_category or category_column is not None, by_history, modalities)

    from ..evaluation.categories import DEFAULT_COLUMN, check_category_column
    from ..ranking.recommender import XCatRecommender
    from ..ranking.rerankers.words import rules_of_request
    from ..workflows.checkpoint_evaluation import evaluate_on, evaluation_data, groups_of_target
    from ..workflows.click_evaluation import evaluates_clicks
    from ..workflows.fit_result import MODEL_NAME, report_dict
    from ..workflows.read_shop import read_shop
    from .console import say
    from .options import parse_event_types

    rules = rules_of_request(rerank, explore)
    recommender = XCatRecommender.from_pretrained(checkpoint, revision=revision, rerankers=rules)
    if cold_boost is not None:
        recommender.cold_boost = cold_boost
    groups = groups_of_target(recommender, target, task)
    if (column := category_column or (DEFAULT_COLUMN if by_category else None)) is not None:
        check_category_column(recommender.processor.catalogue.table.schema, column)
    shop = read_shop(
        data, items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
        unknown_items=unknown_items, missing_users=missing_users, saved=recommender.processor.event_settings,
    )  # fmt: skip
    say(str(shop.report))
    types = [parse_event_types(names) for names in (target_event_types, negative_event_types)]
    named = ("split", "tie_policy", "seed", "target_event_types", "negative_event_types")
    given: dict[str, Any] = dict(zip(named, (split, tie_policy, seed, *types), strict=True))
    clicks = {} if negatives is None else {"negatives": negatives}
    if evaluates_clicks(recommender, task if groups is None else "next-item", clicks):
        lists = {"--report": report, "--category-column": category_column, "--rerank": rerank, "--explore": explore}
        _refuse_ranked({"-k": k, "--metrics": metrics, "--modalities": modalities, **lists})
        _evaluate_clicks(recommender, shop, given, clicks, part, (by_history, by_category), json_output)
        return
    judging = evaluation_data(recommender, shop, part=part, **given)
    _say(judging)
    reports = evaluate_on(recommender, judging, cutoffs, more, groups)
    _show_reports(reports, f"{shop.name}, {judging.options.split}, {part}", target, sorted({*(k or [10])}), by_history)
    judged = report_dict(reports[MODEL_NAME])
    if modalities:
        judged["modalities"] = _show_modalities(recommender, judging, part)
    if column is not None:
        judged["by_category"] = _show_categories(reports[MODEL_NAME], recommender, judging, part, column)
    if report is not None:
        from .fit_command import other_command
        from .report_files import report_evaluation

        report_evaluation(report, reports, recommender, judging, shop, other_command(context, checkpoint, data))
    if json_output:
        _show_json(judged, {name: one for name, one in reports.items() if name != MODEL_NAME}, judging, shop)


def _show_categories(
    report: RankingReport, recommender: XCatRecommender, judging: EvaluationData, part: str, column: str
) -> list[dict[str, Any]]:
    """Print the metrics by category."""
    from ..evaluation.categories import by_category
    from .console import measurements
    from .metric_tables import category_table

    parted = by_category(report, judging.splits[part], recommender.processor.catalogue, column)
    measurements().print("", category_table(parted), highlight=False, sep="\n")
    return parted.rows


def _show_modalities(recommender: XCatRecommender, judging: EvaluationData, part: str) -> dict[str, Any]:
    """Measure and print what texts and images bring."""
    from ..model_cards.modality_section import COLUMNS, modality_findings, modality_rows
    from ..workflows.modalities import measure_modalities
    from .console import measurements
    from .plain_tables import Column, PlainTable

    found = measure_modalities(recommender.model, recommender.processor, judging.splits[part])
    columns = [Column(name, right=place > 0) for place, name in enumerate(COLUMNS)]
    title = f"texts and images of items, {counted(found.whole.num_users, 'user')}"
    shown = PlainTable(title, columns, modality_rows(found), modality_findings(found))
    measurements().print("", shown, highlight=False, sep="\n")
    return found.to_dict()


def _check_target(target: str | None, report: Any, by_category: bool, by_history: bool, modalities: bool) -> None:
    """Refuse options of lists of items for other targets."""
    given = {
        "--report": report, "--by-category": by_category, "--by-history": by_history, "--modalities": modalities,
    }  # fmt: skip
    for name, value in given.items():
        if target is not None and value:
            raise ValueError(f"{name} is for lists of items; leave it out, or leave --target {target} out")


def _show_reports(
    reports: dict[str, RankingReport], name: str, target: str | None, cutoffs: list[int], by_history: bool
) -> None:
    """Print a table of metrics per cut-off."""
    from .console import measurements
    from .metric_tables import metrics_table, shown_blocks

    title = name if target is None else f"{name}, target {target}"
    for cutoff in cutoffs:
        blocks = shown_blocks(reports, cutoff, by_history)
        measurements().print(metrics_table(reports, blocks, title, target=target), highlight=False)


def _show_json(
    judged: dict[str, Any], baselines: dict[str, RankingReport], judging: EvaluationData, shop: ShopTables
) -> None:
    """Print the metrics of the checkpoint and the baselines as JSON."""
    from ..workflows.fit_result import report_dict
    from .console import print_json

    others = {name: report_dict(report) for name, report in baselines.items()}
    print_json(
        {**judged, "baselines": others, "unknown_items": judging.unknown_items, "tables": shop.report.to_dict()}
    )


def _refuse_ranked(given: dict[str, Any]) -> None:
    """Refuse options of ranked lists for an evaluation of clicks."""
    for name, value in given.items():
        if value:
            raise ValueError(f"{name} is for ranked lists, and this checkpoint predicts clicks; give --task next-item")


def _evaluate_clicks(
    recommender: XCatRecommender,
    shop: ShopTables,
    given: dict[str, Any],
    clicks: dict[str, Any],
    part: str,
    shown: tuple[bool, bool],
    json_output: bool,
) -> None:
    """Print the metrics of clicks; `shown` tells whether by history and by category, too."""
    from ..workflows.checkpoint_evaluation import options_of_evaluation
    from ..workflows.click_evaluation import evaluate_clicks
    from ..workflows.fit_result import MODEL_NAME
    from .click_tables import click_slices_table, clicks_table
    from .console import measurements, print_json, say

    notes: list[str] = []
    options = options_of_evaluation(shop, recommender, given, notes)
    found = evaluate_clicks(recommender, shop, options, part, clicks, notes)
    for note in notes:
        say(f"note: {note}")
    title = f"{shop.name}, {found.data.split}, {part}, clicks"
    measurements().print(clicks_table({MODEL_NAME: found.report, **found.baselines}, title), highlight=False)
    if any(shown):
        measurements().print("", click_slices_table(found.report, *shown), highlight=False, sep="\n")
    if json_output:
        print_json({**found.to_dict(), "tables": shop.report.to_dict()})


def _cutoffs(k: list[int] | None, part: str, cold_boost: float | None) -> list[int]:
    """The cut-offs in order, once each; bad values of these options are refused."""
    from .usage import check_at_least, check_finite

    cutoffs = sorted(set(k or (10, 20)))
    check_at_least("-k", cutoffs[0], 1)
    if part not in ("test", "validation"):
        raise ValueError(f"--part is {part!r}; give test or validation")
    check_finite("--cold-boost", cold_boost)
    return cutoffs


def _say(judging: EvaluationData) -> None:
    from .console import messages, say

    messages.print(f"event types: {judging.data.roles}", markup=False, highlight=False)
    for note in judging.notes:
        say(f"note: {note}")

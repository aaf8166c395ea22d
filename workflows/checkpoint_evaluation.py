"""Evaluation of a checkpoint on tables, split as in its training, beside the baselines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from inspect import signature
from typing import TYPE_CHECKING, Any

from datasets import DatasetDict

from ..catalogue.interests import shop_interests
from ..evaluation.baseline_names import POPULARITY_RECENT
from ..evaluation.comparison import compare_groups, compare_with_baselines
from ..evaluation.modalities import ModalityReport
from ..evaluation.more_metrics import metric_names
from ..evaluation.ranker_evaluation import RankingReport
from ..evaluation.ranking_table import ranking_table
from ..modeling_baselines.popularity import RecentPopularityConfig
from ..ranking.recommender import XCatRecommender
from ..ranking.rerank import Reranker, pool_size
from ..ranking.rerankers.knob import Explore
from ..ranking.rerankers.words import rules_of_request
from ..ranking.target_shares import target_head
from ..registered_modules import import_registered
from ..tokenization.item_groups import ItemGroups, read_groups
from ..tokenization.sequences.build import resolve_split
from ..tokenization.sequences.event_options import EventOptions
from ..tokenization.sequences.split_data import SplitData
from ..tokenization.sequences.splits import AUTO, SPLITS
from ..tokenization.sources.source import check_reading
from ..tokenization.tables.event_roles import saved_roles
from ..tokenization.tables.schema import MissingUsers, ShopTables, UnknownItems
from ..training.evaluation_loop import VALIDATION
from ..training.preparation.options import PreparationOptions
from ..training.tasks.click import CLICK
from ..training.tasks.next_item import NEXT_ITEM
from ..training.tuning.held_out import rerankers_off
from .click_evaluation import ClickEvaluation, evaluate_clicks, evaluates_clicks, other_targets
from .fields import task_fields
from .fit_result import MODEL_NAME
from .input_checks import check_preparation
from .modalities import measure_modalities
from .option_fields import PREPARATION, option_fields
from .read_shop import read_shop
from .similar_names import refuse_unknown
from .unknown_items import count_unknown_items, other_items

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource
    from .read_shop import ColumnNames, ShopSource

DEFAULT_CUTOFFS = (10, 20)
PARTS = ("test", VALIDATION)
_SHOWN = {
    "by_history": "report.slices, such as report.slices['history_0_5']",
    "by_category": "report.categories for clicks, and by_category of xcat_rec.evaluation computes them for lists",
}


@dataclass(frozen=True)
class EvaluationData:
    """Data of an evaluation.

    Args:
        data: The sequences, as item indices of the checkpoint's catalogue; the evaluated part has users' interests
            if the checkpoint reads them.
        part: Name of the evaluated part.
        unknown_items: Numbers of targets, users and events with items that the checkpoint does not have.
        notes: Notes for readers of the metrics, in sentences.
    """

    data: SplitData
    part: str
    unknown_items: dict[str, int]
    notes: list[str] = field(default_factory=list)

    @property
    def splits(self) -> DatasetDict:
        """The parts of the split."""
        return self.data.splits

    @property
    def options(self) -> EventOptions:
        """Options of the event filters and the split."""
        return self.data.options


@dataclass(frozen=True, repr=False)
class CheckpointEvaluation:
    """Metrics of a checkpoint and of the baselines.

    Args:
        report: Metrics of the checkpoint.
        baselines: Metrics of popularity, popularity of the last weeks, repeat purchase and item-kNN, by name.
        data: Data of the evaluation.
        modalities: What texts and images of items bring; None if it was not asked for.
    """

    report: RankingReport
    baselines: dict[str, RankingReport]
    data: EvaluationData
    modalities: ModalityReport | None = None

    def __repr__(self) -> str:
        """The metrics beside those of the baselines, as Markdown tables."""
        title = f"{self.data.options.split}, {self.data.part}"
        return ranking_table({MODEL_NAME: self.report, **self.baselines}, title)


def evaluate_checkpoint(
    checkpoint: str | os.PathLike[str] | XCatRecommender,
    data: ShopSource | None = None,
    *,
    items: TableSource | None = None,
    events: TableSource | None = None,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    unknown_items: UnknownItems = "drop",
    missing_users: MissingUsers = "drop",
    part: str = "test",
    ks: Sequence[int] = DEFAULT_CUTOFFS,
    metrics: Sequence[str] = (),
    revision: str | None = None,
    cold_boost: float | None = None,
    rerank: str | Sequence[str | Reranker] | None = None,
    explore: Explore | float | None = None,
    task: str | None = None,
    target: str | None = None,
    modalities: bool = False,
    **options: Any,
) -> CheckpointEvaluation | ClickEvaluation:
    """Rank the targets of a split against the whole catalogue, beside baselines; or predict clicks on shown items.

    A checkpoint that was trained with `task="click"` is evaluated on labelled impressions or sampled negatives, as in
    its training, unless `task="next-item"` is given.

    Events are filtered and split as in the checkpoint's training; given options take precedence. Targets that are not
    items of the checkpoint are left out for all models and counted. The validation split is ranked without the
    re-ranker, which was fitted on its users. `xcat evaluate` uses this module.

    Args:
        checkpoint: A folder, NAMESPACE/NAME on the hub, or a recommender.
        data: Tables: a folder, SOURCE:PATH, a hub dataset, a data frame, or the result of `load_shop`.
        items: Items table, instead of `data`: a file or data frame; None to derive it from the events.
        events: Events table, instead of `data`.
        columns: Column names, such as `{"item_id": "sku"}`; None for the names in the checkpoint's training.
        time_format: As in `load_shop`; None for the format in the checkpoint's training, or to detect it.
        encoding: Likewise.
        unknown_items: "drop" leaves out events of items that the items table lacks, "error" refuses them.
        missing_users: "drop" leaves out events without a user, "error" refuses them.
        part: "test" or "validation".
        ks: Cut-offs.
        metrics: Metrics reported beside recall, NDCG, MRR and coverage: names in `METRICS`, or "MODULE:NAME" of a
            package of your own.
        revision: Branch, tag or commit of a hub repository.
        cold_boost: Added to the scores of cold items, instead of the checkpoint's value.
        rerank: Re-ranking rules of the checkpoint's lists, as in `XCatRecommender.recommend`.
        explore: Likewise.
        task: "click" or "next-item"; None for the task of the checkpoint.
        target: Column of the items table, such as "brand", to rank its values instead of items: by the sum of the
            items' probabilities, beside popularity, the user's most frequent values, and transitions. A checkpoint
            with a head of the column also has summed items and the head alone among the baselines. None for items.
        modalities: Whether to measure, too, what texts and images of items bring (`measure_modalities`); not with
            `target`, nor for clicks.
        **options: Fields of `PreparationOptions` about events (`split`, `tie_policy`, `seed`, ...), and of
            `ClickOptions` for clicks, which take precedence over those of the training.

    Returns:
        Metrics, such as `report.metrics["ndcg@10"]` or `report.metrics["auc"]`, and the evaluated data.

    Raises:
        OSError: If there is no such checkpoint.
        ValueError: If the split leaves no user, no target is an item of the checkpoint, or its items lack the column
            `target`.

    Example (not run: it needs a checkpoint):
        evaluate_checkpoint("CKPT", "my-shop/").report.metrics["recall@10"]
    """
    known = [*signature(evaluate_checkpoint).parameters, *option_fields(PREPARATION), *task_fields()]
    _refuse_shown(options)
    refuse_unknown("evaluate", options, known)
    metric_names(metrics)
    clicks = {name: options.pop(name) for name in task_fields() if name in options}
    check_preparation(options)
    check_reading(unknown_items, missing_users, time_format, encoding)
    _check_part(part)
    if not isinstance(checkpoint, XCatRecommender):
        checkpoint = XCatRecommender.from_pretrained(checkpoint, revision=revision)
    rules = rules_of_request(rerank, explore, checkpoint.rerankers)
    shop = read_shop(
        data, items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
        unknown_items=unknown_items, missing_users=missing_users, saved=checkpoint.processor.event_settings,
    )  # fmt: skip
    groups = groups_of_target(checkpoint, target, task)
    if modalities and groups is not None:
        raise ValueError("modalities are measured on lists of items; leave target out, or modalities")
    if evaluates_clicks(checkpoint, task if groups is None else NEXT_ITEM, clicks):
        if rerank is not None or explore is not None:
            raise ValueError("rerank and explore are for ranked lists; give task='next-item', or leave them out")
        if modalities:
            raise ValueError("modalities are measured on ranked lists; give task='next-item', or leave them out")
        notes: list[str] = []
        return evaluate_clicks(
            checkpoint, shop, options_of_evaluation(shop, checkpoint, options, notes), part, clicks, notes
        )
    judged = evaluation_data(checkpoint, shop, part=part, **options)
    config = checkpoint.model.config
    before = config.untrained_bonus, config.discover_untrained_bonus
    own_rules, checkpoint.rerankers = checkpoint.rerankers, rules
    if cold_boost is not None:
        checkpoint.cold_boost = cold_boost
    try:
        reports = evaluate_on(checkpoint, judged, ks, metrics, groups)
        rows, measured = judged.splits[part], None
        if modalities:
            measured = measure_modalities(checkpoint.model, checkpoint.processor, rows)
    finally:
        config.untrained_bonus, config.discover_untrained_bonus = before
        checkpoint.rerankers = own_rules
    return CheckpointEvaluation(reports.pop(MODEL_NAME), reports, judged, measured)


def groups_of_target(recommender: XCatRecommender, target: str | None, task: str | None) -> ItemGroups | None:
    """The groups that an evaluation ranks; None for items.

    Args:
        recommender: The checkpoint.
        target: Column of the items table; None for items.
        task: The given task.

    Raises:
        ValueError: If the items have no such column, or the task is clicks.
    """
    if target is None:
        return None
    if task == CLICK:
        raise ValueError(f"target is {target!r}, which ranks groups of items, and task is {CLICK!r}; give one of them")
    return read_groups(recommender.vocabulary, target)


def evaluate_on(
    recommender: XCatRecommender,
    data: EvaluationData,
    ks: Sequence[int],
    metrics: Sequence[str] = (),
    groups: ItemGroups | None = None,
) -> dict[str, RankingReport]:
    """Compute the metrics of a checkpoint (named `MODEL_NAME`) and of the baselines.

    On the validation split the re-rankers that were fitted on its users are off. Recent popularity then
    has its default window, which is otherwise chosen on these users. Re-ranking rules order as many items as for lists
    of the largest cut-off.

    Args:
        recommender: The checkpoint.
        data: Data of the evaluation.
        ks: Cut-offs.
        metrics: Additional metrics.
        groups: Groups of the items to rank instead of items; None for items.
    """
    pool = recommender.pool
    recommender.pool = pool or pool_size(max(ks))
    chosen_on = None if data.part == VALIDATION else data.splits[VALIDATION]
    try:
        with rerankers_off(recommender.model.config) if data.part == VALIDATION else nullcontext():
            if groups is not None:
                head = None if recommender.rerankers else target_head(recommender.model.model, groups)
                return compare_groups(
                    {MODEL_NAME: recommender}, data.splits["train"], data.splits[data.part], groups, head=head,
                    states=recommender.row_states, ks=ks, metrics=metric_names(metrics),
                )  # fmt: skip
            return compare_with_baselines(
                {MODEL_NAME: recommender}, data.splits["train"], data.splits[data.part],
                recommender.processor.catalogue, trained=recommender.trained, validation=chosen_on, ks=ks,
                metrics=metric_names(metrics),
            )  # fmt: skip
    finally:
        recommender.pool = pool


def evaluation_data(
    recommender: XCatRecommender, shop: ShopTables, *, part: str = "test", **given: Any
) -> EvaluationData:
    """Filter and split events for a checkpoint.

    Args:
        recommender: The checkpoint.
        shop: Validated tables, or prepared ones.
        part: "test" or "validation".
        **given: As `options` of `evaluate_checkpoint`; None for the value in training.

    Raises:
        ValueError: As `evaluate_checkpoint`.
    """
    _check_part(part)
    notes: list[str] = []
    if part == VALIDATION:
        config = recommender.model.config
        if config.candidate_attention or config.discover_candidate_attention:
            notes.append("metrics are without the re-ranker that was fitted on the validation split of the training")
        notes.append(
            "training chose other weights of the model on the validation split, so its metrics are slightly too high; "
            f"{POPULARITY_RECENT} counts its default of {RecentPopularityConfig.weeks} weeks here, because the number "
            "is otherwise chosen on these users"
        )
    options = options_of_evaluation(shop, recommender, given, notes)
    processor = recommender.processor
    notes += other_targets(processor.event_settings)
    data = shop.split(
        options, vocabulary=processor.catalogue, event_types=processor.event_types, cache_dir=options.cache_dir
    )
    unknown = count_unknown_items(data, recommender, part, options, notes)
    notes += other_items(data, recommender)
    data.require(part)
    interests = shop_interests(shop, recommender.model, processor)
    if interests is not None:
        data.splits[part] = interests.added(data.splits[part])
    return EvaluationData(data, part, unknown, notes)


def _refuse_shown(options: Mapping[str, Any]) -> None:
    """Refuse options of the command that show more of a report; a report in Python has all of it."""
    for name, place in _SHOWN.items():
        if name in options:
            raise ValueError(f"evaluate has no argument {name!r}; its result has these metrics in {place}")


def _check_part(part: str) -> None:
    if part not in PARTS:
        raise ValueError(f"part is {part!r}; give test or validation")


def options_of_evaluation(
    shop: ShopTables, recommender: XCatRecommender, given: dict[str, Any], notes: list[str]
) -> PreparationOptions:
    """Options of filters and split: given values, then values of the training, then defaults.

    Args:
        shop: Validated tables, or prepared ones.
        recommender: The checkpoint.
        given: Given options; None for the value in training.
        notes: List to which notes are added.
    """
    given = {name: value for name, value in given.items() if value is not None}
    import_registered(SPLITS, given.get("split", AUTO))
    saved = recommender.processor.event_settings or {}
    own = shop.options_of_training(saved, given)
    options = shop.resolved(PreparationOptions(**{**own, **given}))
    options.split = resolve_split(shop, options.split)
    if saved.get("split", options.split) != options.split:
        notes.append(
            f"the checkpoint was trained with the split {saved['split']}; on its training log "
            f"the split {options.split} may evaluate events that were used in training"
        )
    before, now = saved_roles(shop.event_type_names(), saved), shop.event_roles(options)
    if before.to_dict() != now.to_dict():
        notes.append(f"event types have other roles than in training: now {now}; in training {before}")
    return options

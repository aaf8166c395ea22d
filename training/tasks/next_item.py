"""Next-item prediction: every user's targets are ranked among the whole catalogue."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from datasets import Dataset, IterableDataset
from torch import nn
from transformers import EvalPrediction

from ...checkpoints.load import bare_model
from ...evaluation.more_metrics import DECIDING_METRIC, metric_names
from ...evaluation.purposes import DISCOVER, NEW_TARGETS, rank_new_targets
from ...evaluation.ranker_evaluation import Ranker, report_from_ranks
from ...evaluation.ranks import target_ranks, top_rows
from ...evaluation.slices import SLICE_NAMES
from ...modeling_xcat.modeling_xcat import XCatForNextItem, XCatModel
from ...modeling_xcat.recent_events_xcat import RecentEvents
from ...ranking.recommender import XCatRecommender
from ...tokenization.processing_xcat import XCatProcessor
from ..argument_checks import check_deciding_metric
from ..arguments import XCatTrainingArguments
from ..collators import PackingCollator, QueryCollator
from ..fairness import fairness_terms
from ..tuning.asks import fit_asks
from ..tuning.cold_boost import choose_cold_boost
from ..tuning.discovery_ranker import LEAST_USERS, discovery_ranker_gain, fit_discovery_ranker
from ..tuning.held_out import HeldOutRanker
from ..tuning.neighbor_weight import USERS_IN_TRAINING, neighbor_weight_scores
from ..tuning.novel_targets import discovery_differs
from ..tuning.product_weight import product_weight_scores
from ..tuning.reranker import FOLDS, SecondStageGain, fit_second_stage
from ..tuning.target_heads import (
    check_states,
    check_target_heads,
    check_training,
    check_validation,
    fit_target_heads,
    place_heads,
)
from ..tuning.user_samples import QUICK_USERS
from .task import Collator, Task, register_task

if TYPE_CHECKING:
    from ..trainer import XCatTrainer

NEXT_ITEM = "next-item"
SCORES_AT_ONCE = 1 << 25
"""Maximum scores in memory in an evaluation (128 MiB in float32), whatever the size of catalogue and batch."""

logger = logging.getLogger(__name__)


@register_task(NEXT_ITEM)
class NextItemTask(Task):
    """Predict the item of the next event; the default of `XCatTrainer`.

    An evaluation gathers ranks of the targets and top-k rows, never scores over the catalogue.

    The re-rankers are fitted on users of the validation split at the end of training, one for next items and one for
    discovery. When the trainer evaluates their rows, each row is scored with cross-validation weights fitted without
    it (`held_out.py`).
    """

    head = XCatForNextItem
    deciding_metric = DECIDING_METRIC
    encodes_texts = True
    tunes = True

    def collator(self, processor: XCatProcessor) -> Collator:
        """Packed histories with the next item of each event as its label."""
        return PackingCollator(processor)

    def evaluation_collator(self, processor: XCatProcessor, model: Any, args: XCatTrainingArguments) -> Collator:
        """Histories with their targets, the slices these fall into, and their weights."""
        trained = (model.model.items.item_counts > 0).cpu().numpy()
        return QueryCollator(processor, trained, args.new_category_weight)

    def check_metric(self, args: XCatTrainingArguments, eval_dataset: Any) -> None:
        """Refuse a metric that is neither a ranking metric nor the deciding metric of a subclass.

        Raises:
            ValueError: If it is neither.
        """
        inherited = self.deciding_metric == NextItemTask.deciding_metric
        if inherited or args.metric_for_best_model != self.deciding_metric:
            check_deciding_metric(args, eval_dataset)

    def begin(self, trainer: XCatTrainer, model: Any) -> None:
        """Switch the re-rankers off until they are fitted to the trained model."""
        model.share_negatives = trainer.args.share_negatives
        model.fairness = fairness_terms(trainer.args, trainer.processor.catalogue, model.model.items.item_counts)
        queries = _queries(trainer)
        queries.new_category_weight = trainer.args.new_category_weight
        if trainer.trains_whole and trainer.args.tune_second_stage:
            model.config.candidate_attention, model.config.discover_candidate_attention = False, None
            model.config.discover_trends = False
            queries.held_out = {}
        if (columns := _head_columns(trainer, model)) is not None:
            _check_heads(trainer, model, columns)  # their weights were chosen for other states
            model.config.target_head_weights = {name: [0.0, 0.0] for name in model.config.target_head_groups}
        if trainer.trains_whole and trainer.args.tune_neighbor_weight:
            for name in {"discover_neighbor_weight", "discover_product_weight"} - model.model.given_fields:
                setattr(model.config, name, None)

    def before_evaluation(self, trainer: XCatTrainer, model: Any, validation: Dataset) -> None:
        """Tune the item-to-item weight, so that each epoch is evaluated with its best one.

        The weight for discovery is tuned if a metric of discovery decides about the epoch.
        """
        tune_neighbor_weight(trainer, model, validation, USERS_IN_TRAINING)
        if DISCOVER in (trainer.args.metric_for_best_model or "") and discovery_differs(model, validation):
            tune_neighbor_weight(trainer, model, validation, USERS_IN_TRAINING, discover=True)

    def tune(self, trainer: XCatTrainer, model: Any, validation: Dataset) -> None:
        """Tune the item-to-item weight and fit the re-ranker: for next items and, if they differ, for discovery."""
        args, processor = trainer.args, trainer.processor
        purposes = (False, True) if discovery_differs(model, validation) else (False,)
        if True in purposes:
            _tune_product_weight(trainer, model, validation)
        for discover in purposes:
            tune_neighbor_weight(trainer, model, validation, QUICK_USERS if args.quick else None, discover)
        gains: dict[bool, SecondStageGain] = {}
        if args.tune_second_stage and model.config.num_candidates and len(validation) >= FOLDS:
            gains = _fit_second_stages(trainer, model, validation, purposes)
        logs = _gain_logs(gains)
        if args.tune_second_stage and True in purposes:
            logs |= _fit_discovery_ranker(trainer, model, validation, gains.get(True))
        if logs:
            trainer.log(logs)
        if args.tune_neighbor_weight:
            found = choose_cold_boost(model, processor, validation, seed=args.seed, quick=args.quick)
            logger.info("cold-item boost for discovery: %s", found)
        if args.tune_second_stage and model.model.asks is not None and len(validation):
            logger.info("queries: %s", fit_asks(model, processor, validation, seed=args.seed, quick=args.quick))
        _fit_heads(trainer, model, validation)

    def prediction_step(
        self, trainer: XCatTrainer, model: nn.Module, inputs: dict[str, Any], prediction_loss_only: bool
    ) -> tuple[torch.Tensor | None, Any, Any] | None:
        """Rank the targets of a batch of users among the whole catalogue, and compute their losses.

        Returns:
            No loss, because `Trainer` would average it over users: `evaluation_loop` averages over targets;
            ranks (users, targets) with the top rows (users, k), for the next item and for discovery; targets with
            their slices.
        """
        targets, flags = inputs.pop("targets"), inputs.pop("target_slices")
        weights, history = inputs.pop("target_weights"), inputs.pop("history")
        positions, folds = inputs.pop("query_positions", None), inputs.pop("folds", None)
        bare = trainer.accelerator.unwrap_model(model)
        head = bare_model(bare)
        base = head.model
        # FSDP gathers sharded parameters only in a module's own forward, also those of the items.
        encode = bare if trainer.is_fsdp_enabled else base
        losses, found = [], []
        with torch.no_grad(), torch.autocast(base.device.type, enabled=False):
            states, recent = base.pick(encode(**inputs, return_dict=True).last_hidden_state, positions, **inputs)
            items = trainer.evaluated_once(lambda: base.item_side(base.items().float()))
            for part in torch.arange(len(states), device=states.device).split(max(1, SCORES_AT_ONCE // len(items))):
                losses.append(head.target_losses(states[part], recent[part], targets[part], items))
                if prediction_loss_only:
                    continue
                own = None if folds is None else folds[part]
                scores = _scores(trainer, base, states[part], recent[part], items, own)
                new = flags[part][..., SLICE_NAMES.index(NEW_TARGETS)] == 1
                k = max(trainer.args.metric_ks)
                following = target_ranks(scores, targets[part]), top_rows(scores, k)
                if base.discovery_differs:
                    discovering = recent[part].discovering(history[part])
                    scores = _scores(trainer, base, states[part], discovering, items, own)
                found.append((*following, *rank_new_targets(scores, history[part], targets[part], new, k)))
        trainer.add_losses(torch.cat(losses) * weights)
        if prediction_loss_only:
            return None, None, None
        return None, tuple(torch.cat(parts) for parts in zip(*found, strict=True)), (targets, flags)

    def metrics(self, trainer: XCatTrainer, prediction: EvalPrediction) -> dict[str, float]:
        """Recall, NDCG and MRR at the k of the arguments, overall and by slice, and coverage.

        Names of discovery begin with `discover_`. Slices without targets are left out: their mean is NaN, which JSON
        does not support.
        """
        predictions: Any = prediction.predictions
        labels: Any = prediction.label_ids
        (ranks, top, *discover), (_, flags) = predictions, labels
        report = report_from_ranks(
            ranks,
            {name: flags[..., i] == 1 for i, name in enumerate(SLICE_NAMES)},
            top,
            trainer.args.metric_ks,
            num_items=trainer.processor.catalogue.num_items,
            names=metric_names(trainer.args.metrics),
            discover=discover,
        )
        figures = report.flat().items()
        return {name.replace(f"{DISCOVER}.", f"{DISCOVER}_"): value for name, value in figures if not np.isnan(value)}

    def held_out_ranker(self, trainer: XCatTrainer, recommender: Ranker) -> Ranker:
        """One that scores users of the validation split with re-ranker weights fitted without them."""
        held_out = _queries(trainer).held_out
        return HeldOutRanker(recommender, bare_model(trainer.model).model, held_out) if held_out else recommender


def _head_columns(trainer: XCatTrainer, model: Any, warns: bool = False) -> list[str] | None:
    """Columns whose heads are fitted: those given, or those of the base, whose states change in training.

    Without given columns, a head of the base that cannot be fitted again is dropped, with a warning if `warns`. None
    keeps all heads as they are: with an adapter, and without `tune_second_stage`.
    """
    args, found = trainer.args, list[str]()
    if args.target_heads is not None:
        return args.target_heads
    if not (trainer.trains_whole and args.tune_second_stage):
        return None
    for column in model.config.target_head_groups:
        try:
            _check_heads(trainer, model, [column])
        except ValueError as problem:
            logger.log(logging.WARNING if warns else logging.DEBUG, "the head of %s is dropped: %s", column, problem)
        else:
            found.append(column)
    return found


def _check_heads(trainer: XCatTrainer, model: Any, columns: Sequence[str]) -> None:
    """Refuse heads that could not be fitted after the training, before it begins.

    Raises:
        ValueError: If that is so; as `fit_target_heads`, too.
    """
    if not columns:
        return
    given = f"target_heads is {', '.join(columns)}"
    if not trainer.trains_whole:
        raise ValueError(f"{given}, and an adapter is saved without heads; leave it out, or leave peft out")
    if isinstance(trainer.given_rows, IterableDataset):
        raise ValueError(f"{given}, and train_dataset is a stream; give a datasets.Dataset, or leave it out")
    if not trainer.task.tunes_lists(trainer.args) or not model.config.next_item_weight:
        raise ValueError(f"{given}, and this training does not tune lists, with which heads are fitted; leave it out")
    check_states(model)
    rows = trainer.deciding_set
    for groups in check_target_heads(trainer.processor.catalogue, columns):
        check_validation(None if rows is None else trainer.task.ranked_rows(rows), groups)
        check_training(trainer.train_dataset, groups)


def _fit_heads(trainer: XCatTrainer, model: Any, validation: Dataset) -> None:
    """Fit the heads of targets; users of the re-ranker's fit are ranked with weights fitted without them."""
    columns, args, processor = _head_columns(trainer, model, warns=True), trainer.args, trainer.processor
    if not columns:
        if columns is not None:
            place_heads(model, ())
        return
    rows: Any = trainer.train_dataset
    ranker = trainer.held_out_ranker(XCatRecommender(model, processor))
    fitted = fit_target_heads(
        model, processor, rows, validation, columns, ranker=ranker, seed=args.seed, quick=args.quick
    )
    for one in fitted:
        gains = {purpose: gain for purpose, gain in one.gains.items() if gain is not None}
        trainer.log({
            f"{one.column}_{purpose}_{name}_ndcg@10": value
            for purpose, gain in gains.items() for name, value in (("summed", gain.before), ("with_head", gain.after))
        })  # fmt: skip


def _queries(trainer: XCatTrainer) -> QueryCollator:
    collator = trainer.evaluation_collator
    assert isinstance(collator, QueryCollator)
    return collator


def tune_neighbor_weight(
    trainer: XCatTrainer, model: Any, validation: Dataset, most_users: int | None, discover: bool = False
) -> None:
    """Choose the item-to-item weight, if `tune_neighbor_weight` of the arguments is set and it was not given.

    A given `neighbor_weight` holds for discovery, too.

    Args:
        trainer: The trainer.
        model: The model, whose configuration gets the weight.
        validation: The validation split.
        most_users: Maximum users that are ranked; None for all.
        discover: Whether to choose the weight for discovery.
    """
    name = "discover_neighbor_weight" if discover else "neighbor_weight"
    given = {name, "neighbor_weight"} & model.model.given_fields
    if given or not (trainer.args.tune_neighbor_weight and model.config.num_neighbors):
        return
    # FSDP gathers sharded parameters only in the whole model's forward.
    encode = model if trainer.is_fsdp_enabled and trainer.is_in_train else None
    scores = neighbor_weight_scores(
        model, trainer.processor, validation, most_users=most_users, encode=encode, discover=discover
    )
    setattr(model.config, name, max(scores, key=lambda weight: scores[weight]))


def _tune_product_weight(trainer: XCatTrainer, model: Any, validation: Dataset) -> None:
    given = "discover_product_weight" in model.model.given_fields
    if given or not trainer.args.tune_neighbor_weight or model.model.segments is None:
        return
    most = QUICK_USERS // 2 if trainer.args.quick else QUICK_USERS
    scores = product_weight_scores(model, trainer.processor, validation, most_users=most)
    model.config.discover_product_weight = max(scores, key=lambda weight: scores[weight])
    logger.info("weight of dot products beside rates of first purchases: %s", scores)


def _fit_second_stages(
    trainer: XCatTrainer, model: Any, validation: Dataset, purposes: Sequence[bool]
) -> dict[bool, SecondStageGain]:
    """Fit the re-ranker for next items and, if `purposes` has True, for discovery; return their gains."""
    gains, held_out = {}, _queries(trainer).held_out
    for discover in purposes:
        gain = fit_second_stage(
            model, trainer.processor, validation, seed=trainer.args.seed, quick=trainer.args.quick, discover=discover
        )
        prefix = "discover_" if discover else ""
        logger.info("%sre-ranker: %s", prefix, gain)
        if gain.pays and gain.held_out is not None:
            held_out[discover] = gain.held_out
        gains[discover] = gain
    if True not in purposes and False in held_out:
        held_out[True] = held_out[False]  # discovery uses the same re-ranker
    return gains


def _gain_logs(gains: dict[bool, SecondStageGain]) -> dict[str, float]:
    """NDCG@10 of each purpose before re-ranking and with the re-ranker in use, if there is one."""
    logs = {}
    for discover, gain in gains.items():
        prefix = "discover_" if discover else ""
        logs[f"{prefix}first_stage_ndcg@10"] = gain.before
        logs[f"{prefix}re_ranked_ndcg@10"] = gain.after if gain.pays else gain.before
    return logs


def _fit_discovery_ranker(
    trainer: XCatTrainer, model: Any, validation: Dataset, other: SecondStageGain | None
) -> dict[str, float]:
    """Fit the re-ranker of rates and trends, and use it if it beats the first stage and the other re-ranker.

    It is left out for a stream of training rows, which have no whole histories, and without rates in the score.

    Args:
        trainer: The trainer.
        model: The model.
        validation: The validation split.
        other: Gain of the re-ranker that is fitted on validation; None without one.

    Returns:
        NDCG@10 before and after, as `_gain_logs`; empty if it is not used.
    """
    train, config = trainer.given_rows, model.config
    without = model.model.discovery_ranker is None or config.discover_product_weight is None
    if without or train is None or isinstance(train, IterableDataset):
        return {}
    users = fit_discovery_ranker(model, train, seed=trainer.args.seed, quick=trainer.args.quick)
    if users < LEAST_USERS:
        return {}
    gain = discovery_ranker_gain(model, trainer.processor, validation, quick=trainer.args.quick)
    logger.info("re-ranker of %d earlier baskets: %s", users, gain)
    config.discover_trends = gain.decides > max(0.0, other.decides if other is not None and other.pays else 0.0)
    if not config.discover_trends:
        return {}
    _queries(trainer).held_out.pop(True, None)  # no validation user is in its fit
    return {"discover_first_stage_ndcg@10": gain.before, "discover_re_ranked_ndcg@10": gain.after}


def _scores(
    trainer: XCatTrainer,
    base: XCatModel,
    states: torch.Tensor,
    recent: RecentEvents,
    items: torch.Tensor,
    folds: torch.Tensor | None,
) -> torch.Tensor:
    """(queries, item rows) scores; users of the re-ranker's fit are scored with weights fitted without them.

    Args:
        trainer: The trainer.
        base: The model.
        states: (queries, hidden) behaviour states.
        recent: The events before them.
        items: (item rows, hidden) item embeddings.
        folds: (queries, 2) folds of `QueryCollator`, or None.
    """
    reranker, held_out = base.reranker(recent.discovers), _queries(trainer).held_out.get(recent.discovers)
    if folds is None or held_out is None or reranker is None:
        return base.score_states(states, recent, items)
    return held_out.scores(
        reranker,
        folds[:, int(recent.discovers)],
        lambda chosen: base.score_states(states[chosen], recent[chosen], items),
    )

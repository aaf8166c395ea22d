"""Fit heads of targets, such as the next category, over the fixed states of a trained model."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import nn

from ...counting import counted
from ...evaluation.group_ranking import SummedItems, group_rows
from ...evaluation.head_ranking import HeadRanker, StoredScores
from ...evaluation.purposes import PURPOSES
from ...evaluation.ranker_evaluation import Ranker, RankingReport, evaluate_ranker
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...modeling_xcat.target_heads_xcat import TargetHead, XCatTargetHeads
from ...ranking.recommender import XCatRecommender
from ...tokenization.item_groups import ItemGroups, read_groups
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import stage
from ...tokenization.tables.event_roles import ROLES, TARGET
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from ..argument_checks import target_columns
from ..row_datasets import as_dataset
from .head_training import EVENTS, QUICK_EVENTS, linear_head, next_groups, train_head, training_states
from .held_out import rerankers_off
from .reranker import SecondStageGain, mean_gain
from .user_samples import spread_users

WEIGHTS = (0.25, 0.5, 1.0, 2.0)
"""Tried weights of a head beside summed items; it has weight 0 if none of them gains."""
LEAST_USERS = 30
"""Minimum validation users with a target of a purpose to choose its weight."""
MOST_USERS = 5_000
"""Maximum validation users, evenly spread."""
_METRIC = "ndcg@10"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FittedHead:
    """A fitted head.

    Args:
        column: Column of the items.
        names: Its groups.
        states: Training states that it was fitted on.
        epochs: NDCG@10 of the head alone on validation, for the next item, after each epoch; the best one is kept.
        gains: NDCG@10 of summed items and of both on validation, by purpose; None with fewer than `LEAST_USERS` users.
        weights: Weights for the next item and for discovery.
        layer: The head.
    """

    column: str
    names: list[str]
    states: int
    epochs: list[float]
    gains: dict[str, SecondStageGain | None]
    weights: tuple[float, float]
    layer: nn.Linear = field(repr=False)


def check_target_heads(vocabulary: ItemVocabulary, columns: Sequence[str]) -> list[ItemGroups]:
    """The groups of columns that heads are fitted for.

    Args:
        vocabulary: The catalogue.
        columns: Columns of the items.

    Raises:
        ValueError: If a column is named twice, does not group the items, or has the same value for all of them.
    """
    if len(set(columns)) < len(columns):
        raise ValueError(f"target_heads is {list(columns)}; give each column once")
    found = [read_groups(vocabulary, column, "target_heads") for column in columns]
    for groups in found:
        if len(groups) == 1:
            raise ValueError(
                f"target_heads is {groups.column!r}: all items with a value in this column have {groups.names[0]!r}; "
                "give a column with at least two values"
            )
    return found


def check_validation(rows: Dataset | None, groups: ItemGroups) -> None:
    """Refuse a validation split with too few targets of a column.

    Args:
        rows: The validation split; None for none.
        groups: Groups of the column.

    Raises:
        ValueError: If fewer than `LEAST_USERS` users have a target item with a group.
    """
    wanted: Sequence[Any] = []
    if rows is not None and "targets" in rows.column_names:
        wanted = groups.of_histories(rows.with_format(None)["targets"])
    users = sum(map(bool, map(len, wanted)))
    if users < LEAST_USERS:
        raise ValueError(
            f"target_heads is {groups.column!r}: the validation split has {counted(users, 'user')} with a target item "
            f"that has a value in this column, and {LEAST_USERS} are needed to choose the head's weight; leave it "
            "out, or give more users"
        )


def check_training(rows: Dataset | None, groups: ItemGroups) -> None:
    """Refuse training rows without a target of a column.

    Args:
        rows: Training sequences or windows; None for none.
        groups: Groups of the column.

    Raises:
        ValueError: If no event that is predicted has an item with a group.
    """
    has_group = np.zeros(groups.num_rows, dtype=bool)
    has_group[groups.rows] = True
    for row in () if rows is None else rows.with_format(None):
        following = np.asarray(row["items"], dtype=np.int64)[1:]
        roles = np.asarray(row[ROLES])[1:] if ROLES in row else np.full(len(following), TARGET)
        if has_group[following[roles == TARGET]].any():
            return
    raise _no_training_event(groups)


def _no_training_event(groups: ItemGroups) -> ValueError:
    return ValueError(
        f"target_heads is {groups.column!r}: no training event has an item with a value in this column; leave it out"
    )


@torch.no_grad()
def fit_target_heads(
    model: XCatForNextItem,
    processor: XCatProcessor,
    train: Dataset | Iterable[Mapping[str, Any]],
    validation: Dataset | Iterable[Mapping[str, Any]],
    columns: str | Sequence[str],
    *,
    ranker: Ranker | None = None,
    seed: int = 0,
    quick: bool = False,
) -> list[FittedHead]:
    """Fit a linear head per column, choose its weights beside summed items, and place all in the model.

    The model is changed in place; its `save_pretrained` and that of the processor write a checkpoint.

    A head is trained with the cross-entropy of the next event's groups over the states of the model, which stay as
    they are. Validation chooses the epoch and, for each purpose, the weight with the best NDCG@10 of groups; it is 0
    if the gain is not above two standard errors.

    Args:
        model: A trained model; it gets `target_heads` in place of earlier heads.
        processor: Its processor.
        train: Training sequences or windows, with interests if the model reads them; a `Dataset` or a list of rows.
        validation: Rows with `items` and `targets`, likewise; at most `MOST_USERS` users are ranked.
        columns: Columns of the items; also a text with commas between them, as `target_heads` of `fit`.
        ranker: Ranker of items for validation; None for the model without the re-rankers fitted on these users.
        seed: Seed of initial weights and batches.
        quick: Whether to use fewer training events per row.

    Returns:
        The heads, in the order of the columns.

    Raises:
        TypeError: If `train` or `validation` has no rows of mappings.
        ValueError: If a column cannot have a head, validation has too few users, no training event has a group, or the
            model has states of last events only (behavior_encoder "bidirectional").

    Example (not run: it needs a checkpoint):
        fit_target_heads(recommender.model, recommender.processor, train, validation, ["category"])[0].weights
    """
    check_states(model)
    train, validation = as_dataset(train, "train"), as_dataset(validation, "validation")
    targets, training = check_target_heads(processor.catalogue, target_columns(columns)), model.training
    for groups in targets:
        check_validation(validation, groups)
        check_training(train, groups)
    recommender = XCatRecommender(model, processor)  # in evaluation mode
    rows = validation.select(spread_users(validation, MOST_USERS))
    states, labels = training_states(model, processor, train, QUICK_EVENTS if quick else EVENTS)
    queries = torch.cat([
        recommender.row_states(rows.with_format(None).select(part).to_list()).cpu()
        for part in np.array_split(np.arange(len(rows)), -(-len(rows) // 256))
    ])  # fmt: skip
    with rerankers_off(model.config) if ranker is None else nullcontext():
        fitted = [
            _fitted(groups, states, labels, queries, rows, ranker or recommender, seed) for groups in targets
        ]  # fmt: skip
    place_heads(model, fitted)
    model.train(training)
    return fitted


def check_states(model: XCatForNextItem) -> None:
    """Refuse a model without a state after each event.

    Raises:
        ValueError: If its encoder reads masks.
    """
    if model.config.has_masks:
        raise ValueError(
            f"target_heads needs a state after each event, and behavior_encoder {model.config.behavior_encoder!r} has "
            "one after the last event only; leave target_heads out"
        )


def _fitted(
    groups: ItemGroups,
    states: torch.Tensor,
    labels: torch.Tensor,
    queries: torch.Tensor,
    rows: Dataset,
    ranker: Ranker,
    seed: int,
) -> FittedHead:
    """The head of one column.

    Args:
        groups: Groups of the column.
        states: (states, hidden) training states.
        labels: (states,) items after them.
        queries: (users, hidden) states of the validation rows.
        rows: The validation rows.
        ranker: Ranks the items.
        seed: Seed of initial weights and batches.
    """
    some, wanted = next_groups(labels, groups)
    if not len(some):
        raise _no_training_event(groups)  # of the sampled rows
    judged = group_rows(rows, groups)

    def states_of(own: list[dict[str, Any]]) -> torch.Tensor:
        return queries[[row["row"] for row in own]]

    def report(head: Any, summed: Ranker | None = None, weight: float = 1.0) -> RankingReport:
        return evaluate_ranker(
            HeadRanker(head, states_of, summed, (weight, weight)), judged, groups.vocabulary(),
            trained=np.ones(len(groups) + NUM_SPECIAL_ROWS, dtype=bool), ks=[10], progress=False,
        )  # fmt: skip

    def judge(head: nn.Module) -> float:
        with torch.no_grad():
            return report(lambda found: torch.log_softmax(head(found), 1)).metrics[_METRIC]

    popularity = torch.bincount(wanted.codes, minlength=len(groups)) / len(some)
    with stage(f"training the head of {groups.column}"):
        layer, epochs = train_head(linear_head(states.shape[1], popularity, seed), states[some], wanted, judge, seed)
    assert isinstance(layer, nn.Linear)
    head = TargetHead(layer.weight, layer.bias, torch.arange(len(groups)), len(groups), (1.0, 1.0))
    with stage(f"choosing the weights of the head of {groups.column}"):
        summed = StoredScores(SummedItems(ranker, groups, rows), judged)
        reports = {weight: report(head, summed, weight) for weight in (0.0, *WEIGHTS)}
    chosen = [choose_weight({w: _per_user(one, purpose) for w, one in reports.items()}) for purpose in PURPOSES]
    (following, _), (discover, _) = chosen
    gains = {purpose: gain for purpose, (_, gain) in zip(PURPOSES, chosen, strict=True)}
    found = FittedHead(groups.column, groups.names, len(some), epochs, gains, (following, discover), layer)
    logger.info("head of %s: %s", groups.column, found)
    return found


def _per_user(report: RankingReport, purpose: str) -> np.ndarray:
    """(users,) NDCG@10 of the users with a target; empty without any."""
    own = report if purpose == PURPOSES[0] else report.discover
    values = np.zeros(0) if own is None else own.per_user[_METRIC]
    found: np.ndarray = values[np.isfinite(values)]
    return found


def choose_weight(values: dict[float, np.ndarray]) -> tuple[float, SecondStageGain | None]:
    """The weight of a head beside summed items.

    Args:
        values: (users,) metric of the same users for each weight, among them 0.

    Returns:
        The weight with the best mean, or 0 if its gain is not significant, and its gain; no gain with fewer than
        `LEAST_USERS` users.
    """
    alone = values[0.0]
    if len(alone) < LEAST_USERS:
        return 0.0, None
    best = max((weight for weight in values if weight), key=lambda weight: float(values[weight].mean()))
    before, after = torch.from_numpy(alone), torch.from_numpy(values[best])
    gain = mean_gain(len(alone), before, after, after - before)
    return best if gain.pays else 0.0, gain


def place_heads(model: XCatForNextItem, fitted: Sequence[FittedHead]) -> None:
    """Put heads into a model in place of earlier ones; none leaves it without heads.

    Args:
        model: The model.
        fitted: The heads.
    """
    base, config, fitted = model.model, model.config, sorted(fitted, key=lambda one: one.column)
    config.target_head_groups = {one.column: list(one.names) for one in fitted}
    config.target_head_weights = {one.column: list(one.weights) for one in fitted}
    base.target_heads = XCatTargetHeads(config).to(base.device) if fitted else None
    if base.target_heads is not None:
        base.target_heads.weight.copy_(torch.cat([one.layer.weight for one in fitted]))
        base.target_heads.bias.copy_(torch.cat([one.layer.bias for one in fitted]))

"""Tuning of the cold-item boost for discovery on the validation split, with known items in the place of added ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset

from ...catalogue.cold_start import complete_added_items, drop_cold_start_neighbors
from ...evaluation.ranks import target_ranks, top_rows
from ...evaluation.recommendation_ranking.ranking_metrics import per_user_metrics
from ...modeling_xcat.configuration_xcat import DISCOVERY_FROM
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...modeling_xcat.ranked_xcat import scores_of_its_own
from ...modeling_xcat.recent_events_xcat import RecentEvents
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import stage
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS, UNKNOWN_ROW
from .novel_targets import LEAST_REPEATS, encoded_for_discovery, novel_targets, with_novel_targets
from .user_samples import spread_users

BOOSTS = (0.0, -0.25, -0.5, -1.0, -2.0)
"""Candidate boosts beside `untrained_bonus`."""
PARTS = 8
"""Parts of the items with training events; one at a time is treated as added."""
LEAST_ITEMS = 2 * PARTS
MOST_USERS, QUICK_USERS = 1024, 256
MOST_SCORES = 1 << 26
"""Maximum scores per boost. Larger catalogues have fewer parts, then fewer users."""

_ERRORS = 2.0


@dataclass(frozen=True)
class BoostTrial:
    """Lists for discovery with one boost, where some of the known items are treated as added.

    Args:
        ndcg: (users,) NDCG@k of each user, the mean over the parts.
        share: Share of the places in the lists that these items have.
    """

    ndcg: np.ndarray
    share: float


@dataclass(frozen=True)
class BoostTrials:
    """Trials by boost, the present boost first.

    Args:
        trials: Boost to trial.
        fair: Share of the targets that are items treated as added.
        buys_again: Whether users buy items again, so that discovery differs from the ranking of all items.
    """

    trials: Mapping[float, BoostTrial]
    fair: float
    buys_again: bool

    @property
    def choice(self) -> float | None:
        """The boost for discovery; None for the present one.

        Of the boosts that cannot be told from the best (paired difference within 2 standard errors), it is the one
        whose share of places is nearest to the share of targets. Where nobody buys again, it must also be measurably
        better than the present one.
        """
        present, best = next(iter(self.trials)), max(self.trials.values(), key=lambda trial: trial.ndcg.mean())
        close = [boost for boost, trial in self.trials.items() if not _better(best, trial)]
        chosen = min(close, key=lambda boost: abs(self.trials[boost].share - self.fair))
        if not self.buys_again and not _better(self.trials[chosen], self.trials[present]):
            return None
        return None if chosen == present else chosen

    def __str__(self) -> str:
        tried = ", ".join(f"{boost:g}: {t.ndcg.mean():.4f} ({t.share:.3f})" for boost, t in self.trials.items())
        return f"NDCG@10 (share of places; share of targets {self.fair:.3f}) {tried}; chosen {self.choice}"


def _better(one: BoostTrial, other: BoostTrial) -> bool:
    gain = one.ndcg - other.ndcg
    return bool(gain.mean() > _ERRORS * gain.std() / len(gain) ** 0.5)


def choose_cold_boost(
    model: XCatForNextItem, processor: XCatProcessor, dataset: Dataset, *, seed: int = 0, quick: bool = False
) -> BoostTrials | None:
    """Choose `discover_untrained_bonus` and set it in the configuration.

    Args:
        model: The trained model, with its other parts for discovery.
        processor: Its processor.
        dataset: The validation split: rows with `items` and `targets`.
        seed: Seed of the choice of items.
        quick: Whether to use at most `QUICK_USERS` users.

    Returns:
        The trials; None if nothing is chosen: the model has such a boost already, scores in its own way or reads no
        texts, or there are fewer than `LEAST_ITEMS` items with training events or no user with a new target.
    """
    config, base = model.config, model.model
    given = config.discover_untrained_bonus is not None or config.format_version < DISCOVERY_FROM
    if given or not config.use_text or scores_of_its_own(base):
        return None
    novel = with_novel_targets(dataset)
    warm = base.items.item_counts > 0
    warm[:NUM_SPECIAL_ROWS] = False
    known = warm.nonzero().squeeze(1)
    if len(known) < LEAST_ITEMS or not len(novel):
        return None
    found = _tried(model, processor, novel, known, seed, QUICK_USERS if quick else MOST_USERS)
    rows = dataset.with_format(None).select_columns(["items", "targets"]).select(spread_users(dataset))
    new, total = sum(len(novel_targets(row)) for row in rows), sum(map(len, rows["targets"]))
    trials = BoostTrials(*found, buys_again=total - new >= LEAST_REPEATS * total)
    config.discover_untrained_bonus = trials.choice
    return trials


@torch.no_grad()
def _tried(
    model: XCatForNextItem, processor: XCatProcessor, novel: Dataset, known: torch.Tensor, seed: int, most: int
) -> tuple[dict[float, BoostTrial], float]:
    """Trials by boost, and the share of the targets that are items treated as added.

    Args:
        model: The model.
        processor: Its processor.
        novel: Rows with a new target.
        known: (items,) items with training events.
        seed: Seed of the parts.
        most: Maximum number of users.
    """
    base, config, training = model.model, model.config, model.training
    size = config.num_item_rows
    chosen = spread_users(novel, min(most, max(1, MOST_SCORES // size)))
    parts = min(PARTS, max(1, MOST_SCORES // (size * len(chosen))))
    order = torch.randperm(len(known), generator=torch.Generator().manual_seed(seed)).to(known.device)
    present = float(config.untrained_bonus)
    found: dict[float, list[tuple[np.ndarray, float]]] = {boost: [] for boost in dict.fromkeys((present, *BOOSTS))}
    fair = []
    model.eval()
    try:
        batches = list(encoded_for_discovery(model, processor, novel, chosen))
        with stage("tuning the boost of added items", parts, "parts") as running:
            for part in known[order].chunk(PARTS)[:parts]:
                fair.append(_share([targets for _, _, targets in batches], part))
                with as_added(model, part):
                    table = base.item_side(base.items().float())
                    for config.discover_untrained_bonus, values in found.items():
                        values.append(_judged(model, batches, table, part))
                running.advance()
    finally:
        config.discover_untrained_bonus = None
        model.train(training)
    means = {
        boost: BoostTrial(np.mean([ndcg for ndcg, _ in values], 0), float(np.mean([share for _, share in values])))
        for boost, values in found.items()
    }
    return means, float(np.mean(fair))


_Batch = tuple[torch.Tensor, RecentEvents, torch.Tensor]


def _judged(
    model: XCatForNextItem, batches: list[_Batch], table: torch.Tensor, part: torch.Tensor, k: int = 10
) -> tuple[np.ndarray, float]:
    """(users,) NDCG@k, and the share of the places that items of a part have."""
    ndcg, tops = [], []
    for states, recent, targets in batches:
        scores = model.model.score_states(states, recent, table)
        ndcg.append(per_user_metrics(target_ranks(scores, targets).cpu().numpy(), [k])[f"ndcg@{k}"])
        tops.append(top_rows(scores, k))
    return np.concatenate(ndcg), _share(tops, part)


def _share(rows: list[torch.Tensor], part: torch.Tensor) -> float:
    """Share of the items in index tensors that are of a part; special rows and values below 0 are no items."""
    flat = torch.cat([own.flatten() for own in rows])
    return float(torch.isin(flat[flat >= NUM_SPECIAL_ROWS], part).float().mean())


@contextmanager
def as_added(model: XCatForNextItem, part: torch.Tensor) -> Iterator[None]:
    """Within it, some items are as if `xcat catalogue` had added them, so only texts and attributes are known.

    Args:
        model: A model that reads texts.
        part: (items,) item indices.
    """
    base = model.model
    items, segments = base.items, base.segments
    tables = [table for table in (base.neighbors, base.successors) if table is not None]
    counts = [(items, name) for name in ("item_counts", "return_counts", "return_gaps") if hasattr(items, name)]
    rates = [] if segments is None else [(segments, name) for name, _ in segments.named_buffers() if name != "centers"]
    changed = [*counts, *rates, *((table, name) for table in tables for name in ("rows", "similarities"))]
    before = [getattr(module, name) for module, name in changed]
    for (module, name), value in zip(changed, before, strict=True):
        setattr(module, name, value.clone())
    try:
        for module, name in counts:
            getattr(module, name)[part] = 0  # without a count, an item has no id embedding
        for module, name in rates:
            values = getattr(module, name)
            values[part] = values[UNKNOWN_ROW].clone()
        trained = torch.ones_like(items.item_counts)
        trained[part] = 0
        for table in tables:
            drop_cold_start_neighbors(table, trained)
        complete_added_items(model, part)
        yield
    finally:
        for (module, name), value in zip(changed, before, strict=True):
            setattr(module, name, value)

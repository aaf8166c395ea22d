"""The ranking protocol: every user's targets are ranked against the whole catalogue, without sampling."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch

from ..tokenization.progress import stage
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, PAD_ROW, ItemVocabulary
from .bootstrap import Interval, confidence_intervals, paired_bootstrap
from .purposes import DISCOVER, DISCOVER_SLICES, NEW_TARGETS, history_rows, rank_new_targets
from .ranks import pad_targets, target_ranks, top_rows
from .recommendation_ranking.ranking_metrics import (
    COVERAGE,
    DEFAULT_KS,
    METRIC_NAMES,
    catalogue_coverage,
    check_cutoffs,
    per_user_metrics,
    summarise,
)
from .slices import SLICE_NAMES, target_slices

if TYPE_CHECKING:
    from datasets import Dataset

LOST = "lost_to_untrained"


@runtime_checkable
class Ranker(Protocol):
    """A model that can be evaluated: it scores the whole catalogue for a batch of users.

    A model with other scores for discovery also has a method `discover_rows`, with the argument and the result of
    `score_rows`. It is called right after it, with the same list of rows. The history may score anything in both.
    """

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """Score the catalogue.

        Args:
            rows: Rows of a validation or test dataset, in Python lists.

        Returns:
            (users, rows of the vocabulary) scores; the special rows have `-inf`.
        """
        ...


@dataclass(frozen=True)
class RankingReport:
    """Result of an evaluation.

    Args:
        metrics: Means over users: `recall@k`, `ndcg@k`, `mrr@k` and `coverage@k`.
        slices: The same without coverage for each slice of the targets, and its `num_targets`; NaN if it is empty.
        num_users: Users with at least one target.
        num_targets: Targets of all users.
        per_user: Values per row of the dataset, under the names of `metrics` and as `slices.<name>.<metric>`; NaN if
            the user has no such target. Also the displacement by cold items, as `lost_to_untrained.<metric>`.
        lost_to_untrained: Displacement by cold items: the share of each metric but coverage that targets with training
            events lose because cold items are ranked above them, from 0 to 1. Empty if there are no cold items or it
            was not requested.
        top: (users, K) recommended item indices, best first, one line per row of the dataset.
        ranks: (users, targets) ranks from 1, one line per row of the dataset; 0 or less is padding.
        discover: The same for discovery: the history is left out of the ranking, and only targets that are not in it
            count. Its lists are of users with such a target. None if there is none, or it was not measured.
    """

    metrics: dict[str, float]
    slices: dict[str, dict[str, float]]
    num_users: int
    num_targets: int
    per_user: dict[str, np.ndarray] = field(repr=False, compare=False, default_factory=dict)
    lost_to_untrained: dict[str, float] = field(default_factory=dict)
    top: np.ndarray | None = field(repr=False, compare=False, default=None)
    ranks: np.ndarray | None = field(repr=False, compare=False, default=None)
    discover: RankingReport | None = None
    _intervals: dict[str, Interval] = field(init=False, repr=False, compare=False, default_factory=dict)
    _differences: dict[tuple[str, int], tuple[RankingReport, Interval]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    @property
    def names(self) -> list[str]:
        """Names of the metrics without cut-offs: `recall`, `ndcg`, `mrr`, requested ones, `coverage`."""
        return list(dict.fromkeys(name.partition("@")[0] for name in self.metrics))

    @property
    def requested(self) -> list[str]:
        """Names of the additional metrics, without cut-offs."""
        return [name for name in self.names if name not in (*METRIC_NAMES, COVERAGE)]

    def value(self, metric: str, part: str | None = None) -> float:
        """Value of a metric.

        Args:
            metric: Its name, such as `ndcg@10`.
            part: A slice; None for all targets.

        Returns:
            The mean over users; NaN if it was not measured.
        """
        values = self.metrics if part is None else self.slices.get(part, {})
        return float(values.get(metric, math.nan))

    def interval(self, metric: str, part: str | None = None) -> Interval | None:
        """The 95 % bootstrap interval of a metric, computed once per report and slice.

        Args:
            metric: As in `value`.
            part: As in `value`.

        Returns:
            The interval; None without values per user, or if there are no users.
        """
        key = _key_of(metric, part)
        if key not in self.per_user or not math.isfinite(self.value(metric, part)):
            return None
        if key not in self._intervals:
            names = self.metrics if part is None else self.slices[part]
            keys = [found for name in names if (found := _key_of(name, part)) in self.per_user]
            values = np.stack([self.per_user[found] for found in keys], axis=1)
            self._intervals.update(zip(keys, confidence_intervals(values), strict=True))
        return self._intervals[key]

    def intervals(self) -> dict[str, Interval]:
        """The intervals of all metrics that have one, under their keys in `flat`."""
        keys: list[tuple[str, str | None]] = [(name, None) for name in self.metrics]
        keys += [(name, part) for part, metrics in self.slices.items() for name in metrics]
        found = {_key_of(name, part): self.interval(name, part) for name, part in keys}
        return {key: interval for key, interval in found.items() if interval is not None}

    def difference(self, other: RankingReport, metric: str, part: str | None = None) -> Interval | None:
        """The difference of a metric to another report on the same users, computed once per pair.

        Args:
            other: The other report.
            metric: As in `value`.
            part: As in `value`.

        Returns:
            The paired bootstrap interval; None if one of the reports has no values per user.
        """
        key = _key_of(metric, part)
        missing = key not in self.per_user or key not in other.per_user
        if missing or not math.isfinite(self.value(metric, part)):
            return None
        place = (key, id(other))
        if place not in self._differences:  # the value keeps the other report alive, so its id stays unique
            self._differences[place] = other, paired_bootstrap(self.per_user[key], other.per_user[key])
        return self._differences[place][1]

    def flat(self) -> dict[str, float]:
        """All metrics in one mapping; metrics of a slice are named `slices.<name>.<metric>`.

        The names of discovery begin with `discover.`, as in `discover.ndcg@10`, `discover.slices.switch.ndcg@10`.
        """
        sliced = {_slice_key(name, key): value for name, m in self.slices.items() for key, value in m.items()}
        new = {} if self.discover is None else self.discover.flat()
        return {**self.metrics, **sliced, **{f"{DISCOVER}.{key}": value for key, value in new.items()}}

    def to_json(self, indent: int | None = 2) -> str:
        """The report as JSON, without values per user; a metric that is NaN is null."""
        new = None if self.discover is None else self.discover._counted_metrics()
        content = {**self._counted_metrics(), LOST: _without_nan(self.lost_to_untrained) or None, DISCOVER: new}
        return json.dumps(content, indent=indent, allow_nan=False)

    def _counted_metrics(self) -> dict[str, Any]:
        return {
            "num_users": self.num_users,
            "num_targets": self.num_targets,
            "metrics": _without_nan(self.metrics),
            "slices": {name: _without_nan(metrics) for name, metrics in self.slices.items()},
        }


def report_from_ranks(
    ranks: np.ndarray,
    slice_flags: Mapping[str, np.ndarray],
    topk: np.ndarray,
    ks: Sequence[int],
    num_items: int,
    untrained_above: np.ndarray | None = None,
    names: Sequence[str] = METRIC_NAMES,
    discover: tuple[np.ndarray, np.ndarray] | None = None,
) -> RankingReport:
    """Turn ranks and recommendations into a report; the trainer calls this too, with gathered ranks.

    Args:
        ranks: (users, targets) ranks from 1; 0 or less is padding.
        slice_flags: Name to (users, targets) bool, whether a target is in that slice.
        topk: (users, K) recommended item indices, best first; special rows are padding.
        ks: Cut-offs.
        num_items: Items in the catalogue.
        untrained_above: (users, targets) number of cold items (no training events) ranked above each target; None to
            leave out the displacement by cold items. It needs the flags of the slice `cold`.
        names: Names of metrics in `METRICS`.
        discover: Ranks and recommendations for discovery, as `rank_new_targets` gives them; None to leave it out.

    Returns:
        The report.

    Raises:
        ValueError: If shapes do not fit, or there are no targets.
    """
    ranks = np.asarray(ranks)
    present = ranks > 0
    if not present.any():
        raise ValueError(f"none of {len(ranks)} users has a target; give rows of a validation or test split")
    if len(topk) != len(ranks):
        raise ValueError(f"recommendations of {len(topk)} users do not fit the ranks of {len(ranks)} users")
    per_user = per_user_metrics(ranks, ks, names=names)
    metrics = summarise(per_user) | catalogue_coverage(np.asarray(topk), ks, num_items, first_row=NUM_SPECIAL_ROWS)
    slices = {}
    for name, flags in slice_flags.items():
        values = per_user_metrics(ranks, ks, flags, names)
        slices[name] = {**summarise(values), "num_targets": int((present & np.asarray(flags, dtype=bool)).sum())}
        per_user.update({_slice_key(name, key): value for key, value in values.items()})
    lost = {}
    if untrained_above is not None:
        warm = ~np.asarray(slice_flags["cold"], dtype=bool)
        among_all = per_user_metrics(ranks, ks, warm, names)
        alone = per_user_metrics(np.where(present, ranks - untrained_above, ranks), ks, warm, names)
        per_user.update({f"{LOST}.{key}": alone[key] - among_all[key] for key in alone})
        reached, kept = summarise(alone), summarise(among_all)
        lost = {key: 1 - kept[key] / reached[key] if reached[key] else math.nan for key in reached}
    users, targets = int(present.any(1).sum()), int(present.sum())
    new = None if discover is None else _discover_report(*discover, slice_flags, ks, num_items, names)
    return RankingReport(metrics, slices, users, targets, per_user, lost, np.asarray(topk), ranks, new)


def _discover_report(
    ranks: np.ndarray,
    topk: np.ndarray,
    slice_flags: Mapping[str, np.ndarray],
    ks: Sequence[int],
    num_items: int,
    names: Sequence[str],
) -> RankingReport | None:
    """The report of discovery, without the lists of users who have no target; None if nobody has one."""
    counted: np.ndarray = np.any(np.asarray(ranks) > 0, axis=1)
    if not counted.any():
        return None
    flags = {name: slice_flags[name] for name in DISCOVER_SLICES if name in slice_flags}
    return report_from_ranks(ranks, flags, np.where(counted[:, None], topk, PAD_ROW), ks, num_items, names=names)


def evaluate_ranker(
    ranker: Ranker,
    dataset: Dataset,
    vocabulary: ItemVocabulary,
    *,
    trained: np.ndarray,
    ks: Sequence[int] = DEFAULT_KS,
    metrics: Sequence[str] = METRIC_NAMES,
    batch_size: int = 256,
    progress: bool = True,
    name: str = "a model",
) -> RankingReport:
    """Rank the targets of a dataset against the whole catalogue, batch by batch, for both purposes.

    The next item: every item is ranked, items of the history too. Discovery (`report.discover`): the items of the row
    are left out of the ranking of every model alike, and only targets that the row lacks count. Users without such a
    target are not counted.

    Only ranks, slices and recommendations of a batch are kept, so memory grows with users times the largest cut-off,
    not with users times items.

    Args:
        ranker: The model to evaluate. A module in training mode is in evaluation mode meanwhile.
        dataset: A validation or test split, with `items`, `targets` and the other columns that the ranker reads.
        vocabulary: The catalogue of the dataset's item indices.
        trained: (rows of the vocabulary,) bool, whether an item has training events.
        ks: Cut-offs.
        metrics: Names of metrics in `METRICS`; coverage is always reported.
        batch_size: Users scored at once.
        progress: Whether to report progress (`show_progress`).
        name: Name of the ranker in the progress.

    Returns:
        The report.

    Raises:
        ValueError: If the dataset is empty or has no targets, or scores do not fit the vocabulary or are NaN.
    """
    _check_dataset(dataset)
    k = min(check_cutoffs(ks)[-1], len(vocabulary))
    rows_only = dataset.with_format(None)
    widest = max(map(len, rows_only["targets"]))
    # Preallocated: many small results between large temporary buffers would fragment the heap.
    ranks = np.zeros((len(dataset), widest), dtype=np.int64)
    slices = {name: np.zeros(ranks.shape, dtype=bool) for name in SLICE_NAMES}
    top = np.zeros((len(dataset), k), dtype=np.int32)
    untrained = torch.from_numpy(~trained)
    untrained[:NUM_SPECIAL_ROWS] = False
    above = np.zeros_like(ranks) if untrained.any() else None
    new_ranks, new_top = np.zeros_like(ranks), np.zeros_like(top)
    running = stage(f"evaluating {name}", len(dataset), "users", shown=progress)
    with _evaluation_mode(ranker), torch.no_grad(), running as bar:
        for start in range(0, len(dataset), batch_size):
            columns = rows_only[start : start + batch_size]
            rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
            users = slice(start, start + len(rows))
            scores = torch.as_tensor(ranker.score_rows(rows))  # NumPy arrays work too
            _check_layout(scores, len(rows), len(vocabulary))
            targets = pad_targets([row["targets"] for row in rows])
            wanted = torch.from_numpy(targets)
            ranks[users, : targets.shape[1]] = target_ranks(scores, wanted).cpu()
            if above is not None:
                above[users, : targets.shape[1]] = target_ranks(scores, wanted, among=untrained).cpu()
            top[users] = top_rows(scores, k).cpu()
            flags = target_slices(rows, vocabulary, trained)
            for name, flag in flags.items():
                slices[name][users, : targets.shape[1]] = flag
            new = torch.from_numpy(flags[NEW_TARGETS])
            own = _discover_scores(ranker, rows, scores)
            found = rank_new_targets(own, history_rows(rows), wanted, new, k)
            new_ranks[users, : targets.shape[1]], new_top[users] = (part.cpu() for part in found)
            bar.advance(len(rows))
    discover = new_ranks, new_top
    return report_from_ranks(ranks, slices, top, ks, vocabulary.num_items, above, metrics, discover)


def _discover_scores(ranker: Ranker, rows: list[dict[str, Any]], scores: torch.Tensor) -> torch.Tensor:
    """The scores of a ranker for discovery: its own, or those for the next item."""
    if not hasattr(ranker, "discover_rows"):
        return scores
    own = torch.as_tensor(ranker.discover_rows(rows))
    _check_layout(own, scores.shape[0], scores.shape[1], "discover_rows")
    return own


@contextmanager
def _evaluation_mode(ranker: object) -> Iterator[None]:
    """Switch to evaluation mode: dropout would silently make ranks random."""
    modules = list(ranker.modules()) if isinstance(ranker, torch.nn.Module) else []
    training = [module for module in modules if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _check_dataset(dataset: Dataset) -> None:
    missing = {"items", "targets"} - set(dataset.column_names)
    if missing or not len(dataset):
        raise ValueError(
            f"the dataset has {len(dataset)} rows and {f'no column {min(missing)}' if missing else 'all columns'}; "
            "give a validation or test split that build_splits made and that is not empty"
        )


def _check_layout(scores: torch.Tensor, users: int, rows: int, method: str = "score_rows") -> None:
    if scores.shape != (users, rows):
        raise ValueError(
            f"{method} gave scores of shape {tuple(scores.shape)} for {users} users and {rows} vocabulary rows; "
            f"give ({users}, {rows})"
        )
    special = scores[:, :NUM_SPECIAL_ROWS]
    if bool((special > -torch.inf).any()):
        raise ValueError(
            f"{method} gave a special row {float(special.max())}; rows below {NUM_SPECIAL_ROWS} are not items, "
            "so give them -inf"
        )


def _slice_key(name: str, metric: str) -> str:
    return f"slices.{name}.{metric}"


def _key_of(metric: str, part: str | None) -> str:
    return metric if part is None else _slice_key(part, metric)


def _without_nan(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in metrics.items()}

"""Report of click predictions: metrics of all impressions and of slices, with bootstrap intervals over users."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from datasets import Dataset

from ..counting import counted, counted_of
from ..tokenization.sequences.shown import flat_lists
from ..tokenization.vocabulary import ItemVocabulary
from .bootstrap import Interval, bootstrap_statistic
from .click_prediction.click_metrics import CLICK_METRICS, Predictions, ece
from .slices import target_slices

CLICK_METRIC_NAMES = tuple(CLICK_METRICS)
TABLE_METRICS = ("auc", "gauc", "log_loss", "ece")
"""Metrics of tables."""
MOST_CATEGORIES = 20
_DRAWS = 50
OTHER, NO_CATEGORY = "other", "no category"


@dataclass(frozen=True)
class ClickReport:
    """Result of an evaluation of click probabilities.

    Args:
        kind: Kind of the labels: "impression", "rating", or the kind of sampled negatives.
        metrics: `auc`, `gauc`, `log_loss`, `normalised_entropy`, `ece`, `reliability_slope`, `prediction_ratio`.
        slices: The metrics of slices, with `num_rows`, `num_positives` and, for GAUC, `num_left_out`.
        categories: Likewise, by category of the candidate; rare ones are joined as "other".
        num_rows: Impressions.
        num_positives: Impressions with a click.
        num_users: Users.
        num_left_out: Users with one label only, who have no AUC: they are not in GAUC.
    """

    kind: str
    metrics: dict[str, float]
    slices: dict[str, dict[str, float]]
    categories: dict[str, dict[str, float]]
    num_rows: int
    num_positives: int
    num_users: int
    num_left_out: int
    predictions: Predictions | None = field(repr=False, compare=False, default=None)
    _intervals: dict[tuple[str, int], tuple[object, Interval | None]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def value(self, metric: str, part: str | None = None) -> float:
        """Value of a metric; NaN if it was not measured.

        Args:
            metric: Its name, such as `auc`.
            part: A slice; None for all impressions.
        """
        values = self.metrics if part is None else self.slices.get(part, {})
        return float(values.get(metric, math.nan))

    def interval(self, metric: str) -> Interval | None:
        """The 95 % bootstrap interval over users of a metric; None if it has no value."""
        return self.difference(None, metric)

    def difference(self, other: ClickReport | None, metric: str) -> Interval | None:
        """The difference of a metric to another report on the same impressions: the paired bootstrap over users.

        Args:
            other: The other report; None for the interval of the metric itself.
            metric: Its name, such as `log_loss`.

        Returns:
            The interval, computed once; None if a report has no predictions or no value.

        Raises:
            ValueError: If the reports have other impressions or labels.
        """
        place = metric, id(other)
        if place not in self._intervals:  # the value keeps the other report alive, so its id stays unique
            self._intervals[place] = other, self._difference(other, metric)
        return self._intervals[place][1]

    def _difference(self, other: ClickReport | None, metric: str) -> Interval | None:
        reports = [self] if other is None else [self, other]
        if any(math.isnan(report.value(metric)) or report.predictions is None for report in reports):
            return None
        found = [report.predictions for report in reports if report.predictions is not None]
        _check_same(found)
        score = CLICK_METRICS[metric]
        users = [one.users for one in found if one.users is not None]

        def statistic(times: np.ndarray) -> float:
            values = [score(one, times[user]) for one, user in zip(found, users, strict=True)]
            return values[0] if other is None else values[0] - values[1]

        return bootstrap_statistic(statistic, self.num_users)

    @cached_property
    def ece_by_chance(self) -> float:
        """ECE that the same predictions have on average if they are right; NaN without predictions.

        Labels are drawn from the predictions, 50 times with a fixed seed. An ECE near this value shows no error of
        calibration: on few rows, the shares of positives in the bins differ from their probabilities by chance.
        """
        return math.nan if self.predictions is None else _ece_of_drawn_labels(self.predictions)

    def flat(self) -> dict[str, float]:
        """All metrics in one mapping; metrics of a slice are named `slices.<name>.<metric>`."""
        return {
            **self.metrics,
            **{f"slices.{name}.{key}": value for name, found in self.slices.items() for key, value in found.items()},
        }

    def to_json(self, indent: int | None = 2) -> str:
        """The report as JSON, without predictions and users; a metric that is NaN or infinite is null."""
        content = {
            "kind": self.kind,
            "num_rows": self.num_rows, "num_positives": self.num_positives, "num_users": self.num_users,
            "num_left_out": self.num_left_out,
            "metrics": _finite(self.metrics),
            **_finite({"ece_by_chance": self.ece_by_chance}),
            "slices": {name: _finite(found) for name, found in self.slices.items()},
            "categories": {name: _finite(found) for name, found in self.categories.items()},
        }  # fmt: skip
        return json.dumps(content, indent=indent, allow_nan=False, ensure_ascii=False)

    def __str__(self) -> str:
        return click_table({"model": self})


def _ece_of_drawn_labels(found: Predictions) -> float:
    drawn, generator = copy.copy(found), np.random.default_rng(0)
    errors = []
    for _ in range(_DRAWS):
        drawn.labels = (generator.random(len(found.predictions)) < found.predictions).astype(np.float64)
        errors.append(ece(drawn, found.weights))
    return float(np.mean(errors))


def click_table(reports: Mapping[str, ClickReport]) -> str:
    """Reports on the same impressions as a Markdown table, with the kind of labels and the users without AUC.

    Args:
        reports: Reports by the names of their models.
    """
    first = next(iter(reports.values()))
    head = f"{first.kind} labels: {counted(first.num_rows, 'row')}, {first.num_positives:,} positive; "
    both = counted_of(first.num_users - first.num_left_out, first.num_users, "user", "have")
    head += f"{both} both labels, for gauc"
    lines = [f"| model | {' | '.join(TABLE_METRICS)} |", "|---" * (1 + len(TABLE_METRICS)) + "|"]
    for name, report in reports.items():
        values = (f"{report.value(metric):.4f}" for metric in TABLE_METRICS)
        lines.append(f"| {name} | {' | '.join(values)} |")
    return "\n".join([head, "", *lines])


def click_report(
    probabilities: Sequence[float] | np.ndarray,
    rows: Dataset,
    vocabulary: ItemVocabulary,
    trained: np.ndarray,
    *,
    kind: str = "",
    category_column: str = "category",
) -> ClickReport:
    """Evaluate predicted click probabilities.

    Args:
        probabilities: (showings,) a probability per showing of the rows, in the order of `as_pairs(rows)`.
        rows: Rows of validation or test from `split_clicks`.
        vocabulary: The catalogue of the rows' item indices.
        trained: (rows of the vocabulary,) bool, whether an item has training events.
        kind: `ClickData.kind`.
        category_column: Column of the items table to group the metrics by.

    Returns:
        The report. Slices are those of next-item prediction, of the candidate and the history before it.

    Raises:
        ValueError: If there is not one probability per showing, or they are not probabilities.
    """
    counts, items = flat_lists(rows, "shown_items")
    labels, after = flat_lists(rows, "shown_labels")[1], flat_lists(rows, "shown_after")[1]
    owners = np.repeat(np.arange(len(rows)), counts)
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape != labels.shape:
        raise ValueError(f"probabilities have shape {p.shape}, and the rows {len(labels)} showings; give one each")
    users = np.unique(np.asarray(rows.with_format(None)["user_id"][:]), return_inverse=True)[1][owners]
    found = Predictions(p, labels, users)
    flags = _slices(rows, vocabulary, trained, items, owners, after)
    codes, names = vocabulary.codes(category_column)
    return ClickReport(
        kind, _metrics(found),
        {name: _metrics_of(p, labels, users, flag) for name, flag in flags.items()},
        {name: _metrics_of(p, labels, users, flag) for name, flag in _by_category(codes[items], names).items()},
        len(p), int(labels.sum()), found.num_users, _left_out(found), found,
    )  # fmt: skip


def _slices(
    rows: Dataset,
    vocabulary: ItemVocabulary,
    trained: np.ndarray,
    items: np.ndarray,
    owners: np.ndarray,
    after: np.ndarray,
) -> dict[str, np.ndarray]:
    """(showings,) flags of the slices; showings of a row with one history are computed together."""
    lengths, history = flat_lists(rows, "items")
    starts = np.cumsum(lengths) - lengths
    _, place = np.unique(np.stack([owners, after]), axis=1, return_inverse=True)
    order = np.argsort(place.ravel(), kind="stable")
    borders = np.flatnonzero(np.diff(place.ravel()[order])) + 1
    groups = np.split(order, borders) if len(order) else []
    made = [
        {"items": history[starts[owners[g[0]]] :][: after[g[0]]].tolist(), "targets": items[g].tolist()}
        for g in groups
    ]
    flags = target_slices(made, vocabulary, trained)
    found = {}
    for name, flag in flags.items():
        values = np.zeros(len(items), dtype=bool)
        for row, group in enumerate(groups):
            values[group] = flag[row, : len(group)]
        found[name] = values
    return found


def _by_category(codes: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """Flags of the most frequent categories of candidates, of the others, and of candidates without one."""
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    order = sorted(np.flatnonzero(counts), key=lambda code: (-counts[code], names[code]))
    shown = order[:MOST_CATEGORIES]
    flags = {names[code]: codes == code for code in shown if names[code] not in (OTHER, NO_CATEGORY)}
    named = np.any(list(flags.values()), axis=0) if flags else np.zeros(len(codes), dtype=bool)
    flags |= {OTHER: (codes >= 0) & ~named, NO_CATEGORY: codes < 0}
    return {name: flag for name, flag in flags.items() if flag.any()}


def _metrics(found: Predictions) -> dict[str, float]:
    return {name: metric(found, found.weights) for name, metric in CLICK_METRICS.items()}


def _metrics_of(p: np.ndarray, labels: np.ndarray, users: np.ndarray, flag: np.ndarray) -> dict[str, float]:
    counts = {"num_rows": int(flag.sum()), "num_positives": int(labels[flag].sum())}
    if not flag.any():
        return {**dict.fromkeys(CLICK_METRICS, math.nan), **counts, "num_left_out": 0}
    found = Predictions(p[flag], labels[flag], users[flag])
    return {**_metrics(found), **counts, "num_left_out": _left_out(found)}


def _left_out(found: Predictions) -> int:
    return int(np.isnan(found.per_user()[0]).sum())


def _check_same(found: Sequence[Predictions]) -> None:
    """Refuse reports on other impressions; users are numbered alike only on the same rows."""
    counts = [
        (len(one.labels), np.bincount(one.users, one.labels, one.num_users).tolist())
        for one in found
        if one.users is not None
    ]
    if counts[0] != counts[-1]:
        raise ValueError(
            f"the reports have other impressions ({counts[0][0]} and {counts[-1][0]} rows); evaluate both models on "
            "the same rows"
        )


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}

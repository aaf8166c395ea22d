"""Audits of recommendations: share of popular items, and exposure of categories and brands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

if TYPE_CHECKING:
    from ..ranker_evaluation import RankingReport

HEAD = 0.1
"""Share of the catalogue that counts as popular: the items with the most training events."""

ATTRIBUTES = ("category", "brand")


@dataclass(frozen=True)
class PopularityAudit:
    """Popularity of the items in recommendation lists.

    Args:
        average: Training events per item, averaged over a list and then over the lists (GAP of Abdollahpouri et al.,
            "The Unfairness of Popularity Bias in Recommendation", RMSE at RecSys 2019).
        head: Share of the entries in the most popular tenth of the catalogue.
        cold: Share of the entries without training events.
        gini: Inequality of the items' frequencies in the lists: 0 if all are equal, near 1 if one item has everything.
    """

    average: float
    head: float
    cold: float
    gini: float


@dataclass(frozen=True)
class ExposureAudit:
    """Shares that the values of an attribute have in the catalogue, in histories and in recommendations.

    Args:
        attribute: Name of the attribute.
        names: Its values, in descending order of their share of the histories.
        catalogue: (values,) shares of the items.
        history: (values,) shares of the events of the histories.
        recommended: (values,) shares of the recommendations.
    """

    attribute: str
    names: tuple[str, ...]
    catalogue: np.ndarray
    history: np.ndarray
    recommended: np.ndarray

    @property
    def distance_to_history(self) -> float:
        """Total variation between recommendations and histories: the share that would have to change; 0 to 1."""
        return _total_variation(self.recommended, self.history)

    @property
    def distance_to_catalogue(self) -> float:
        """Total variation between recommendations and catalogue."""
        return _total_variation(self.recommended, self.catalogue)

    @property
    def never_recommended(self) -> int:
        """Number of values with items in the catalogue and without any recommendation."""
        return int(((self.recommended == 0) & (self.catalogue > 0)).sum())


@dataclass(frozen=True)
class Audit:
    """Audit of the recommendations for one set of users.

    Args:
        k: Recommendations per user.
        popularity: Audits of each model's lists by the model's name, and of the users' histories as `HISTORIES`.
        exposure: Audits of the catalogue's attributes, for the audited model.
    """

    k: int
    popularity: Mapping[str, PopularityAudit]
    exposure: tuple[ExposureAudit, ...]


HISTORIES = "histories"


def audit_recommendations(
    reports: Mapping[str, RankingReport],
    own: str,
    histories: Sequence[Sequence[int]],
    vocabulary: ItemVocabulary,
    counts: np.ndarray,
    k: int = 10,
) -> Audit:
    """Audit the recommendation lists of an evaluation.

    Args:
        reports: Reports by model, with their recommendations.
        own: The model whose exposure is audited.
        histories: Item indices of each user's history.
        vocabulary: The catalogue.
        counts: (rows,) training events per item.
        k: Recommendations per user to audit.

    Raises:
        ValueError: If a report lacks its recommendations or has shorter lists, or sizes do not fit.
    """
    lists: dict[str, Sequence[Sequence[int]] | np.ndarray] = {}
    for name, report in reports.items():
        width = 0 if report.top is None else report.top.shape[1]
        if report.top is None or width < min(k, vocabulary.num_items):
            raise ValueError(f"the report of {name} has {width} recommendations per user; {k} are needed")
        lists[name] = report.top[:, :k]
    lists[HISTORIES] = histories
    exposure = tuple(
        audit_exposure(attribute, lists[own], histories, vocabulary)
        for attribute in ATTRIBUTES
        if attribute in vocabulary.table.column_names and len(vocabulary.codes(attribute)[1])
    )
    return Audit(k, {name: audit_popularity(rows, counts) for name, rows in lists.items()}, exposure)


def audit_popularity(lists: Sequence[Sequence[int]] | np.ndarray, counts: np.ndarray) -> PopularityAudit:
    """Audit the popularity of the items in lists.

    Args:
        lists: Item indices of each list; indices below `NUM_SPECIAL_ROWS` are not items and are left out.
        counts: (rows,) training events per item.

    Returns:
        The audit; all values are NaN if the lists have no item.

    Raises:
        ValueError: If a list contains an index without a count.

    Example:
        >>> audit_popularity([[2, 3], [2, 4]], np.array([0, 0, 6, 2, 0]))
        PopularityAudit(average=3.5, head=0.5, cold=0.25, gini=0.16666666666666666)
    """
    items = flat_lists(lists, len(counts))[1]
    if not len(items):
        return PopularityAudit(*[float("nan")] * 4)
    return PopularityAudit(
        average=float(np.nanmean(events_per_list(lists, counts))),
        head=float(np.isin(items, head_rows(counts)).mean()),
        cold=float((np.asarray(counts)[items] == 0).mean()),
        gini=gini(np.bincount(items, minlength=len(counts))[NUM_SPECIAL_ROWS:]),
    )


def events_per_list(lists: Sequence[Sequence[int]] | np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean of the training events of each list's items, the popularity of a list in the card and in the audit.

    Args:
        lists: Item indices of each list; special rows are left out.
        counts: (rows,) training events per item.

    Returns:
        (lists,) means; NaN for lists without items.

    Example:
        >>> events_per_list([[2, 3], [3, 0], []], np.array([0, 0, 8, 2])).tolist()
        [5.0, 2.0, nan]
    """
    users, items = flat_lists(lists, len(counts))
    sizes = np.bincount(users, minlength=len(lists)).astype(np.float64)
    sizes[sizes == 0] = np.nan
    means: np.ndarray = np.bincount(users, np.asarray(counts, dtype=np.float64)[items], len(lists)) / sizes
    return means


def head_rows(counts: np.ndarray) -> np.ndarray:
    """Indices of the most popular tenth of the catalogue, rounded up; ties keep the lower indices.

    Args:
        counts: (rows,) training events per item.

    Example:
        >>> head_rows(np.array([0, 0, 1, 5, 5])).tolist()
        [3]
    """
    items = np.asarray(counts)[NUM_SPECIAL_ROWS:]
    size = int(np.ceil(HEAD * len(items)))
    return np.argsort(-items, kind="stable")[:size] + NUM_SPECIAL_ROWS


def gini(amounts: np.ndarray) -> float:
    """Gini coefficient: half the mean absolute difference of two draws, relative to the mean.

    Args:
        amounts: (n,) amounts, none negative.

    Returns:
        0 if all are equal, (n - 1) / n if one has everything; NaN if the sum is 0.

    Example:
        >>> gini(np.array([1, 1, 1])), gini(np.array([0, 0, 0, 5]))
        (0.0, 0.75)
    """
    ordered = np.sort(np.asarray(amounts, dtype=np.float64))
    total, n = ordered.sum(), len(ordered)
    if not total:
        return float("nan")
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def audit_exposure(
    attribute: str,
    lists: Sequence[Sequence[int]] | np.ndarray,
    histories: Sequence[Sequence[int]],
    vocabulary: ItemVocabulary,
) -> ExposureAudit:
    """Shares of an attribute's values in the catalogue, in histories and in recommendations.

    Items without a value are left out, so shares are among items with one.

    Args:
        attribute: A column of the catalogue.
        lists: Recommended item indices per user; special rows are left out.
        histories: Item indices of each user's history.
        vocabulary: The catalogue.

    Raises:
        ValueError: If an index is not in the catalogue.
    """
    return exposure_of_values(attribute, *vocabulary.codes(attribute), lists, histories)


def exposure_of_values(
    attribute: str,
    codes: np.ndarray,
    names: Sequence[str],
    lists: Sequence[Sequence[int]] | np.ndarray,
    histories: Sequence[Sequence[int]],
) -> ExposureAudit:
    """As `audit_exposure`, for values that are given by code.

    Args:
        attribute: Name of the attribute.
        codes: (rows,) code of each item's value, -1 for none.
        names: Values in order of their codes.
        lists: As in `audit_exposure`.
        histories: As in `audit_exposure`.
    """
    shown = [codes[NUM_SPECIAL_ROWS:], *(codes[flat_lists(part, len(codes))[1]] for part in (histories, lists))]
    shares = [value_shares(part, len(names)) for part in shown]
    order = np.lexsort((np.arange(len(names)), -shares[0], -shares[1]))
    catalogue, history, recommended = (part[order] for part in shares)
    return ExposureAudit(attribute, tuple(names[i] for i in order), catalogue, history, recommended)


def value_shares(codes: np.ndarray, size: int) -> np.ndarray:
    """Shares of values among codes.

    Args:
        codes: (items,) codes of values; -1 for none, which is left out.
        size: Number of values.

    Returns:
        (size,) shares; all 0 without values.
    """
    counted = np.bincount(codes[codes >= 0], minlength=size).astype(np.float64)
    shares: np.ndarray = counted / max(counted.sum(), 1)
    return shares


def flat_lists(lists: Sequence[Sequence[int]] | np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(entries,) number of the list and (entries,) item index, without special rows."""
    lengths = np.fromiter((len(part) for part in lists), dtype=np.int64, count=len(lists))
    items = np.concatenate([np.asarray(part, dtype=np.int64) for part in lists]) if len(lists) else np.zeros(0, int)
    if items.max(initial=0) >= rows:
        raise ValueError(
            f"a list contains item index {items.max()}, and the catalogue has {rows} rows; take both from one model"
        )
    kept = items >= NUM_SPECIAL_ROWS
    return np.repeat(np.arange(len(lengths)), lengths)[kept], items[kept]


def _total_variation(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.abs(p - q).sum() / 2)

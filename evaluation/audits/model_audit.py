"""The whole audit of ranked lists: popularity, exposure and groups of users, per purpose and model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from ..bootstrap import Interval, confidence_interval
from ..propensities import BalancedQuality, balanced_quality
from ..purposes import DISCOVER, NEXT
from ..ranker_evaluation import RankingReport
from .calibration import ListCalibration, list_calibration
from .group_attention import GroupExposure, group_exposure
from .item_exposure import ExpectedExposure, expected_exposure
from .paths_of_groups import CategoryPath, category_paths
from .popularity import PopularityBias, popularity_bias, tail_per_user
from .user_groups import GroupQuality, quality_gaps

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class AuditedUsers:
    """The users of an audit, in the order of the reports' rows.

    Args:
        histories: Item indices of each user's history.
        targets: Item indices of each user's targets.
        vocabulary: The catalogue.
        counts: (rows,) training events per item.
        columns: Columns of a users table to group users by; None for none.
    """

    histories: Sequence[Sequence[int]]
    targets: Sequence[Sequence[int]]
    vocabulary: ItemVocabulary
    counts: np.ndarray
    columns: pl.DataFrame | None = None


@dataclass(frozen=True)
class ModelAudit:
    """Audit of one model for one purpose.

    Args:
        quality: NDCG at the length of the lists.
        balanced: NDCG on a popularity-balanced test.
        popularity: Popularity bias of the lists.
        exposure: Expected exposure of the lists.
        drawn: Expected exposure of lists that are drawn at random; None if none were drawn.
        groups: Exposure of brands, categories and price bands.
        users: Quality for groups of users.
        calibration: Categories of the lists beside those of the histories; None without categories.
        paths: Cross-category paths in which groups of the users table differ most.
    """

    quality: Interval
    balanced: BalancedQuality
    popularity: PopularityBias
    exposure: ExpectedExposure
    drawn: ExpectedExposure | None
    groups: tuple[GroupExposure, ...]
    users: tuple[GroupQuality, ...]
    calibration: ListCalibration | None = None
    paths: tuple[CategoryPath, ...] = ()


@dataclass(frozen=True)
class PurposeAudit:
    """Audit of several models for one purpose.

    Args:
        models: Audits by name of the model.
        history_events: Training events per item of a history, averaged over its events and then over users.
        history_tail: Share of long-tail items in a history, averaged over users.
        num_users: Users with a target of the purpose.
    """

    models: Mapping[str, ModelAudit]
    history_events: Interval
    history_tail: Interval
    num_users: int


def audit_purpose(
    purpose: str,
    reports: Mapping[str, RankingReport],
    users: AuditedUsers,
    k: int = 10,
    drawn: Mapping[str, Sequence[RankingReport]] | None = None,
) -> PurposeAudit | None:
    """Audit models for a purpose.

    Args:
        purpose: `NEXT` or `DISCOVER`.
        reports: Reports by name of the model, with lists of `k` items and the metric `ndcg@k`.
        users: The users.
        k: Length of the lists.
        drawn: Reports of draws of a model's lists, by its name.

    Returns:
        The audit; None if no user has a target of the purpose.

    Raises:
        ValueError: If a report lacks its lists, or no history has an item.
    """
    found = {name: part for name, report in reports.items() if (part := _of_purpose(report, purpose)) is not None}
    if len(found) < len(reports):
        return None
    first = next(iter(found.values()))
    counted = np.isfinite(first.per_user[f"ndcg@{k}"])
    histories = [items if here else [] for items, here in zip(users.histories, counted, strict=True)]
    users = replace(users, histories=histories)
    audits = {}
    for name, report in found.items():
        draws = [part for one in (drawn or {}).get(name, ()) if (part := _of_purpose(one, purpose)) is not None]
        audits[name] = _audit_model(purpose, report, users, k, draws)
    events = tail_per_user(histories, users.counts)
    return PurposeAudit(audits, confidence_interval(events[:, 0]), confidence_interval(events[:, 1]), first.num_users)


def _of_purpose(report: RankingReport, purpose: str) -> RankingReport | None:
    return report if purpose == NEXT else report.discover


def _audit_model(
    purpose: str, report: RankingReport, users: AuditedUsers, k: int, draws: Sequence[RankingReport]
) -> ModelAudit:
    lists, ranks = _lists(report, k), report.ranks
    assert ranks is not None
    targets = [
        [item for item, rank in zip(items, places, strict=False) if rank > 0]
        for items, places in zip(users.targets, ranks.tolist(), strict=True)
    ]
    allowed: int | np.ndarray = users.vocabulary.num_items
    if purpose == DISCOVER:
        seen = [len({item for item in items if item >= NUM_SPECIAL_ROWS}) for items in users.histories]
        allowed = users.vocabulary.num_items - np.array(seen)
    lengths = np.fromiter(map(len, users.histories), np.int64, count=len(users.histories))
    values = report.per_user[f"ndcg@{k}"]
    drawn = [_lists(one, k) for one in draws]
    return ModelAudit(
        quality=confidence_interval(values),
        balanced=balanced_quality(ranks, users.targets, users.counts, k),
        popularity=popularity_bias(lists, ranks, users.targets, users.counts),
        exposure=expected_exposure([lists], targets, allowed),
        drawn=expected_exposure(drawn, targets, allowed) if drawn else None,
        groups=group_exposure(lists, users.histories, users.vocabulary),
        users=quality_gaps(values, lengths, users.columns),
        calibration=list_calibration(lists, users.histories, users.vocabulary.category_codes),
        paths=_paths(lists, targets, users),
    )


def _paths(lists: np.ndarray, targets: Sequence[Sequence[int]], users: AuditedUsers) -> tuple[CategoryPath, ...]:
    codes, names = users.vocabulary.codes("category")
    counted = np.fromiter((len(own) > 0 for own in targets), bool, count=len(targets))
    if users.columns is None or not names or not counted.any():
        return ()
    histories, wanted = (
        [part[int(place)] for place in np.flatnonzero(counted)] for part in (users.histories, targets)
    )
    return category_paths(lists[counted], histories, wanted, codes, names, users.columns.filter(counted))


def _lists(report: RankingReport, k: int) -> np.ndarray:
    if report.top is None:
        raise ValueError("a report has no recommendations; give reports of evaluate_ranker")
    return report.top[:, :k]


def plain(value: Any) -> Any:
    """Convert an audit to JSON: intervals are `mean`, `low` and `high`, and values that are not numbers are null."""
    if isinstance(value, Interval):
        return {"mean": value.mean, "low": value.low, "high": value.high, "users": value.num_users}
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

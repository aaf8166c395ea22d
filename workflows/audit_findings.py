"""The strongest findings of an audit in sentences, each with an option that acts on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..evaluation.audits.group_attention import PRICE_BAND
from ..evaluation.audits.model_audit import ModelAudit, PurposeAudit
from ..evaluation.baseline_names import POPULARITY
from ..evaluation.bootstrap import Interval
from ..evaluation.purposes import DISCOVER
from .fit_result import MODEL_NAME

SHOWN = 5
SMALLEST = 0.02
"""Smallest difference of shares that is a finding."""
_TRY = "Compare the audit and NDCG with and without it on your data."


@dataclass(frozen=True)
class Finding:
    """A finding about the lists of the checkpoint.

    Args:
        purpose: Purpose of the lists.
        text: The finding in a sentence.
        remedy: What to do about it.
        size: Size of the effect, a difference of shares or of the metric; findings are sorted by it.
    """

    purpose: str
    text: str
    remedy: str
    size: float


def strongest_findings(purposes: Mapping[str, PurposeAudit], k: int, most: int = SHOWN) -> list[Finding]:
    """The findings whose interval excludes no effect, the largest effects first.

    Many differences are looked at, so about one in twenty of those without an effect is found by chance.

    Args:
        purposes: Audits by purpose.
        k: Length of the lists.
        most: Number of findings.
    """
    found = [
        finding
        for purpose, audit in purposes.items()
        for part in (_popularity, _coverage, _groups, _own_history, _users)
        for finding in part(purpose, audit, audit.models[MODEL_NAME], k)
    ]
    return sorted(found, key=lambda finding: -finding.size)[:most]


def _popularity(purpose: str, audit: PurposeAudit, own: ModelAudit, k: int) -> Iterator[Finding]:
    tail, bought = own.popularity.aplt, audit.history_tail
    if tail.high < bought.low and bought.mean - tail.mean >= SMALLEST:
        yield Finding(
            purpose,
            f"{_lists(purpose)} have fewer long-tail items than histories: {tail.mean:.1%} ({_ends(tail)}), and "
            f"{bought.mean:.1%} in histories.",
            f"LogitAdjustment, such as rerank='logit-adjustment=0.2:2', lists fewer popular items. {_TRY}",
            bought.mean - tail.mean,
        )


def _coverage(purpose: str, audit: PurposeAudit, own: ModelAudit, k: int) -> Iterator[Finding]:
    covered = own.popularity.coverage
    if covered < 0.5:
        yield Finding(
            purpose,
            f"{1 - covered:.1%} of the catalogue is in no list of {audit.num_users:,} users with {k} items each. "
            f"Lists of {POPULARITY} leave out {1 - audit.models[POPULARITY].popularity.coverage:.1%}.",
            f"LogitAdjustment, such as rerank='logit-adjustment=0.2:2', spreads lists over more items. {_TRY}",
            (0.5 - covered) / 2,
        )


def _groups(purpose: str, audit: PurposeAudit, own: ModelAudit, k: int) -> Iterator[Finding]:
    for group in own.groups:
        name = group.shares.attribute
        for extreme, more in ((group.over, "more"), (group.under, "less")):
            if extreme is None or not extreme[1].excludes_zero or abs(extreme[1].mean) < SMALLEST:
                continue
            if (extreme[1].mean > 0) != (more == "more"):
                continue
            value, gap = extreme
            if name == PRICE_BAND:
                option = "AtLeast, such as AtLeast('price<20', 2), keeps items of a price range near the top."
            elif name == "category" and more == "more":
                option = "Calibrate, such as rerank='calibrate=0.5', gives categories the shares of the history."
            elif more == "more":
                option = f"MaxPer, such as rerank='max-per={name}:{max(1, k // 5)}', limits the items of a {name}."
            else:
                option = f"AtLeast({f'{name}={value}'!r}, 1) keeps one such item among the first places."
            yield Finding(
                purpose,
                f"{_lists(purpose)} have {more} of {name} {value!r} than the users' own histories: "
                f"{gap.mean * 100:+.1f} percentage points ({gap.low * 100:+.1f} to {gap.high * 100:+.1f}).",
                f"{option} {_TRY}",
                abs(gap.mean),
            )


def _own_history(purpose: str, audit: PurposeAudit, own: ModelAudit, k: int) -> Iterator[Finding]:
    for group in own.groups:
        found = group.to_own_history
        if group.shares.attribute == "category" and found is not None and found.high < 0.5:
            yield Finding(
                purpose,
                f"Categories of a list differ from those of the user's own history: AWRF {found.mean:.2f} "
                f"({found.low:.2f} to {found.high:.2f}), where 1 is the same attention.",
                f"Calibrate, such as rerank='calibrate=0.5', gives categories the shares of the history. {_TRY}",
                0.5 - found.mean,
            )


def _users(purpose: str, audit: PurposeAudit, own: ModelAudit, k: int) -> Iterator[Finding]:
    for group in own.users:
        if group.gap.high < 0 and group.gap.mean <= -SMALLEST / 2:
            yield Finding(
                purpose,
                f"Users with {group.attribute} {group.group!r} get worse lists: NDCG@{k} {group.gap.mean:+.3f} "
                f"({group.gap.low:+.3f} to {group.gap.high:+.3f}) relative to all others.",
                "No re-ranking option evens this out. Evaluate by history and by category to see where it arises.",
                abs(group.gap.mean),
            )


def _lists(purpose: str) -> str:
    return "Lists of new items" if purpose == DISCOVER else "Lists of the next item"


def _ends(interval: Interval) -> str:
    return f"{interval.low:.1%} to {interval.high:.1%}"

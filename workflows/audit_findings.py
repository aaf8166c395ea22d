"""The strongest findings of an audit in sentences, each with an option that acts on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ..counting import counted
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
        purpose: Purpose of the lists; of the larger effect, if the same holds for both.
        text: The finding in a sentence, and the numbers of the other purpose in a second one.
        remedy: What to do about it.
        size: Size of the effect, a difference of shares or of the metric; findings are sorted by it.
    """

    purpose: str
    text: str
    remedy: str
    size: float


@dataclass(frozen=True)
class _Measured:
    """A finding with what it is about, which is the same for both purposes, and its numbers."""

    about: str
    numbers: str
    finding: Finding


def strongest_findings(purposes: Mapping[str, PurposeAudit], k: int, most: int = SHOWN) -> list[Finding]:
    """The findings whose interval excludes no effect, the largest effects first; one that both purposes have is one.

    Many differences are looked at, so about one in twenty of those without an effect is found by chance.

    Args:
        purposes: Audits by purpose.
        k: Length of the lists.
        most: Number of findings.
    """
    found = [
        measured
        for purpose, audit in purposes.items()
        for part in (_popularity, _coverage, _groups, _own_history, _users)
        for measured in part(purpose, audit, audit.models[MODEL_NAME], k)
    ]
    joined: dict[str, Finding] = {}
    for one in sorted(found, key=lambda one: -one.finding.size):
        larger = joined.get(one.about)
        if larger is None:
            joined[one.about] = one.finding
        else:
            also = f"The same holds for {_named(one.finding.purpose)}: {one.numbers}."
            joined[one.about] = replace(larger, text=f"{larger.text} {also}")
    return list(joined.values())[:most]


def without_popularity_bias(purposes: Mapping[str, PurposeAudit]) -> list[str]:
    """A sentence on the purposes whose lists were examined for popularity bias and have none; empty if all have it.

    Args:
        purposes: Audits by purpose.
    """
    parts = []
    for purpose, audit in purposes.items():
        tail, bought = audit.models[MODEL_NAME].popularity.aplt, audit.history_tail
        if not _is_biased(tail, bought):
            parts.append(
                f"long-tail items are {tail.mean:.1%} ({_ends(tail)}) of {_named(purpose)}, and {bought.mean:.1%} of "
                "histories"
            )
    return [f"No popularity bias was found: {'; '.join(parts)}."] if parts else []


def _is_biased(tail: Interval, bought: Interval) -> bool:
    """Whether lists have fewer long-tail items than histories."""
    return tail.high < bought.low and bought.mean - tail.mean >= SMALLEST


def _popularity(purpose: str, audit: PurposeAudit, own: ModelAudit, k: int) -> Iterator[_Measured]:
    tail, bought = own.popularity.aplt, audit.history_tail
    if _is_biased(tail, bought):
        numbers = f"{tail.mean:.1%} ({_ends(tail)}), and {bought.mean:.1%} in histories"
        yield _Measured("long tail", numbers, Finding(
            purpose,
            f"{_lists(purpose)} have fewer long-tail items than histories: {numbers}.",
            f"LogitAdjustment, such as rerank='logit-adjustment=0.2:2', lists fewer popular items. {_TRY}",
            bought.mean - tail.mean,
        ))  # fmt: skip


def _coverage(purpose: str, audit: PurposeAudit, own: ModelAudit, k: int) -> Iterator[_Measured]:
    covered = own.popularity.coverage
    if covered < 0.5:
        numbers = f"{1 - covered:.1%} of the catalogue for {counted(audit.num_users, 'user')}"
        yield _Measured("coverage", numbers, Finding(
            purpose,
            f"{1 - covered:.1%} of the catalogue is in no list of {audit.num_users:,} users with {k} items each. "
            f"Lists of {POPULARITY} leave out {1 - audit.models[POPULARITY].popularity.coverage:.1%}.",
            f"LogitAdjustment, such as rerank='logit-adjustment=0.2:2', spreads lists over more items. {_TRY}",
            (0.5 - covered) / 2,
        ))  # fmt: skip


def _groups(purpose: str, audit: PurposeAudit, own: ModelAudit, k: int) -> Iterator[_Measured]:
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
            numbers = f"{gap.mean * 100:+.1f} percentage points ({gap.low * 100:+.1f} to {gap.high * 100:+.1f})"
            yield _Measured(f"{more} of {name} {value}", numbers, Finding(
                purpose,
                f"{_lists(purpose)} have {more} of {name} {value!r} than the users' own histories: {numbers}.",
                f"{option} {_TRY}",
                abs(gap.mean),
            ))  # fmt: skip


def _own_history(purpose: str, audit: PurposeAudit, own: ModelAudit, k: int) -> Iterator[_Measured]:
    for group in own.groups:
        found = group.to_own_history
        if group.shares.attribute == "category" and found is not None and found.high < 0.5:
            numbers = f"AWRF {found.mean:.2f} ({found.low:.2f} to {found.high:.2f})"
            yield _Measured("own history", numbers, Finding(
                purpose,
                f"Categories of a list differ from those of the user's own history: {numbers}, where 1 is the same "
                "attention.",
                f"Calibrate, such as rerank='calibrate=0.5', gives categories the shares of the history. {_TRY}",
                0.5 - found.mean,
            ))  # fmt: skip


def _users(purpose: str, audit: PurposeAudit, own: ModelAudit, k: int) -> Iterator[_Measured]:
    for group in own.users:
        if group.gap.high < 0 and group.gap.mean <= -SMALLEST / 2:
            numbers = f"NDCG@{k} {group.gap.mean:+.3f} ({group.gap.low:+.3f} to {group.gap.high:+.3f})"
            yield _Measured(f"users with {group.attribute} {group.group}", numbers, Finding(
                purpose,
                f"Users with {group.attribute} {group.group!r} get worse lists: {numbers} relative to all others.",
                "No re-ranking option evens this out. Evaluate by history and by category to see where it arises.",
                abs(group.gap.mean),
            ))  # fmt: skip


def _named(purpose: str) -> str:
    return "lists of new items" if purpose == DISCOVER else "lists of the next item"


def _lists(purpose: str) -> str:
    return _named(purpose).capitalize()


def _ends(interval: Interval) -> str:
    return f"{interval.low:.1%} to {interval.high:.1%}"

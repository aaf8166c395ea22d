"""Candidates for labels, and the suggestions that are chosen from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LabelPool:
    """Things of one kind: some have a label, the others are candidates.

    Args:
        key: Column that names a thing: "text", "item_id" or "user_id".
        ids: Name of each.
        shown: Text of each that tells a person what it is.
        vectors: (things, width) vectors; similar things have similar directions.
        labels: Label of each, "" for a candidate.
        prior: (things, values) probabilities of something that a label is about, such as the next category of a user;
            they measure uncertainty until enough labels are there. None for none.
        values: Names of the columns of `prior`.
        about: Noun for the values of `prior`, such as "next category".
    """

    key: str
    ids: list[str]
    shown: list[str]
    vectors: np.ndarray
    labels: list[str]
    prior: np.ndarray | None = None
    values: list[str] = field(default_factory=list)
    about: str = ""


@dataclass(frozen=True)
class LabelSuggestion:
    """A thing that a person should label.

    Args:
        id: The text, item id or user id.
        shown: Text that tells a person what it is.
        reason: Reason for the suggestion.
        uncertainty: Margin uncertainty, from 0 (sure) to 1 (two labels are equally likely); None without a model.
        guess: Most probable label; "" without labels.
    """

    id: str
    shown: str
    reason: str
    uncertainty: float | None = None
    guess: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        return asdict(self)


def check_candidates(key: str, labels: Sequence[str]) -> None:
    """Refuse a pool without a candidate; before texts are encoded, which takes long.

    Args:
        key: Column that names a thing.
        labels: Label of each, "" for a candidate.

    Raises:
        ValueError: If all have a label.
    """
    if all(labels):
        raise ValueError(f"all {len(labels):,} values of {key} have a label; there is nothing to suggest")

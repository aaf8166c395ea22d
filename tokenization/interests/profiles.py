"""What a user is interested in, as of a moment: liked and disliked vectors by category, and centres of interest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from .clusters import interest_centres

DAY = 86_400


class InterestKind(IntEnum):
    """What an interest token says; 0 is no token."""

    LIKED = 1
    DISLIKED = 2
    CENTRE = 3


@dataclass(frozen=True)
class Opinions:
    """What one user said or rated, one entry a time, in any order.

    Args:
        times: (opinions,) int64 seconds since 1970.
        polarities: (opinions,) from -1 (against) to 1 (in favour).
        vectors: (opinions, width) text states of what each is about: of the item, or of the text where it names none.
        categories: Category of each, "" where there is none.
        subjects: What each is about, for people: a title or the text.

    Raises:
        ValueError: If lengths differ, or a polarity is not from -1 to 1.
    """

    times: np.ndarray
    polarities: np.ndarray
    vectors: np.ndarray
    categories: Sequence[str]
    subjects: Sequence[str] = ()

    def __post_init__(self) -> None:
        lengths = {len(self.times), len(self.polarities), len(self.vectors), len(self.categories)}
        if len(lengths) > 1 or (len(self.subjects) and len(self.subjects) != len(self.times)):
            raise ValueError(f"opinions need one entry each of time, polarity, vector and category; got {lengths}")
        if len(self.times) and not (np.abs(self.polarities) <= 1).all():
            worst = self.polarities[np.argmax(~(np.abs(self.polarities) <= 1))]
            raise ValueError(f"opinions hold the polarity {worst}; give -1 (against) to 1 (in favour)")


@dataclass(frozen=True)
class ProfileOptions:
    """How opinions become a profile.

    Args:
        half_life_days: Days after which an opinion counts half.
        max_categories: Categories kept, those with the most weight.
        max_centres: Centres of interest kept.
        centre_distance: Cosine distance up to which opinions are drawn together into one centre.
        max_opinions: Opinions read, the latest.

    Raises:
        ValueError: If a value is out of range.
    """

    half_life_days: float = 180.0
    max_categories: int = 8
    max_centres: int = 4
    centre_distance: float = 0.7
    max_opinions: int = 500

    def __post_init__(self) -> None:
        if not self.half_life_days > 0:
            raise ValueError(f"half_life_days is {self.half_life_days}; give a positive number of days")
        if not 0 < self.centre_distance <= 2:
            raise ValueError(f"centre_distance is {self.centre_distance}; give a cosine distance above 0 and up to 2")
        for name in ("max_categories", "max_centres", "max_opinions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")


@dataclass(frozen=True)
class CategoryInterest:
    """A user's opinions in one category.

    Args:
        category: The category.
        liking: Decayed sum of the polarities in favour.
        disliking: Decayed sum of those against, as a positive number.
        opinions: Number of opinions.
        liked: (width,) mean vector of what was liked, by weight; zeros where nothing was.
        disliked: (width,) the same of what was not.
    """

    category: str
    liking: float
    disliking: float
    opinions: int
    liked: np.ndarray
    disliked: np.ndarray


@dataclass(frozen=True)
class InterestCentre:
    """A group of liked things that lie together.

    Args:
        weight: Its share of all liking, from 0 to 1.
        vector: (width,) mean of its vectors, by weight.
        opinions: Number of opinions.
        examples: What its weightiest opinions are about.
    """

    weight: float
    vector: np.ndarray
    opinions: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class InterestProfile:
    """What a user is interested in, made of opinions from before `at` alone.

    Args:
        at: Seconds since 1970.
        opinions: Number of opinions it is made of.
        categories: The weightiest first.
        centres: The weightiest first.
        keyphrases: Phrases of the user's texts, the best first.
        entities: Brands, categories and attributes that the user's texts name, with how often and how much they are
            liked (from -1 to 1): (kind, name, times, polarity).
    """

    at: int
    opinions: int
    categories: tuple[CategoryInterest, ...] = ()
    centres: tuple[InterestCentre, ...] = ()
    keyphrases: tuple[str, ...] = ()
    entities: tuple[tuple[str, str, int, float], ...] = field(default=())

    def tokens(self) -> tuple[np.ndarray, np.ndarray]:
        """What the model's memory takes: (tokens, width) float32 vectors and (tokens,) kinds."""
        found = [
            (vector, kind)
            for one in self.categories
            for weight, vector, kind in (
                (one.liking, one.liked, InterestKind.LIKED), (one.disliking, one.disliked, InterestKind.DISLIKED),
            )
            if weight > 0
        ] + [(centre.vector, InterestKind.CENTRE) for centre in self.centres]  # fmt: skip
        if not found:
            return np.zeros((0, 0), np.float32), np.zeros(0, np.int64)
        return np.stack([v for v, _ in found]).astype(np.float32), np.array([int(k) for _, k in found])

    def describe(self) -> str:
        """The profile in plain lines, for a person to read."""
        if not self.opinions:
            return "Nothing is known of this user's interests."
        lines = [f"{self.opinions} opinions"]
        lines += [
            f"{one.category or '(no category)'}: liking {one.liking:.2f}, disliking {one.disliking:.2f}, "
            f"of {one.opinions}"
            for one in self.categories
        ]
        for number, centre in enumerate(self.centres, start=1):
            about = "; ".join(example[:80] for example in centre.examples)
            lines.append(f"interest {number} ({centre.weight:.0%}, of {centre.opinions}): {about}")
        if self.entities:
            named = (f"{name} ({kind}, {times}x, {liked:+.2f})" for kind, name, times, liked in self.entities)
            lines.append("names: " + ", ".join(named))
        if self.keyphrases:
            lines.append("says: " + ", ".join(self.keyphrases))
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The profile without its vectors, for JSON."""
        return {
            "at": self.at,
            "opinions": self.opinions,
            "categories": [
                {"category": c.category, "liking": c.liking, "disliking": c.disliking, "opinions": c.opinions}
                for c in self.categories
            ],
            "centres": [
                {"weight": c.weight, "opinions": c.opinions, "examples": list(c.examples)} for c in self.centres
            ],
            "entities": [
                {"kind": kind, "name": name, "times": times, "polarity": liked}
                for kind, name, times, liked in self.entities
            ],
            "keyphrases": list(self.keyphrases),
        }


def decay(times: np.ndarray, at: int, half_life_days: float) -> np.ndarray:
    """Weights of what happened at `times`, as of `at`: 1 now, half after each half-life.

    Example:
        >>> decay(np.array([0, 5 * DAY, 10 * DAY]), 10 * DAY, 5.0).tolist()
        [0.25, 0.5, 1.0]
    """
    weights: np.ndarray = 0.5 ** ((at - times) / (half_life_days * DAY))
    return weights


def build_profile(opinions: Opinions, at: int | None = None, options: ProfileOptions | None = None) -> InterestProfile:
    """A user's profile as of a moment, from what came before it.

    Args:
        opinions: The user's opinions.
        at: Seconds since 1970: an opinion at that second or later is not read. None for just after the last one.
        options: How they become a profile.

    Example:
        >>> vectors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        >>> told = Opinions(np.array([0, 0, 9]), np.array([1.0, -0.5, 1.0]), vectors, ["tents", "mugs", "tents"])
        >>> profile = build_profile(told, at=9)
        >>> [(one.category, round(one.liking, 3), round(one.disliking, 3)) for one in profile.categories]
        [('tents', 1.0, 0.0), ('mugs', 0.0, 0.5)]
    """
    options = options or ProfileOptions()
    times = np.asarray(opinions.times, dtype=np.int64)
    if at is None:
        at = int(times.max()) + 1 if len(times) else 0
    rows = np.flatnonzero(times < at)
    rows = rows[np.argsort(times[rows], kind="stable")][-options.max_opinions :]
    if not len(rows):
        return InterestProfile(at, 0)
    signed = np.asarray(opinions.polarities, dtype=np.float64)[rows] * decay(times[rows], at, options.half_life_days)
    vectors = np.asarray(opinions.vectors, dtype=np.float64)[rows]
    categories = np.array([opinions.categories[row] for row in rows.tolist()], dtype=np.str_)
    subjects = [opinions.subjects[row] if len(opinions.subjects) else "" for row in rows.tolist()]
    found = [
        _category(name, signed[categories == name], vectors[categories == name]) for name in set(categories.tolist())
    ]
    found.sort(key=lambda one: (-one.liking - one.disliking, one.category))
    return InterestProfile(
        at,
        len(rows),
        tuple(found[: options.max_categories]),
        _centres(np.maximum(signed, 0), vectors, subjects, options),
    )


def _category(name: str, signed: np.ndarray, vectors: np.ndarray) -> CategoryInterest:
    liked, disliked = np.maximum(signed, 0), np.maximum(-signed, 0)
    return CategoryInterest(
        name, float(liked.sum()), float(disliked.sum()), len(signed), _mean(liked, vectors), _mean(disliked, vectors)
    )


def _mean(weights: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    total = weights.sum()
    mean: np.ndarray = weights @ vectors / total if total > 0 else np.zeros(vectors.shape[1])
    return mean


def _centres(
    weights: np.ndarray, vectors: np.ndarray, subjects: Sequence[str], options: ProfileOptions
) -> tuple[InterestCentre, ...]:
    """Centres of what was liked; without any liking there are none."""
    rows = np.flatnonzero((weights > 0) & vectors.any(axis=1))
    if not len(rows):
        return ()
    groups = interest_centres(vectors[rows], options.centre_distance)
    total = weights[rows].sum()
    centres = []
    for group in range(int(groups.max()) + 1):
        members = rows[groups == group]
        order = members[np.argsort(-weights[members], kind="stable")]
        examples = tuple(dict.fromkeys(subjects[row] for row in order if subjects[row]))[:3]
        share = float(weights[members].sum() / total)
        centres.append(InterestCentre(share, _mean(weights[members], vectors[members]), len(members), examples))
    centres.sort(key=lambda centre: -centre.weight)
    return tuple(centres[: options.max_centres])

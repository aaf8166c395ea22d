"""Interest profile of a user at a point in time: liked and disliked vectors by category, and interest clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from ...rounded_shares import percentages
from .clusters import interest_centres

DAY = 86_400


class InterestKind(IntEnum):
    """Kind of an interest token; 0 is no token."""

    LIKED = 1
    DISLIKED = 2
    CENTRE = 3


@dataclass(frozen=True)
class Opinions:
    """Feedback of one user (reviews and ratings as vectors), in any order.

    Args:
        times: (entries,) int64 seconds since 1970.
        polarities: (entries,) from -1 (negative) to 1 (positive).
        vectors: (entries, width) text state of the item, or of the text if there is no item.
        categories: Category of each entry, "" for none.
        subjects: Readable subject of each entry: a title or the text.

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
            raise ValueError(f"feedback needs one time, polarity, vector and category per entry; got {lengths}")
        if len(self.times) and not (np.abs(self.polarities) <= 1).all():
            worst = self.polarities[np.argmax(~(np.abs(self.polarities) <= 1))]
            raise ValueError(f"feedback has the polarity {worst}; give -1 (negative) to 1 (positive)")


@dataclass(frozen=True)
class ProfileOptions:
    """Options of the conversion from feedback to a profile.

    Args:
        half_life_days: Days after which the weight of a review or rating is one half.
        max_categories: Categories to keep, by weight.
        max_centres: Interest clusters to keep.
        centre_distance: Cosine distance up to which feedback is merged into one cluster.
        max_opinions: Reviews and ratings to read, the latest.

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
    """Feedback of a user in one category.

    Args:
        category: The category.
        liking: Decayed sum of the positive polarities.
        disliking: Decayed sum of the negative polarities, as a positive number.
        opinions: Number of reviews and ratings.
        liked: (width,) weighted mean vector of positive feedback; zeros without any.
        disliked: (width,) the same of negative feedback.
    """

    category: str
    liking: float
    disliking: float
    opinions: int
    liked: np.ndarray
    disliked: np.ndarray


@dataclass(frozen=True)
class InterestCentre:
    """A cluster of liked items or texts.

    Args:
        weight: Its share of all positive feedback, from 0 to 1.
        vector: (width,) weighted mean of its vectors.
        opinions: Number of reviews and ratings.
        examples: Subjects of the entries with the highest weights.
    """

    weight: float
    vector: np.ndarray
    opinions: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class InterestProfile:
    """Interests of a user, from feedback earlier than `at`.

    Args:
        at: Seconds since 1970.
        opinions: Number of reviews and ratings in it.
        categories: By descending weight.
        centres: Interest clusters, by descending weight.
        keyphrases: Phrases of the user's texts, the best first.
        entities: Brands, categories and attributes in the user's texts, with their frequency and polarity (from -1 to
            1): (kind, name, times, polarity).
    """

    at: int
    opinions: int
    categories: tuple[CategoryInterest, ...] = ()
    centres: tuple[InterestCentre, ...] = ()
    keyphrases: tuple[str, ...] = ()
    entities: tuple[tuple[str, str, int, float], ...] = field(default=())

    def tokens(self) -> tuple[np.ndarray, np.ndarray]:
        """Memory tokens for the model: (tokens, width) float32 vectors and (tokens,) kinds."""
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
        """The profile as readable lines."""
        if not self.opinions:
            return "No interests are known for this user."
        lines = [f"reviews and ratings: {self.opinions:,}"]
        lines += [
            f"{one.category or '(no category)'}: liking {one.liking:.2f}, disliking {one.disliking:.2f}, "
            f"of {one.opinions}"
            for one in self.categories
        ]
        shares = percentages([centre.weight for centre in self.centres])
        for number, (centre, share) in enumerate(zip(self.centres, shares, strict=True), start=1):
            about = "; ".join(example[:80] for example in centre.examples)
            lines.append(f"interest {number} ({share}, of {centre.opinions}): {about}")
        if self.entities:
            named = (f"{name} ({kind}, {times}x, {liked:+.2f})" for kind, name, times, liked in self.entities)
            lines.append("mentions: " + ", ".join(named))
        if self.keyphrases:
            lines.append("phrases: " + ", ".join(self.keyphrases))
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The profile without its vectors, as JSON values."""
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
    """Weights of events at `times`, as of `at`: 1 now, half after each half-life.

    Example:
        >>> decay(np.array([0, 5 * DAY, 10 * DAY]), 10 * DAY, 5.0).tolist()
        [0.25, 0.5, 1.0]
    """
    weights: np.ndarray = 0.5 ** ((at - times) / (half_life_days * DAY))
    return weights


def build_profile(opinions: Opinions, at: int | None = None, options: ProfileOptions | None = None) -> InterestProfile:
    """Profile of a user at a point in time, from earlier feedback.

    Args:
        opinions: The user's feedback.
        at: Seconds since 1970. Feedback at this second or later is not read. None for just after the last entry.
        options: Options of the conversion.

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
    """Interest clusters of positive feedback; none without any."""
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

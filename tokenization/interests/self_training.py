"""Self-training of sentiment: labels for few texts, pseudo-labels for confident ones of the others, and a guard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from .opinions import Statements
from .sentiment import (
    LearnedSentiment,
    check_sides,
    lexicon_sentiment,
    linear_model,
    rating_polarity,
    text_features,
)

LEXICON, LEARNED, SELF_TRAINED = "lexicon", "learned", "self-trained"
"""Sources of the sentiment of texts without rating."""
_LEXICON_TEXTS = 500


@dataclass(frozen=True)
class SelfTrainingOptions:
    """Options of `self_train`.

    Args:
        confidence: Least probability of its side for a pseudo-label, above 0.5 and below 1.
        rounds: Rounds of training. Round r of n gives pseudo-labels to the r / n most confident texts per side
            (curriculum labelling, Cascante-Bonilla et al., AAAI 2021).
        weight: Weight of a pseudo-label; a label has weight 1.
        folds: Folds of the labelled texts for the guard; fewer if a side has fewer texts.
        least_gain: Gain in balanced accuracy on held-out labelled texts, in standard errors, that pseudo-labels need.
        seed: Seed of the folds.

    Raises:
        ValueError: If a value is out of range.
    """

    confidence: float = 0.55
    rounds: int = 5
    weight: float = 0.5
    folds: int = 5
    least_gain: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence}; give a probability above 0.5 and below 1")
        if self.rounds < 1 or self.folds < 2:
            name, least = ("rounds", 1) if self.rounds < 1 else ("folds", 2)
            raise ValueError(f"{name} is {getattr(self, name)}; give at least {least}")
        if not 0 < self.weight <= 1:
            raise ValueError(f"weight is {self.weight}; give a value above 0, at most 1")


@dataclass(frozen=True)
class SelfTraining:
    """Result of `self_train`.

    Args:
        sentiment: The model: with pseudo-labels if they are kept, otherwise of the labelled texts alone.
        kept: Whether the pseudo-labels are kept.
        labelled: Number of labelled texts.
        pseudo: Number of texts that got a pseudo-label in the last round, also if they are not kept.
        positive: Number of positive ones among them.
        accuracy: Balanced accuracy on held-out labelled texts without pseudo-labels.
        accuracy_with: The same with pseudo-labels.
        error: Standard error of their difference.
    """

    sentiment: LearnedSentiment
    kept: bool
    labelled: int
    pseudo: int
    positive: int
    accuracy: float
    accuracy_with: float
    error: float

    def __str__(self) -> str:
        """The decision of the guard in one sentence."""
        gain = f"{self.accuracy:.3f} without and {self.accuracy_with:.3f} with them (standard error {self.error:.3f})"
        state = "used" if self.kept else "not used, because they do not help"
        return (
            f"sentiment is trained on {self.labelled:,} labelled texts; {self.pseudo:,} pseudo-labels are {state}: "
            f"balanced accuracy on held-out labelled texts is {gain}"
        )


def self_train(
    texts: Sequence[str],
    positive: Sequence[bool],
    unlabelled: Sequence[str],
    options: SelfTrainingOptions | None = None,
    encode: Callable[[list[str]], np.ndarray] | None = None,
    words: bool = True,
) -> SelfTraining:
    """Train sentiment on labelled texts and on confident pseudo-labels of other texts, if these help.

    The shares of both sides among pseudo-labels are those among the labels. The guard cross-validates: models with and
    without pseudo-labels predict labelled texts that neither was trained on.

    Args:
        texts: Labelled texts.
        positive: Whether each is positive.
        unlabelled: Texts without a label.
        options: Options; None for the defaults.
        encode: As in `LearnedSentiment.fit`, as is `words`.
        words: Whether words are read.

    Raises:
        ImportError: If the extra `text` is missing.
        ValueError: If there are too few labelled texts, as in `LearnedSentiment.fit`, or no unlabelled ones.
    """
    options = options or SelfTrainingOptions()
    sides = np.asarray(positive, dtype=bool)
    check_sides(len(texts), sides)
    _check_held_out(sides)
    if not len(unlabelled):
        raise ValueError("unlabelled has no text; give texts without a label, or use LearnedSentiment.fit")
    alone = LearnedSentiment.fit(texts, positive, encode, words)
    own = alone.model[0].transform(texts)
    read = text_features(len(texts) + len(unlabelled), encode, words)
    features = read.fit_transform([*texts, *unlabelled])
    other = np.arange(len(texts), len(texts) + len(unlabelled))
    without, having = (np.zeros(len(texts), dtype=bool) for _ in range(2))
    for fold in _folds(sides, options):
        without[fold] = linear_model().fit(own[~fold], sides[~fold]).predict(own[fold])
        model, _ = _rounds(features, np.flatnonzero(~fold), sides[~fold], other, options)
        having[fold] = model.predict(features[np.flatnonzero(fold)])
    shares = _shares(sides)
    change = (having == sides).astype(float) - (without == sides)
    gain = float(shares @ change)
    error = float(np.sqrt((shares**2 * (change - gain) ** 2).sum()))
    model, guesses = _rounds(features, np.arange(len(texts)), sides, other, options)
    kept = gain > 0 and gain >= options.least_gain * error
    return SelfTraining(
        LearnedSentiment(_pipeline(read, model)) if kept else alone, kept, len(texts), len(guesses),
        int(guesses.sum()), float(shares @ (without == sides)), float(shares @ (having == sides)), error,
    )  # fmt: skip


def check_method(sentiment: str, name: str = "sentiment") -> None:
    """Refuse an unknown source of sentiment.

    Raises:
        ValueError: If it is unknown.
    """
    if sentiment not in (LEXICON, LEARNED, SELF_TRAINED):
        raise ValueError(f"{name} is {sentiment!r}; give {LEXICON}, {LEARNED} or {SELF_TRAINED}")


def fit_sentiment(
    statements: Statements, method: str, encode: Callable[[list[str]], np.ndarray] | None = None
) -> tuple[LearnedSentiment, str]:
    """Train sentiment on the rated texts of a dataset.

    Args:
        statements: Texts and ratings; a rating above the middle of the scale is positive, below it negative.
        method: "learned" (rated texts) or "self-trained" (and pseudo-labels of the texts without rating).
        encode: As in `LearnedSentiment.fit`.

    Returns:
        The model, and a sentence about its training.

    Raises:
        ValueError: If the method is unknown, or as `self_train`.
    """
    known, positive, unlabelled = _sides(statements, method)
    if method == SELF_TRAINED:
        found = self_train(known, positive, unlabelled, encode=encode)
        return found.sentiment, str(found)
    return LearnedSentiment.fit(known, positive, encode), _trained_on(known)


def fit_or_lexicon(
    statements: Statements, method: str, encode: Callable[[list[str]], np.ndarray]
) -> tuple[LearnedSentiment | None, str]:
    """Train sentiment on text states alone, as `fit_sentiment`, unless the lexicon is better on labelled texts.

    The trained model is cross-validated; of at most 500 labelled texts the lexicon judges each.

    Args:
        statements: As for `fit_sentiment`.
        method: As for `fit_sentiment`.
        encode: Texts to (texts, width) states.

    Returns:
        The model, or None for the lexicon, and a sentence about the training.

    Raises:
        ValueError: As `fit_sentiment`.
    """
    known, positive, unlabelled = _sides(statements, method)
    sides = np.array(positive, dtype=bool)
    if method == SELF_TRAINED:
        found = self_train(known, positive, unlabelled, encode=encode, words=False)
        model, message = found.sentiment, str(found)
        accuracy = found.accuracy_with if found.kept else found.accuracy
    else:
        model, message = LearnedSentiment.fit(known, positive, encode, words=False), _trained_on(known)
        _check_held_out(sides)
        states, right = model.model[0].transform(known), np.zeros(len(known), dtype=bool)
        for fold in _folds(sides, SelfTrainingOptions()):
            right[fold] = linear_model().fit(states[~fold], sides[~fold]).predict(states[fold]) == sides[fold]
        accuracy = float(_shares(sides) @ right)
    some = np.unique(np.linspace(0, len(known) - 1, min(len(known), _LEXICON_TEXTS)).astype(int))
    judged = (lexicon_sentiment([known[row] for row in some]) >= 0) == sides[some]
    lexicon = float(np.mean([judged[sides[some] == side].mean() for side in np.unique(sides[some])]))
    if lexicon <= accuracy:
        return model, message
    return None, (
        f"{message}; the lexicon is used instead, because its balanced accuracy on labelled texts is {lexicon:.3f}, "
        f"and {accuracy:.3f} that of the trained model on held-out ones"
    )


def _sides(statements: Statements, method: str) -> tuple[list[str], list[bool], list[str]]:
    """Labelled texts, whether each is positive, and texts without rating."""
    if method not in (LEARNED, SELF_TRAINED):
        raise ValueError(f"sentiment is {method!r}; give {LEXICON}, {LEARNED} or {SELF_TRAINED}")
    table = statements.table.filter(pl.col("text") != "").unique("text", keep="last", maintain_order=True)
    sides = rating_polarity(table["rating"].cast(pl.Float64).fill_null(float("nan")).to_numpy(), *statements.scale)
    texts = np.array(table["text"].to_list(), dtype=object)
    rated = np.isfinite(sides) & (sides != 0)
    return texts[rated].tolist(), (sides[rated] > 0).tolist(), texts[np.isnan(sides)].tolist()


def _check_held_out(sides: np.ndarray) -> None:
    """Refuse labels of which none can be held out on both sides."""
    if min(sides.sum(), (~sides).sum()) < 2:
        raise ValueError(
            f"{int(sides.sum())} of {len(sides)} labelled texts are positive; give at least 2 of each side, so that "
            "some can be held out"
        )


def _trained_on(texts: Sequence[str]) -> str:
    return f"sentiment is trained on {len(texts):,} labelled texts"


def _shares(sides: np.ndarray) -> np.ndarray:
    """(texts,) weights with which right answers sum to the balanced accuracy."""
    weights: np.ndarray = np.where(sides, 0.5 / sides.sum(), 0.5 / (~sides).sum())
    return weights


def pseudo_labels(probability: np.ndarray, positive: float, share: float, confidence: float) -> tuple[Any, Any]:
    """Choose the most confident texts per side, in the ratio of the labelled sides.

    Args:
        probability: (texts,) probability of the positive side.
        positive: Share of the positive side among the labels.
        share: Most texts that are chosen, as a share of all.
        confidence: Least probability of its side.

    Returns:
        Positions of the chosen texts, and whether each is positive.

    Example:
        >>> chosen, sides = pseudo_labels(np.array([0.9, 0.1, 0.95, 0.7, 0.55, 0.2]), 0.5, 0.67, 0.6)
        >>> chosen.tolist(), sides.tolist()
        ([2, 0, 1, 5], [True, True, False, False])
    """
    most = share * len(probability)
    order = np.argsort(-probability, kind="stable")
    above = order[: int((probability >= confidence).sum())]
    below = order[::-1][: int((probability <= 1 - confidence).sum())]
    # The side with fewer confident texts limits the other one, otherwise its share would grow from round to round.
    size = min(most, len(above) / positive, len(below) / (1 - positive))
    chosen = above[: round(size * positive)], below[: round(size * (1 - positive))]
    return np.concatenate(chosen), np.repeat([True, False], [len(chosen[0]), len(chosen[1])])


def _rounds(
    features: Any, known: np.ndarray, sides: np.ndarray, other: np.ndarray, options: SelfTrainingOptions
) -> tuple[Any, np.ndarray]:
    """The model after all rounds, and the sides of its pseudo-labels; `known` and `other` are rows of the features."""
    model = linear_model().fit(features[known], sides)
    guesses = np.zeros(0, dtype=bool)
    for number in range(1, options.rounds + 1):
        found = model.predict_proba(features[other])[:, 1]
        chosen, guesses = pseudo_labels(found, float(sides.mean()), number / options.rounds, options.confidence)
        rows, labels = np.concatenate([known, other[chosen]]), np.concatenate([sides, guesses])
        weights = np.repeat([1.0, options.weight], [len(sides), len(chosen)])
        model = linear_model().fit(features[rows], labels, sample_weight=weights)
    return model, guesses


def _folds(sides: np.ndarray, options: SelfTrainingOptions) -> list[np.ndarray]:
    """(texts,) masks of the folds, each with both sides."""
    place = np.zeros(len(sides), dtype=np.int64)
    folds = int(min(options.folds, sides.sum(), (~sides).sum()))
    draw = np.random.default_rng(options.seed)
    for side in (True, False):
        rows = np.flatnonzero(sides == side)
        place[draw.permutation(rows)] = np.arange(len(rows)) % folds
    return [place == fold for fold in range(folds)]


def _pipeline(*steps: Any) -> Any:
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*steps)

"""Sentiment of a text: from its rating, a lexicon, the rated texts of the same dataset, or a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from ..extras import MissingExtraError
from ..text.languages import detect_language
from ..text.words import split_words

Sentiment = Callable[[Sequence[str]], np.ndarray]
"""Texts to polarities from -1 (negative) to 1 (positive), 0 for neutral or unknown."""

_STARS = re.compile(r"([1-5])\s*stars?", re.IGNORECASE)
_LABEL_STARS = re.compile(r"([1-5])(?:\.0)?(?:\s*stars?)?")
_SENSES = {"positive": 1.0, "pos": 1.0, "negative": -1.0, "neg": -1.0, "neutral": 0.0, "neu": 0.0}
_LEAST_TEXTS = 20


def rating_polarity(ratings: np.ndarray, low: float, high: float) -> np.ndarray:
    """Ratings to polarities: the lowest rating is -1, the middle of the scale 0, the highest 1; NaN stays.

    Args:
        ratings: (texts,) ratings, NaN for none.
        low: Lowest rating of the scale.
        high: Highest rating.

    Raises:
        ValueError: If the ends of the scale are equal.

    Example:
        >>> rating_polarity(np.array([1.0, 3.0, 4.0, 5.0]), 1, 5).tolist()
        [-1.0, 0.0, 0.5, 1.0]
    """
    if not high > low:
        raise ValueError(f"a scale of ratings from {low} to {high} has no range; give its lowest and highest value")
    return np.clip(2 * (np.asarray(ratings, dtype=np.float64) - low) / (high - low) - 1, -1, 1)


def label_polarity(labels: Sequence[str]) -> np.ndarray:
    """Labels that people gave to polarities.

    Args:
        labels: positive, negative or neutral (also pos, neg, neu), or stars from 1 to 5.

    Raises:
        ValueError: If a label is something else.

    Example:
        >>> label_polarity(["positive", "Neg", "4", "1 star"]).tolist()
        [1.0, -1.0, 0.5, -1.0]
    """
    found = []
    for label in labels:
        text = label.strip().lower()
        stars = _LABEL_STARS.fullmatch(text)
        if not stars and text not in _SENSES:
            raise ValueError(f"labels has {label!r}; give positive, negative, neutral or stars from 1 to 5")
        found.append((float(stars.group(1)) - 3) / 2 if stars else _SENSES[text])
    return np.array(found, dtype=np.float64)


def polarities(
    texts: Sequence[str],
    ratings: np.ndarray | None = None,
    scale: tuple[float, float] = (1.0, 5.0),
    otherwise: Sentiment | None = None,
) -> np.ndarray:
    """Polarity of each text: from its rating, or from a sentiment function for texts without rating.

    Args:
        texts: Texts.
        ratings: (texts,) ratings, NaN for none.
        scale: Lowest and highest rating.
        otherwise: Sentiment of texts without rating; None for `lexicon_sentiment`.

    Example:
        >>> polarities(["", ""], np.array([1.0, 5.0])).tolist()
        [-1.0, 1.0]
    """
    given = np.full(len(texts), np.nan) if ratings is None else np.asarray(ratings, dtype=np.float64)
    found = rating_polarity(given, *scale)
    unrated = np.isnan(found)
    if unrated.any():
        judge = otherwise or lexicon_sentiment
        found[unrated] = judge([text for text, wanted in zip(texts, unrated, strict=True) if wanted])
    return found


def lexicon_sentiment(texts: Sequence[str]) -> np.ndarray:
    """Polarities from the lexicons of packages: VADER for English, SnowNLP for Chinese; 0 for other languages.

    A text with an undetected language is read as English, because short texts are often too short for detection.

    Raises:
        ImportError: If the extra `text` is missing.
    """
    return np.array([_lexicon(text) for text in texts], dtype=np.float64)


class LearnedSentiment:
    """A linear model over words and word pairs, trained on texts with known sentiment, in any language.

    Rated reviews of a dataset teach it the vocabulary of that dataset; it then scores texts without rating.

    Args:
        model: A fitted scikit-learn pipeline with `predict_proba`.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        positive: Sequence[bool],
        encode: Callable[[list[str]], np.ndarray] | None = None,
        words: bool = True,
    ) -> LearnedSentiment:
        """Learn.

        Args:
            texts: Texts.
            positive: Whether each text is positive.
            encode: Texts to (texts, width) states of a text encoder, which are read beside the words; None for none.
            words: Whether words and word pairs are read; without them, the states alone.

        Raises:
            ImportError: If the extra `text` is missing.
            ValueError: If there are fewer than 20 texts, all have the same sentiment, or nothing is read.
        """
        sides = np.asarray(positive, dtype=bool)
        check_sides(len(texts), sides)
        features, model = text_features(len(texts), encode, words), linear_model()
        from sklearn.pipeline import make_pipeline

        return cls(make_pipeline(features, model).fit(list(texts), sides))

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Polarities: twice the probability of the positive class, less 1."""
        if not len(texts):
            return np.zeros(0)
        polarity: np.ndarray = 2 * self.model.predict_proba(list(texts))[:, 1] - 1
        return polarity


@dataclass(frozen=True)
class StateSentiment:
    """A linear model over the text states of a recommender, which is saved with it and needs no scikit-learn.

    Args:
        weights: (width,) weights of unit states.
        bias: Added to the sum.
        method: How it was trained: "learned" or "self-trained".

    Example:
        >>> judge = StateSentiment((2.0, 0.0), 0.0, "learned")
        >>> judge(np.array([[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])).round(2).tolist()
        [0.76, 0.0, -0.76]
    """

    weights: tuple[float, ...]
    bias: float
    method: str

    @classmethod
    def of(cls, learned: LearnedSentiment, method: str) -> StateSentiment:
        """The model of a `LearnedSentiment` that reads states alone."""
        model = learned.model[-1]
        return cls(tuple(float(weight) for weight in model.coef_[0]), float(model.intercept_[0]), method)

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """(texts,) polarities of (texts, width) states, as of `LearnedSentiment`."""
        polarity: np.ndarray = np.tanh((unit_states(states) @ np.array(self.weights) + self.bias) / 2)
        return polarity


def check_sides(count: int, positive: np.ndarray) -> None:
    """Refuse labels that cannot train sentiment.

    Args:
        count: Number of texts.
        positive: Whether each is positive.

    Raises:
        ValueError: If there are fewer than 20 texts, or all have the same sentiment.
    """
    if count != len(positive) or count < _LEAST_TEXTS or positive.all() or not positive.any():
        raise ValueError(
            f"{count} texts, {int(positive.sum())} of them positive, are too few to train sentiment; give "
            f"{_LEAST_TEXTS} texts or more, some positive and some negative, with one label per text"
        )


def text_features(count: int, encode: Callable[[list[str]], np.ndarray] | None = None, words: bool = True) -> Any:
    """A TF-IDF of words and word pairs, for so many texts, beside the unit states of a text encoder if there is one.

    Args:
        count: Number of texts.
        encode: Texts to (texts, width) states; None for words alone.
        words: Whether the words are read.

    Raises:
        ImportError: If the extra `text` is missing.
        ValueError: If neither is read.
    """
    if encode is None and not words:
        raise ValueError("words is False and encode is None, so nothing is read; give encode=")
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union
        from sklearn.preprocessing import FunctionTransformer
    except ImportError as error:
        raise MissingExtraError("learning sentiment needs scikit-learn", "text") from error
    counted = TfidfVectorizer(analyzer=_words_and_pairs, min_df=2 if count > 1000 else 1, sublinear_tf=True)
    if encode is None:
        return counted
    states = FunctionTransformer(lambda texts: unit_states(encode(list(texts))))
    return make_union(counted, states) if words else states


def unit_states(states: np.ndarray) -> np.ndarray:
    """(texts, width) states of length 1; zeros stay."""
    unit: np.ndarray = states / np.maximum(np.linalg.norm(states, axis=1, keepdims=True), 1e-6)
    return unit


def linear_model() -> Any:
    """A logistic regression whose classes count alike."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=4.0, max_iter=300, class_weight="balanced")


class ModelSentiment:
    """A `text-classification` model with standard label names.

    Args:
        model: Folder or hub id.
        batch_size: Texts per batch.

    Raises:
        ValueError: If a label of the model is neither positive, negative, neutral nor "N stars".
    """

    def __init__(self, model: str, batch_size: int = 32) -> None:
        from transformers import pipeline

        self.pipe: Any = pipeline("text-classification", model=model, top_k=None, truncation=True)
        self.batch_size = batch_size
        labels = dict(self.pipe.model.config.id2label or {}).values()
        self.senses = {str(label): _sense(str(label), model) for label in labels}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Polarities: values of the labels, weighted by their probabilities."""
        found = self.pipe(list(texts), batch_size=self.batch_size) if len(texts) else []
        return np.array([sum(self.senses[one["label"]] * one["score"] for one in each) for each in found])


def _sense(label: str, model: str) -> float:
    stars = _STARS.fullmatch(label.strip())
    if stars:
        return (int(stars.group(1)) - 3) / 2
    if label.lower() not in _SENSES:
        raise ValueError(
            f"{model} has label {label!r}; name its labels positive, negative, neutral or '1 star' to '5 stars'"
        )
    return _SENSES[label.lower()]


def _words_and_pairs(text: str) -> list[str]:
    words = split_words(text)
    return words + [f"{one} {two}" for one, two in pairwise(words)]


def _lexicon(text: str) -> float:
    language = detect_language(text) if text.strip() else ""
    if language == "zh":
        return 2 * float(_snownlp()(text).sentiments) - 1
    if language in ("en", "und"):
        return float(_vader().polarity_scores(text)["compound"])
    return 0.0


@cache
def _vader() -> Any:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as error:
        raise MissingExtraError("English sentiment needs vaderSentiment", "text") from error
    return SentimentIntensityAnalyzer()


@cache
def _snownlp() -> Any:
    try:
        from snownlp import SnowNLP
    except ImportError as error:
        raise MissingExtraError("Chinese sentiment needs snownlp", "text") from error
    return SnowNLP

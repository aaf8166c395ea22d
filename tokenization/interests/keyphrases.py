"""Keyphrases: phrases that are more typical of some texts than of others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..extras import MissingExtraError
from ..text.words import split_words, stop_words


class KeyphraseExtractor:
    """Ranks phrases of one to three words by the difference of their mean TF-IDF to a background of texts.

    It supports English, Chinese or both.

    A phrase does not begin or end with a stop word, a number or a single letter.

    Args:
        languages: Languages of the stop words.
        longest: Maximum number of words in a phrase.

    Raises:
        ImportError: If the extra `text` is missing.

    Example:
        >>> texts = ["the zip broke", "the zip of my tent broke", "a warm tent", "a warm mug"]
        >>> [phrase for phrase, _ in KeyphraseExtractor().fit(texts).extract(["the zip broke", "a zip"], 1)]
        ['zip']
    """

    def __init__(self, languages: tuple[str, ...] = ("en", "zh"), longest: int = 3) -> None:
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
        except ImportError as error:
            raise MissingExtraError("keyphrases need scikit-learn", "text") from error
        self.stops = stop_words(languages)
        self.longest = longest
        self._vectorizer: Any = TfidfVectorizer(analyzer=self._phrases, sublinear_tf=True, norm=None)
        self._usual = np.zeros(0)

    def fit(self, background: Iterable[str]) -> KeyphraseExtractor:
        """Count the document frequency of each phrase.

        Raises:
            ValueError: If no text has a phrase.
        """
        try:
            found = self._vectorizer.fit_transform(background)
        except ValueError as error:
            raise ValueError("the background has no text with a phrase; give texts with words") from error
        self._usual = np.asarray(found.mean(axis=0)).ravel()
        return self

    def extract(self, texts: Sequence[str], count: int = 10) -> list[tuple[str, float]]:
        """Find the phrases that are most typical of these texts, compared with the background.

        A phrase is left out if it is part of a better phrase, or contains one.

        Args:
            texts: Texts, treated as one document.
            count: Number of phrases.

        Returns:
            Phrases with their scores, the best first.
        """
        if not len(texts):
            return []
        scores = np.asarray(self._vectorizer.transform(texts).mean(axis=0)).ravel() - self._usual
        names = self._vectorizer.get_feature_names_out()
        found: list[tuple[str, float]] = []
        for column in np.argsort(-scores, kind="stable"):
            if len(found) == count or scores[column] <= 0:
                break
            phrase = str(names[column])
            parts = set(phrase.split())
            if not any(parts <= set(other.split()) or set(other.split()) <= parts for other, _ in found):
                found.append((phrase, float(scores[column])))
        return found

    def _phrases(self, text: str) -> list[str]:
        words = split_words(text)
        bare = [word in self.stops or len(word) < 2 or word.isnumeric() for word in words]
        return [
            " ".join(words[start : start + size])
            for size in range(1, self.longest + 1)
            for start in range(len(words) - size + 1)
            if not bare[start] and not bare[start + size - 1]
        ]

"""What texts are about, in a few of their own words: the phrases that mark them off from other texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..extras import MissingExtraError
from ..text.words import split_words, stop_words


class KeyphraseExtractor:
    """Ranks phrases of one to three words by how far their mean TF-IDF lies above that of a background of texts.

    It reads English, Chinese or both.

    A phrase neither begins nor ends with a stop word, a number or a single letter.

    Args:
        languages: Languages whose stop words count.
        longest: Words a phrase may have.

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
        """Count in how many texts each phrase stands.

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
        """The phrases that mark these texts, together, off from the background.

        A phrase that is part of a better one, or has a better one as a part, is left out.

        Args:
            texts: Texts, read as one subject.
            count: Phrases wanted.

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

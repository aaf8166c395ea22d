"""The language of a catalogue's texts; turns in another language are compared by meaning if the encoder reads it."""

from __future__ import annotations

from dataclasses import replace

from ...ranking.recommender import XCatRecommender
from ...tokenization.text_language import CODES, evenly, find_language
from ...tokenization.unknown_tokens import UNKNOWN_SHARE, share_unknown_to
from .lexicon import Lexicon
from .phrases import PHRASES
from .reading import Reading
from .wishes import is_property


class ShopLanguage:
    """The language of the titles of a catalogue.

    Args:
        recommender: The recommender.

    Attributes:
        code: "en" or "zh"; None for other languages, and for titles in several.
    """

    def __init__(self, recommender: XCatRecommender) -> None:
        self._recommender = recommender
        table = recommender.vocabulary.table
        titles = table["title"].to_pylist() if "title" in table.column_names else []
        found = find_language([str(title) for title in evenly(titles) if title])
        code = None if found is None else CODES[found.name]
        self.code = code if code in PHRASES else None

    def is_other(self, reading: Reading, lexicon: Lexicon) -> bool:
        """Whether a turn has words in another language than the titles, which no item has."""
        nothing = not (reading.wishes or reading.requests or reading.hints or reading.negative)
        return self.code not in (None, lexicon.code) and bool(reading.unknown or nothing)

    def is_read(self, text: str) -> bool:
        """Whether the model reads queries, and its text encoder the language of a text."""
        asks = self._recommender.model.model.asks
        if asks is None or not asks.is_fitted or not float(asks.view[1]):
            return False
        return share_unknown_to(self._recommender.processor.tokenizer, [text]) <= UNKNOWN_SHARE

    def note(self, lexicon: Lexicon, is_read: bool) -> str:
        """What a customer has to know about the languages.

        Args:
            lexicon: The language of the customer.
            is_read: See `is_read`.
        """
        phrases = PHRASES[lexicon.code]
        return phrases.other_language_read if is_read else phrases.other_language


def by_meaning(reading: Reading, lexicon: Lexicon) -> Reading:
    """A turn with the words that no item has as wishes, to compare by meaning.

    Args:
        reading: The turn.
        lexicon: Its language.
    """
    things = [word for word in reading.unknown if not is_property(word, lexicon)]
    return replace(
        reading, attributes=[*reading.attributes, *reading.unknown], things=[*reading.things, *things], unknown=[]
    )

"""ChatCatalogue: what the dialogues about one catalogue share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ranking.recommender import XCatRecommender
from .allowed_items import AllowedItems
from .catalogue_words import CatalogueWords
from .shop_language import ShopLanguage
from .support_log import SupportLog

if TYPE_CHECKING:
    from ...tokenization.sources.generic import TableSource

_EXAMPLES = 3
"""Categories named as examples when a dialogue asks back."""


class ChatCatalogue:
    """The words, prices and ids of a catalogue, for any number of dialogues at once.

    It has the catalogue as it is when it is made; see `is_current`.

    Args:
        recommender: The recommender.
        support_log: A table with the columns `question` and `answer`, to answer questions about service from.

    Raises:
        TableError: If the support log lacks a column or is empty.
    """

    def __init__(self, recommender: XCatRecommender, support_log: TableSource | None = None) -> None:
        self.recommender, self.source = recommender.snapshot(), support_log
        self.words = CatalogueWords(self.recommender.vocabulary)
        self.allowed = AllowedItems(self.recommender.vocabulary, self.words)
        self.support_log = None if support_log is None else SupportLog(self.recommender, support_log)
        self.language = ShopLanguage(self.recommender)
        policy, named = recommender.content_policy, self.words.frequent_categories(self.words.num_items)
        self.examples = [one for one in named if policy is None or not policy.check(one).matches][:_EXAMPLES]
        self.ids: list[str] = self.recommender.vocabulary.column("item_id").to_pylist()

    def is_current(self, recommender: XCatRecommender) -> bool:
        """Whether a recommender still has these items: none was added, changed or deleted since."""
        return recommender.ranker is self.recommender.ranker

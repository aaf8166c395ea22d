"""Words of a query and of item texts that carry a score: each is left out in turn, and the items are scored again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ...catalogue.item_table import text_states
from ...modeling_xcat.asks_xcat import Asks
from ...modeling_xcat.ranked_xcat import scores_of
from .explanation import WordInfluence
from .methods import Case

MOST_WORDS = 32
"""Words of a text that are examined, the first ones."""


class TextVariants:
    """Scores of items if the text of one item had other words.

    Args:
        recommender: The recommender, an `XCatRecommender` whose model reads item texts.
        case: The history and the items.
        pool: (pool,) item indices that are scored, among them the explained ones.
        asks: What the user asks for, or None.
    """

    def __init__(self, recommender: Any, case: Case, pool: torch.Tensor, asks: Asks | None) -> None:
        self._recommender, self._case, self._pool, self._asks = recommender, case, pool, asks

    def influences(self, row: int, odds: Callable[[torch.Tensor], torch.Tensor]) -> tuple[WordInfluence, ...]:
        """Influence of each word of an item's text.

        Args:
            row: The item, which is explained or in the history.
            odds: Takes (texts, pool) scores and returns (texts,) log odds of the explained item.
        """
        text, words = self.words_of(row)
        if not words:
            return ()
        shortened = self._recommender.processor.asks_without([text] * len(words), words)
        found = odds(self.scores(row, [text, *shortened])).tolist()
        return tuple(
            WordInfluence(word, round(found[0] - without, 4)) for word, without in zip(words, found[1:], strict=True)
        )

    def words_of(self, row: int) -> tuple[str, list[str]]:
        """The text of an item, and the words of it that are examined; function words are left out."""
        text = self._recommender.vocabulary.item(row).get("text") or ""
        return text, list(filter(None, dict.fromkeys(self._recommender.processor.ask_words([text])[0])))[:MOST_WORDS]

    def scores(self, row: int, texts: Sequence[str]) -> torch.Tensor:
        """(texts, pool) scores if the text of an item were each of these."""
        recommender, text = self._recommender, self._case.base.text
        states = text_states(recommender.model, recommender.processor, list(texts), precision="fp32", keep=False)
        states = states.to(self._pool.device, text.mean.dtype)
        whitened = text.whiten(states) * (states.abs().sum(-1) > 0)[..., None]
        return torch.cat([self._scores(row, one) for one in whitened])

    def _scores(self, row: int, state: torch.Tensor) -> torch.Tensor:
        """(1, pool) scores if the text of an item had this (tokens, text_dim) state."""
        case, view = self._case, _with_text(self._case.base, row, state)
        states, recent, _ = view.encode_queries(**case.inputs)
        recent = recent.for_purpose_of(case.recent)
        side = case.item_side.clone()
        same = (view.items.text_index == view.items.text_index[row]).nonzero()[:, 0]
        side[same] = view.item_side(view.items(same).float())
        return scores_of(view, states.float(), recent, self._pool[None], side, self._asks)


def _with_text(base: Any, row: int, state: torch.Tensor) -> Any:
    """A view of a model with another text state of one item; the model stays as it is."""
    table, view = copy.copy(base.items), copy.copy(base)
    number = base.items.text_index[row]
    states, valid = base.items.text_states.clone(), base.items.text_token_mask.clone()
    states[number], valid[number] = state.to(states.dtype), state.abs().sum(-1) > 0
    table._buffers = {**base.items._buffers, "text_states": states, "text_token_mask": valid}
    view._modules = {**base._modules, "items": table}
    if base.asks is not None:
        view._modules["asks"] = base.asks.for_other_states()
    return view


def query_influences(
    words: Any, asks: Asks, rescore: Callable[[torch.Tensor, Asks], torch.Tensor], odds: Callable[..., torch.Tensor]
) -> tuple[WordInfluence, ...]:
    """Influence of each word of a query.

    Args:
        words: The `AskWords` of the query.
        asks: The query.
        rescore: Scores the candidates for other queries; see `Rescore`.
        odds: Takes (queries, candidates) scores and returns (queries,) log odds of the explained item.
    """
    of_query: Sequence[str] = list(filter(None, dict.fromkeys(words.of_tokens[0])))
    if not of_query:
        return ()
    shortened = words.without([(0, word) for word in of_query])
    whole = torch.zeros(1, dtype=torch.long, device=asks.tokens.device)
    before = float(odds(rescore(whole, asks))[0])
    after = odds(rescore(whole.repeat(len(of_query)), shortened)).tolist()
    return tuple(
        WordInfluence(word, round(before - without, 4)) for word, without in zip(of_query, after, strict=True)
    )

"""Search baselines: items for a query, without histories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..tokenization.extras import MissingExtraError
from ..tokenization.text.words import split_words
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS


class WordSearch:
    """BM25 (Robertson and Zaragoza 2009) over item texts, by bm25s; Chinese words by jieba.

    Args:
        texts: Text of each item row.

    Raises:
        ImportError: If the extra `search` is missing.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        try:
            import bm25s
        except ImportError as error:
            raise MissingExtraError("BM25 needs bm25s", "search") from error
        self.size = len(texts)
        self._index: Any = bm25s.BM25()
        self._index.index([split_words(text) or [""] for text in texts], show_progress=False)

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """(users, item rows) scores of each row's text `ask`; all 0 without one."""
        scores = np.zeros((len(rows), self.size), dtype=np.float32)
        for number, row in enumerate(rows):
            words = split_words(row.get("ask") or "")
            if words:
                scores[number] = self._index.get_scores(words)
        return _without_special(torch.from_numpy(scores))


class TextSearch:
    """Cosine of the text encoder's states of a query and of item texts, without whitening.

    Args:
        texts: Text of each item row.
        encode: Encodes texts, given whether they are queries: (texts, dim).
    """

    def __init__(self, texts: Sequence[str], encode: Callable[[Sequence[str], bool], torch.Tensor]) -> None:
        different = list(dict.fromkeys(texts))
        place = {text: number for number, text in enumerate(different)}
        self._encode = encode
        self._states = torch.nn.functional.normalize(encode(different, False), dim=1)
        self._index = torch.tensor([place[text] for text in texts])

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """(users, item rows) cosines with each row's text `ask`; all 0 without one."""
        asks = [row.get("ask") or "" for row in rows]
        states = torch.nn.functional.normalize(self._encode(asks, True), dim=1)
        states = states * torch.tensor([bool(ask) for ask in asks])[:, None]
        return _without_special((states @ self._states.T)[:, self._index])


def _without_special(scores: torch.Tensor) -> torch.Tensor:
    scores[:, :NUM_SPECIAL_ROWS] = -torch.inf
    return scores

"""Search baselines: words and meaning, without histories."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from xcat_rec.modeling_baselines.search import TextSearch, WordSearch

TEXTS = ["", "", "red tent", "blue tent for two", "stove", "红色帐篷"]


def test_words() -> None:
    scores = WordSearch(TEXTS).score_rows([{"ask": "Blue tent"}, {"ask": "帐篷"}, {"ask": ""}, {}])
    assert scores.shape == (4, 6) and scores[:, :2].isneginf().all()
    assert scores[0].argmax() == 3 and scores[0, 2] > scores[0, 4] == 0
    assert scores[1].argmax() == 5 and scores[1, 2] == 0
    assert not scores[2:, 2:].any(), "nobody asks"


def test_meaning() -> None:
    def encode(texts: Sequence[str], query: bool) -> torch.Tensor:
        return torch.tensor([[float("tent" in text) + 0.1, float(len(text)), 3.0 * query] for text in texts])

    scores = TextSearch(TEXTS, encode).score_rows([{"ask": "tent"}, {"ask": ""}])
    own = torch.nn.functional.normalize(encode(["tent"], True), dim=1)
    for row in range(2, 6):
        expected = (own @ torch.nn.functional.normalize(encode([TEXTS[row]], False), dim=1).T).item()
        assert float(scores[0, row]) == pytest.approx(expected, abs=1e-6)
    assert scores[:, :2].isneginf().all() and not scores[1, 2:].any()

"""Reading what customers ask for: exact small numbers and brute force."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.modeling_xcat.asks_xcat import FIELD_CODES, Asks, XCatAskReader
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem

from .conftest import tiny_config

WORDS, TEXTS, LENGTH = 12, 5, 6


def reader_of(seed: int) -> tuple[XCatForNextItem, XCatAskReader]:
    generator = torch.Generator().manual_seed(seed)
    config = tiny_config(num_texts=TEXTS, ask_length=LENGTH, num_candidates=4, ask_attention=True)
    model = XCatForNextItem(config).eval()
    reader = model.model.asks
    reader.rarity = torch.rand(WORDS, generator=generator) + 0.1
    reader.rarity[:2] = 0.0
    tokens = torch.randint(2, WORDS, (TEXTS, LENGTH), generator=generator)
    fields = torch.randint(1, 5, (TEXTS, LENGTH), generator=generator)
    there = torch.rand(TEXTS, LENGTH, generator=generator) < 0.7
    there[0] = False
    reader.words = ((tokens * FIELD_CODES + fields) * there).int()
    for name in ("view", "key", "weight", "expand", "expand_bias", "contract"):
        buffer = getattr(reader, name)
        buffer.copy_(torch.randn(buffer.shape, generator=generator))
    items = model.model.items
    items.text_states = torch.randn(items.text_states.shape, generator=generator)
    items.text_index = torch.randint(0, TEXTS, items.text_index.shape, generator=generator)
    items.item_counts = torch.randint(0, 9, items.item_counts.shape, generator=generator)
    return model, reader


def asks_of(reader: XCatAskReader, seed: int, queries: int = 3, length: int = 4) -> Asks:
    generator = torch.Generator().manual_seed(seed + 1)
    tokens = torch.randint(0, WORDS, (queries, length), generator=generator)
    return reader.read(tokens, torch.randn(queries, reader.config.text_dim, generator=generator))


def bm25(reader: XCatAskReader, asks: Asks, query: int, text: int) -> float:
    """As Robertson and Zaragoza (2009) define it, word by word."""
    tokens = [entry // FIELD_CODES for entry in reader.words[text].tolist() if entry]
    lengths = [sum(entry > 0 for entry in row) for row in reader.words.tolist()]
    mean = sum(lengths) / max(1, sum(length > 0 for length in lengths))
    score = 0.0
    for token in asks.tokens[query].tolist():
        often = tokens.count(token)
        if often:
            ratio = 1 - 0.75 + 0.75 * len(tokens) / mean
            score += float(reader.rarity[token]) * often * 2.2 / (often + 1.2 * ratio)
    return score


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_the_view_of_the_score_is_bm25_and_a_cosine(seed: int) -> None:
    model, reader = reader_of(seed)
    items, asks = model.model.items, asks_of(reader, seed)
    found = reader.scores(asks, items)
    for query in range(len(asks)):
        for text in range(TEXTS):
            assert float(found.words[query, text]) == pytest.approx(bm25(reader, asks, query, text), abs=1e-4)
    states = torch.nn.functional.normalize(items.text_states[:, 0], dim=-1)
    torch.testing.assert_close(found.meaning, asks.states @ states.T)
    torch.testing.assert_close(found.of_texts, reader.view[0] * found.words + reader.view[1] * found.meaning)
    torch.testing.assert_close(found.block(2, 5), found.of_texts[:, items.text_index[2:5]])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_features_say_in_which_fields_the_words_stand(seed: int) -> None:
    model, reader = reader_of(seed)
    items, asks = model.model.items, asks_of(reader, seed)
    asked = reader.scores(asks, items)
    rows = torch.randint(2, len(items.text_index), (3, 4), generator=torch.Generator().manual_seed(seed))
    scores = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed))
    pairs, own = reader.features(asked, rows, scores, items)
    for query in range(3):
        for place in range(4):
            entries = [e for e in reader.words[items.text_index[rows[query, place]]].tolist() if e]
            told = [(t, r) for t, r in zip(asks.tokens[query].tolist(), asks.rarity[query].tolist(), strict=True)]
            total = max(sum(rarity for _, rarity in told), 1e-6)
            for field in range(1, 5):
                inside = [entry // FIELD_CODES for entry in entries if entry % FIELD_CODES == field]
                expected = [float(token in inside and rarity > 0) for token, rarity in told]
                assert pairs[query, place, :, field - 1].tolist() == expected
                weights = {token: float(reader.rarity[token]) for token in inside}
                of_field = sum(weights[token] for token in inside)
                asked_for = sum(weights[t] for t in inside if any(t == token and r > 0 for token, r in told))
                share = asked_for / of_field if of_field else 0.0
                assert float(own[query, place, 2 * field - 2]) == pytest.approx(share, abs=1e-4)
                found = sum(r for (_, r), there in zip(told, expected, strict=True) if there) / total
                assert float(own[query, place, 2 * field - 1]) == pytest.approx(found, abs=1e-4)
            assert float(own[query, place, 8]) == pytest.approx(float(scores[query, place]))
            count = float(items.item_counts[rows[query, place]])
            assert float(own[query, place, 11]) == pytest.approx(math.log1p(count), abs=1e-5)
    assert own[..., 13].max(1).values.tolist() == [0.0] * 3, "the best candidate is behind no other"
    matches = reader.matches(asks, rows, items)
    assert matches.equal((pairs[..., :4] > 0).any(-1))


def test_a_query_without_an_ask_keeps_its_scores() -> None:
    model, reader = reader_of(3)
    base, items = model.model, model.model.items
    states = torch.randn(2, base.config.hidden_size, generator=torch.Generator().manual_seed(1))
    tokens = torch.tensor([[4, 5], [0, 0]])
    texts = torch.ones(2, base.config.text_dim)
    asks = reader.read(tokens, texts)
    assert asks.present.tolist() == [True, False] and not asks.states[1].any()
    rows, scores = torch.tensor([[2, 3, 4], [2, 3, 4]]), torch.tensor([[3.0, 2.0, -torch.inf]] * 2)
    bonus = reader.bonuses(reader.scores(asks, items), rows, scores, items)
    assert bonus[1].tolist() == [0, 0, 0] and bonus[0, 2] == 0
    assert bonus[0, :2].min() == 0 and bonus[0, :2].max() > 0
    plain = base.score_states(states, None)
    torch.testing.assert_close(base.score_states(states, None, asks=asks)[1], plain[1])
    assert not torch.allclose(base.score_states(states, None, asks=asks)[0, 2:], plain[0, 2:])


def test_a_filtered_candidate_does_not_come_back() -> None:
    model, reader = reader_of(5)
    asked = reader.scores(asks_of(reader, 5, queries=1), model.model.items)
    scores = torch.tensor([[-torch.inf, -torch.inf, -torch.inf]])
    assert reader.bonuses(asked, torch.tensor([[2, 3, 4]]), scores, model.model.items).tolist() == [[0, 0, 0]]


def test_changed_words_and_states_are_read() -> None:
    model, reader = reader_of(7)
    items, asks = model.model.items, asks_of(reader, 7)
    before = reader.scores(asks, items)
    reader.words.zero_()
    items.text_states[:, 0] = torch.eye(reader.config.text_dim)[:TEXTS]
    after = reader.scores(asks, items)
    assert before.words.any() and not after.words.any()
    torch.testing.assert_close(after.meaning, asks.states[:, :TEXTS])


def test_a_model_that_was_not_fitted_refuses() -> None:
    model, reader = reader_of(9)
    reader.view.zero_()
    inputs = torch.zeros(1, 2, dtype=torch.long)
    for base in (model.model, XCatForNextItem(tiny_config()).model):
        with pytest.raises(ValueError, match="does not read queries"):
            base.read_asks(inputs, inputs, inputs)


def test_sizes() -> None:
    with pytest.raises(ValueError, match="ask_length is 8, and use_text is off"):
        tiny_config(use_text=False, ask_length=8)
    assert tiny_config(format_version=9, ask_length=8).ask_length == 0

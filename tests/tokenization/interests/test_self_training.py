"""Self-training: pseudo-labels that help, pseudo-labels that the guard refuses, and their class balance."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xcat_rec.tokenization.interests.opinions import Statements
from xcat_rec.tokenization.interests.self_training import (
    SelfTrainingOptions,
    fit_or_lexicon,
    fit_sentiment,
    pseudo_labels,
    self_train,
)
from xcat_rec.tokenization.interests.sentiment import LearnedSentiment, label_polarity

GOOD = ("glides", "warm", "sturdy", "quiet", "bright", "dry")
BAD = ("jams", "cold", "torn", "loud", "dim", "leaks")


def reviews(count: int, seed: int, words: int = 2) -> tuple[list[str], np.ndarray]:
    """Texts of words of one side; a few labelled ones do not have all pairs of words."""
    draw = np.random.default_rng(seed)
    sides = np.arange(count) % 2 == 0
    texts = []
    for number, side in enumerate(sides):
        chosen = draw.choice(GOOD if side else BAD, size=words, replace=False)
        texts.append(f"tent {number} {' '.join(chosen)}")
    return texts, sides


def test_words_of_texts_without_label_are_learned_and_the_guard_keeps_them() -> None:
    # The labelled texts name few words each, so a held-out one may have words that no other labelled text has.
    rare = [f"glides r{n}" if n % 2 else f"jams s{n}" for n in range(12)]
    labelled = [*rare, *(f"r{n}" if n % 2 else f"s{n}" for n in range(12))]
    sides = [bool(n % 2) for n in range(12)] * 2
    unlabelled = [f"glides r{n} x{m}" if n % 2 else f"jams s{n} x{m}" for n in range(12) for m in range(4)]
    found = self_train(labelled, sides, unlabelled, SelfTrainingOptions(confidence=0.5001))
    assert found.kept
    assert found.accuracy_with > found.accuracy + found.error
    assert found.pseudo == len(unlabelled) and found.positive == len(unlabelled) // 2
    assert str(found).startswith("sentiment is trained on 24 labelled texts; 48 pseudo-labels are used: balanced")
    assert found.sentiment(["jams", "glides"]).tolist()[0] < 0 < found.sentiment(["jams", "glides"]).tolist()[1]


def test_pseudo_labels_that_mislead_are_refused_and_the_model_is_that_of_the_labels() -> None:
    texts, sides = reviews(40, 0)
    # In the other texts a word of each side comes with words of the other one.
    strange = [
        f"glides jams {BAD[n % 5 + 1]} cold torn" if n % 2 else f"jams glides warm {GOOD[n % 5 + 1]}"
        for n in range(60)
    ]
    found = self_train(texts, sides.tolist(), strange)
    assert not found.kept
    assert "pseudo-labels are not used, because they do not help: balanced accuracy" in str(found)
    alone = LearnedSentiment.fit(texts, sides.tolist())
    assert found.sentiment([*texts, *strange]).tolist() == alone([*texts, *strange]).tolist()


@given(
    arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)),
    st.floats(0.1, 0.9), st.floats(0.1, 1), st.floats(0.51, 0.99),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_pseudo_labels_are_confident_and_in_the_ratio_of_the_labels(
    probability: np.ndarray, positive: float, share: float, confidence: float
) -> None:
    chosen, sides = pseudo_labels(probability, positive, share, confidence)
    assert len(set(chosen.tolist())) == len(chosen) == len(sides) <= share * len(probability) + 1
    assert (probability[chosen[sides]] >= confidence).all() and (probability[chosen[~sides]] <= 1 - confidence).all()
    assert abs(sides.sum() - positive * len(sides)) <= 1
    left = np.setdiff1d(np.arange(len(probability)), chosen)
    if sides.any() and len(left):
        assert probability[chosen[sides]].min() >= probability[left].max(), "the most confident ones"


def test_states_of_an_encoder_are_read_beside_the_words() -> None:
    texts, sides = reviews(40, 1)
    meaning = dict(zip(texts, sides, strict=True))

    def encode(given: list[str]) -> np.ndarray:
        return np.array([[1.0 if meaning.get(text, "new good" in text) else -1.0, 0.1] for text in given])

    statements = Statements(
        pl.DataFrame({"user_id": "u", "item_id": "i", "timestamp": 0, "rating": [5.0 if s else 2.0 for s in sides],
                      "text": texts})
    )  # fmt: skip
    model, message = fit_sentiment(statements, "learned", encode)
    assert message == "sentiment is trained on 40 labelled texts"
    assert np.sign(model(["new good", "new poor"])).tolist() == [1, -1], "words that no labelled text has"


@pytest.mark.parametrize("method", ["learned", "self-trained"])
def test_the_lexicon_stays_where_it_is_better_on_held_out_texts(method: str) -> None:
    words = [("lovely" if n % 2 else "horrible") for n in range(40)]
    texts = [f"a {word} tent {n}" for n, word in enumerate(words)]
    ratings = [5.0 if word == "lovely" else 1.0 for word in words]
    told = {"rating": [*ratings, None, None], "text": [*texts, "a lovely map", "a horrible map"]}
    statements = Statements(pl.DataFrame(told))

    def by_side(given: list[str]) -> np.ndarray:
        return np.array([[1.0, 0.2] if "lovely" in text else [-1.0, 0.2] for text in given])

    def by_number(given: list[str]) -> np.ndarray:
        return np.array([[np.sin(len(text) * 7.0), 1.0] for text in given])

    kept, message = fit_or_lexicon(statements, method, by_side)
    assert kept is not None and "lexicon" not in message and kept(["lovely", "horrible"])[0] > 0
    none, message = fit_or_lexicon(statements, method, by_number)
    assert none is None
    assert "the lexicon is used instead, because its balanced accuracy on labelled texts is 1.000" in message
    one = Statements(pl.DataFrame({"rating": [5.0] + [1.0] * 39, "text": texts}))
    with pytest.raises(ValueError, match="1 of 40 labelled texts are positive; give at least 2 of each side"):
        fit_or_lexicon(one, "learned", by_side)
    unrated = Statements(statements.table.with_columns(rating=pl.lit(None, dtype=pl.Float64)))
    with pytest.raises(ValueError, match="0 texts, 0 of them positive, are too few to train sentiment"):
        fit_or_lexicon(unrated, method, by_side)


def test_labels_of_people_count_as_ratings_and_take_precedence() -> None:
    rows = {
        "user_id": "u",
        "item_id": "i",
        "timestamp": [1, 2, 3],
        "rating": [5.0, None, 4.0],
        "text": ["a", "b", "c"],
    }
    found = Statements(pl.DataFrame(rows), (1.0, 5.0)).with_labels({"a": "negative", "b": "4", "d": "positive"})
    assert found.table["rating"].to_list() == [1.0, 4.0, 4.0]
    assert Statements(pl.DataFrame(rows)).with_labels({}).table["rating"].to_list() == [5.0, None, 4.0]
    with pytest.raises(ValueError, match="labels has 'meh'; give positive, negative, neutral or stars"):
        label_polarity(["meh"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"confidence": 0.5}, "confidence is 0.5"),
        ({"confidence": 1.0}, "confidence is 1.0"),
        ({"rounds": 0}, "rounds is 0; give at least 1"),
        ({"folds": 1}, "folds is 1; give at least 2"),
        ({"weight": 0.0}, "weight is 0.0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SelfTrainingOptions(**options)  # type: ignore[arg-type]


def test_too_few_texts_are_refused() -> None:
    texts, sides = reviews(30, 0)
    with pytest.raises(ValueError, match="unlabelled has no text"):
        self_train(texts, sides.tolist(), [])
    with pytest.raises(ValueError, match="29 of 30 labelled texts are positive; give at least 2 of each side"):
        self_train(texts, [True] * 29 + [False], ["a"])
    assert self_train(texts, [True] * 28 + [False] * 2, ["a"]).labelled == 30, "two folds"
    with pytest.raises(ValueError, match="3 texts, 2 of them positive, are too few"):
        self_train(texts[:3], [True, True, False], ["a"])
    with pytest.raises(ValueError, match="sentiment is 'words'; give lexicon, learned or self-trained"):
        fit_sentiment(Statements(pl.DataFrame()), "words")

"""Queries that are read in part or not at all: the list depends on that part only, and a note states it."""

from __future__ import annotations

from pathlib import Path

import pytest

from xcat_rec.modeling_xcat.queries_xcat import BY_MEANING, EXCLUSION, NO_WORD, UNREAD
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.ask_texts import WORDLESS

from ..ranking.test_discovery import prepared

HISTORY = ["item-03", "item-10"]


@pytest.fixture(scope="module")
def using() -> XCatRecommender:
    made = prepared()
    made.model.model.asks.view.fill_(5.0)
    return XCatRecommender(made.model, made.processor)


@pytest.mark.parametrize("history", [HISTORY, []], ids=["history", "new"])
def test_a_long_query_is_its_first_part(using: XCatRecommender, history: list[str]) -> None:
    start = "number " * 61 + "tents"
    whole, cut = using.recommend(history, 5, query=start), using.recommend(history, 5, query=f"{start} maps boots 35")
    assert list(whole) == list(cut), "the same list with the same words"
    (note,) = set(cut.notes) - set(whole.notes)
    assert note.startswith(f"only the first {len(start)} of {len(start) + 14} characters of the query were read")
    assert not {word for item in cut for word in item.words} & {"maps", "boots", "35"}


def test_only_the_part_that_was_read_is_compared(using: XCatRecommender) -> None:
    found = using.recommend([], 5, query="brand " * 61 + "0 maps number 35", only_categories="maps")
    assert all("maps" in item.title and "maps" not in item.words for item in found)
    long = using.recommend([], 5, query="12 " * 62 + "maps", only_categories="maps")
    told = [note for note in long.notes if note.startswith("no listed item")]
    assert len(told) == 1 and "of the part that was read" in told[0], "the part that was not read has one"


@pytest.mark.parametrize("query", ["双人帐篷", "我想要一个双人的帐篷，谢谢", "🏕️🏕️", "!?"])
@pytest.mark.parametrize("history", [HISTORY, []], ids=["history", "new"])
def test_a_query_that_cannot_be_read_moves_nothing(using: XCatRecommender, history: list[str], query: str) -> None:
    found, without = using.recommend(history, 5, query=query), using.recommend(history, 5)
    assert list(found) == list(without) and found.basis == without.basis
    first, last = ["", *found.notes][-2:]
    if any(character.isalpha() for character in query):
        assert (
            last == UNREAD
            and first.startswith("the query: 100% of the tokens are unknown")
            and "multilingual-e5-small" in first
        )
    else:
        assert last == WORDLESS and UNREAD not in found.notes
    rows = using.processor.history_rows([history or ["?"]])
    scores = using.score_rows([{**rows[0], "ask": query}])
    assert scores.equal(using.score_rows(rows)), "evaluation does as recommend does"


def test_the_readable_words_of_a_mixed_query_count(using: XCatRecommender) -> None:
    mixed, plain = (using.recommend(HISTORY, 5, query=query) for query in ("蓝色 maps 帐篷 number", "maps number"))
    assert list(mixed) == list(plain)
    assert mixed.notes[-2].startswith("the query: 50% of the tokens are unknown")
    assert mixed.notes[-1] == "only the words of the query that the text encoder knows were compared"


@pytest.mark.parametrize(
    "query", ["not boots, maps", "maps without brand", "maps 不要 boots", "maps 不含糖", "没有 maps"]
)
def test_an_exclusion_is_no_filter(using: XCatRecommender, query: str) -> None:
    assert EXCLUSION in using.recommend(HISTORY, 3, query=query).notes
    assert EXCLUSION not in using.recommend(HISTORY, 3, query="maps number 35").notes


def test_function_words_and_signs_explain_no_item(using: XCatRecommender) -> None:
    found = using.recommend([], 5, query="maps, for my number!")
    assert {word for item in found for word in item.words} <= {"maps", "number"} and found[0].words


def test_lists_of_many_users_have_their_own_notes(using: XCatRecommender) -> None:
    lists = using.recommend_many([HISTORY] * 3, 3, queries=["maps", "帐篷", "number " * 70])
    assert [sum("quer" in note for note in found.notes) for found in lists] == [0, 2, 1]
    assert NO_WORD in BY_MEANING and not any("帐" in note for note in lists[1].notes)


def test_history_and_query_explain_a_list_together(using: XCatRecommender) -> None:
    both = using.recommend(HISTORY, 40, query="maps number 35")
    history = using.recommend(HISTORY, 40, query="maps number 35", explain="history")
    query = using.recommend(HISTORY, 40, query="maps number 35", explain="query")
    assert [item.item_id for item in both] == [item.item_id for item in history] == [item.item_id for item in query]
    assert [item.because for item in both] == [item.because for item in history] and any(i.because for i in both)
    assert [item.words for item in both] == [item.words for item in query] and any(item.words for item in both)
    assert not any(item.words for item in history) and not any(item.because for item in query)
    assert {reason.item_id for item in both for reason in item.because} <= set(HISTORY)


@pytest.mark.parametrize("discovers", [True, False], ids=["discover", "next"])
def test_a_loaded_checkpoint_answers_as_the_model_in_memory(tmp_path: Path, discovers: bool) -> None:
    made = prepared(candidate_attention=True, discover_candidate_attention=True, discover_neighbor_weight=3.0)
    made.model.model.asks.view.fill_(5.0)
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    lists = []
    for using in (XCatRecommender(made.model, made.processor), XCatRecommender.from_pretrained(tmp_path)):
        found = using.recommend(HISTORY, 40, query="maps number 35", exclude_seen=discovers)
        rows = [{**row, "ask": "maps number 35"} for row in using.processor.history_rows([HISTORY])]
        (scores,) = using.score_rows(rows, discover=discovers)
        assert [item.score for item in found] == pytest.approx(
            scores[scores.isfinite()].sort(descending=True).values.tolist(), abs=1e-3
        )
        assert len(found) == (38 if discovers else 40)
        lists.append(found)
    assert [item.item_id for item in lists[0]] == [item.item_id for item in lists[1]]
    assert [item.words for item in lists[0]] == [item.words for item in lists[1]]

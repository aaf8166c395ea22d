"""The state of a dialogue: as JSON it goes on as the session would have, it is bounded, and a wrong one is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.serving.chat.catalogue import ChatCatalogue
from xcat_rec.serving.chat.dialogue import Understood
from xcat_rec.serving.chat.session import ChatSession
from xcat_rec.serving.chat.state import LONGEST, ChatState
from xcat_rec.serving.chat.turn import ChatTurn

from .shops import ids, recommender

ENGLISH = (
    "tents", "under 100 dollars, not red", "something cheaper", "by Acme", "something else", "yes", "no",
    "snacks without nuts", "coffee or snacks", "blue or green tents", "的帐篷", "the cheapest one", "start over",
    "hello",
)  # fmt: skip
CHINESE = (
    "帐篷",
    "100元以下，不要红色的",
    "便宜点",
    "换一批",
    "好的",
    "饼干，不要坚果",
    "红色或蓝色的帐篷",
    "最便宜的",
    "重新开始",
    "tents",
)


@pytest.fixture(scope="module", params=[False, True])
def catalogue(request: pytest.FixtureRequest) -> ChatCatalogue:
    return ChatCatalogue(recommender(request.param))


def answered(catalogue: ChatCatalogue, state: ChatState | None, line: str) -> tuple[ChatTurn, ChatState]:
    chat = ChatSession(catalogue.recommender, k=3, state=state, catalogue=catalogue)
    return chat.say(line), chat.state


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from((*ENGLISH, *CHINESE)), min_size=1, max_size=6))
def test_a_dialogue_sent_back_as_json_is_that_of_one_session(catalogue: ChatCatalogue, lines: list[str]) -> None:
    chat, sent = ChatSession(catalogue.recommender, k=3, catalogue=catalogue), None
    for line in lines:
        state = None if sent is None else ChatState.from_dict(json.loads(sent))
        turn, after = answered(catalogue, state, line)
        assert turn.to_dict() == chat.say(line).to_dict() and after == chat.state
        sent = json.dumps(after.to_dict(), allow_nan=False)


def test_a_turn_and_its_state_are_json_and_stay_small() -> None:
    chat = ChatSession(recommender(), k=3)
    words = " ".join(f"word{number}" for number in range(300))
    for line in (
        "under " + "9" * 400 + " dollars",
        *("something else",) * 60,
        f"not {'x' * 1500}",
        f"without {words}",
    ):
        turn = chat.say(line)
        json.dumps([turn.to_dict(), turn.understood.to_dict()], allow_nan=False)
        plain = chat.state.to_dict()
        assert ChatState.from_dict(plain).to_dict() == plain and len(json.dumps(plain)) < 20_000
    big = ChatState(Understood(not_items=tuple(f"i{n}" for n in range(2000)), not_words=("x" * (LONGEST + 1), "y")))
    assert big.to_dict()["understood"]["not_items"] == [f"i{n}" for n in range(1500, 2000)], "the latest are kept"
    assert big.to_dict()["understood"]["not_words"] == ["y"]


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"understood": []}, "state.understood is a value of type list; give an object"),
        ({"shown": [1]}, "state.shown is a value of type int; give a text"),
        ({"shown": ["a"] * 501}, "state.shown has 501 entries; 500 are the limit"),
        ({"noted": ["fr"]}, "state.noted is 'fr'; give one of en, zh"),
        ({"understood": {"language": "fr"}}, "state.understood.language is 'fr'; give one of en, zh"),
        ({"understood": {"brands": ["x" * 513]}}, "state.understood.brands has 513 characters; give 1 to 512"),
        ({"understood": {"brands": [""]}}, "state.understood.brands has 0 characters"),
        ({"understood": {"hints": ["\ud800"]}}, "state.understood.hints is a value of type str; give a text"),
        ({"understood": {"price": {"maximum": "5"}}}, "state.understood.price.maximum is a value of type str"),
        (
            {"understood": {"price": {"maximum": float("nan")}}},
            "price.maximum is a value of type float; give a number",
        ),
        (
            {"understood": {"price": {"maximum": 10**400}}},
            "price.maximum is a value of type int; give a number up to",
        ),
        ({"understood": {"price": {"below_maximum": 1}}}, "price.below_maximum is a value of type int; give true or"),
        ({"understood": {"attributes": ["a"] * 9}}, "state.understood.attributes has 9 entries; 8 are the limit"),
        ({"proposal": 5}, "state.proposal is a value of type int; give an object"),
        ({"secret\ud800": 1}, r"state has the unknown field 'secret\\ud800'; give the state of the last answer"),
    ],
)
def test_a_wrong_state_is_refused(plain: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("'", ".").replace("(", ".")):
        ChatState.from_dict(plain)


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6) | st.sampled_from(
    ("Tents", "Acme", "tent", "blue", "C1", "(", "nuts", "帐篷")
)
LISTS = st.lists(TEXTS, max_size=4)
PRICES = st.fixed_dictionaries({}, optional={"minimum": st.floats(-5, 500), "maximum": st.floats(-5, 500)})
WISHES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("categories", "brands", "attributes", "things", "names", "or_words", "hints"), LISTS),
        **dict.fromkeys(("not_categories", "not_brands", "not_words", "not_items"), LISTS),
        "alternatives": st.lists(LISTS, max_size=3), "price": PRICES, "said_price": PRICES,
    },
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(WISHES, WISHES | st.none(), LISTS, st.sampled_from((*ENGLISH, *CHINESE)))
def test_any_state_of_a_stranger_is_answered(
    catalogue: ChatCatalogue, understood: dict[str, Any], proposal: dict[str, Any] | None, shown: list[str], line: str
) -> None:
    state = ChatState.from_dict({"understood": understood, "proposal": proposal, "shown": shown})
    turn, after = answered(catalogue, state, line)
    assert turn.answer and set(ids(turn)) <= set(catalogue.ids)
    assert ChatState.from_dict(json.loads(json.dumps(after.to_dict(), allow_nan=False)))


def test_filters_leave_items_out_of_every_turn() -> None:
    chat = ChatSession(recommender(), k=20, filters=["price<100", "item_id!=C1"])
    assert set(ids(chat.say("tents"))) == {"C3"}
    assert "Shall I" in chat.say("by Simple").answer and set(ids(chat.say("yes"))) == {"C3"}
    with pytest.raises(ValueError, match="prise"):
        ChatSession(recommender(), filters=["prise<2"])


def test_a_session_follows_the_catalogue(tmp_path: Any) -> None:
    shop = recommender()
    live = type(shop)(shop.model, shop.processor)
    catalogue = ChatCatalogue(live)
    assert catalogue.is_current(live)
    live.delete_items(["C1"])
    assert not catalogue.is_current(live)
    assert "C1" not in ids(ChatSession(live, k=9, catalogue=catalogue).say("tents"))
    assert "C1" not in ids(ChatSession(live, k=9).say("tents"))
    live.add_items({"item_id": ["C9"], "title": ["Yellow tent"], "category": ["Tents"], "price": [9.0]})
    assert ids(ChatSession(live, k=9).say("tents under 20 dollars")) == ["C9"]
    gone = ChatState.from_dict({"understood": {"categories": ["Hammocks"], "names": ["hammock"]}, "shown": ["Z1"]})
    assert gone.known(catalogue) == ChatState()

"""Sessions: every list is that of the batch path for the events of the log."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from xcat_rec.modeling_xcat.past_xcat import XCatPast
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.sessions.events import SessionEvent
from xcat_rec.ranking.sessions.log import MemoryLog
from xcat_rec.ranking.sessions.session import NO_EVENTS, UNREAD_TEXT, Session, Sessions

from .conftest import MODELS, recommender
from .oracle import START, batch_list, check_lists

every_model = pytest.mark.parametrize("name", MODELS)


def opened(name: str = "transformer", log: Any = None, **options: Any) -> Sessions:
    return Sessions(recommender(name), log, clock=lambda: START + 10_000_000, **options)


def walk(session: Session, events: int, first: int = 0) -> None:
    for number in range(first, first + events):
        session.append(
            f"item-{7 * number % 39:02d}", event_type=("purchase", "buy")[number % 2], timestamp=START + 5000 * number,
            rating=float(1 + number % 5) if number % 3 else None,
        )  # fmt: skip


@every_model
def test_lists_are_those_of_the_batch_path_for_both_purposes(name: str) -> None:
    sessions = opened(name)
    session = sessions.session("u")
    check_lists(session.recommend(5), batch_list(sessions, "u", 5))
    for events in range(10):  # past the 8 events that the model reads
        walk(session, 1, events)
        for options in ({}, {"exclude_seen": False}, {"explain": False, "cross_category": True}):
            check_lists(session.recommend(8, **options), batch_list(sessions, "u", 8, **options))


def test_a_new_event_costs_one_step_until_the_window_slides() -> None:
    sessions = opened()
    session, costs = sessions.session("u"), []
    for events in range(10):
        walk(session, 1, events)
        with sessions.cached("u") as own:
            before = own.past.encoded
        session.recommend(3, explain=False)
        session.recommend(3, explain=False, exclude_seen=False)
        costs.append(own.past.encoded - before)
    assert costs == [1] * 8 + [8, 8]


def test_slack_reads_a_shorter_window_and_gives_the_scores_of_its_encoding() -> None:
    sessions = opened(slack=3)
    session, costs = sessions.session("u"), []
    for events in range(14):
        walk(session, 1, events)
        with sessions.cached("u") as own:
            before = own.past.encoded
        found = session.recommend(6, explain=False)
        costs.append(own.past.encoded - before)
        again = sessions.recommender.recommend(
            [event.item_id for event in session.events], 6, explain=False,
            timestamps=[event.timestamp for event in session.events],
            event_types=[event.event_type for event in session.events],
            ratings=[event.rating for event in session.events], past=XCatPast(slack=3),
        )  # fmt: skip
        check_lists(found, again)
    assert costs == [1] * 8 + [5, 1, 1, 1, 5, 1]


def test_a_late_event_is_inserted_at_its_time_and_one_that_arrives_twice_counts_once() -> None:
    sessions = opened()
    session = sessions.session("u")
    assert session.append("item-03", timestamp=START + 100)
    assert session.append("item-05", timestamp=START + 300)
    session.recommend(3)
    assert session.append("item-04", timestamp=START + 200)
    assert not session.append("item-04", timestamp=START + 200)
    assert session.append("item-04", timestamp=START + 200, event_type="buy"), "another type is another event"
    assert session.append("item-04", timestamp=START + 200, event_id="x"), "another id is another event"
    assert [event.item_id for event in session.events] == ["item-03"] + ["item-04"] * 3 + ["item-05"]
    check_lists(session.recommend(6), batch_list(sessions, "u", 6))
    alone = sessions.session("v")
    assert alone.append("item-03") and alone.append("item-03"), "nothing distinguishes a repetition"
    assert alone.append("item-03", event_id="e1") and not alone.append("item-03", event_id="e1")
    assert [event.timestamp for event in alone.events] == [START + 10_000_000] * 3


def test_options_of_a_request_and_of_the_batch_path_are_the_same() -> None:
    sessions = opened()
    session = sessions.session("u")
    walk(session, 5)
    for options in (
        {"filters": ["price<30"], "only_categories": ["tents", "boots"]}, {"rerank": "mmr=0.3"}, {"cold_boost": 3.0},
        {"explore": "adventurous"}, {"only_items": ["item-01", "item-02", "item-30"]},
    ):  # fmt: skip
        check_lists(session.recommend(6, **options), batch_list(sessions, "u", 6, **options))
    with pytest.raises(TypeError, match="recommend: timestamps is an argument of events"):
        session.recommend(timestamps=[1])
    with pytest.raises(TypeError, match="event_type and a SessionEvent"):
        session.append(SessionEvent("item-01"), event_type="buy")
    with pytest.raises(ValueError, match="user is"):
        sessions.session(" ")


def test_what_a_user_stated_persists_until_it_is_forgotten() -> None:
    log = MemoryLog()
    sessions = opened(log=log)
    session = sessions.session("u")
    walk(session, 3)
    plain = [item.item_id for item in session.recommend(39, explain=False)]
    session.hide(plain[0])
    session.remember(filters=["brand!=brand 1"])
    again = opened(log=log).session("u")  # a new process has a new cache and the same log
    listed = [item.item_id for item in again.recommend(39, explain=False)]
    assert plain[0] not in listed and not any(int(item[-2:]) % 3 == 1 for item in listed)
    assert again.forget(filters=["brand!=brand 1"]) == 1 and again.forget(item=plain[1]) == 0
    assert any(int(item.item_id[-2:]) % 3 == 1 for item in again.recommend(39, explain=False))
    assert [statement.value for statement in again.stated] == [plain[0]]
    assert again.forget() == 1
    assert [item.item_id for item in again.recommend(39, explain=False)] == plain
    with pytest.raises(ValueError, match="item is a value of type list; give one id, as text"):
        again.hide(plain[:2])  # type: ignore[arg-type]
    for wrong in ({}, {"text": " "}, {"filters": ["brand!=nobody"]}, {"filters": ["colour=red"]}):
        with pytest.raises(ValueError, match=r"remember|nobody|colour"):
            session.remember(**wrong)


def test_a_stated_text_is_read_by_a_model_that_reads_texts_and_noted_by_others() -> None:
    sessions = opened("texts of users")
    session = sessions.session("u")
    walk(session, 4)
    before = session.recommend(5, exclude_seen=False)
    session.remember("tents number 3")
    found = session.recommend(5, exclude_seen=False)
    check_lists(found, batch_list(sessions, "u", 5, exclude_seen=False, texts=["tents number 3"]))
    assert [item.score for item in found] != [item.score for item in before]
    more = session.recommend(5, exclude_seen=False, texts="boots")
    check_lists(more, batch_list(sessions, "u", 5, exclude_seen=False, texts=["tents number 3", "boots"]))
    other = opened().session("u")
    other.append("item-03")
    other.remember("vegetarian")
    assert other.recommend(3).notes[-1] == UNREAD_TEXT


def test_a_user_without_stored_events_is_named() -> None:
    session = opened().session("a user of training")
    assert session.recommend(3).notes[-1] == NO_EVENTS
    session.append("item-03")
    assert NO_EVENTS not in session.recommend(3).notes


def test_a_stated_condition_outlives_its_value_in_the_catalogue() -> None:
    sessions = opened()
    session = sessions.session("u")
    session.append("item-03")
    session.remember(filters=["brand!=brand 1", "category=tents"])
    statements = session.stated
    # As if a new checkpoint had come: the log has names that the catalogue lacks.
    for statement in statements:
        changed = statement.value.replace("brand 1", "gone").replace("tents", "igloos")
        sessions.log.forget("u", statement)
        sessions.log.state("u", statement._replace(value=changed))
    with pytest.raises(ValueError, match="igloos"):
        session.recommend(3)
    session.forget(filters=["category=igloos"])
    assert len(session.recommend(3)) == 3


def test_delete_leaves_nothing_and_the_user_starts_again() -> None:
    sessions = opened()
    session = sessions.session("u")
    walk(session, 4)
    session.hide("item-01")
    assert sessions.delete("u") and not sessions.delete("u")
    assert session.events == () and session.stated == ()
    assert session.recommend(3).basis == "popular"
    walk(session, 2)
    check_lists(session.recommend(5), batch_list(sessions, "u", 5))


def test_states_of_the_latest_users_only_are_kept() -> None:
    sessions = opened(max_users=2)
    for user in "abcab":
        walk(sessions.session(user), 2)
        check_lists(sessions.session(user).recommend(4), batch_list(sessions, user, 4))
    with sessions.cached("b") as own:
        assert own.past.encoded == 2, "b was dropped when c and a came, and read again"


def test_threads_share_users_without_mixing_them() -> None:
    sessions, failures = opened(max_users=2), list[BaseException]()

    def shop(number: int) -> None:
        try:
            session = sessions.session(f"user {number % 3}")
            for place in range(6):
                session.append(f"item-{(5 * place + number) % 39:02d}", timestamp=START + 100 * place + number)
                session.recommend(4, explain=False)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=shop, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for user in ("user 0", "user 1", "user 2"):
        assert len(sessions.session(user).events) == 12
        check_lists(sessions.session(user).recommend(6), batch_list(sessions, user, 6))


def test_a_recommender_has_sessions_of_its_own() -> None:
    shared = recommender("gru")
    using = XCatRecommender(shared.model, shared.processor)
    session = using.session("u")
    session.append("item-03")
    assert session.recommend(3).basis == "history"
    assert using.delete("u") and using.session("u").events == ()
    assert using.sessions.expire() == 0

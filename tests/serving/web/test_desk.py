"""What the page asks for: lists, reactions, explanations, dialogues and figures of the service's own parts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from xcat_rec.serving.feedback import FeedbackLog, Impression, Reaction
from xcat_rec.serving.http.errors import InvalidRequestError
from xcat_rec.serving.web.desk import WIDTHS, Desk, Sources, Visit, Wanted
from xcat_rec.serving.web.fragments import Fragments, escaped
from xcat_rec.serving.web.operator import operator_view
from xcat_rec.serving.web.texts import LANGUAGES, TEXTS, Texts

from ...hub.checkpoints import save_checkpoint

HISTORY = ["item-03", "item-10", "item-17"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("web") / "checkpoint", reads_queries=True)


@pytest.fixture(scope="module")
def desk(checkpoint: Path) -> Iterator[Desk]:
    other = save_checkpoint(checkpoint.parent / "other", seed=1)
    made = Desk(str(checkpoint), str(other))
    yield made
    made.close()


def visited(desk: Desk, **wanted: object) -> Visit:
    visit = Visit(history=list(HISTORY))
    desk.lists(visit, Wanted(**wanted))  # type: ignore[arg-type]
    return visit


def ids(visit: Visit) -> list[str]:
    assert visit.new is not None
    return [one["item_id"] for one in visit.new["recommendations"]]


def test_the_lists_are_those_of_the_recommender(desk: Desk) -> None:
    visit = visited(desk, explore="adventurous", only_new=True)
    found = desk.recommender.recommend(HISTORY, 10, explore="adventurous", cross_category=True)
    assert ids(visit) == [item.item_id for item in found] and len(visit.new["impression_id"]) == 32  # type: ignore[index]
    again = desk.recommender.recommend(HISTORY, 3, only_items=HISTORY, exclude_seen=False)
    assert [one["item_id"] for one in visit.again] == [item.item_id for item in again]
    wished = desk.recommender.recommend(HISTORY, 10, explore="balanced", query="red tent")
    assert ids(visited(desk, wish="red tent")) == [item.item_id for item in wished]
    assert visited(desk).new["basis"] == "history"  # type: ignore[index]


def test_the_same_list_is_not_made_and_logged_again(desk: Desk) -> None:
    visit = visited(desk)
    first = visit.new
    desk.lists(visit, Wanted())
    assert visit.new is first
    desk.lists(visit, Wanted("familiar"))
    assert visit.new is not first
    logged = [one.id for one in desk.log.impressions()]
    assert {first["impression_id"], visit.new["impression_id"]} <= set(logged)  # type: ignore[index]
    assert len(logged) == len(set(logged))


def test_hidden_items_are_in_no_list_and_no_turn(desk: Desk) -> None:
    visit = visited(desk)
    hidden = ids(visit)[0]
    desk.react(visit, hidden, "hide")
    visit.hidden = [hidden, "no such item"]
    desk.lists(visit, Wanted())
    assert hidden not in ids(visit)
    desk.say(visit, str(desk.catalogue.item(hidden)["category"]))
    assert visit.chat[0]["answer"]["recommendations"]
    assert hidden not in {one["item_id"] for one in visit.chat[0]["answer"]["recommendations"]}
    desk.say(visit, "something else")
    assert visit.chat[1]["answer"]["understood"]["request"] == "another", "the dialogue goes on"
    desk.react(visit, visit.chat[0]["answer"]["recommendations"][0]["item_id"], "purchase")
    assert {"hide", "purchase"} <= set(desk.log.summary().reactions)


def test_an_explanation_has_pictures_for_both_widths(desk: Desk) -> None:
    visit = visited(desk)
    desk.explain(visit, ids(visit)[0], Wanted(), "zh")
    assert visit.open == ids(visit)[0] and "排在第" in visit.why["sentence"]
    assert [ElementTree.fromstring(one).get("width") for one in visit.why["pictures"]] == [str(w) for w in WIDTHS]
    with pytest.raises(InvalidRequestError, match="no such item"):
        desk.explain(visit, "no such item", Wanted(), "en")


def test_two_checkpoints_are_compared_without_a_log(desk: Desk) -> None:
    before = desk.log.summary().lists
    one, other = desk.compared(visited(desk), Wanted())
    assert one["checkpoint"] != other["checkpoint"] and desk.log.summary().lists == before + 1
    assert not other["ignored"] and desk.compared(visited(desk), Wanted(wish="red tent"))[1]["ignored"]
    assert desk.unknown(Visit(history=["item-03", "no such item"])) == [1, 1]


def test_requests_and_errors_are_counted(desk: Desk) -> None:
    visit = Visit(history=list(HISTORY))
    asyncio.run(desk.ask("lists", lambda: desk.lists(visit, Wanted("familiar", "tents"))))
    with pytest.raises(InvalidRequestError, match="explore is 'wild'"):
        asyncio.run(desk.ask("lists", lambda: desk.lists(visit, Wanted("wild"))))
    text = desk.telemetry.text().decode()
    assert 'xcat_requests_total{route="lists",status="2xx"} 1.0' in text
    assert 'xcat_requests_total{route="lists",status="4xx"} 1.0' in text
    found = desk.overview()
    assert [(one.route, one.requests) for one in found.routes] == [("lists", 2)]
    assert found.num_items == 40 and found.num_never == 40 - len(found.feedback.shown)
    assert len(found.never) == min(8, found.num_never)


def test_the_operator_reads_the_log_of_a_service(checkpoint: Path, tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "state.db")
    for number, time in enumerate((60, 61, 120)):
        log.show(Impression(f"i{number}", "anna", time, "hash", ("item-03", "item-1" + str(number))))
    log.react(Reaction("i0", "item-03", "click", 61))
    log.react(Reaction("i1", "item-03", "click", 62))
    log.react(Reaction("i1", "item-11", "purchase", 62))
    summary = log.summary()
    assert summary.shown == {"item-03": 3, "item-10": 1, "item-11": 1, "item-12": 1}
    assert (summary.lists, summary.reactions) == (3, {"click": 2, "purchase": 1})
    assert summary.reacted == {"item-03": 2, "item-11": 1}
    assert (summary.step, summary.traffic) == (60, [(60, 2), (120, 1)])
    log.close()
    desk = Desk(str(checkpoint), sources=Sources(tmp_path / "state.db", "http://127.0.0.1:1"))
    desk.lists(Visit(), Wanted())
    found = desk.overview()
    assert found.feedback == summary and found.shown[0][1:] == (3, 2) and "does not answer" in found.error
    view = operator_view(found, desk.sources, Texts("en"))
    assert "Lists and reactions from state.db." in view and "66.7" in view and str(tmp_path) not in view
    desk.close()
    with pytest.raises(OSError, match="cannot be opened"):
        Desk(str(checkpoint), sources=Sources(tmp_path / "nothing.db"))


def test_parts_escape_what_the_catalogue_has(desk: Desk) -> None:
    visit, texts = visited(desk), Texts("en")
    assert visit.new is not None
    title = "<script>{{1}}${2}"
    visit.new["recommendations"][0] |= {"title": title}
    visit.chat = [{"message": title, "answer": {"answer": title, "in_force": "", "recommendations": []}}]
    desk.explain(visit, ids(visit)[0], Wanted(), "en")
    parts = Fragments(desk.catalogue, texts)
    page = parts.lists(visit, Wanted()) + parts.history(visit) + parts.found("tent", visit) + parts.chat(visit)
    page += parts.column("<b>", visit.new, set(), 2)
    assert "<script" not in page and "{{" not in page and page.count(escaped(title)) >= 5
    assert page.count("<svg") == 2 and 'aria-expanded="true"' in page
    for item in HISTORY:
        assert f'data-act="remove" data-item="{item}"' in page


@pytest.mark.parametrize("language", [code for _, code in LANGUAGES])
def test_parts_have_the_words_of_a_language(desk: Desk, language: str) -> None:
    texts = Texts(language)  # type: ignore[arg-type]
    parts, visit = Fragments(desk.catalogue, texts), visited(desk)
    page = parts.lists(visit, Wanted()) + parts.found("tent", visit) + operator_view(desk.overview(), Sources(), texts)
    for name in ("again", "new", "why", "hide", "most_shown", "never_shown", "routes"):
        assert escaped(texts(name)) in page
    assert f'lang="{language}"' in page
    assert all(english and chinese and english != chinese for english, chinese in TEXTS.values())

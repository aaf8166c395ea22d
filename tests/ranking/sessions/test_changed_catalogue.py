"""Sessions of a recommender whose items change while users come."""

from __future__ import annotations

from xcat_rec.ranking.recommender import XCatRecommender

from .conftest import recommender
from .oracle import START, batch_list, check_lists


def test_a_session_reads_items_that_are_added_changed_and_deleted() -> None:
    shared = recommender("transformer")
    using = XCatRecommender(shared.model, shared.processor)
    session = using.session("u")
    session.append("item-03", timestamp=START)
    session.append("new", timestamp=START + 100)
    before = session.recommend(5)
    assert before.unknown_items == 1
    using.add_items({"item_id": ["new"], "title": ["boots number 7"], "category": ["boots"]})
    found = session.recommend(5)
    assert found.unknown_items == 0
    check_lists(found, batch_list(using.sessions, "u", 5))
    using.add_items({"item_id": ["item-03"], "title": ["maps number 39"]})
    check_lists(session.recommend(5), batch_list(using.sessions, "u", 5))
    best = session.recommend(1)[0].item_id
    using.delete_items([best])
    assert best not in [item.item_id for item in session.recommend(40)]
    check_lists(session.recommend(5), batch_list(using.sessions, "u", 5))

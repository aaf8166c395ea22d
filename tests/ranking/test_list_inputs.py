"""What lists go by is one definition for the service and the card."""

from __future__ import annotations

from xcat_rec.model_cards.card_data import TrainingRecord, XCatModelCardData
from xcat_rec.model_cards.list_inputs_section import list_inputs_section
from xcat_rec.ranking.list_inputs import list_inputs
from xcat_rec.serving.http.parameters import parameters

from .test_live_policy import recommender


def test_the_card_and_the_service_say_the_same() -> None:
    own = recommender()
    told = parameters(own)["inputs"]
    assert {"your query", "content policy", "texts of items", "popularity"} <= {one["name"] for one in told}
    data = XCatModelCardData(
        training=TrainingRecord(config=own.model.config), preparation={"policy": "standard"}
    )  # fmt: skip
    section = list_inputs_section(data)
    for one in told:
        assert f"| {one['name']} | {one['meaning']} | {one['change']} |" in section
    assert "article 27" in section and "With profile off" in section
    assert list_inputs_section(XCatModelCardData()) == "Not recorded."


def test_only_what_the_model_reads_is_named() -> None:
    own = recommender("off")
    config = type(own.model.config)(
        **{**own.model.config.to_dict(), "use_text": False, "ask_length": 0, "num_time_gap_buckets": 0}
    )
    names = {one.name for one in list_inputs(config, reads_queries=False, policy=False)}
    assert names.isdisjoint({"your query", "content policy", "texts of items", "time"}) and "history" in names

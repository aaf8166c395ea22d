"""Printed lists: a table for readers, while `repr` has every field."""

from __future__ import annotations

from xcat_rec.modeling_xcat.recommending_xcat import Reason, Recommendation, Recommendations
from xcat_rec.ranking.target_recommendations import GroupItem, TargetRecommendation, TargetRecommendations
from xcat_rec.serving.client.answers import RecommendedList

BECAUSE = (Reason("B", "Boots", 0.4), Reason("C", "Cup", 0.1))


def test_a_list_prints_as_a_table_with_its_notes() -> None:
    items = [
        Recommendation("A", 3.14159, "Tent | large", "tents", BECAUSE),
        Recommendation("D", -0.5, f"Word {'x' * 80}", None),
    ]
    found = Recommendations(items, events=3, unknown_items=1)
    assert str(found) == (
        "| rank | item | title | score | because |\n|---|---|---|---|---|\n"
        "| 1 | A | Tent \\| large | 3.142 | Boots, Cup |\n"
        f"| 2 | D | Word {'x' * 51} ... | -0.500 |  |\n\n"
        "note: 1 of 3 events has an item that is not in the catalogue"
    )
    assert repr(found) == repr(items) and f"{found}" == str(found)
    assert str(Recommendations([], "none")).startswith("an empty list\n\nnote: no recommendations")
    answer = {"impression_id": None, "checkpoint": "c", **found.to_dict()}
    assert str(RecommendedList.read(answer)) == str(found)


def test_recommended_groups_print_as_a_table() -> None:
    item = GroupItem("A", "Tent", 0.2)
    found = TargetRecommendations(
        [TargetRecommendation("tents", 0.25, items=(item, item), because=BECAUSE)], "category", notes=["short"]
    )
    assert str(found).splitlines() == [
        "| rank | category | probability | items | because |", "|---|---|---|---|---|",
        "| 1 | tents | 0.2500 | Tent, Tent | Boots, Cup |", "", "note: short",
    ]  # fmt: skip
    assert repr(found).startswith("[TargetRecommendation(name='tents'")

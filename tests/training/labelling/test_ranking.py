"""Ranked pools: by a model of labels, by a prior, and by diversity."""

from __future__ import annotations

import numpy as np
import pytest

from xcat_rec.training.labelling.label_pool import LabelPool
from xcat_rec.training.labelling.ranking import rank_pool


def pool(labels: list[str], **changes: object) -> LabelPool:
    """Points on a half circle: tents on the left, maps on the right."""
    angles = np.linspace(0, np.pi, len(labels))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ids = [f"item-{row}" for row in range(len(labels))]
    return LabelPool("item_id", ids, [f"title {one}" for one in ids], vectors, labels, **changes)  # type: ignore[arg-type]


def test_with_labels_the_candidates_between_the_classes_come_first() -> None:
    labels = ["maps" if row < 20 else "tents" for row in range(40)]
    for row in (3, 10, 19, 20, 30, 37):
        labels[row] = ""
    found = rank_pool(pool(labels), 4)
    assert {one.id for one in found[:2]} == {"item-19", "item-20"}, "in the middle"
    assert found[0].uncertainty is not None and found[0].uncertainty > 0.7 > (found[-1].uncertainty or 0)
    assert {one.guess for one in found[:2]} == {"maps", "tents"}
    assert found[0].reason.startswith(f"uncertain: {found[0].guess} 6"), "63 %"
    assert all(labels[int(one.id[5:])] == "" for one in found), "labelled ones are not suggested"
    assert found == rank_pool(pool(labels), 4)


def test_without_labels_the_typical_candidates_come_first_and_few_labels_are_not_modelled() -> None:
    labels = [""] * 30
    first = rank_pool(pool(labels), 3)
    assert [one.uncertainty for one in first] == [None] * 3
    assert sum(int(one.reason.split()[-3]) for one in first) == 27, "each other candidate is most similar to one"
    labels[int(first[0].id[5:])] = "tents"
    labels[int(first[1].id[5:])] = "maps"
    second = rank_pool(pool(labels), 3)
    assert {one.id for one in second}.isdisjoint({first[0].id, first[1].id})
    assert second[0].guess == ""


def test_a_prior_is_used_until_there_are_enough_labels() -> None:
    prior = np.tile([0.9, 0.1], (30, 1))
    prior[7] = [0.5, 0.5]
    known = {"prior": prior, "values": ["tents", "maps"], "about": "next category"}
    (found,) = rank_pool(pool([""] * 30, **known), 1)
    assert (found.id, found.reason) == ("item-7", "uncertain: next category tents 50%, maps 50%")
    assert (found.uncertainty, found.guess) == (1.0, "")
    labels = ["a"] * 12 + [""] * 6 + ["b"] * 12
    assert rank_pool(pool(labels, **known), 1)[0].guess in ("a", "b"), "24 labels are modelled"


def test_labels_that_occur_once_are_not_modelled(recwarn: pytest.WarningsRecorder) -> None:
    labels = [f"kind {row}" if row < 20 else "" for row in range(30)]
    assert rank_pool(pool(labels), 1)[0].reason.startswith("typical")
    labels[:20] = ["maps", "maps", "tents", "tents"] * 5
    labels[0] = "boots"
    assert rank_pool(pool(labels), 1)[0].reason.startswith("typical"), "19 labels of two kinds"
    labels[20] = "tents"
    assert {one.guess for one in rank_pool(pool(labels), 9)} <= {"maps", "tents"}
    assert not recwarn.list


def test_bad_pools_are_refused() -> None:
    with pytest.raises(ValueError, match="all 3 values of item_id have a label"):
        rank_pool(pool(["a", "b", "a"]), 1)
    with pytest.raises(ValueError, match="n is 0; give at least 1"):
        rank_pool(pool(["", ""]), 0)
    assert len(rank_pool(pool(["", ""]), 9)) == 2

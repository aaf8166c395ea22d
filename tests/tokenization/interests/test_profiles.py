"""Interest profiles: decay, categories, clusters, and no leaks."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny_shop import tiny_tokenizer
from xcat_rec.tokenization.interests.clusters import interest_centres
from xcat_rec.tokenization.interests.profiles import (
    DAY,
    InterestKind,
    InterestProfile,
    Opinions,
    ProfileOptions,
    build_profile,
)
from xcat_rec.tokenization.interests.snapshots import add_interests, snapshot_interests
from xcat_rec.tokenization.packing import EventFeatures, pack_histories
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import ItemVocabulary

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


def opinions() -> Opinions:
    return Opinions(
        times=np.array([0, 10, 20, 20, 30]) * DAY,
        polarities=np.array([1.0, 0.5, -1.0, 1.0, -0.5]),
        vectors=np.array([EAST, [3.0, 1.0], NORTH, NORTH, WEST]),
        categories=["tents", "tents", "tents", "mugs", ""],
        subjects=["big tent", "small tent", "leaky tent", "mug", "hat"],
    )


def test_categories_have_decayed_sums_and_weighted_means() -> None:
    profile = build_profile(opinions(), 20 * DAY + 1, ProfileOptions(half_life_days=10.0))
    assert profile.opinions == 4
    tents, mugs = profile.categories
    assert (tents.category, tents.opinions, mugs.category) == ("tents", 3, "mugs")
    assert tents.liking == pytest.approx(0.25 + 0.25, rel=1e-5)
    assert tents.disliking == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(tents.liked, [2.0, 0.5])
    np.testing.assert_allclose(tents.disliked, NORTH)
    assert (mugs.liking, mugs.disliking) == (pytest.approx(1.0, rel=1e-5), 0.0)
    assert not mugs.disliked.any()


def test_clusters_group_positive_feedback() -> None:
    profile = build_profile(opinions(), None, ProfileOptions(half_life_days=10.0, centre_distance=0.5))
    first, second = profile.centres
    assert (first.examples, sorted(second.examples)) == (("mug",), ["big tent", "small tent"])
    assert first.weight == pytest.approx(0.5 / (0.125 + 0.125 + 0.5))
    np.testing.assert_allclose(second.vector, [2.0, 0.5])
    one = build_profile(opinions(), None, ProfileOptions(max_centres=1, max_categories=1))
    assert (len(one.centres), len(one.categories)) == (1, 1)


def test_clusters_merge_up_to_the_distance() -> None:
    vectors = np.array([EAST, NORTH, [5.0, 0.5], WEST])
    assert interest_centres(vectors, 0.1).tolist() == [0, 1, 0, 2]
    assert interest_centres(vectors, 2.0).tolist() == [0, 0, 0, 0]
    assert interest_centres(vectors[:1], 0.1).tolist() == [0]


def test_tokens_are_the_vectors_with_their_kinds() -> None:
    vectors, kinds = build_profile(opinions(), 20 * DAY + 1, ProfileOptions(half_life_days=10.0)).tokens()
    liked, disliked, centre = InterestKind.LIKED, InterestKind.DISLIKED, InterestKind.CENTRE
    assert kinds.tolist()[:3] == [liked, disliked, liked]
    assert set(kinds.tolist()[3:]) == {centre}
    np.testing.assert_allclose(vectors[:3], [[2.0, 0.5], NORTH, NORTH])
    assert vectors.dtype == np.float32
    assert len(InterestProfile(0, 0).tokens()[0]) == 0


@given(
    st.lists(st.tuples(st.integers(0, 40), st.floats(-1, 1), st.integers(0, 2)), min_size=1, max_size=12),
    st.integers(0, 45),
)
def test_a_profile_uses_earlier_feedback_only(told: list[tuple[int, float, int]], at: int) -> None:
    def profile(rows: list[tuple[int, float, int]]) -> InterestProfile:
        vectors = np.array([[1.0 + time, category] for time, _, category in rows]).reshape(-1, 2)
        times, signs = np.array([t for t, _, _ in rows], dtype=np.int64), np.array([p for _, p, _ in rows])
        return build_profile(Opinions(times, signs, vectors, [str(c) for _, _, c in rows]), at)

    whole, before = profile(told), profile([row for row in told if row[0] < at])
    assert whole.to_dict() == before.to_dict()
    assert all(np.array_equal(a, b) for a, b in zip(whole.tokens(), before.tokens(), strict=True))


def test_snapshots_exclude_their_own_event_and_later_ones() -> None:
    times = np.array([0, 10, 20, 20, 30, 31]) * DAY
    found = snapshot_interests(opinions(), times, every=2)
    positions = np.array(found["interest_positions"])
    assert sorted(set(positions)) == [1, 2, 4, 5], (
        "event 0 has no earlier feedback, and the profile of 3 equals that of 2"
    )
    for position in (1, 2, 4, 5):
        vectors, kinds = build_profile(opinions(), int(times[position])).tokens()
        here = positions == position
        np.testing.assert_allclose(np.array(found["interest_states"])[here], vectors, rtol=1e-6)
        assert np.array(found["interest_kinds"])[here].tolist() == kinds.tolist()
    late = snapshot_interests(opinions(), times, every=2, last=2)
    assert sorted(set(late["interest_positions"])) == [4, 5], "reading begins with the fourth event"
    assert snapshot_interests(opinions(), np.array([-1, -1]))["interest_kinds"] == []


def test_snapshots_are_packed_with_their_histories() -> None:
    def row(length: int, kinds: list[int], positions: list[int]) -> dict[str, object]:
        states = [[float(10 * length + i), 1.0] for i in range(len(kinds))]
        return {
            "items": list(range(2, 2 + length)), "interest_states": states, "interest_kinds": kinds,
            "interest_positions": positions,
        }  # fmt: skip

    rows = [row(2, [1], [1]), row(5, [1, 3], [0, 3]), {"items": [7]}]
    batch = pack_histories(rows, max_history=4, features=EventFeatures(), mode="packed")
    assert batch["item_ids"].tolist() == [[3, 4, 5, 6], [2, 3, 7, 0]]
    assert batch["interest_document_ids"].tolist() == [[0, 0], [0, -1]]
    assert batch["interest_kinds"].tolist() == [[1, 3], [1, 0]]
    assert batch["interest_positions"].tolist() == [[0, 2], [1, 0]], "one event of the second history is cut off"
    assert batch["interest_states"][:, 0, 0].tolist() == [50.0, 20.0]
    assert "interest_states" not in pack_histories([{"items": [7]}], max_history=4, features=EventFeatures())


def test_dataset_rows_get_the_profiles_of_their_users() -> None:
    rows = Dataset.from_dict(
        {"user_id": ["a", "b"], "items": [[2, 3], [4, 5]], "timestamps": [[0, 15 * DAY], [0, 15 * DAY]]}
    )
    found = add_interests(rows, {"a": opinions()}, every=1)
    assert found[0]["interest_positions"] == [1, 1]
    assert found[0]["interest_kinds"] == [InterestKind.LIKED, InterestKind.CENTRE]
    assert found[1]["interest_states"] == []
    assert found[1]["items"] == [4, 5]


def test_a_profile_reads_as_plain_lines() -> None:
    text = build_profile(opinions(), 20 * DAY + 1, ProfileOptions(half_life_days=10.0)).describe()
    assert text.splitlines()[:2] == ["reviews and ratings: 4", "tents: liking 0.50, disliking 1.00, of 3"]
    assert "mug" in text
    assert build_profile(opinions(), 0).describe() == "No interests are known for this user."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"half_life_days": 0.0}, "half_life_days is 0"),
        ({"centre_distance": 3.0}, "centre_distance is 3"),
        ({"max_centres": 0}, "max_centres is 0"),
    ],
)
def test_options_out_of_range_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProfileOptions(**change)  # type: ignore[arg-type]


def test_invalid_feedback_is_refused() -> None:
    with pytest.raises(ValueError, match="feedback has the polarity nan"):
        Opinions(np.array([0]), np.array([np.nan]), np.ones((1, 2)), [""])
    with pytest.raises(ValueError, match="per entry; got"):
        Opinions(np.array([0]), np.array([1.0]), np.ones((2, 2)), [""])
    with pytest.raises(ValueError, match="every is 0"):
        snapshot_interests(opinions(), np.array([0]), every=0)


def test_a_processor_takes_the_profiles_of_its_users() -> None:
    processor = XCatProcessor(
        tiny_tokenizer(), ItemVocabulary(pa.table({"item_id": ["x", "y"], "category": ["a", "b"]}))
    )
    tokens = build_profile(opinions()).tokens()
    batch = processor([["x", "y"], ["y"]], interests=[None, tokens])
    assert batch["interest_document_ids"].tolist() == [[-1] * len(tokens[1]), [0] * len(tokens[1])]
    assert batch["interest_kinds"][1].tolist() == tokens[1].tolist()
    np.testing.assert_allclose(batch["interest_states"][1], tokens[0])
    with pytest.raises(ValueError, match="interests must have one entry per history: 1, got 2"):
        processor([["x"]], interests=[None, tokens])

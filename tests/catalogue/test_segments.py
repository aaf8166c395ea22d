"""Rates of first purchases: of what is new to users, not of what is bought often."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from xcat_rec.catalogue.segments import fill_segments, first_purchases, segment_count

from ..training.test_trainer import prepared

DAY = 86_400


def log_of(*users: list[tuple[int, list[int]]]) -> Dataset:
    """Training rows of users, from the day and the items of each basket."""
    return Dataset.from_dict({
        "items": [[item for _, items in baskets for item in items] for baskets in users],
        "timestamps": [[day * DAY for day, items in baskets for _ in items] for baskets in users],
    })  # fmt: skip


def test_a_first_purchase_counts_by_its_basket_and_exposure_ends_with_it() -> None:
    users, items = np.array([0, 0, 0, 0, 0, 0, 1, 1]), np.array([2, 3, 4, 5, 2, 6, 3, 2])
    times = np.array([1, 1, 2, 2, 3, 4, 4, 4])
    found = first_purchases(users, items, np.full(8, -1))
    assert found.baskets.tolist() == [4.0, 1.0], "an event without a time is a basket, and a repeat is none"
    one_time = first_purchases(users, items, times * 0 + 7)
    assert one_time.baskets.tolist() == [0.0, 0.0], "a user's first basket has no history"
    found = first_purchases(users, items, times * DAY)
    place = {(int(u), int(i)): k for k, (u, i) in enumerate(zip(found.users, found.items, strict=True))}
    assert len(place) == 7
    oldest, newer = found.gains[place[0, 4]], found.gains[place[0, 6]]
    assert found.gains[place[0, 4]] == found.gains[place[0, 5]] > 0
    ideal_of_two = 1 + 1 / np.log2(3)
    assert oldest * ideal_of_two < newer == 1.0, "the basket of day 2 weighs less than that of the last day"
    assert found.gains[place[0, 2]] == found.gains[place[1, 3]] == 0
    assert found.later[place[0, 6]] == 0 and found.later[place[0, 4]] == pytest.approx(1.0)
    assert found.later[place[0, 2]] == pytest.approx(found.baskets[0])


def test_a_staple_is_no_discovery_and_segments_have_their_own_rates(tmp_path: Path) -> None:
    model = prepared(tmp_path, num_segments=2, segment_width=4).model
    rows = []
    for user in range(120):  # two kinds of users; all have item 2 from the start and buy it again in each basket
        kind = 10 * (user % 2)
        fifth = [8 + kind] if user % 3 else [9 + kind]
        rows.append([(1, [2, 3 + kind, 4 + kind]), (2, [2, 5 + kind]), (3, [2, *fifth])])
    fill_segments(model, log_of(*rows))
    segments = model.model.segments
    shares = segments.shares(torch.tensor([[2, 3, 4, 4, 4], [2, 13, 14, 0, 0], [0, 0, 0, 0, 0]]))
    assert shares.sum(1).tolist() == pytest.approx([1.0] * 3) and shares[2].tolist() == pytest.approx([0.5, 0.5])
    assert shares[0].argmax() != shares[1].argmax() and shares[:2].amax(1).min() > 0.9
    scores = segments.scores(torch.tensor([[2, 3, 4], [2, 13, 14]])).block(0, 25)
    assert scores[0, 8] > scores[0, 9] > scores[0, 18] and scores[1, 18] > scores[1, 19] > scores[1, 8]
    assert scores[0, 2] < scores[0, 9], "everyone has item 2, and nobody finds it later"
    found = segments.rates[2:][model.model.items.item_counts[2:] > 0].exp()
    assert segments.rates[1].exp().tolist() == pytest.approx([float(segments.trends[1, 0].exp())] * 2)
    assert segments.rates[0].exp().max() < segments.rates[1].exp().min() < found.max(), "nobody could buy a new item"
    assert segments.shares(torch.tensor([[2, 3, 4]]))[0].tolist() == pytest.approx(shares[0].tolist()), "counted once"


def test_there_are_no_segments_where_nothing_is_bought_again() -> None:
    assert segment_count(log_of(*[[(1, [2]), (2, [3])]] * 500)) == 0
    again = log_of(*[[(1, [2]), (2, [2])]] * 500)
    assert segment_count(again) == 10 and segment_count(again.select(range(20))) == 1
    assert segment_count(again.select([])) == 0

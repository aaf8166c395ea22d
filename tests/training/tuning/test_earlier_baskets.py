"""Baskets of the training log as targets: nothing of the basket or later is in the log before it."""

from __future__ import annotations

import numpy as np

from xcat_rec.training.tuning.earlier_baskets import earlier_basket

USERS = np.array([0, 0, 0, 0, 0, 1, 1, 2, 2, 2])
ITEMS = np.array([2, 3, 2, 4, 5, 6, 7, 8, 9, 8])
TIMES = np.array([1, 1, 2, 2, 3, 4, 4, -1, -1, -1])


def test_the_last_basket_and_the_one_before_it() -> None:
    last = earlier_basket(USERS, ITEMS, TIMES, back=1)
    assert last.items.tolist() == [2, 3, 2, 4, 8, 9] and last.users.tolist() == [0, 0, 0, 0, 1, 1]
    assert last.times.tolist() == [1, 1, 2, 2, -1, -1]
    assert [own.tolist() for own in last.histories] == [[2, 3, 2, 4], [8, 9]], "user 1 has one basket only"
    assert [own.tolist() for own in last.targets] == [[5], []], "item 8 is in the history, so it is no target"
    second = earlier_basket(USERS, ITEMS, TIMES, back=2)
    assert [own.tolist() for own in second.histories] == [[2, 3], [8]]
    assert [own.tolist() for own in second.targets] == [[4], [9]]
    assert not earlier_basket(USERS, ITEMS, TIMES, back=3).histories


def test_against_user_by_user() -> None:
    generator = np.random.default_rng(0)
    for _ in range(30):
        users = np.sort(generator.integers(0, 6, 50))
        items, times = generator.integers(0, 9, 50), np.zeros(50, dtype=np.int64)
        for user in range(6):
            times[users == user] = np.sort(generator.integers(-1, 5, (users == user).sum()))
        for back in (1, 2, 3):
            log, histories, targets = [], [], []
            for user in np.unique(users):
                baskets: list[list[int]] = []
                before = None
                for item, time in zip(items[users == user].tolist(), times[users == user].tolist(), strict=True):
                    if time < 0 or time != before:
                        baskets.append([])
                    baskets[-1].append(item)
                    before = time
                if len(baskets) > back:
                    history = [item for basket in baskets[:-back] for item in basket]
                    log += history
                    histories.append(history)
                    targets.append(sorted({item for item in baskets[-back] if item > 1} - set(history)))
            found = earlier_basket(users, items, times, back)
            assert found.items.tolist() == log
            assert [own.tolist() for own in found.histories] == histories
            assert [own.tolist() for own in found.targets] == targets

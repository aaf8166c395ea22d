"""Windows of rows with showings."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from xcat_rec.training.preparation.click_windows import MOST_SHOWINGS, click_windows, showing_rows


def rows(lengths: list[int], seed: int = 0) -> Dataset:
    generator = np.random.default_rng(seed)
    table: dict[str, list] = {name: [] for name in ("user_id", "items", "shown_items", "shown_labels", "shown_after")}
    for number, size in enumerate(lengths):
        after = np.sort(generator.integers(0, size + 1, int(generator.integers(0, 9))))
        table["user_id"].append(f"u{number}")
        table["items"].append(list(range(100 * number, 100 * number + size)))
        table["shown_items"].append([900 + i for i in range(len(after))])
        table["shown_labels"].append([i % 2 for i in range(len(after))])
        table["shown_after"].append(after.tolist())
    return Dataset.from_dict(table)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 50])
def test_every_showing_is_in_one_window_behind_the_event_before_it(most: int) -> None:
    given = rows([0, 1, 2, 3, 6, 11, 20])
    windows = click_windows(given, most)
    assert windows.features == given.features
    for row in given:
        own = [window for window in windows if window["user_id"] == row["user_id"]]
        assert all(len(window["items"]) <= most for window in own)
        found = {}
        for window in own:
            for item, label, after in zip(
                window["shown_items"], window["shown_labels"], window["shown_after"], strict=True
            ):
                assert item not in found
                found[item] = window["items"][:after], label
        assert len(found) == len(row["shown_items"])
        for item, label, after in zip(row["shown_items"], row["shown_labels"], row["shown_after"], strict=True):
            read, told = found[item]
            assert told == label and read == row["items"][:after][-len(read) :] if read else after == 0
            assert len(read) == min(after, most) or len(read) >= 2 or most < 3
        pairs = [pair for window in own for pair in zip(window["items"], window["items"][1:], strict=False)]
        if most > 1:
            assert sorted(pairs) == list(zip(row["items"], row["items"][1:], strict=False))


def test_latest_events() -> None:
    row = {"user_id": ["u"], "items": [[1, 2, 3, 4]], "shown_items": [[7, 8]], "shown_labels": [[0, 1]]}
    found = click_windows(Dataset.from_dict({**row, "shown_after": [[1, 3]]}), 10, max_events=2)
    assert found["items"][:] == [[3, 4]] and found["shown_items"][:] == [[8]] and found["shown_after"][:] == [[1]]


@pytest.mark.parametrize("most", [1, 3, 50])
def test_showings_keep_their_whole_histories_without_windows(most: int) -> None:
    given = rows([0, 1, 2, 3, 6, 11, 20])
    found = showing_rows(given, most)
    assert found.features == given.features and len(found) == sum(map(len, given["shown_items"])) - sum(
        max(0, len(shown) - 1) for shown in given["shown_items"]
    ), "one row per user with showings"
    whole = {row["user_id"]: row for row in given}
    for row in found:
        user = whole[row["user_id"]]
        assert row["shown_items"] == user["shown_items"] and row["shown_labels"] == user["shown_labels"]
        for after, before in zip(row["shown_after"], user["shown_after"], strict=True):
            assert row["items"][:after][-most:] == user["items"][:before][-most:]
    late = showing_rows(given, most, max_events=2)
    assert all(len(row["items"]) <= 2 for row in late)
    assert sum(map(len, late["shown_items"])) == sum(
        after >= len(row["items"]) - 2 for row in given for after in row["shown_after"]
    )


def test_many_showings_are_spread_over_rows() -> None:
    count = 2 * MOST_SHOWINGS + 5
    after = [i % 4 for i in range(count)]
    row = {"user_id": ["u"], "items": [[1, 2, 3]], "shown_items": [list(range(count))], "shown_after": [after]}
    given = Dataset.from_dict({**row, "shown_labels": [[i % 3 for i in range(count)]]})
    for found in (click_windows(given, 10), showing_rows(given, 10)):
        assert [len(shown) for shown in found["shown_items"]] == [MOST_SHOWINGS, MOST_SHOWINGS, 5]
        read = {}
        for one in found:
            for item, label, place in zip(one["shown_items"], one["shown_labels"], one["shown_after"], strict=True):
                read[item] = label, one["items"][:place]
        assert read == {i: (i % 3, [1, 2, 3][: i % 4]) for i in range(count)}

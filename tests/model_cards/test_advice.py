"""A card states repairs, without advice to the owner of the data."""

from __future__ import annotations

import pytest

from xcat_rec.tokenization.tables.problems import TableProblem, without_advice


@pytest.mark.parametrize(
    ("remedy", "kept"),
    [
        ("they were left empty; write plain numbers", "they were left empty"),
        ("they were kept; repeats='first' keeps a user's first event with an item", "they were kept"),
        (
            "they are kept, but cannot be used for training or evaluation",
            "they are kept, but cannot be used for training",
        ),
        ("no other order reads as many dates; if it is wrong, give time_format='day-first'", "as many dates"),
        ("give seconds if they are not", "were read as"),
    ],
)
def test_advice_is_left_out(remedy, kept):
    problem = TableProblem("events", "time", "timestamp_unit", 3, "milliseconds", remedy, fatal=False)
    told = without_advice(str(problem))
    assert kept in told
    assert "give " not in told and "write" not in told and "repeats=" not in told

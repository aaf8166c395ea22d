"""Results of Ray tasks are plain bytes without code."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from xcat_rec.tokenization.out_of_core.ray_engine import _packed, _unpacked


def sent(call):
    [row] = _packed(3, partial(call)).to_pylist()
    assert row["number"] == 3
    return _unpacked(row)


def test_results_arrive_unchanged():
    facts = {"rows": [3], "ratings": [1.0, 5.0], "problems": [], "times": None, "kinds": ["größer"]}
    assert sent(lambda: facts) == facts
    assert sent(lambda: 7) == 7
    counts = sent(lambda: np.array([2, 0, 5]))
    assert counts.dtype == np.int64 and counts.tolist() == [2, 0, 5]
    first = pl.DataFrame({"item": [1], "time": [None]}, schema={"item": pl.Int64, "time": pl.Int64})
    assert_frame_equal(sent(lambda: first), first)
    assert_frame_equal(sent(lambda: first.clear()), first.clear())


def test_bad_input_keeps_its_type_and_message():
    def refuse():
        raise ValueError("events, item_id: 2 of 3 rows name no item, such as 'größer'")

    with pytest.raises(ValueError, match=r"2 of 3 rows name no item, such as 'größer'"):
        sent(refuse)


def test_results_that_need_a_pickle_are_refused():
    with pytest.raises(TypeError):
        sent(object)

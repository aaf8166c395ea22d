"""Cells of an image column."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.tokenization.images.references import has_images, holds_vectors, references_of, spread, vectors_of


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a.png", " https://x/b.jpg ", "", None], [["a.png"], ["https://x/b.jpg"], [], []]),
        (['["a.png", "b.png", ""]', "[odd].png"], [["a.png", "b.png"], ["[odd].png"]]),
        ([["a.png", "b.png"], [], None], [["a.png", "b.png"], [], []]),
        ([b"\x89PNG", b"", None], [[b"\x89PNG"], [], []]),
        ([{"bytes": b"GIF", "path": "a.gif"}, {"bytes": None, "path": "b.gif"}], [[b"GIF"], ["b.gif"]]),
        ([[{"hi_res": None, "large": "http://x/a.jpg"}], []], [["http://x/a.jpg"], []]),
    ],
)
def test_references_of_every_form(values: list[Any], expected: list[list[str | bytes]]) -> None:
    column = pl.Series("picture", values)
    assert references_of(column) == expected
    assert not holds_vectors(column)
    assert has_images(column)


def test_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match=r"column picture has the type Int64; give files, addresses"):
        references_of(pl.Series("picture", [1]))
    assert not has_images(pl.Series("picture", [None, ""], dtype=pl.String))


@pytest.mark.parametrize(
    "values", [[[1.0, 2.0], None, [3.0, 4.0]], [[[1.0, 2.0]], [], [[3.0, 4.0]]], ["[1, 2.0]", None, "[3, 4]"]]
)
def test_vectors_of_every_form(values: list[Any]) -> None:
    column = pl.Series("vector", values)
    assert holds_vectors(column)
    first, none, last = vectors_of(column)
    assert none is None
    assert np.array_equal(first, [[1.0, 2.0]]) and np.array_equal(last, [[3.0, 4.0]])


def test_several_vectors_are_several_images_and_widths_must_agree() -> None:
    assert [one.shape for one in vectors_of(pl.Series("v", [[[1.0, 2.0], [3.0, 4.0]]]))] == [(2, 2)]
    with pytest.raises(ValueError, match=r"items, column v, row 2: a vector of shape \[1, 3\] among vectors of 2"):
        vectors_of(pl.Series("v", [[1.0, 2.0], [1.0, 2.0, 3.0]]))
    with pytest.raises(ValueError, match=r"row 1: .* not finite"):
        vectors_of(pl.Series("v", [[1.0, float("nan")]]))
    with pytest.raises(ValueError, match=r"row 2: 'a\.png' is no vector"):
        vectors_of(pl.Series("v", ["[1, 2]", "a.png"]))


@given(st.integers(0, 40), st.integers(1, 12))
def test_spread_keeps_order_and_both_ends(count: int, most: int) -> None:
    kept = spread(list(range(count)), most)
    assert len(kept) == min(count, most) and kept == sorted(set(kept))
    if count > most > 1:
        steps = np.diff(kept)
        assert (kept[0], kept[-1]) == (0, count - 1) and steps.max() - steps.min() <= 1

"""Metrics of redundancy by hand."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from xcat_rec.evaluation.redundancy import (
    category_coverage,
    duplicates,
    intra_list_similarity,
    kl_to_history,
    minimum_distance,
    product_codes,
)
from xcat_rec.tokenization.vocabulary import ItemVocabulary


def test_similarity_and_distance():
    lists = np.array([[[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]])
    assert intra_list_similarity(lists) == pytest.approx([(0.6 + 0.0 + 0.8) / 3, (1 - 1 - 1) / 3])
    assert minimum_distance(lists) == pytest.approx([0.2, 0.0])
    assert np.isnan(intra_list_similarity(lists[:, :1])).all() and np.isnan(minimum_distance(lists[:, :1])).all()


def test_titles_and_categories():
    table = pa.table({"item_id": ["a", "b", "c", "d"], "title": ["Tent  one", "tent ONE ", None, "Boots"]})
    codes = product_codes(ItemVocabulary(table))
    assert codes.tolist()[:2] == [-1, -1] and codes[2] == codes[3] and codes[4] == -1 and codes[5] != codes[2]
    assert duplicates(codes[np.array([[2, 3, 5], [4, 4, 5], [2, 5, 4]])]).tolist() == [1, 0, 0]
    assert category_coverage(np.array([[0, 1, 1], [-1, -1, -1]])).tolist() == [2, 0]


def test_divergence():
    history = np.array([0, 0, 1, -1])
    kl = kl_to_history(np.array([[0, 0, 1], [2, 2, 2], [0, -1, 1]]), [history] * 3)
    third = 0.99 / 3
    expected = 2 / 3 * math.log((2 / 3) / (third + 0.02 / 3)) + 1 / 3 * math.log((1 / 3) / (third + 0.01 / 3))
    assert kl == pytest.approx([0.0, math.log(100), expected])
    assert np.isnan(kl_to_history(np.array([[0]]), [np.array([-1])])).all()

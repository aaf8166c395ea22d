"""Fits of the re-ranker with as many steps as users get."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xcat_rec.training.tuning import reranker

STEPS = reranker._STEPS  # before the session's fixture changes it


@pytest.fixture(scope="module", autouse=True)
def whole_reranker_fits(short_reranker_fits: None) -> Iterator[None]:
    """All steps: what the fits find is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reranker, "_STEPS", STEPS)
        yield

"""Fits of the re-ranker with as many steps as users get."""

from __future__ import annotations

import pytest

from xcat_rec.training.tuning import reranker

STEPS = reranker._STEPS  # before the session's fixture changes it


@pytest.fixture
def whole_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps, for tests of what the fits find."""
    monkeypatch.setattr(reranker, "_STEPS", STEPS)

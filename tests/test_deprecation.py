"""Deprecated names still work, warn where they are used, and name their replacement."""

from __future__ import annotations

import inspect
import re
import warnings
from pathlib import Path

import pytest

import xcat_rec
from xcat_rec.deprecation import deprecated

ROOT = Path(__file__).parent.parent


@deprecated("0.2", "0.4", use="new_sum")
def old_sum(first: int, second: int = 2) -> int:
    """Add."""
    return first + second


@deprecated("0.2", "0.4", use="second=", renamed={"other": "second"})
def total(first: int, *, second: int = 2) -> int:
    """Add."""
    return first + second


def test_a_deprecated_function_works_and_warns_at_its_call() -> None:
    message = "old_sum is deprecated since 0.2 and will be removed in 0.4; use new_sum"
    with pytest.warns(FutureWarning, match=re.escape(message)) as seen:
        assert old_sum(1, second=3) == 4
    assert seen[0].filename == __file__
    assert old_sum.__doc__ == "Add." and list(inspect.signature(old_sum).parameters) == ["first", "second"]


def test_an_old_name_of_an_argument_is_read_as_the_new_one() -> None:
    with pytest.warns(FutureWarning, match=r"total\(other=\) is deprecated since 0\.2"):
        assert total(1, other=5) == 6  # type: ignore[call-arg]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert total(1, second=5) == 6
    with pytest.raises(TypeError, match="both other= and second="):
        total(1, other=5, second=5)  # type: ignore[call-arg]


def test_the_cited_version_is_that_of_the_package() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited is not None and cited[1] == xcat_rec.__version__

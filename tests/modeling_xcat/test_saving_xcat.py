"""A save that fails or is killed leaves the old checkpoint, the new one, or none; never half of each."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from xcat_rec.modeling_xcat import saving_xcat
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.saving_xcat import UNFINISHED, written_whole

from ..fresh_processes import run_program


def model(fill: float, max_history: int = 4) -> XCatForNextItem:
    made = XCatForNextItem(
        XCatConfig(
            num_item_rows=500,
            hidden_size=16,
            num_attention_heads=2,
            intermediate_size=32,
            use_text=False,
            memory_sources=["user_text"],
            max_history=max_history,
            text_dim=8,
            num_neighbors=0,
        )
    )
    torch.nn.init.constant_(made.model.items.id_embeddings.weight, fill)
    return made


def state(folder: Path) -> tuple[float, int] | None:
    """Weight and configuration of the model loaded from a folder; None if it cannot be loaded."""
    try:
        loaded = XCatForNextItem.from_pretrained(folder, use_safetensors=True)
    except OSError:
        return None
    return round(loaded.model.items.id_embeddings.weight[5, 0].item(), 3), loaded.config.max_history


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The kernel lets no file grow beyond a size, as a full disk would not."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    place = tmp_path / "checkpoint"
    with (
        files_of_at_most(20_000),
        pytest.raises(OSError, match=r"the disk is full, so nothing was saved into .*; make room"),
    ):
        model(1.0).save_pretrained(place)
    assert not place.exists()
    model(1.0).save_pretrained(place)
    before = {file.name: file.read_bytes() for file in place.iterdir()}
    with files_of_at_most(20_000), pytest.raises(OSError, match="the disk is full"):
        model(2.0, 6).save_pretrained(place)
    assert {file.name: file.read_bytes() for file in place.iterdir()} == before
    model(2.0, 6).save_pretrained(place)
    assert state(place) == (2.0, 6)


def save_and_die(place: Path, moves: int) -> None:
    """Save a second model over the first, and be killed before the file of this number comes into its place.

    At -1 all files are written, and none of the old ones is touched yet.
    """
    done = 0
    replace = os.replace

    def deadly(source: Path, target: Path) -> None:
        nonlocal done
        if done == moves:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        replace(source, target)

    if moves < 0:
        saving_xcat._move = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    saving_xcat.os.replace = deadly  # type: ignore[assignment]
    torch.set_num_threads(1)
    model(2.0, 6).save_pretrained(place)


def test_a_kill_leaves_the_old_checkpoint_the_new_one_or_none(tmp_path: Path) -> None:
    seen = []
    for moves in (-1, 0, 1, 5, 99):
        place = tmp_path / str(moves)
        model(1.0).save_pretrained(place)
        process = multiprocessing.get_context("fork").Process(target=save_and_die, args=(place, moves))
        process.start()
        process.join()
        assert process.exitcode == (0 if moves == 99 else -signal.SIGKILL)
        seen.append(state(place))
        model(3.0).save_pretrained(place)
        assert state(place) == (3.0, 4) and not (place / UNFINISHED).exists()
    assert seen == [(1.0, 4), None, None, None, (2.0, 6)]


def test_a_fault_before_the_end_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("old")
    with pytest.raises(KeyError), written_whole(tmp_path) as unfinished:
        (unfinished / "model.safetensors").write_text("new")
        raise KeyError
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    assert (tmp_path / "model.safetensors").read_text() == "old"


def test_other_weights_do_not_stay(tmp_path: Path) -> None:
    stale = ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "adapter_config.json")
    for name in (*stale, "items.arrow", "notes.txt"):
        (tmp_path / name).write_text("old")
    with written_whole(tmp_path, replaced=["items.*"]) as unfinished:
        (unfinished / "deep").mkdir()
        (unfinished / "deep" / "a.txt").write_text("new")
        (unfinished / "model.safetensors").write_text("new")
    files = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {"model.safetensors", "notes.txt", "deep/a.txt"}


def test_a_class_of_main_is_saved_with_a_line_and_not_with_a_page(tmp_path: Path) -> None:
    program = f"""
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem

class Config(XCatConfig):
    pass

class Model(XCatForNextItem):
    config_class = Config

model = Model(Config(num_item_rows=6, hidden_size=8, num_attention_heads=2, use_text=False, num_fusion_layers=0))
for name in "ab":
    model.save_pretrained({str(tmp_path)!r} + "/" + name)
assert Model._auto_class and model._auto_class and model.config._auto_class
assert XCatForNextItem.from_pretrained({str(tmp_path)!r} + "/b").config.num_item_rows == 6
"""
    environment = os.environ | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    done = run_program(program, environment=environment)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "__main__" in line]
    assert len(told) == 2 and all(len(line) < 250 for line in told), done.stderr
    assert len(done.stderr.splitlines()) <= 4, done.stderr

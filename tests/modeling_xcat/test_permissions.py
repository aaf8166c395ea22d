"""Saved files have the usual permissions; unreadable files are reported as unreadable."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.saving_xcat import check_readable, usual_permissions

from ..fresh_processes import run_program
from ..superuser import WITHOUT_PRIVILEGES
from .test_saving_xcat import model


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600), (0o002, 0o664)])
def test_saved_files_have_the_usual_permissions(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        model(0.5).save_pretrained(tmp_path / "whole")
        model(0.5).save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    finally:
        os.umask(before)
    saved = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in saved if path.suffix == ".safetensors"} > {"model.safetensors"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in saved} == {mode}


def test_files_of_others_keep_theirs(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o600)
    before = os.umask(0o022)
    try:
        usual_permissions([tmp_path / "one"])
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("one", "two")] == [0o644, 0o600]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


LOAD = f"""{WITHOUT_PRIVILEGES}
import sys
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem

for load in (XCatForNextItem, XCatRecommender):
    try:
        load.from_pretrained(sys.argv[1])
    except OSError as error:
        print(type(error).__name__, error)
"""


def test_unreadable_files_are_not_reported_as_missing(tmp_path: Path) -> None:
    model(0.5).save_pretrained(tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / "model.safetensors").chmod(0o200)
    home = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HOME": str(tmp_path / "home")}
    done = run_program(LOAD, str(tmp_path / "checkpoint"), environment=home)
    owner = (tmp_path / "checkpoint").owner()
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr[-2000:]
    for line in lines:
        assert line.startswith("PermissionError") and "model.safetensors" in line, line
        assert f"may not be read (mode 200, owner {owner}); its owner can allow it with chmod a+r" in line


def test_files_that_may_be_read_pass(tmp_path: Path) -> None:
    model(0.5).save_pretrained(tmp_path)
    check_readable(tmp_path)
    check_readable(tmp_path / "nowhere")
    assert XCatForNextItem.from_pretrained(tmp_path).config.max_history == 4

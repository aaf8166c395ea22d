"""Standard error of a fit that goes into a log file: lines of this package alone, and no long silence."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from ..tiny_shop import save_text_encoder, write_shop
from .test_end_to_end import XCAT, fit_arguments

SILENCE = 5.0


@pytest.mark.slow
def test_a_log_file_has_no_bars_and_no_silence(tmp_path: Path) -> None:
    shop, encoder = write_shop(tmp_path / "shop"), save_text_encoder(tmp_path / "encoder")
    command = [str(XCAT), *fit_arguments(shop, encoder, tmp_path / "out", epochs=10)]
    lines, times = [], [time.monotonic()]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ | {"RANK": "0"}
    ) as fit:
        assert fit.stderr is not None
        for line in fit.stderr:
            lines.append(line)
            times.append(time.monotonic())
    told = "".join(lines)
    assert fit.returncode == 0, told
    assert max(after - before for before, after in pairwise(times)) < SILENCE, told
    assert "\r" not in told and "it/s" not in told and "shards" not in told
    assert "time left: " in told and "epoch 1: " in told


def test_only_the_first_process_reports() -> None:
    program = "from xcat_rec.cli.console import messages; messages.print('told')"
    for rank, told in (("0", "told\n"), ("1", "")):
        environment = os.environ | {"RANK": rank}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
        )
        assert done.stderr == told

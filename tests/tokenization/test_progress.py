"""Progress: nothing without a listener, a few lines in a log file, bars on a terminal."""

from __future__ import annotations

import io
import logging as python_logging
import time
from pathlib import Path

import pytest
from transformers import BertConfig, BertModel
from transformers.trainer_utils import sort_checkpoints
from transformers.utils import logging

from xcat_rec.tokenization import progress_bars
from xcat_rec.tokenization.progress import (
    is_listened_to,
    listening,
    quiet_transformers,
    say,
    stage,
    without_mtime_note,
)
from xcat_rec.tokenization.progress_bars import ProgressBars, show_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(steps: int, seconds: float) -> None:
    with stage("encoding texts", total=steps, unit="texts") as running:
        for _ in range(steps):
            time.sleep(seconds / steps)
            running.advance()


def test_without_a_listener_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    work(3, 0.0)
    say("epoch 1")
    shown = capsys.readouterr()
    assert not is_listened_to() and not shown.out and not shown.err


def test_a_log_file_has_a_line_per_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bars, "SHOWN_AFTER", 0.05)
    log = io.StringIO()
    with show_progress(log):
        work(500, 1.0)
        say("epoch 1: loss 2.500")
    *tenths, end, said = log.getvalue().splitlines()
    assert 7 <= len(tenths) <= 9, "the first ones come before a stage is shown"
    assert all(line.startswith("encoding texts: ") and " of 500 texts (" in line for line in tenths)
    assert "(90%)" in tenths[-1] and "left" in tenths[0]
    assert end == "encoding texts: 500 texts in 1 s" and said == "epoch 1: loss 2.500"
    assert "\r" not in log.getvalue() and not is_listened_to()

    monkeypatch.setattr(progress_bars, "SHOWN_AFTER", 0.3)
    log = io.StringIO()
    with show_progress(log):
        work(500, 1.0)
    assert len(log.getvalue().splitlines()) < len(tenths), "a quick stage has fewer"


def test_a_short_stage_leaves_no_line() -> None:
    log = io.StringIO()
    with show_progress(log):
        work(20, 0.1)
    assert not log.getvalue()


def test_silence_is_broken_by_the_innermost_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("SHOWN_AFTER", 0.1), ("QUIET", 0.3), ("_TICK", 0.05)):
        monkeypatch.setattr(progress_bars, name, seconds)
    log = io.StringIO()
    with show_progress(log), stage("training", total=10, unit="steps"), stage("saving"):
        time.sleep(1.0)
    lines = log.getvalue().splitlines()
    assert 2 <= lines.count("saving ...") + lines.count("saving: 1 s so far") <= 4
    monkeypatch.setattr(progress_bars, "_BUSY", 0.0)
    log = io.StringIO()
    with show_progress(log), stage("saving"):
        time.sleep(0.6)
    assert log.getvalue().splitlines() == ["saving: 1 s"], "a long stage is checked once per minute"


def test_a_terminal_has_bars_that_end_with_their_stage() -> None:
    terminal = Terminal()
    with show_progress(terminal):
        work(40, 1.2)
        with stage("saving"):
            time.sleep(1.1)
    shown = terminal.getvalue()
    assert "encoding texts" in shown and "40/40" in shown and "saving: 00:01" in shown


def test_an_error_ends_the_stage_and_the_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = ProgressBars(io.StringIO())
    with pytest.raises(KeyError), listening(bars), stage("saving"):
        raise KeyError
    assert not bars._stages and not is_listened_to()
    bars.close()


def test_only_the_first_process_shows_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    log = io.StringIO()
    with show_progress(log):
        assert not is_listened_to()


def test_bars_of_transformers_are_hidden_and_then_as_before(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    config = BertConfig(
        vocab_size=5, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4,
        max_position_embeddings=4,
    )  # fmt: skip
    made = []
    before = logging.set_tqdm_hook(lambda factory, args, kwargs: made.append(kwargs) or factory(*args, **kwargs))
    try:
        with pytest.raises(KeyError), quiet_transformers():
            BertModel(config).save_pretrained(tmp_path / "quiet")
            BertModel.from_pretrained(tmp_path / "quiet")
            raise KeyError
        assert not made and not any(capsys.readouterr()) and (tmp_path / "quiet" / "model.safetensors").is_file()
        BertModel(config).save_pretrained(tmp_path / "shown")
        assert made and "Writing model shards" in capsys.readouterr().err, "the user's own setting"
    finally:
        logging.set_tqdm_hook(before)


def test_the_note_about_the_order_of_checkpoints_is_hidden_and_nothing_else(tmp_path):
    """Two checkpoints of one second are ordered by their steps, with the note and without it."""
    for step in (10, 9):
        (tmp_path / f"checkpoint-{step}").mkdir()
    own, other = python_logging.getLogger("transformers.trainer_utils"), python_logging.Handler()
    heard: list[str] = []
    other.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    own.addHandler(other)
    try:
        with without_mtime_note():
            found = sort_checkpoints(str(tmp_path), use_mtime=True)
            own.warning("another note")
        own.warning("mtime may not be reliable, says another program")
    finally:
        own.removeHandler(other)
    assert [Path(one).name for one in found] == ["checkpoint-9", "checkpoint-10"]
    assert heard == ["another note", "mtime may not be reliable, says another program"]

"""Helpers that run commands as a user does: their output and their errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from xcat_rec.cli.app import main


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The JSON object that a command with `--json` ends with."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    answer: dict[str, Any] = json.loads(shown.out.splitlines()[-1])
    return answer


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """One message with these words and exit code 2, and nothing else."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = capsys.readouterr()
    message = " ".join(shown.err.split())
    assert stop.value.code == 2, message
    assert "Traceback" not in message
    assert not shown.out
    for word in words:
        assert word in message, message

"""The help of `fit` and `bench` lists every option that they take, except --no- forms of switches that are off."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from xcat_rec.cli.suggestions import all_options


@pytest.mark.parametrize(("command", "width"), [("fit", 80), ("bench", 80), ("fit", 120)])
def test_every_option_is_in_the_help(command, width):
    code = "import sys; from xcat_rec.cli.app import app; app([sys.argv[1], '--help'], standalone_mode=False);"
    code += "assert 'torch' not in sys.modules"
    environment = {**os.environ, "COLUMNS": str(width), "TERMINAL_WIDTH": str(width), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, command], capture_output=True, text=True, env=environment, check=True
    )
    assert max(len(line) for line in done.stdout.splitlines()) <= width
    assert "…" not in done.stdout, "names and defaults are shown in full"
    words = set(done.stdout.replace("│", " ").replace(",", " ").replace("/", " ").split())
    missing = [one for one in all_options(command) if one not in words and not one.startswith("--no-")]
    assert not missing
    assert command == "fit" or "[default: (popularity, popularity-recent," in done.stdout
    assert ("--no-card" in words) == (command == "fit") and "--no-resume" not in words
    assert "<str>" not in done.stdout.split("Options ─")[1], "no type column"
    assert "--repeats" in words
    shown = done.stdout
    panels = ("Common fields", "Data and split ─", "Item texts ─", "Interests of users ─", "Model ─", "Training ─")
    places = [shown.index(panel) for panel in panels]
    assert places == sorted(places)
    assert shown.index("--precision") < shown.index("Model (of transformers)") < shown.index("--push-to-hub")

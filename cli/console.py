"""Output of commands: messages go to stderr, results to stdout; with `--json` stdout has the JSON object alone."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from rich.console import Console, ConsoleOptions

from .argument_options import with_options

PLAIN_WIDTH = 80
"""Width in columns when the output is not a terminal."""


class CommandConsole(Console):
    """A console that writes texts unchanged, `PLAIN_WIDTH` columns wide if it is not a terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    @property
    def options(self) -> ConsoleOptions:
        """Rendering options with our width. Rich itself would take the width of another stream's terminal."""
        options = super().options
        return options if self.is_terminal else options.update(max_width=PLAIN_WIDTH)


messages = CommandConsole(stderr=True, quiet=os.environ.get("RANK", "0") != "0")
results = CommandConsole()
_measurements = CommandConsole(quiet=messages.quiet)
prints_json: ContextVar[bool] = ContextVar("prints_json", default=False)
"""Whether the running command prints a JSON object (`--json`)."""


def measurements() -> CommandConsole:
    """Console of tables of metrics: standard output, or standard error where standard output has a JSON object."""
    return messages if prints_json.get() else _measurements


def say(text: str) -> None:
    """Print a message on standard error; arguments in it become options of the running command."""
    messages.print(with_options(text), markup=False, highlight=False)


def print_json(content: Any) -> None:
    """Print one JSON object as the last line of stdout; NaN becomes null."""
    sys.stdout.write(json.dumps(_plain(content), ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

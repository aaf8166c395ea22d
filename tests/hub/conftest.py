"""A hub for each test, and real clients in separate processes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..fresh_processes import run_program
from .server import Hub

BLOCK = """
import importlib.abc as _abc, sys as _sys

class _Block(_abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "xcat_rec":
            raise ImportError("xcat_rec is not installed")

_sys.meta_path.insert(0, _Block())
"""
"""Put before a client's code, it takes the package away."""


COMMANDS = """
import contextlib, io, json, sys
from xcat_rec.cli.app import main

told = []
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as stop:
            told.append([stop.code or 0, out.getvalue(), err.getvalue()])
"""


@dataclass
class Said:
    """Result of a command."""

    code: int
    out: str
    err: str


@dataclass
class Client:
    """A user of the hub with a separate home folder.

    Args:
        hub: The hub they use.
        home: Folder of their cache and settings.
        token: Their token; None for nobody.
    """

    hub: Hub
    home: Path
    token: str | None

    def environment(self, **changes: str) -> dict[str, str]:
        """Environment of the client's processes."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XCAT_"))}
        own = {
            "HF_ENDPOINT": self.hub.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "127.0.0.1",
            "XCAT_CACHE": str(self.home / "text-states"),
        }  # fmt: skip
        return {**kept, **own, **({"HF_TOKEN": self.token} if self.token else {}), **changes}

    def run(
        self, code: str, *arguments: str, package: bool = True, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Python in a fresh process, with or without the package at hand."""
        self.home.mkdir(exist_ok=True)
        program = code if package else BLOCK + code
        return run_program(program, *arguments, environment=self.environment(**changes), folder=self.home)

    def tell(self, code: str, *arguments: str, package: bool = True, **changes: str) -> Any:
        """Run Python that ends well; the JSON on its last line."""
        done = self.run(code, *arguments, package=package, **changes)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    def commands(self, *commands: Sequence[str], before: str = "", **changes: str) -> list[Said]:
        """Run `xcat` commands, one after the other in one process, for beginning takes seconds.

        Args:
            *commands: Arguments of each.
            before: Python to run first.
            **changes: Environment variables.
        """
        told = self.tell(f"{before}{COMMANDS}print(json.dumps(told))", json.dumps(commands), **changes)
        return [Said(*one) for one in told]

    def commands_and(
        self, code: str, *commands: Sequence[str], arguments: Sequence[str] = ()
    ) -> tuple[list[Said], Any]:
        """Run `xcat` commands and then Python in the same process.

        Args:
            code: Python that prints JSON on its last line.
            *commands: Arguments of each command.
            arguments: The code's arguments.

        Returns:
            Results of the commands, and the JSON of the code.
        """
        shown = "print(json.dumps(told))\ndel sys.argv[1]\n"
        done = self.run(COMMANDS + shown + code, json.dumps(commands), *arguments)
        assert done.returncode == 0, done.stderr[-4000:]
        lines = done.stdout.splitlines()
        return [Said(*one) for one in json.loads(lines[0])], json.loads(lines[-1])


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as running:
        yield running


@pytest.fixture
def alice(hub: Hub, tmp_path: Path) -> Client:
    """A user with a token."""
    return Client(hub, tmp_path / "alice", hub.add_user("alice"))


@pytest.fixture
def stranger(hub: Hub, tmp_path: Path) -> Client:
    """Somebody without one."""
    return Client(hub, tmp_path / "stranger", None)

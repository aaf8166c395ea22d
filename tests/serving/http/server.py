"""`xcat serve` in a process of its own, and requests to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from uuid import uuid4


class Server:
    """A running `xcat serve` on a free port of the loopback; `wait` or `kill` ends it.

    Args:
        checkpoint: The checkpoint.
        options: More arguments of the command.
    """

    def __init__(self, checkpoint: Path, *options: str) -> None:
        command = [sys.executable, "-m", "xcat_rec.cli", "serve", str(checkpoint), "--port", "0", "--json", *options]
        self.log = checkpoint.parent / f"log-{uuid4().hex}"
        with self.log.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ}
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the service did not start"
        self.url: str = json.loads(line)["url"]

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and body of the answer; a body makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def log_lines(self) -> list[dict[str, Any]]:
        """The lines of JSON in its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode

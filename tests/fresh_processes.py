"""Python programs in processes of their own, which start in a moment.

A process forked from one that has imported torch, polars, pandas and scikit-learn spares the four seconds that these
imports take. Nothing of Hugging Face and nothing of this package is imported before the fork, so the program has
their settings from its own environment.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_SERVER = """
import atexit, gc, json, os, signal, sys

gc.disable()
import pandas, polars, pyarrow.parquet, sklearn.metrics, torch._dynamo

gc.freeze()  # a program need not look for garbage among these
gc.set_threshold(100_000, 20, 100)  # as of the command line
gc.enable()
assert not {"huggingface_hub", "transformers", "datasets", "xcat_rec"} & {*sys.modules}
_given = os.fdopen(os.dup(0))
_answers = os.fdopen(os.dup(1), "w")
for _line in _given:
    _child = os.fork()
    if not _child:
        break
    _answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(_child, 0)[1])}\\n")
    _answers.flush()
else:
    os._exit(0)
_program = json.loads(_line)
for _number, _name in enumerate((os.devnull, *_program["outputs"])):
    os.dup2(os.open(_name, os.O_RDONLY if not _number else os.O_WRONLY | os.O_CREAT | os.O_TRUNC), _number)
_given.close()
_answers.close()
os.environ.clear()
os.environ.update(_program["environment"])
os.chdir(_program["folder"])
signal.alarm(%d)
sys.argv = ["-c", *_program["arguments"]]
_code = compile(_program["code"], "<string>", "exec")
_status = 0


def _end(flush=(sys.stdout.flush, sys.stderr.flush), end=os._exit):
    for _flush in flush:
        _flush()
    end(_status)


atexit.register(_end)  # as the last of these functions; taking all modules apart would take longer than many programs
for _name in [_name for _name in globals() if not _name.startswith("_")]:
    del globals()[_name]  # the program imports what it uses
try:
    exec(_code)
except SystemExit as _stop:
    _status = _stop.code if isinstance(_stop.code, int) else int(_stop.code is not None)
    raise
except BaseException:
    _status = 1
    raise
"""
SECONDS = 300
"""A program is ended after this time."""


@cache
def _server() -> subprocess.Popen[str]:
    """The process to fork from; it ends when its standard input closes, with this process at the latest."""
    command = [sys.executable, "-c", _SERVER % SECONDS]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.communicate)  # closes the input and waits, so that its CPU time counts as this process's
    return server


def run_program(
    code: str, *arguments: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python as `python -c` does.

    Args:
        code: The program.
        *arguments: Its arguments.
        environment: Its environment variables; None for those of this process.
        folder: Its working folder; None for that of this process.
    """
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    with tempfile.TemporaryDirectory() as place:
        outputs = [Path(place, name) for name in ("out", "err")]
        program = {
            "code": code, "arguments": arguments, "environment": dict(environment or os.environ),
            "folder": str(folder or Path.cwd()),
            "outputs": list(map(str, outputs)),
        }  # fmt: skip
        server.stdin.write(json.dumps(program) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        out, err = (output.read_text(encoding="utf-8") for output in outputs)
    return subprocess.CompletedProcess(["-c", *arguments], status, out, err)

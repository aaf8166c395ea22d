"""A run in a separate process, so that memory and time are measured per run: parent and child side.

Request and result are files in a shared folder. The parent keeps the child's standard input open; if it closes,
because the parent has ended, the child ends too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from ..tokenization.progress import is_listened_to
from .errors import BAD_INPUT, TRACEBACK_VARIABLE, exit_code_of
from .garbage_collection import spare_garbage_collection

if TYPE_CHECKING:
    from .bench_request import BenchRequest, BenchRun

REQUEST, RESULT, USERS, ERROR = "request.json", "result.json", "users.npz", "error.txt"
FAILED = 1
SHOWN = "shown"
"""Argument of a child that shows progress, because its parent does."""


class RunFailedError(RuntimeError):
    """A run failed with an error other than bad input; its process has printed the reason."""


def run_in_process(request: BenchRequest) -> BenchRun:
    """Run a model in a new process.

    Args:
        request: What to run.

    Returns:
        Result that the process wrote.

    Raises:
        ValueError: If the input is bad.
        RunFailedError: If the process failed otherwise, or was killed.
    """
    from .bench_request import BenchRun

    with TemporaryDirectory(prefix="xcat-bench-") as name:
        folder = Path(name)
        (folder / REQUEST).write_text(json.dumps(asdict(request), default=str), encoding="utf-8")
        # -P keeps folders of the working directory, such as datasets/, from shadowing packages.
        command = [sys.executable, "-P", "-m", "xcat_rec.workflows.bench_worker", name]
        command += [SHOWN] * is_listened_to()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
            code = child.wait()
        if code:
            error = folder / ERROR
            what = error.read_text(encoding="utf-8") if error.is_file() else f"its process ended with exit code {code}"
            message = f"{request.model}, seed {request.seed}: {what}"
            raise ValueError(message) if code == BAD_INPUT and error.is_file() else RunFailedError(message)
        with np.load(folder / USERS) as arrays:
            per_user = {key: arrays[key] for key in arrays.files}
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        return BenchRun(result["row"], per_user, tuple(result["notes"]))


def _end_with_parent(folder: Path) -> None:
    """Wait until the parent's end of standard input closes, then exit at once."""
    os.read(0, 1)  # not sys.stdin: its lock would be held when the interpreter ends
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(FAILED)


def main() -> NoReturn:
    """Child process: run the request in the folder of the first argument and write the result there."""
    spare_garbage_collection()
    folder = Path(sys.argv[1])
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    try:
        from ..tokenization.progress import listening, stage
        from ..tokenization.progress_bars import show_progress

        with show_progress() if SHOWN in sys.argv else listening(None):
            with stage("loading libraries"):
                from .bench import run_model
                from .bench_request import BenchRequest, stored_arrays
            request = BenchRequest(**json.loads((folder / REQUEST).read_text(encoding="utf-8")))
            run = run_model(request, folder)
        np.savez(folder / USERS, **stored_arrays(run.per_user))  # type: ignore[arg-type]
        (folder / RESULT).write_text(
            json.dumps({"row": run.row, "notes": run.notes}, allow_nan=False), encoding="utf-8"
        )
    except Exception as error:
        code = exit_code_of(error)
        if code is None or os.environ.get(TRACEBACK_VARIABLE):
            raise
        (folder / ERROR).write_text(str(error).strip() or type(error).__name__, encoding="utf-8")
        sys.exit(code)
    sys.exit(0)


if __name__ == "__main__":
    main()

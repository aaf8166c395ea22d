"""Python programs in fresh processes that do not wait for torch to be imported.

Three quarters of the start of a process that loads a model are imports of torch and of other libraries that have
nothing to do with the hub. A server imports them once, and each program runs in a fork of it: with its own environment
and folder, and without transformers, huggingface_hub and this package, which read the environment when imported.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

SHARED = (
    "torch", "torch.distributed.fsdp", "torch._dynamo", "scipy.optimize", "scipy.stats", "sklearn.metrics", "pandas",
    "polars", "pyarrow.dataset", "pyarrow.parquet", "aiohttp", "httpx2", "rich.markdown", "typer", "yaml",
)  # fmt: skip
"""What the server imports; none of it imports any of `FRESH`."""
FRESH = ("accelerate", "datasets", "huggingface_hub", "peft", "transformers", "xcat_rec")

CHILD = """
import atexit, os, sys
assert not [name for name in fresh if name in sys.modules]
os.environ.clear()
os.environ.update(environment)
os.chdir(folder)
for number, name in ((1, "out"), (2, "err")):
    os.dup2(os.open(os.path.join(written, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
sys.argv = ["-c", *arguments]
try:
    exec(compile(code, "<program>", "exec"), vars(sys.modules["__main__"]))
finally:
    atexit._run_exitfuncs()
"""


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(SHARED))
    return context


def run_program(
    code: str, *arguments: str, folder: Path, environment: Mapping[str, str] = os.environ, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run Python code as `python -c` does.

    Args:
        code: The program.
        *arguments: What it finds in `sys.argv` after the first.
        folder: Working folder.
        environment: All environment variables it has.
        timeout: Seconds after which it is killed.

    Raises:
        subprocess.TimeoutExpired: If it was killed for that.
    """
    with tempfile.TemporaryDirectory(prefix="xcat-program-") as written:
        given = {
            "code": code, "arguments": arguments, "folder": str(folder), "environment": dict(environment),
            "fresh": FRESH, "written": written,
        }  # fmt: skip
        process = _server().Process(target=exec, args=(CHILD, given))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(code, timeout)
        out, err = ((Path(written) / name).read_text() for name in ("out", "err"))
    return subprocess.CompletedProcess([*arguments], process.exitcode, out, err)

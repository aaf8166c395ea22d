"""Give changed inputs to every parser of files and texts: each is read, or refused with a documented error.

    python benchmarks/parser_fuzz.py --seconds 60 --output FOLDER
    python benchmarks/parser_fuzz.py --parser "event times" --seconds 600 --seed 1

A documented error is one that `xcat` reports with exit code 2 (or 1 for the disk), that the package itself raises, and
whose message names the file, the column or the argument. Everything else is a crash: other errors, more than ten
seconds, more than a gigabyte of new memory, and the end of the process. Each parser has `--seconds` of
CPU time, in another process. Inputs that crash are kept in the folder. The exit code is 1 after a crash.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any

os.environ.update({"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})

import xcat_rec
from xcat_rec.workflows.errors import exit_code_of

LONGEST, MOST_MEMORY = 10.0, 1 << 30
RESULT = "result of a parser: "
KEPT = 20
"""Different crashes of a parser that are kept."""
PACKAGE = Path(xcat_rec.__file__).resolve().parent
OUTSIDE = {PACKAGE / "benchmarks", PACKAGE / ".venv"}


def fault_of(error: BaseException, mentions: Sequence[str]) -> str | None:
    """What is wrong with an error; None for a documented one.

    Args:
        error: The error of a parser.
        mentions: Texts of which the message should have one; none for any message.
    """
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = Path(last.filename).resolve()
    inside = place.is_relative_to(PACKAGE) and not any(place.is_relative_to(folder) for folder in OUTSIDE)
    where = f"{place.relative_to(PACKAGE) if inside else '/'.join(place.parts[-3:])}:{last.name}"
    if not isinstance(error, Exception) or exit_code_of(error) is None:
        return f"{type(error).__name__} in {where}"
    message = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return None  # the message has the file name from the system
    if not inside:
        return f"{type(error).__name__} of a library in {where}"
    if mentions and not any(word in message.lower() for word in map(str.lower, mentions)):
        return f"{type(error).__name__} without a place in {where}: {message[:80]}"
    return None


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def crash_of(parser: Any, folder: Path, content: bytes) -> tuple[str | None, bool, str]:
    """Read one input: the crash if there is one, whether it was read, and the traceback."""
    place, before, begin = folder / "input", _memory(), time.process_time()
    shutil.rmtree(place, ignore_errors=True)  # of a process that ended
    place.mkdir()
    try:
        parser.read(place, content)
        fault, read, told = None, True, ""
    except KeyboardInterrupt:
        raise
    except parser.errors:
        fault, read, told = None, False, traceback.format_exc()
    except BaseException as error:
        fault, read, told = fault_of(error, parser.mentions), False, traceback.format_exc()
    if fault is None and time.process_time() - begin > LONGEST:
        fault = f"more than {LONGEST:g} s"
    if fault is None and _memory() - before > MOST_MEMORY:
        fault = "more than a gigabyte"
    shutil.rmtree(place, ignore_errors=True)
    return fault, read, told


def inputs(parser: Any, seed: int) -> Iterator[bytes]:
    """The valid inputs, then changed ones without end."""
    draw = random.Random(f"{parser.name} {seed}")
    yield from parser.seeds
    while True:
        yield parser.changed(draw.choice(parser.seeds), parser.seeds, draw)


def fuzz(parser: Any, folder: Path, seconds: float, seed: int, most: int | None = None) -> dict[str, Any]:
    """Give inputs to a parser for some CPU time.

    Args:
        parser: The parser.
        folder: Folder for its files; the current input is there as `current`, in case the process ends.
        seconds: CPU time.
        seed: Seed of the changes.
        most: Largest number of inputs.

    Returns:
        Number of inputs, of read inputs and of documented errors, and the crashes, each with an input.
    """
    begin = time.process_time()
    found: dict[str, Any] = {"parser": parser.name, "inputs": 0, "read": 0, "documented": 0}
    crashes: dict[str, dict[str, Any]] = {}
    for number, content in enumerate(inputs(parser, seed)):
        if time.process_time() - begin > seconds or number == most:
            break
        found["cpu_seconds"] = round(time.process_time() - begin, 1)
        (folder / "done").write_text(json.dumps(found))
        (folder / "current").write_bytes(content)
        fault, read, told = crash_of(parser, folder, content)
        valid = number < len(parser.seeds) and not read
        fault = f"a valid input is refused: {told[-300:]}" if valid and fault is None else fault
        found["inputs"] += 1
        found["read"] += read and fault is None
        found["documented"] += not read and fault is None
        if fault is not None and (one := crashes.setdefault(fault, {"times": 0, "input": ""})):
            one["times"] += 1
            if not one["input"] and len(crashes) <= KEPT:
                name = f"crash-{parser.name.replace(' ', '-')}-{len(crashes)}"
                (folder / name).write_bytes(content)
                (folder / f"{name}.txt").write_text(told, errors="backslashreplace")
                one["input"] = name
        if number % 200 == 199:
            gc.collect()
    return {**found, "cpu_seconds": round(time.process_time() - begin, 1), "crashes": crashes}


@dataclass
class Work:
    """What is left to do for a parser.

    Args:
        name: The parser.
        seconds: CPU time that is left.
        seed: Seed of the changes.
        ended: Processes that ended while they read an input of it.
    """

    name: str
    seconds: float
    seed: int
    ended: int = 0


def run_all(work: list[Work], folder: Path) -> Iterator[dict[str, Any]]:
    """Fuzz parsers in another process, which starts again after the input that ended it.

    Args:
        work: The parsers.
        folder: Folder for the inputs.
    """
    while work:
        told = [[one.name, one.seconds, one.seed] for one in work]
        command = [sys.executable, __file__, "--inside", str(folder), "--work", json.dumps(told)]
        with (folder / "log").open("a") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        watch = Thread(target=_end_when_hung, args=(process, folder), daemon=True)
        watch.start()
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(RESULT):  # libraries print, too
                work.pop(0)
                yield json.loads(line.removeprefix(RESULT))
        process.wait()
        if work and not (folder / "current").is_file():
            raise RuntimeError(f"the process ended with {process.returncode} before an input; see {folder / 'log'}")
        if work:
            yield _ended(work, folder, process.returncode)


def _ended(work: list[Work], folder: Path, code: int) -> dict[str, Any]:
    """The result of a parser whose process ended; it is tried again with the time that is left."""
    one, done = work[0], json.loads((folder / "done").read_text())
    name = f"ended-{one.name.replace(' ', '-')}-{one.ended}"
    (folder / "current").replace(folder / name)
    left = replace(one, seconds=one.seconds - done["cpu_seconds"], seed=one.seed + 1_000, ended=one.ended + 1)
    work[:1] = [left] if left.seconds > 0 and left.ended < KEPT else []
    return {**done, "crashes": {f"the process ended with {code}": {"times": 1, "input": name}}}


def _end_when_hung(process: subprocess.Popen[str], folder: Path) -> None:
    """End a process that has spent too much CPU time on one input."""
    last, since = "", 0.0
    while process.poll() is None:
        time.sleep(1)
        done = folder / "done"
        now, used = (done.read_text() if done.is_file() else ""), _cpu_of(process.pid)
        if now != last:
            last, since = now, used
        elif now and used - since > 3 * LONGEST:
            process.kill()


def _cpu_of(process: int) -> float:
    """CPU seconds of a process; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print one line per parser and one with the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parser", action="append", help="a name, or a part of it; all by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU time per parser")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="folder for inputs that crash")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    from fuzzed_parsers import parsers

    folder = given.inside or given.output or Path(tempfile.mkdtemp(prefix="xcat-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    known = parsers(folder)
    if given.inside is not None:
        for name, seconds, seed in json.loads(given.work):
            print(RESULT + json.dumps(fuzz(known[name], folder, seconds, seed), ensure_ascii=False), flush=True)
        return
    chosen = [name for name in known if not given.parser or any(part in name for part in given.parser)]
    (folder / "current").unlink(missing_ok=True)
    results = []
    for one in run_all([Work(name, given.seconds, given.seed) for name in chosen], folder):
        results.append(one)
        print(json.dumps(one, ensure_ascii=False), flush=True)
    sums = {key: sum(one[key] for one in results) for key in ("inputs", "read", "documented", "cpu_seconds")}
    crashed = sum(len(one["crashes"]) for one in results)
    print(json.dumps({"parsers": len(chosen), **sums, "crashes": crashed, "seed": given.seed}))
    sys.exit(crashed > 0)


if __name__ == "__main__":
    main()

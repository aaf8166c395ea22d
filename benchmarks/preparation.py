"""Time and memory of preparing a generated events table, out of core.

    python benchmarks/preparation.py FOLDER --events 5000000 --users 250000 --items 50000 --json

The events are drawn with numpy in chunks and written as parquet under FOLDER, prepared there, and deleted. `--check`
prepares them again with two processes and on a two-node Ray cluster, and compares the rows. `--pandas` and
`--peer-python PYTHON` (with RecTools) measure the first step of other libraries on the same events: a pandas sort and
groupby to lists, and RecTools' `Dataset.construct`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

CHUNK = 2_000_000
START, SPAN = 1_600_000_000, 2 * 365 * 86_400
PREPARE = """
import json, resource, sys, time
from pathlib import Path
from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.out_of_core.prepare import PrepareOptions, prepare_tables

def main():
    data, output, num_proc, engine = sys.argv[1:]
    start = time.perf_counter()
    if engine == "ray":
        import ray
        from ray.cluster_utils import Cluster
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        nodes.add_node(num_cpus=1)
        ray.init(address=nodes.address, log_to_driver=False)
        start = time.perf_counter()
    found = prepare_tables(
        PreparationInputs(data), Path(output), PrepareOptions(), num_proc=int(num_proc), engine=engine
    )
    seconds = time.perf_counter() - start
    if engine == "ray":
        ray.shutdown()
        nodes.shutdown()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({
        "seconds": seconds, "cpu_seconds": sum(one.ru_utime + one.ru_stime for one in used),
        "peak_gb": used[0].ru_maxrss / 2**20, "peak_gb_of_a_child": used[1].ru_maxrss / 2**20,
        "rows": found.manifest["rows"],
    }))

if __name__ == "__main__":
    main()
"""
PANDAS = """
import json, resource, sys, time
import pandas as pd

start = time.perf_counter()
events = pd.read_parquet(sys.argv[1]).sort_values(["user_id", "timestamp"], kind="stable")
lists = events.groupby("user_id", sort=False)[["item_id", "timestamp"]].agg(list)
seconds, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime, "users": len(lists),
                  "peak_gb": used.ru_maxrss / 2**20}))
"""


def generate(folder: Path, events: int, users: int, items: int, seed: int = 0) -> None:
    """A catalogue, and events in order of time whose items and users have long-tailed frequencies."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    names = pl.Series("item_id", np.arange(items))
    pl.DataFrame({
        "item_id": names, "title": "item " + names.cast(pl.String), "category": (names % 997).cast(pl.String),
    }).write_parquet(folder / "items.parquet")  # fmt: skip
    (folder / "events").mkdir()
    for number, start in enumerate(range(0, events, CHUNK)):
        rows = min(CHUNK, events - start)
        times = START + (SPAN * (start + np.sort(generator.random(rows)) * rows) / events).astype(np.int64)
        pl.DataFrame({
            "user_id": (users * generator.random(rows) ** 1.5).astype(np.int64),
            "item_id": (items * generator.random(rows) ** 3).astype(np.int64),
            "timestamp": times,
        }).write_parquet(folder / "events" / f"{number:05d}.parquet")  # fmt: skip


def rows_hash(folder: Path) -> str:
    """Hash of the rows of all splits, in any order."""
    total = 0
    for name in ("train", "validation", "test"):
        for path in sorted((folder / name).glob("*.parquet")):
            shard = pl.read_parquet(path)
            lists = [pl.col(c).list.eval(pl.element().cast(pl.String)).list.join(",") for c in shard.columns[1:]]
            plain = shard.select("user_id", *lists, split=pl.lit(name))
            total = (total + sum(plain.hash_rows(seed=5).to_list())) % 2**64
    return f"{total:016x}"


def run(python: str, script: str, *arguments: str) -> dict[str, Any]:
    """Run a script in its own process, to measure its own peak memory; raises an error if it fails."""
    done = subprocess.run([python, "-c", script, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.returncode, "message": done.stderr[-500:]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def prepare(folder: Path, name: str, num_proc: int, engine: str = "local") -> dict[str, Any]:
    """Prepare the events; spawned processes need a script in a file."""
    script = folder / "prepare.py"
    script.write_text(PREPARE)
    call = [sys.executable, str(script), str(folder / "log"), str(folder / name), str(num_proc), engine]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    """Generate, measure, print, delete."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder for the events and the result, which must not exist")
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--users", type=int, default=250_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--num-proc", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="compare with two processes and with two Ray nodes")
    parser.add_argument("--pandas", action="store_true", help="measure a pandas groupby of the same events")
    parser.add_argument("--peer-python", help="Python with RecTools")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.folder.exists():
        parser.error(f"{options.folder} exists; give a new folder")
    try:
        generate(options.folder / "log", options.events, options.users, options.items)
        result: dict[str, Any] = {"events": options.events, "users": options.users, "items": options.items}
        result["xcat"] = prepare(options.folder, "prepared", options.num_proc)
        result["events_per_second"] = options.events / result["xcat"]["seconds"]
        if options.check:
            result["two_processes"] = prepare(options.folder, "two", 2)
            result["ray"] = prepare(options.folder, "ray", 2, "ray")
            hashes = {name: rows_hash(options.folder / name) for name in ("prepared", "two", "ray")}
            result["hashes"] = hashes
            result["identical"] = len(set(hashes.values())) == 1
        log = str(options.folder / "log" / "events")
        if options.pandas:
            result["pandas"] = run(sys.executable, PANDAS, log)
        if options.peer_python:
            script = (Path(__file__).parent / "peers" / "rectools_dataset.py").read_text()
            result["rectools"] = run(options.peer_python, script, log)
        for name in ("pandas", "rectools"):
            # Of processor time, which other processes on the machine disturb less.
            if "cpu_seconds" in result.get(name, {}):
                result[f"{name}_ratio"] = result[name]["cpu_seconds"] / result["xcat"]["cpu_seconds"]
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)
    for name, value in result.items():
        print(f"{name}: {value}")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()

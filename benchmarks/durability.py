"""What `xcat serve` keeps and shows, under load, kills, exchanged checkpoints, and a store that is gone.

    python benchmarks/durability.py CKPT --checks reads,exclusions,items,kills,starts,swaps,store --json

* reads: an event is in the next list of its user
* exclusions: lists have no item that was bought, hidden or deleted
* items: a posted item is in the next list
* kills: the process is killed under load; no acknowledged event is lost or doubled
* starts: seconds until a killed service is ready again, with a full store and with an empty one, in turn
* swaps: checkpoints are exchanged under load; each list is that of the checkpoint that it names
* store: the file of the store is moved away, and the disk is full; then both are as before

`--scale 0.01` is a hundredth of each.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from machine import machine_line

from xcat_rec import XCatClient, XCatRecommender
from xcat_rec.checkpoints.fingerprint import model_fingerprint
from xcat_rec.checkpoints.load import load_base
from xcat_rec.ranking.sessions.events import SessionEvent, read_event
from xcat_rec.serving.client import RequestFailedError
from xcat_rec.serving.state.sqlite_log import SQLiteLog

THREADS, EACH = 4, 20
"""Clients at a time, and events per user of `reads`."""
STORED = 1_000_000
"""Events in the store before the kills."""


class Service:
    """A running `xcat serve` on a free port.

    Args:
        checkpoint: The checkpoint.
        store: File of its store.
    """

    def __init__(self, checkpoint: str, store: Path) -> None:
        command = [sys.executable, "-m", "xcat_rec.cli", "serve", checkpoint, "--port", "0", "--json"]
        begin = time.perf_counter()
        with Path(f"{store}.log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--store", f"sqlite:///{store}"], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.client = XCatClient(self.url, timeout=60)
        assert self.client.is_ready()
        self.seconds = time.perf_counter() - begin

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def served(checkpoint: str) -> Iterator[tuple[Service, Path]]:
    """A service with a new store, and the store's file."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "state.db")
        service = Service(checkpoint, store)
        try:
            yield service, store
        finally:
            service.kill()


def in_threads(work: Callable[[int], int], count: int = THREADS) -> int:
    """Sum of the results of threads; an error in a thread is raised."""
    found: list[int] = []
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            found.append(work(number))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(found)


def check_reads(checkpoint: str, count: int) -> dict[str, Any]:
    """Post the first item of a user's list as bought; the next list must not have it, and the export must."""
    with served(checkpoint) as (service, _):

        def work(number: int) -> int:
            wrong, first = 0, ""
            for step in range(-(-count // THREADS)):
                user = f"u{number}-{step // EACH}"
                if step % EACH == 0:
                    first = service.client.recommend(user, k=1, explain=False, log=False)[0].item_id
                service.client.add_event(user, first)
                again = service.client.recommend(user, k=10, explain=False, log=False)
                wrong += first in again.item_ids or again.basis != "history"
                first = again[0].item_id
            return wrong

        return {"events": -(-count // THREADS) * THREADS, "violations": in_threads(work)}


def check_exclusions(checkpoint: str, count: int) -> dict[str, Any]:
    """Count items that were bought, hidden or deleted among the items shown."""
    items = XCatRecommender.from_pretrained(checkpoint).vocabulary.column("item_id").to_pylist()
    k = min(50, len(items) // 2)
    gone = random.Random(0).sample(items, max(1, len(items) // 20))
    with served(checkpoint) as (service, _):
        for item in gone:
            service.client.delete_item(item)
        shown = [0] * THREADS

        def work(number: int) -> int:
            draw, wrong, step = random.Random(number), 0, 0
            while shown[number] < count / THREADS:
                user, out = f"u{number}-{step}", set(gone)
                step += 1
                for _ in range(5):
                    had, hidden = draw.choice(items), draw.choice(items)
                    both = [{"item_id": had}, {"item_id": hidden, "event_type": "hide"}]
                    service.client.add_events([{"user_id": user, **one} for one in both])
                    out |= {had, hidden}
                    found = service.client.recommend(user, k=k, explain=False, log=False).item_ids
                    wrong += len(out & set(found))
                    shown[number] += len(found)
            return wrong

        wrong = in_threads(work)
        return {"items_shown": sum(shown), "deleted_items": len(gone), "violations": wrong}


def check_items(checkpoint: str, count: int) -> dict[str, Any]:
    """Post items; each must be in the next list with a filter for it, and have similar items."""
    recommender = XCatRecommender.from_pretrained(checkpoint)
    first = recommender.vocabulary.values(2, ["item_id", "title", "category", "brand"])
    with served(checkpoint) as (service, _):
        missing = 0
        for number in range(count):
            name = f"posted-{number}"
            service.client.add_items([{**first, "item_id": name, "title": f"{first.get('title')} {number}"}])
            found = service.client.recommend(history=[first["item_id"]], filters=[f"item_id={name}"], log=False)
            missing += found.item_ids != [name] or not len(service.client.similar(name, 3))
        return {"items": count, "violations": missing}


def fill(store: Path, count: int, items: list[str]) -> None:
    """Write events of many users into a store, as the service does, in one transaction."""
    SQLiteLog(store).close()
    draw, base = random.Random(1), sqlite3.connect(store)

    def rows() -> Iterator[tuple[Any, ...]]:
        for number in range(count):
            user, time_of = f"stored-{number // 50}", 1_700_000_000 + number
            event, key = read_event(SessionEvent(draw.choice(items), time_of), 0)
            yield (user, key, float(time_of), event.item_id, time_of)

    with base:
        base.executemany(
            "INSERT INTO events (user, key, received, item, timestamp, type, text, event_id) "
            "VALUES (?, ?, ?, ?, ?, '', '', '')",
            rows(),
        )
    base.close()


def check_kills(checkpoint: str, kills: int, stored: int = STORED, each: int = 40) -> dict[str, Any]:
    """Kill the process while threads post; acknowledged events must be there once. Also the seconds to a start."""
    items = XCatRecommender.from_pretrained(checkpoint).vocabulary.column("item_id").to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        empty = Service(checkpoint, Path(folder, "empty.db"))
        empty.kill()
        store, acknowledged = Path(folder, "state.db"), list[str]()
        fill(store, stored, items)
        seconds = []
        for kill in range(kills):
            service, before = Service(checkpoint, store), len(acknowledged)
            seconds.append(service.seconds)

            def post(number: int, service: Service = service, kill: int = kill) -> None:
                client = XCatClient(service.url, retries=0)
                for step in range(1_000_000):
                    name = f"{kill}-{number}-{step}"
                    try:
                        client.add_event(
                            f"u{number}", items[step % len(items)], event_id=name, timestamp=1_700_000_000
                        )
                    except ConnectionError:
                        return
                    acknowledged.append(name)

            threads = [threading.Thread(target=post, args=(number,)) for number in range(THREADS)]
            for thread in threads:
                thread.start()
            while len(acknowledged) < before + each:
                assert all(thread.is_alive() for thread in threads)
                time.sleep(0.005)
            service.kill()
            for thread in threads:
                thread.join()
        with sqlite3.connect(store) as base:
            found = [name for (name,) in base.execute("SELECT event_id FROM events WHERE event_id != ''")]
            total = base.execute("SELECT count(*) FROM events").fetchone()[0]
        return {
            "kills": kills, "acknowledged": len(acknowledged), "lost": len(set(acknowledged) - set(found)),
            "doubled": len(found) - len(set(found)), "stored_lost": stored - (total - len(found)),
            "stored_events": stored, "seconds_to_ready": round(sorted(seconds)[len(seconds) // 2], 2),
            "seconds_to_ready_worst": round(max(seconds), 2), "seconds_with_empty_store": round(empty.seconds, 2),
        }  # fmt: skip


def processor_seconds(process: int) -> float:
    """Processor time of a running process (Linux), in all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check_starts(checkpoint: str, starts: int, stored: int = STORED) -> dict[str, Any]:
    """Kill a service that has just stored an event, and start it again, with a full store and with an empty one."""
    items = XCatRecommender.from_pretrained(checkpoint).vocabulary.column("item_id").to_pylist()
    seconds: dict[str, list[float]] = {"full": [], "empty": []}
    used: dict[str, list[float]] = {"full": [], "empty": []}
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder, "full.db"), stored, items)
        for _ in range(starts + 1):  # the first start of each reads the files of the packages
            for kind in seconds:
                service = Service(checkpoint, Path(folder, f"{kind}.db"))
                seconds[kind].append(service.seconds)
                used[kind].append(processor_seconds(service.process.pid))
                service.client.add_event("u", items[0])
                service.kill()
    found: dict[str, Any] = {"starts": starts, "stored_events": stored}
    for kind in seconds:
        for name, values in (("seconds_to_ready", seconds[kind][1:]), ("processor_seconds", used[kind][1:])):
            found[f"{name}_{kind}"] = round(sorted(values)[len(values) // 2], 2)
            found[f"{name}_{kind}_worst"] = round(max(values), 2)
    return found


def other_weights(checkpoint: str, folder: Path) -> str:
    """A copy of a checkpoint whose id embeddings are other ones."""
    model, processor = load_base(checkpoint)
    table = model.model.items.id_embeddings.weight
    with torch.no_grad():
        table.copy_(table[torch.randperm(len(table), generator=torch.Generator().manual_seed(0))])
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def check_swaps(checkpoint: str, swaps: int, histories: int = 40) -> dict[str, Any]:
    """Exchange two checkpoints under load; each list must be that of the checkpoint that it names."""
    with tempfile.TemporaryDirectory() as folder:
        both = [checkpoint, other_weights(checkpoint, Path(folder, "other"))]
        loaded = [XCatRecommender.from_pretrained(one) for one in both]
        items, draw = loaded[0].vocabulary.column("item_id").to_pylist(), random.Random(3)
        asked = [draw.choices(items, k=5) for _ in range(histories)]
        lists = {
            model_fingerprint(one.model): [
                [item.item_id for item in one.recommend(history, 10, explain=False)] for history in asked
            ]
            for one in loaded
        }
        del loaded
        ended = threading.Event()
        with served(checkpoint) as (service, _):
            counts = {"answers": 0, "failed": 0, "mixed": 0}
            named: set[str] = set()

            def ask(number: int) -> int:
                client, draw = XCatClient(service.url, retries=0, timeout=60), random.Random(number)
                while not ended.is_set():
                    place = draw.randrange(histories)
                    try:
                        found = client.recommend(history=asked[place], k=10, explain=False, log=False)
                    except (RequestFailedError, ConnectionError):
                        counts["failed"] += 1
                        continue
                    counts["answers"] += 1
                    named.add(found.checkpoint)
                    counts["mixed"] += found.item_ids != lists[found.checkpoint][place]
                return 0

            loading = threading.Thread(target=in_threads, args=(ask,))
            loading.start()
            try:
                for number in range(swaps):
                    service.client.load_checkpoint(both[(number + 1) % 2])
            finally:
                ended.set()
                loading.join()
            return {"swaps": swaps, **counts, "checkpoints": len(named)}


FRESH = 0.6
"""Seconds after which `/health/ready` writes again; within half a second it answers as before."""


def check_store(checkpoint: str, count: int = 3) -> dict[str, Any]:
    """Take the store away and fill the disk, some times; events must be refused clearly, and accepted afterwards."""
    told: set[str] = set()
    lost = 0
    with served(checkpoint) as (service, store):
        client = XCatClient(service.url, retries=0, timeout=60)

        def refused() -> bool:
            try:
                client.add_event("u", "1", event_id=uuid4().hex, text="x" * 15_000)
            except RequestFailedError as error:
                told.add(f"{error.status}: {error.message.replace(str(store.parent), '...')}")
                return True
            return False

        for number in range(count):
            client.add_event("u", "1", event_id=f"before-{number}")
            store.rename(f"{store}.moved")
            time.sleep(FRESH)
            assert refused() and not client.is_ready()
            Path(f"{store}.moved").rename(store)
            assert client.is_ready() and client.add_event("u", "1", event_id=f"moved-{number}").accepted == 1
            wal = Path(f"{store}-wal")
            used = max(os.path.getsize(file) for file in (store, wal) if file.exists())
            resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (used, resource.RLIM_INFINITY))
            assert any(refused() for _ in range(400)), "the limit had no effect"
            unlimited = resource.RLIM_INFINITY, resource.RLIM_INFINITY
            resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, unlimited)
            assert client.add_event("u", "1", event_id=f"full-{number}").accepted == 1
        names = {event["event_id"] for event in (client.user("u") or {"events": []})["events"]}
        wanted = {f"{when}-{number}" for when in ("before", "moved", "full") for number in range(count)}
        lost = len(wanted - names)
    return {"times": count, "errors": sorted(told), "lost": lost, "restarts": 0}


CHECKS: dict[str, Callable[[str, float], dict[str, Any]]] = {
    "reads": lambda checkpoint, scale: check_reads(checkpoint, round(10_000 * scale)),
    "exclusions": lambda checkpoint, scale: check_exclusions(checkpoint, round(100_000 * scale)),
    "items": lambda checkpoint, scale: check_items(checkpoint, max(1, round(100 * scale))),
    "kills": lambda checkpoint, scale: check_kills(checkpoint, max(2, round(20 * scale)), round(STORED * scale)),
    "starts": lambda checkpoint, scale: check_starts(checkpoint, max(2, round(10 * scale)), round(STORED * scale)),
    "swaps": lambda checkpoint, scale: check_swaps(checkpoint, max(2, round(20 * scale))),
    "store": lambda checkpoint, scale: check_store(checkpoint, max(1, round(3 * scale))),
}


def main() -> None:
    """Check and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--checks", default=",".join(CHECKS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    print(machine_line() + "\n")
    found = {}
    for name in options.checks.split(","):
        begin = time.perf_counter()
        found[name] = CHECKS[name](options.checkpoint, options.scale)
        found[name]["seconds"] = round(time.perf_counter() - begin, 1)
        print(f"{name}: {found[name]}", flush=True)
    if options.json:
        print(json.dumps({"checks": found, "machine": machine_line()}))


if __name__ == "__main__":
    main()

"""Latency and throughput of `xcat serve`: a mix of requests from some clients, in a process of its own.

    python benchmarks/serving.py CKPT --items 100000 --clients 1,8,32 --overload --seconds 60 --json
    python benchmarks/serving.py CKPT --items 1000000 --clients 8 --seconds 20

Users have histories of 50 random items. 70 % of the requests are lists (without reasons unless --reasons), 25 %
events, and 5 % queries (lists instead, for a model that reads none). Closed loop: a client sends its next request when
it has the answer. Overload: requests arrive at five times the rate that the clients reached, whatever the answers, and
`/health/live` is asked all the time. With --items the catalogue is enlarged (`large_checkpoint.py`).

The naive row is a service that computes one request at a time, for clients that send the whole history with each
request, so it is encoded again. It has eight clients, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from large_checkpoint import save_large
from machine import machine_line

from xcat_rec.tokenization.vocabulary import ItemVocabulary

EVENTS = 50
USERS = 200
SEED = 0
QUERY_WORDS = 4
"""Words of a query: the first ones of the title of an item."""
WARMING = 2.0
"""Seconds of requests before the first measurement."""


class Connection:
    """A connection that is kept open."""

    def __init__(self, host: str, port: int) -> None:
        self.place = host, port
        self.streams: Any = None

    async def ask(self, path: str, body: bytes = b"") -> tuple[int, dict[str, str]]:
        """Status and headers of the answer; its body is read and dropped. Without a body it is a GET."""
        if self.streams is None:
            self.streams = await asyncio.open_connection(*self.place)
        reader, writer = self.streams
        head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        await reader.readexactly(int(headers.get("content-length", 0)))
        return int(lines[0].split()[1]), headers


class Requests:
    """Random requests of the mix; `naive` ones have the history of the user, not the id."""

    def __init__(self, items: list[str], titles: list[str], reasons: bool, seed: int, naive: bool = False) -> None:
        self.random, self.items, self.titles = random.Random(seed), items, titles
        self.reasons, self.naive = reasons, naive

    def next(self) -> tuple[str, bytes]:
        """Path and body."""
        user, kind = f"user-{self.random.randrange(USERS)}", self.random.random()
        if kind < 0.25:
            return "/events", _json({"user_id": user, "item_id": self.random.choice(self.items)})
        who = {"history": self.random.choices(self.items, k=EVENTS)} if self.naive else {"user_id": user}
        body: dict[str, Any] = {**who, "k": 10, "explain": self.reasons}
        if kind < 0.30 and self.titles:
            words = self.random.choice(self.titles).split()
            return "/query", _json({**body, "query": " ".join(words[:QUERY_WORDS])})
        return "/recommend", _json(body)


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


def cpu_seconds(process: int) -> float:
    """Processor time of a process so far; NaN where the system has no /proc."""
    file = Path(f"/proc/{process}/stat")
    if not file.is_file():
        return float("nan")
    fields = file.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def closed_loop(place: tuple[str, int], make: Callable[[int], Requests], clients: int, seconds: float) -> Any:
    """Latencies in ms and counts of statuses."""
    taken: list[float] = []
    statuses: Counter[int] = Counter()
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        connection, requests = Connection(*place), make(number)
        while time.perf_counter() < end:
            path, body = requests.next()
            start = time.perf_counter()
            status, _ = await connection.ask(path, body)
            taken.append(1000 * (time.perf_counter() - start))
            statuses[status] += 1

    await asyncio.gather(*(client(number) for number in range(clients)))
    return taken, statuses


async def open_loop(place: tuple[str, int], make: Callable[[int], Requests], rate: float, seconds: float) -> Any:
    """Requests at a fixed rate: latencies of accepted ones, refused ones and health, and statuses."""
    accepted, refused, health = list[float](), list[float](), list[float]()
    statuses: Counter[int] = Counter()
    requests, running = make(0), set[asyncio.Task[None]]()
    free = [Connection(*place) for _ in range(512)]

    async def one(connection: Connection) -> None:
        path, body = requests.next()
        start = time.perf_counter()
        status, headers = await connection.ask(path, body)
        (accepted if status == 200 else refused).append(1000 * (time.perf_counter() - start))
        statuses[status] += 1
        assert status == 200 or "retry-after" in headers
        free.append(connection)

    async def look() -> None:
        connection = Connection(*place)
        while True:
            start = time.perf_counter()
            status, _ = await connection.ask("/health/live")
            health.append(1000 * (time.perf_counter() - start))
            assert status == 200
            await asyncio.sleep(0.02)

    looking = asyncio.create_task(look())
    begin, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - begin) < seconds:
        while sent < now * rate and free:
            task = asyncio.create_task(one(free.pop()))
            running.add(task)
            task.add_done_callback(running.discard)
            sent += 1
        await asyncio.sleep(0.001)
    looking.cancel()
    await asyncio.gather(*running)
    return accepted, refused, health, statuses


def row(name: str, taken: list[float], statuses: Counter[int], seconds: float) -> dict[str, Any]:
    """One row of the table."""
    middle, high = np.quantile(taken, [0.5, 0.99]) if taken else (float("nan"), float("nan"))
    return {
        "name": name, "requests_per_second": len(taken) / seconds, "p50_ms": float(middle), "p99_ms": float(high),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
    }  # fmt: skip


async def run(
    place: tuple[str, int], process: int, options: argparse.Namespace, make: Callable[[int], Requests]
) -> list[Any]:
    """All rows of one service."""
    filling, connection = make(-1), Connection(*place)
    for user in range(USERS):
        events = [{"user_id": f"user-{user}", "item_id": filling.random.choice(filling.items)} for _ in range(EVENTS)]
        for start in range(0, EVENTS, 25):
            await connection.ask("/events", _json({"events": events[start : start + 25]}))
    rows = []
    await closed_loop(place, make, 8, WARMING)
    for clients in map(int, options.clients.split(",")):
        before = cpu_seconds(process)
        taken, statuses = await closed_loop(place, make, clients, options.closed_seconds)
        rows.append(row(f"{clients} clients", taken, statuses, options.closed_seconds))
        rows[-1]["cpu_ms"] = 1000 * (cpu_seconds(process) - before) / max(1, len(taken))
    if options.overload:
        capacity = max(one["requests_per_second"] for one in rows)
        accepted, refused, health, statuses = await open_loop(place, make, 5 * capacity, options.seconds)
        rows.append(row("overload, accepted", accepted, statuses, options.seconds))
        rows.append(row("overload, refused", refused, statuses, options.seconds))
        rows.append(row("overload, health", health, Counter({200: len(health)}), options.seconds))
    return rows


def measured(checkpoint: str, options: argparse.Namespace, make: Callable[[int], Requests], *given: str) -> list[Any]:
    """The rows of a service in a process of its own, with more options of `xcat serve`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "xcat_rec.cli", "serve", checkpoint, "--port", "0", "--json", *given]
        command += ["--store", f"sqlite:///{folder}/state.db"]
        with Path(folder, "log").open("w") as log:
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert server.stdout is not None
        host, port = json.loads(server.stdout.readline())["url"].removeprefix("http://").split(":")
        try:
            return asyncio.run(run((host, int(port)), server.pid, options, make))
        finally:
            server.terminate()
            server.wait()


def all_rows(options: argparse.Namespace, checkpoint: str) -> list[Any]:
    """The rows of the service and of the naive one."""
    vocabulary = ItemVocabulary.load(checkpoint)
    items = vocabulary.column("item_id").to_pylist()
    named = vocabulary.column("title").to_pylist() if "title" in vocabulary.table.column_names else []
    reads = json.loads(Path(checkpoint, "config.json").read_text()).get("ask_length")
    titles = [title for title in named if title and reads]

    def make(number: int, naive: bool = False) -> Requests:
        return Requests(items, titles, options.reasons, SEED + number, naive)

    rows = measured(checkpoint, options, make)
    naive = argparse.Namespace(**{**vars(options), "clients": "8", "overload": False})
    (alone,) = measured(checkpoint, naive, partial(make, naive=True), "--max-together", "1")
    return [*rows, {**alone, "name": "naive, 8 clients"}]


def main() -> None:
    """Start the service, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--items", type=int, help="enlarge the catalogue to this number of items")
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the overload")
    parser.add_argument("--closed-seconds", type=float, default=20.0, help="length of the others")
    parser.add_argument("--reasons", action="store_true")
    parser.add_argument("--overload", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = options.checkpoint
        if options.items:
            checkpoint = str(save_large(checkpoint, Path(folder, "large"), options.items))
        rows = all_rows(options, checkpoint)
    print(machine_line() + "\n")
    print("| load | requests/s | p50, ms | p99, ms | processor time per request, ms | statuses |")
    print("|---|---|---|---|---|---|")
    for one in rows:
        statuses = ", ".join(f"{status}: {count:,}" for status, count in one["statuses"].items())
        times = f"{one['requests_per_second']:.0f} | {one['p50_ms']:.1f} | {one['p99_ms']:.1f}"
        print(f"| {one['name']} | {times} | {one.get('cpu_ms', float('nan')):.2f} | {statuses} |")
    if options.json:
        print(json.dumps({"rows": rows, "machine": machine_line()}))


if __name__ == "__main__":
    main()

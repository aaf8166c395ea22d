"""Latency and throughput of `xcat serve`: a mix of requests from some clients, in a process of its own.

    python benchmarks/serving.py CKPT --clients 1,8,32 --seconds 20 --json
    python benchmarks/serving.py CKPT --clients 8 --overload      # as many requests as arrive, five times the capacity

Users have histories of 50 random items. 70 % of the requests are lists (without reasons unless --reasons), 25 %
events, and 5 % queries (lists instead, for a model that reads none). Closed loop: a client sends its next request when
it has the answer. The naive row encodes the whole history for each list, one request after the other, without HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import machine_line

from xcat_rec.ranking.recommender import XCatRecommender

EVENTS = 50
USERS = 200
SEED = 0


class Connection:
    """A connection that is kept open."""

    def __init__(self, host: str, port: int) -> None:
        self.place = host, port
        self.streams: Any = None

    async def post(self, path: str, body: bytes) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer; its body is read and dropped."""
        if self.streams is None:
            self.streams = await asyncio.open_connection(*self.place)
        reader, writer = self.streams
        head = (
            f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        await reader.readexactly(int(headers.get("content-length", 0)))
        return int(lines[0].split()[1]), headers


class Requests:
    """Random requests of the mix."""

    def __init__(self, items: list[str], titles: list[str], queries: bool, reasons: bool, seed: int) -> None:
        self.random, self.items, self.titles = random.Random(seed), items, titles
        self.queries, self.reasons, self.number = queries, reasons, 0

    def next(self) -> tuple[str, bytes]:
        """Path and body."""
        user, kind = f"user-{self.random.randrange(USERS)}", self.random.random()
        if kind < 0.25:
            self.number += 1
            return "/events", _json({"user_id": user, "item_id": self.random.choice(self.items)})
        body: dict[str, Any] = {"user_id": user, "k": 10, "explain": self.reasons}
        if kind < 0.30 and self.queries:
            return "/query", _json({**body, "query": self.random.choice(self.titles)})
        return "/recommend", _json(body)


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


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
            status, _ = await connection.post(path, body)
            taken.append(1000 * (time.perf_counter() - start))
            statuses[status] += 1

    await asyncio.gather(*(client(number) for number in range(clients)))
    return taken, statuses


async def open_loop(place: tuple[str, int], make: Callable[[int], Requests], rate: float, seconds: float) -> Any:
    """Requests at a fixed rate, whatever the answers: latencies of accepted and refused ones, and statuses."""
    accepted: list[float] = []
    refused: list[float] = []
    statuses: Counter[int] = Counter()
    requests, pool, running = make(0), [Connection(*place) for _ in range(512)], set[asyncio.Task[None]]()
    free = list(pool)

    async def one(connection: Connection) -> None:
        path, body = requests.next()
        start = time.perf_counter()
        status, headers = await connection.post(path, body)
        (accepted if status == 200 else refused).append(1000 * (time.perf_counter() - start))
        statuses[status] += 1
        assert status == 200 or "retry-after" in headers
        free.append(connection)

    begin, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - begin) < seconds:
        while sent < now * rate and free:
            task = asyncio.create_task(one(free.pop()))
            running.add(task)
            task.add_done_callback(running.discard)
            sent += 1
        await asyncio.sleep(0.001)
    await asyncio.gather(*running)
    return accepted, refused, statuses


def row(name: str, taken: list[float], statuses: Counter[int], seconds: float) -> dict[str, Any]:
    """One row of the table."""
    middle, high = np.quantile(taken, [0.5, 0.99]) if taken else (float("nan"), float("nan"))
    return {
        "name": name, "requests_per_second": len(taken) / seconds, "p50_ms": float(middle), "p99_ms": float(high),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
    }  # fmt: skip


def naive(checkpoint: str, histories: list[list[str]], reasons: bool) -> dict[str, Any]:
    """Lists by the whole history, one after the other, in this process."""
    recommender, taken = XCatRecommender.from_pretrained(checkpoint), []
    begin = time.perf_counter()
    for history in histories:
        start = time.perf_counter()
        recommender.recommend(history, 10, explain=reasons)
        taken.append(1000 * (time.perf_counter() - start))
    return row("naive, one at a time", taken, Counter({200: len(taken)}), time.perf_counter() - begin)


async def run(place: tuple[str, int], options: argparse.Namespace, make: Callable[[int], Requests]) -> list[Any]:
    """All rows."""
    filling, connection = make(-1), Connection(*place)
    for user in range(USERS):
        events = [{"user_id": f"user-{user}", "item_id": filling.random.choice(filling.items)} for _ in range(EVENTS)]
        for start in range(0, EVENTS, 25):
            await connection.post("/events", _json({"events": events[start : start + 25]}))
    rows = []
    for clients in map(int, options.clients.split(",")):
        taken, statuses = await closed_loop(place, make, clients, options.seconds)
        rows.append(row(f"{clients} clients", taken, statuses, options.seconds))
    if options.overload:
        capacity = max(one["requests_per_second"] for one in rows)
        accepted, refused, statuses = await open_loop(place, make, 5 * capacity, options.seconds)
        rows.append(row("overload, accepted", accepted, statuses, options.seconds))
        rows.append(row("overload, refused", refused, statuses, options.seconds))
    return rows


def main() -> None:
    """Start the service, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--reasons", action="store_true")
    parser.add_argument("--overload", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    recommender = XCatRecommender.from_pretrained(options.checkpoint)
    items = recommender.vocabulary.column("item_id").to_pylist()
    names = recommender.vocabulary.table.column_names
    titles = recommender.vocabulary.column("title").to_pylist() if "title" in names else items
    titles = [title for title in titles if title]
    asks = recommender.model.model.asks
    queries = asks is not None and asks.is_fitted

    def make(number: int) -> Requests:
        return Requests(items, titles, queries, options.reasons, SEED + number)

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "xcat_rec.cli", "serve", options.checkpoint, "--port", "0", "--json"]
        command += ["--store", f"sqlite:///{folder}/state.db"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        host, port = json.loads(server.stdout.readline())["url"].removeprefix("http://").split(":")
        try:
            rows = asyncio.run(run((host, int(port)), options, make))
        finally:
            server.terminate()
            server.wait()
    chosen = random.Random(SEED)
    rows.append(naive(options.checkpoint, [chosen.choices(items, k=EVENTS) for _ in range(100)], options.reasons))
    print(machine_line() + "\n")
    print("| load | requests/s | p50, ms | p99, ms | statuses |\n|---|---|---|---|---|")
    for one in rows:
        statuses = ", ".join(f"{status}: {count:,}" for status, count in one["statuses"].items())
        times = f"{one['requests_per_second']:.0f} | {one['p50_ms']:.1f} | {one['p99_ms']:.1f}"
        print(f"| {one['name']} | {times} | {statuses} |")
    if options.json:
        print(json.dumps({"rows": rows, "machine": machine_line()}))


if __name__ == "__main__":
    main()

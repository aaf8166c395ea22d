"""Kinds of indexes: build time, size, time per request and recall; filters; items added and deleted under search.

    python benchmarks/index.py --items 100000 --json
    python benchmarks/index.py --items 1000000 --kinds exact,int8,ivfpq,hnsw --json
    python benchmarks/index.py --checkpoint CKPT     # add, change and delete items of a checkpoint

The vectors are generated: unit vectors of 128 dimensions in clusters of 500 items, with 32 directions in a cluster.
A query is the normalised sum of one to five items of a cluster with noise, as the state of a history is near its
items. Recall is the share of the exact best 100 in the list. Requests are single queries, one after the other. Times
are processor times of the thread, so that other programs on the machine count less.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter, sleep, thread_time
from typing import Any

import numpy as np
import torch
from machine import machine_line

from xcat_rec.modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from xcat_rec.modeling_xcat.first_stage_xcat import FirstStage
from xcat_rec.modeling_xcat.item_mask_xcat import ItemMask
from xcat_rec.modeling_xcat.ranking_xcat import ItemIndex
from xcat_rec.ranking.index.approximate import ApproximateIndex
from xcat_rec.ranking.index.faiss_finder import FaissFinder
from xcat_rec.ranking.recommender import XCatRecommender

HIDDEN, CLUSTER, WITHIN, TEMPERATURE = 128, 500, 32, 0.1
SHARES = (0.6, 0.3)
ADDED = 100


def clustered(items: int, generator: torch.Generator) -> torch.Tensor:
    """(special rows + items, HIDDEN) unit vectors."""
    groups = max(1, items // CLUSTER)
    centers = torch.nn.functional.normalize(torch.randn(groups, HIDDEN, generator=generator), dim=1)
    directions = torch.randn(16, WITHIN, HIDDEN, generator=generator) / HIDDEN**0.5
    vectors = torch.zeros(NUM_SPECIAL_ROWS + items, HIDDEN)
    for start in range(0, items, 100_000):
        size = min(100_000, items - start)
        group = (torch.arange(start, start + size) // CLUSTER).clamp(max=groups - 1)
        drawn = torch.randn(size, WITHIN, generator=generator) / WITHIN**0.5
        inside = torch.zeros(size, HIDDEN)
        for number in range(16):
            of_group = group % 16 == number
            inside[of_group] = drawn[of_group] @ directions[number]
        rows = slice(NUM_SPECIAL_ROWS + start, NUM_SPECIAL_ROWS + start + size)
        vectors[rows] = torch.nn.functional.normalize(centers[group] + 1.5 * inside, dim=1)
    return vectors


def extended(vectors: torch.Tensor, rows: torch.Tensor) -> np.ndarray:
    """Vectors of items with a number for the cold-item boost, which is 0 here."""
    return np.pad(vectors[rows].numpy(), ((0, 0), (0, 1)))


def query_stage(vectors: torch.Tensor, count: int, generator: torch.Generator) -> FirstStage:
    """Scores of `count` queries."""
    size = len(vectors) - NUM_SPECIAL_ROWS
    first = torch.randint(size, (count, 1), generator=generator) // CLUSTER * CLUSTER
    rows = (first + torch.randint(CLUSTER, (count, 5), generator=generator)).clamp(max=size - 1) + NUM_SPECIAL_ROWS
    read = torch.arange(5) < torch.randint(1, 6, (count, 1), generator=generator)
    states = (vectors[rows] * read[..., None]).sum(1) + 0.05 * torch.randn(count, HIDDEN, generator=generator)
    return FirstStage(torch.nn.functional.normalize(states, dim=1) / TEMPERATURE)


def times_and_rows(index: Any, stage: FirstStage, k: int, mask: ItemMask) -> tuple[list[float], torch.Tensor]:
    """Milliseconds of single requests, and their rows."""
    index.best(stage.of_queries(torch.tensor([0])), k, mask)
    times, found = [], []
    for number in range(len(stage.queries)):
        one = stage.of_queries(torch.tensor([number]))
        start = thread_time()
        found.append(index.best(one, k, mask)[1])
        times.append(1e3 * (thread_time() - start))
    return times, torch.cat(found)


def recall(found: torch.Tensor, exact: torch.Tensor) -> float:
    """Share of the exact best items that were found."""
    return float((exact[:, :, None] == found[:, None, :]).any(2).float().mean())


def built(kind: str, vectors: torch.Tensor) -> tuple[Any, dict[str, Any]]:
    """An index of a kind, with time of the build and size of its file."""
    exact = ItemIndex(vectors, first_row=NUM_SPECIAL_ROWS)
    start = thread_time()
    if kind == "exact":
        exact = ItemIndex(vectors, first_row=NUM_SPECIAL_ROWS)
        return exact, {"seconds": thread_time() - start, "megabytes": vectors.numel() * 4 / 1e6}
    rows = np.arange(NUM_SPECIAL_ROWS, len(vectors))
    finder = FaissFinder.build(kind, rows, extended(vectors, torch.from_numpy(rows)))
    seconds = thread_time() - start
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "index"
        finder.save(file)
        size = file.stat().st_size / 1e6
    search = ApproximateIndex(vectors, finder, finder.efforts[0], torch.zeros(0, dtype=torch.long))
    return search, {"seconds": seconds, "megabytes": size}


def with_effort(index: Any, stage: FirstStage, exact: torch.Tensor, k: int, mask: ItemMask, wanted: float) -> Any:
    """The index with the smallest effort of the wanted recall, on half of the queries."""
    if isinstance(index, ItemIndex):
        return index
    half = torch.arange(len(stage.queries))[::2]
    for effort in index.finder.efforts:
        index = replace(index, effort=effort)
        if recall(index.best(stage.of_queries(half), k, mask)[1], exact[half]) >= wanted:
            break
    return index


def under_writes(index: Any, stage: FirstStage, k: int, seconds: float, generator: torch.Generator) -> dict[str, Any]:
    """Requests of one thread while another adds and deletes `ADDED` items, again and again."""
    state = {"index": index, "deleted": torch.zeros(len(index.items), dtype=torch.bool)}
    times, wrong, writes, done = [], 0, [], threading.Event()

    def write() -> None:
        while not done.is_set():
            start = thread_time()
            now, deleted = state["index"], state["deleted"]
            new = clustered(ADDED, generator)[NUM_SPECIAL_ROWS:]
            rows = torch.arange(len(now.items), len(now.items) + ADDED)
            items = torch.cat([now.items, new])
            gone = torch.cat([deleted, torch.zeros(ADDED, dtype=torch.bool)])
            gone[torch.randint(NUM_SPECIAL_ROWS, len(now.items), (ADDED,), generator=generator)] = True
            changed: Any = ItemIndex(items, first_row=NUM_SPECIAL_ROWS)
            if isinstance(now, ApproximateIndex):
                changed = now.changed(items, rows, 0, partial(extended, items))
            state.update(index=changed, deleted=gone)  # one step
            writes.append(1e3 * (thread_time() - start))
            sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    end, number = perf_counter() + seconds, 0
    while perf_counter() < end:
        one = stage.of_queries(torch.tensor([number % len(stage.queries)]))
        start = thread_time()
        now = dict(state)
        mask = ItemMask(~now["deleted"], torch.full((1,), -1))
        found = now["index"].best(one, k, mask)[1]
        times.append(1e3 * (thread_time() - start))
        wrong += int(now["deleted"][found].sum())
        number += 1
    done.set()
    writer.join()
    return {
        "requests": len(times), "p50_ms": float(np.median(times)), "p99_ms": float(np.quantile(times, 0.99)),
        "writes": len(writes), "write_p50_ms": float(np.median(writes)), "deleted_shown": wrong,
    }  # fmt: skip


def measured(kind: str, vectors: torch.Tensor, stage: FirstStage, exact: torch.Tensor, options: Any) -> dict[str, Any]:
    """All figures of a kind."""
    everything = ItemMask(torch.ones(len(vectors), dtype=torch.bool), torch.full((1,), -1))
    index, found = built(kind, vectors)
    index = with_effort(index, stage, exact, options.k, everything, options.recall)
    test = torch.arange(len(stage.queries))[1::2]
    of_test = stage.of_queries(test)
    times, rows = times_and_rows(index, of_test, options.k, everything)
    found |= {"p50_ms": float(np.median(times)), "p99_ms": float(np.quantile(times, 0.99))}
    found |= {"recall": recall(rows, exact[test]), "effort": getattr(index, "effort", 0)}
    generator = torch.Generator().manual_seed(9)
    plain = ItemIndex(vectors, first_row=NUM_SPECIAL_ROWS)
    for share in SHARES:
        mask = ItemMask(torch.rand(len(vectors), generator=generator) < share, torch.full((1,), -1))
        times, rows = times_and_rows(index, of_test, options.k, mask)
        best = plain.best(of_test, options.k, mask)[1]
        found[f"filter {share:g}"] = {"p50_ms": float(np.median(times)), "recall": recall(rows, best)}
    found["under writes"] = under_writes(index, of_test, options.k, options.seconds, generator)
    return found


def of_checkpoint(name: str) -> None:
    """Print the times of changes of a checkpoint's items, and of a request before and after them."""
    recommender = XCatRecommender.from_pretrained(name)
    ids = recommender.vocabulary.column("item_id").to_pylist()
    history = ids[:5]

    def timed(run: Callable[[], Any], repeats: int = 5) -> str:
        times = []
        for _ in range(repeats):
            start = thread_time()
            run()
            times.append(1e3 * (thread_time() - start))
        return f"{np.median(times):.1f}"

    numbers = iter(range(10**6))

    def new(count: int) -> dict[str, list[str]]:
        drawn = [next(numbers) for _ in range(count)]
        return {"item_id": [f"new-{n}" for n in drawn], "title": [f"Warm tent number {n} for two" for n in drawn]}

    rows = {
        "request, before": lambda: recommender.recommend(history, explain=False),
        "delete 1 item": lambda: recommender.delete_items([ids[next(numbers)]]),
        "delete 100 items": lambda: recommender.delete_items([ids[next(numbers)] for _ in range(100)]),
        "add 1 item, its text encoded": lambda: recommender.add_items(new(1)),
        "add 100 items, their texts encoded": lambda: recommender.add_items(new(100)),
        "change 100 prices": lambda: recommender.add_items({"item_id": ids[-100:], "price": [next(numbers)] * 100}),
        "request, after": lambda: recommender.recommend(history, explain=False),
    }  # fmt: skip
    print(f"{machine_line()}\n\n| {len(ids):,} items | ms |\n|---|---|")
    for what, run in rows.items():
        print(f"| {what} | {timed(run)} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--kinds", default="exact,int8,ivfpq,hnsw")
    parser.add_argument("--queries", type=int, default=400, help="half of them choose the effort")
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the run with writes")
    parser.add_argument("-k", type=int, default=100)
    parser.add_argument("--checkpoint", help="measure changes of its items instead")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    if options.checkpoint:
        of_checkpoint(options.checkpoint)
        return
    generator = torch.Generator().manual_seed(0)
    vectors = clustered(options.items, generator)
    stage = query_stage(vectors, options.queries, generator)
    everything = ItemMask(torch.ones(len(vectors), dtype=torch.bool), torch.full((1,), -1))
    exact = ItemIndex(vectors, first_row=NUM_SPECIAL_ROWS).best(stage, options.k, everything)[1]
    print(machine_line() + "\n")
    shares = "".join(f" p50, recall at {share:g} |" for share in SHARES)
    print(f"| kind | build, s | MB | effort | p50, ms | p99, ms | recall@{options.k} |{shares} p50 under writes |")
    print("|---" * (8 + len(SHARES)) + "|")
    results = {}
    for kind in options.kinds.split(","):
        found = results[kind] = measured(kind, vectors, stage, exact, options)
        kept = [found[f"filter {share:g}"] for share in SHARES]
        cells = [kind, f"{found['seconds']:.1f}", f"{found['megabytes']:.0f}", f"{found['effort']}"]
        cells += [f"{found['p50_ms']:.2f}", f"{found['p99_ms']:.2f}", f"{found['recall']:.3f}"]
        cells += [f"{one['p50_ms']:.2f}, {one['recall']:.3f}" for one in kept]
        print(f"| {' | '.join([*cells, format(found['under writes']['p50_ms'], '.2f')])} |", flush=True)
    if options.json:
        print(json.dumps({"items": options.items, "kinds": results, "machine": machine_line()}))


if __name__ == "__main__":
    main()

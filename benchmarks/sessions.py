"""Time of a new event in a session, against encoding the history again.

    python benchmarks/sessions.py [CKPT] --json

The first table is the encoder alone, of untrained models with the default sizes, for each behaviour encoder: the state
after one more event, from a cached state and from a new encoding. The second table, for a checkpoint, is a whole
request without reasons: `session.append` and `session.recommend` against `recommend` with the whole history. CPU time
in one thread; a durable `append` also waits for the disk.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from machine import machine_line

from xcat_rec.modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS, XCatConfig
from xcat_rec.modeling_xcat.modeling_xcat import XCatModel
from xcat_rec.modeling_xcat.past_xcat import XCatPast
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.sessions.session import Sessions
from xcat_rec.serving.state.urls import open_state
from xcat_rec.tokenization.packing import EventFeatures, pack_histories
from xcat_rec.workflows.load import load

LENGTHS = (20, 50, 200)
ENCODERS = ("transformer", "gru", "lstm")
FEATURES = EventFeatures(num_time_gap_buckets=16)


def untrained(encoder: str, items: int, hidden: int, layers: int) -> XCatModel:
    """A model with random weights and texts."""
    torch.manual_seed(0)
    model = XCatModel(
        XCatConfig(
            behavior_encoder=encoder,
            num_item_rows=items + NUM_SPECIAL_ROWS,
            num_texts=items,
            hidden_size=hidden,
            num_behavior_layers=layers,
            max_history=2 * max(LENGTHS),
            num_time_gap_buckets=16,
            text_config=None,
        )
    ).eval()
    model.items.text_states.normal_()
    model.items.text_token_mask.fill_(True)
    model.items.text_index[NUM_SPECIAL_ROWS:] = torch.arange(items)
    model.items.item_counts.fill_(1)
    return model


def milliseconds(run: Callable[[], Any]) -> float:
    """CPU time of one run in this thread, which other programs on the machine do not lengthen."""
    start = time.thread_time()
    run()
    return 1e3 * (time.thread_time() - start)


@torch.no_grad()
def encoder_times(model: XCatModel, length: int, repeats: int) -> tuple[float, float]:
    """Median milliseconds for the state of the last of about `length` events: one step, and a new encoding."""
    generator, past = torch.Generator().manual_seed(length), XCatPast()
    items = torch.randint(NUM_SPECIAL_ROWS, model.config.num_item_rows, (length + repeats,), generator=generator)
    steps, encodings, first = list[float](), list[float](), max(1, length - repeats // 2)
    for events in range(first, first + repeats):
        row = {"items": items[:events].tolist(), "timestamps": list(range(0, 3600 * events, 3600))}
        batch = pack_histories([row], max_history=2 * max(LENGTHS), features=FEATURES, mode="right")
        inputs = {name: value for name, value in batch.items() if name != "query_positions"}
        steps.append(milliseconds(lambda inputs=inputs: past.state(model, inputs)))  # type: ignore[misc]
        encodings.append(milliseconds(lambda inputs=inputs: model.encode_queries(**inputs)))  # type: ignore[misc]
    return statistics.median(steps[1:]), statistics.median(encodings[1:])


def request_times(recommender: XCatRecommender, length: int, repeats: int, state: str, slack: int) -> dict[str, float]:
    """Mean milliseconds of one more event and a list of ten, in a session and with the whole history.

    The longest fifth is left out. It is a mean, because with slack only some events cost an encoding.
    """
    ids = recommender.vocabulary.column("item_id").to_pylist()
    sessions = Sessions(recommender, open_state(state), slack=slack)
    session, history = sessions.session("benchmark"), list[str]()
    times: dict[str, list[float]] = {"append": [], "session": [], "whole history": []}
    now, most = int(time.time()) - 10_000_000, length + repeats // 2
    for events in range(most):
        history.append(ids[7919 * events % len(ids)])
        appended = milliseconds(lambda event=events: session.append(history[-1], timestamp=now + 60 * event))  # type: ignore[misc]
        if events < length - repeats // 2:
            continue
        stamps = [now + 60 * event for event in range(events + 1)]
        times["append"].append(appended)
        times["session"].append(milliseconds(lambda: session.recommend(10, explain=False)))
        plain = lambda stamps=stamps: recommender.recommend(history, 10, timestamps=stamps, explain=False)  # noqa: E731
        times["whole history"].append(milliseconds(plain))
    sessions.delete("benchmark")
    sessions.log.close()
    return {name: statistics.fmean(sorted(values)[: -len(values) // 5]) for name, values in times.items()}


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", nargs="?", help="checkpoint for whole requests")
    parser.add_argument("--state", help="state of the sessions; a new SQLite file by default")
    parser.add_argument("--slack", type=int, default=0, help="slack of the sessions, in events")
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result: dict[str, Any] = {"machine": machine_line(), "encoder": {}, "requests": {}}
    print(machine_line() + "\n\n| encoder | events | one step, ms | new encoding, ms | ratio |\n|---|---|---|---|---|")
    for encoder in ENCODERS:
        model = untrained(encoder, options.items, options.hidden, options.layers)
        for length in LENGTHS:
            step, again = encoder_times(model, length, options.repeats)
            result["encoder"][f"{encoder} {length}"] = {"step_ms": step, "encoding_ms": again}
            print(f"| {encoder} | {length} | {step:.2f} | {again:.2f} | {again / step:.1f} |")
    if options.checkpoint:
        recommender = load(options.checkpoint)
        print("\n| events | append, ms | list in a session, ms | list from the whole history, ms |\n|---|---|---|---|")
        with tempfile.TemporaryDirectory() as folder:
            state = options.state or f"sqlite:///{Path(folder) / 'state.db'}"
            for length in LENGTHS:
                found = request_times(recommender, length, options.repeats, state, options.slack)
                result["requests"][length] = found
                print("| " + " | ".join([str(length), *(f"{value:.2f}" for value in found.values())]) + " |")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()

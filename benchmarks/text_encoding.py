"""Titles encoded per second, against a plain sentence-transformers `encode` of the same titles in the same run.

    python benchmarks/text_encoding.py DATA [--encoder FOLDER] --json

DATA is a folder with items.*. Both use the same encoder with the same threads, in turns, and their vectors are
compared. Ours runs in bfloat16 if this machine is faster at it. Then 1 % of the titles are changed, and encoded with
the cache. Needs sentence-transformers, which is installed with the packaged encoder of the extra `demo`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import machine_line

from xcat_rec.tokenization.sources import read_table
from xcat_rec.tokenization.text import clean_text, resolve_text_encoder
from xcat_rec.tokenization.text.precision import bf16_speedup, use_bf16
from xcat_rec.tokenization.text.text_encoder import TextEncoder


def titles_of(folder: str, limit: int | None) -> list[str]:
    """Cleaned titles of a dataset."""
    file = next(path for path in sorted(Path(folder).iterdir()) if path.name.startswith("items."))
    return [clean_text(title) for title in read_table(file)["title"].to_list()][:limit]


def peer_encoder(folder: str) -> Callable[[list[str]], np.ndarray]:
    """`encode` of sentence-transformers, with its defaults."""
    from sentence_transformers import SentenceTransformer

    encode: Callable[[list[str]], np.ndarray] = SentenceTransformer(folder, device="cpu").encode
    return encode


def timed(run: Callable[[list[str]], np.ndarray], titles: list[str]) -> tuple[np.ndarray, float, float]:
    """Vectors, seconds, and seconds of processor time, which other processes on the machine disturb less."""
    start, work = time.perf_counter(), time.process_time()
    vectors = run(titles)
    return vectors, time.perf_counter() - start, time.process_time() - work


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with items.*")
    parser.add_argument("--encoder", help="folder of the encoder; the default encoder if left out")
    parser.add_argument("--limit", type=int, help="titles used, the first ones")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each, in turns; the best counts")
    parser.add_argument("--precision", default="auto", help="auto, fp32 or bf16")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    titles = titles_of(options.data, options.limit)
    folder, _ = resolve_text_encoder(options.encoder)
    encoder = TextEncoder.from_pretrained(folder, bf16=use_bf16(options.precision))
    peer = peer_encoder(folder)
    ours, theirs = [], []
    for _ in range(options.rounds):  # in turns, so that other load on the machine affects both
        with tempfile.TemporaryDirectory() as cache:
            ours.append(timed(lambda given: encoder.encode(given, Path(cache), progress=False)[:, 0], titles))
            changed = [title + " II" if i % 100 == 0 else title for i, title in enumerate(titles)]
            again = timed(lambda given: encoder.encode(given, Path(cache), progress=False), changed)[1]
        theirs.append(timed(peer, titles))
    seconds, peer_seconds = (min(run[1] for run in runs) for runs in (ours, theirs))
    work, peer_work = (min(run[2] for run in runs) for runs in (ours, theirs))
    unit = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (ours[0][0], theirs[0][0])]
    cosine = (unit[0] * unit[1]).sum(1)
    result = {
        "titles": len(titles), "distinct": len(set(titles)), "titles_per_second": len(titles) / seconds,
        "peer_titles_per_second": len(titles) / peer_seconds, "ratio": peer_seconds / seconds,
        "ratio_of_processor_time": peer_work / work, "rounds": options.rounds,
        "least_cosine": float(cosine.min()), "mean_cosine": float(cosine.mean()), "bf16": encoder.bf16,
        "bf16_speedup_of_products": bf16_speedup(), "seconds": seconds, "seconds_one_percent_new": again,
        "machine": machine_line(),
    }  # fmt: skip
    print(machine_line() + "\n")
    print("| | titles/s | ratio |\n|---|---|---|")
    print(f"| sentence-transformers encode | {result['peer_titles_per_second']:,.0f} | 1 |")
    print(
        f"| ours, {'bf16' if encoder.bf16 else 'fp32'} | {result['titles_per_second']:,.0f} | {result['ratio']:.2f} |"
    )
    print(f"\nprocessor time {peer_work / work:.2f} times less; best of {options.rounds} rounds in turns")
    print(f"least cosine between the two {cosine.min():.5f}; 1 % new titles {again:.2f} s against {seconds:.2f} s")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()

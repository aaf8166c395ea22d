"""Self-training of sentiment with few labels, beside the labels alone.

    python benchmarks/self_training.py DATA --labels 50 100 300 --seeds 5 --json FILE

DATA is as in `label_suggestions.py --kind texts`. Per seed a fifth of the texts is held out; of the rest so many have
a label and the others have none. Prints the balanced accuracy on the held-out texts of `LearnedSentiment.fit` on the
labels and of `self_train`, with its guard, and how often the guard kept the pseudo-labels. With `--states` both read
the states of the default text encoder, too.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from label_suggestions import labelled_texts
from machine import machine_line

from xcat_rec.tokenization.interests.self_training import self_train
from xcat_rec.tokenization.interests.sentiment import LearnedSentiment, Sentiment
from xcat_rec.tokenization.text.default_encoder import choose_text_encoder
from xcat_rec.workflows.interests import encoder_of


def balanced(judge: Sentiment, texts: list[str], sides: np.ndarray) -> float:
    """Mean share of right texts of both sides."""
    right = (judge(texts) >= 0) == sides
    return float(np.mean([right[sides == side].mean() for side in (True, False)]))


def measure(texts: list[str], sides: np.ndarray, count: int, seed: int, encode: Any) -> dict[str, Any]:
    """Metrics of one draw of labels."""
    drawn = np.random.default_rng(seed).permutation(len(texts))
    test, known, other = np.split(drawn, [len(drawn) // 5, len(drawn) // 5 + count])
    labelled, held = [texts[row] for row in known], [texts[row] for row in test]
    alone = LearnedSentiment.fit(labelled, sides[known].tolist(), encode)
    found = self_train(labelled, sides[known].tolist(), [texts[row] for row in other], encode=encode)
    return {
        "labels": count, "seed": seed, "labels alone": balanced(alone, held, sides[test]),
        "self-trained": balanced(found.sentiment, held, sides[test]), "kept": found.kept, "pseudo": found.pseudo,
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100, 300])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=6000, help="Texts that are read, drawn with seed 0.")
    parser.add_argument("--states", action="store_true", help="Read the states of the text encoder, too.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(machine_line(), flush=True)
    start = time.perf_counter()
    texts, words = labelled_texts(options.data, options.texts)
    sides = np.array(words) == "positive"
    encode = None
    if options.states:
        encoder = encoder_of(choose_text_encoder(None, texts))
        states = dict(zip(texts, encoder.encode(texts)[:, 0], strict=True))

        def encode(given: list[str]) -> np.ndarray:
            return np.stack([states[text] for text in given])

    found = []
    for count in options.labels:
        part = [measure(texts, sides, count, seed, encode) for seed in range(options.seeds)]
        found += part
        alone, trained = (np.array([line[way] for line in part]) for way in ("labels alone", "self-trained"))
        kept = sum(line["kept"] for line in part)
        print(
            f"{count:5} labels: alone {alone.mean():.4f} ± {alone.std(ddof=1):.4f}, self-trained {trained.mean():.4f} "
            f"± {trained.std(ddof=1):.4f}, kept {kept} of {len(part)}, worse {int((trained < alone - 1e-9).sum())}",
            flush=True,
        )
    print(f"{len(texts):,} texts, {time.perf_counter() - start:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()

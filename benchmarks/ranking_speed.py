"""Time of ranking: a whole evaluation, and the best of a large catalogue for one user.

    python benchmarks/ranking_speed.py [DATA] --json

The evaluation ranks the targets of all users of DATA (generated with the size of Amazon Beauty 2014 by default)
against the whole catalogue, with an untrained model, which is as fast as a trained one. The top list is exact, over a
generated table; its bound is one read of the table at the memory bandwidth of a copy in the same run.
"""

from __future__ import annotations

import argparse
import json
import time

import pyarrow as pa
import torch
from datasets import Dataset
from machine import best_seconds, copy_gigabytes, machine_line
from training_speed import drawn_sequences, stored_sequences

from xcat_rec.evaluation.ranker_evaluation import evaluate_ranker
from xcat_rec.modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS, XCatConfig
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.ranking_xcat import ItemIndex
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import ItemVocabulary


def evaluation_seconds(sequences: list[list[int]], items: int, hidden: int, length: int) -> float:
    """Seconds to rank the last event of every user."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    rows = items + NUM_SPECIAL_ROWS
    vocabulary = ItemVocabulary(pa.table({"item_id": [str(i) for i in range(items)], "category": ["all"] * items}))
    model = XCatForNextItem(
        XCatConfig(use_text=False, num_fusion_layers=0, num_item_rows=rows, hidden_size=hidden, max_history=length)
    )
    model.model.items.item_counts.fill_(1)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")))
    recommender = XCatRecommender(model, XCatProcessor(tokenizer, vocabulary, max_history=length))
    shifted = [[i + NUM_SPECIAL_ROWS for i in s] for s in sequences]
    dataset = Dataset.from_dict({"items": [s[:-1] for s in shifted], "targets": [s[-1:] for s in shifted]})
    start = time.perf_counter()
    evaluate_ranker(recommender, dataset, vocabulary, trained=recommender.trained, progress=False)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", help="folder with items.* and events.*")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("-k", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.data:
        sequences, items = stored_sequences(options.data)
    else:
        sequences, items = drawn_sequences(22_363, 12_101, 8.9), 12_101
    sequences = [s for s in sequences if len(s) > 1]
    evaluated = evaluation_seconds(sequences, items, options.hidden, options.length)
    table = torch.nn.functional.normalize(torch.randn(options.items, options.hidden), dim=-1)
    query = torch.nn.functional.normalize(torch.randn(1, options.hidden), dim=-1)
    index = ItemIndex(table)
    seconds = best_seconds(lambda: index.search(query, options.k, lambda scores, start: None), repeats=20)
    plain = best_seconds(lambda: (query @ table.T).topk(options.k), repeats=5)
    bandwidth = copy_gigabytes()
    bound = table.numel() * 4 / bandwidth / 1e9
    print(machine_line() + "\n")
    print("| task | measured | bound or peer |\n|---|---|---|")
    print(f"| evaluation: {len(sequences):,} users over {items:,} items | {evaluated:.2f} s | |")
    print(
        f"| top {options.k} of {options.items:,} items, one user, d={options.hidden} | {1e3 * seconds:.1f} ms | "
        f"{1e3 * bound:.1f} ms at {bandwidth:.1f} GB/s; torch topk over all scores {1e3 * plain:.1f} ms |"
    )
    if options.json:
        result = {
            "evaluation_seconds": evaluated, "users": len(sequences), "items": items, "top_k_ms": 1e3 * seconds,
            "bound_ms": 1e3 * bound, "plain_topk_ms": 1e3 * plain, "bandwidth_gb_s": bandwidth,
            "machine": machine_line(),
        }  # fmt: skip
        print(json.dumps(result))


if __name__ == "__main__":
    main()

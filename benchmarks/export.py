"""Size, speed and quality of exported graphs, against torch, on one checkpoint.

    xcat export CKPT --onnx GRAPHS
    python benchmarks/export.py CKPT DATA GRAPHS [--repeats N] [--users N] [--output FILE.json]

NDCG@10 is that of the test split, by the whole scoring step. "texts" is NDCG@10 in torch after the texts of the
catalogue were encoded again with the text encoder of the row. Times are the median processor time, on one thread, of
one history of 20 events against the whole catalogue (`discover`), of one query of 8 tokens, and of 32 texts of the
catalogue. "int8" is measured whatever it loses; `xcat export` refuses it beyond its limits.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from machine import machine_line

from xcat_rec.exporting import graph_export
from xcat_rec.exporting.graphs import DISCOVER, TEXT, Graph, example_histories, graphs_of
from xcat_rec.exporting.runtime import OnnxGraphs
from xcat_rec.exporting.verification import GraphRanker
from xcat_rec.modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from xcat_rec.modeling_xcat.dtypes_xcat import stored_weights
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.workflows.checkpoint_evaluation import evaluation_data
from xcat_rec.workflows.read_shop import read_shop

EVENTS, QUERY_TOKENS, TEXTS, USERS = 20, 8, 32, 256


class Variant:
    """A way to compute the graphs.

    Args:
        recommender: The checkpoint in float32.
        model: The model of the variant.
        graphs: Exported graphs; None to compute in torch.
    """

    def __init__(self, recommender: XCatRecommender, model: Any, graphs: OnnxGraphs | None = None) -> None:
        self.recommender, self.processor, self.model, self.graphs = recommender, recommender.processor, model, graphs
        self.parts: dict[str, Graph] = {graph.name: graph for graph in graphs_of(model)}
        self.ranker = GraphRanker(self.parts, self.processor, graphs)

    def run(self, name: str, inputs: Mapping[str, torch.Tensor]) -> Any:
        if self.graphs is not None:
            return self.graphs.run(name, inputs)
        with torch.no_grad():
            return self.parts[name].module(**inputs)

    def times(self, repeats: int) -> dict[str, float]:
        history = example_histories(self.recommender.model, 1, EVENTS, seed=1)
        every = torch.arange(NUM_SPECIAL_ROWS, self.model.config.num_item_rows)
        seen = {**history, "candidate_ids": every, "seen_ids": history["item_ids"]}
        ids = torch.arange(2000, 2000 + QUERY_TOKENS)[None]
        texts = dict(self.processor.tokenize(self.processor.catalogue.column("text").to_pylist()[:TEXTS]))
        query = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        asked = {"history, ms": (DISCOVER, seen), "query, ms": (TEXT, query), "texts, ms": (TEXT, texts)}
        return {key: milliseconds(lambda given=given: self.run(*given), repeats) for key, given in asked.items()}

    def difference(self, rows: list[dict[str, Any]], other: Variant) -> float:
        pairs = [(self.ranker.score_rows(rows), other.ranker.score_rows(rows))]
        pairs.append((self.ranker.discover_rows(rows), other.ranker.discover_rows(rows)))
        return max(float((one - two)[torch.isfinite(two)].abs().max()) for one, two in pairs)

    def ndcg_of_texts(self, rows: Any) -> dict[str, float]:
        """NDCG@10 in torch with texts of the catalogue encoded by the graphs."""
        assert self.graphs is not None
        model = self.recommender.model
        with graph_export._kept_texts(model):
            parts = graph_export._of_texts(model, self.processor, self.graphs)
            return graph_export._ndcg(GraphRanker(parts, self.processor, None), model, self.processor, rows)


def milliseconds(run: Callable[[], Any], repeats: int) -> float:
    """Median processor time of a call."""
    times = []
    for _ in range(repeats + 3):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return float(np.median(times[3:])) * 1e3


def size_of(graphs: OnnxGraphs) -> int:
    """Bytes of the files of graphs."""
    return sum((graphs.folder / name).stat().st_size for name in graphs.manifest.files)


def halved(model: Any) -> Any:
    """A model with weights rounded to bf16, computed in float32."""
    copied = deepcopy(model)
    copied.load_state_dict({name: value.float() if value.is_floating_point() else value
                            for name, value in stored_weights(model.state_dict(), "bf16").items()})  # fmt: skip
    return copied


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data")
    parser.add_argument("graphs", help="folder of graphs in fp32, exported of the checkpoint")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--users", type=int, default=2000, help="users of the test split, drawn with seed 0")
    parser.add_argument("--output", type=Path, help="JSON file for the values")
    options = parser.parse_args()
    torch.set_num_threads(1)
    recommender = XCatRecommender.from_pretrained(options.checkpoint)
    shop = read_shop(options.data, saved=recommender.processor.event_settings)
    rows = evaluation_data(recommender, shop).splits["test"]
    if options.users < len(rows):
        rows = rows.select(np.sort(np.random.default_rng(0).permutation(len(rows))[: options.users]))
    few = [rows.with_format(None)[place] for place in range(min(USERS, len(rows)))]
    model, processor = recommender.model, recommender.processor
    plain = Variant(recommender, model)
    weights = Path(options.checkpoint, "model.safetensors").stat().st_size
    found: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory() as place:
        variants: dict[str, tuple[Variant, float]] = {
            "torch fp32": (plain, weights),
            "torch, weights in bf16": (Variant(recommender, halved(model)), weights / 2),
        }
        exact = OnnxGraphs(options.graphs)
        variants["ONNX fp32"] = Variant(recommender, model, exact), size_of(exact)
        for dtype in ("bf16", "int8"):
            folder = Path(place, dtype)
            folder.mkdir()
            manifest = graph_export._write(model, processor, graphs_of(model), folder, dtype, None, exact)
            made = Variant(recommender, model, OnnxGraphs(folder, manifest))
            variants[f"ONNX {dtype}"] = made, size_of(OnnxGraphs(folder, manifest))
            found[f"ONNX {dtype}"] = {"texts": made.ndcg_of_texts(rows)}
        for name, (variant, size) in variants.items():
            values = found.setdefault(name, {})
            values |= {
                "MB": size / 1e6,
                "difference": variant.difference(few, plain),
                **variant.times(options.repeats),
            }
            values["ndcg@10"] = graph_export._ndcg(variant.ranker, model, processor, rows)
    print(f"{machine_line()}; {len(rows):,} users")
    columns = ("MB", "difference", "history, ms", "query, ms", "texts, ms")
    print("| | " + " | ".join(columns) + " | NDCG@10 next, discover | texts |\n|" + "---|" * 8)
    for name, values in ((name, found[name]) for name in variants):
        own = [", ".join(f"{value:.4f}" for value in values.get(key, {}).values()) for key in ("ndcg@10", "texts")]
        print(f"| {name} | " + " | ".join(f"{values[key]:.3g}" for key in columns) + f" | {' | '.join(own)} |")
    if options.output is not None:
        options.output.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

"""Redundancy of lists against NDCG: plain lists, re-ranking rules and the knob, on one checkpoint.

    python benchmarks/redundancy.py CKPT DATA [--users N] [-k 10] [--only knob] [--output FILE.json]
    python benchmarks/redundancy.py CKPT DATA --part validation --only balanced    # to choose the weights of the knob

Lists are those of `recommend` without items of the history (`discover`), for the users of the split with a target
that their history lacks. Changes are relative to the plain lists; NDCG has the 95 % interval of a paired bootstrap
over users. "history" is the mean cosine of an item to the most similar item of the history, "new" the share of items
in categories that the history lacks. Spearman's correlation of the knob is over its 11 places.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import best_seconds, machine_line

from xcat_rec.evaluation.bootstrap import relative_bootstrap
from xcat_rec.evaluation.recommendation_ranking.ranking_metrics import per_user_metrics
from xcat_rec.evaluation.redundancy import (
    category_coverage,
    duplicates,
    intra_list_similarity,
    kl_to_history,
    minimum_distance,
)
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.rerank import Reranker, pool_candidates, pool_size, rerank_order
from xcat_rec.ranking.rerankers import DPP, MMR, Calibrate, OnePerProduct, exploration_rules
from xcat_rec.ranking.rerankers.greedy import dpp_picks, mmr_picks
from xcat_rec.workflows.checkpoint_evaluation import evaluation_data
from xcat_rec.workflows.read_shop import read_shop

USERS_AT_ONCE = 128
KNOB = [place / 10 for place in range(11)]
SETTINGS: dict[str, list[Reranker]] = {
    "plain": [],
    "one per product": [OnePerProduct()],
    **{f"MMR({weight})": [MMR(weight)] for weight in (0.05, 0.1, 0.2, 0.3, 0.5)},
    **{f"DPP({weight})": [DPP(weight)] for weight in (0.02, 0.05, 0.1, 0.2, 0.3)},
    **{f"Calibrate({weight})": [Calibrate(weight)] for weight in (0.2, 0.3, 0.5)},
    **{f"Calibrate({weight}, after=0)": [Calibrate(weight, after=0)] for weight in (0.1, 0.3)},
    **{f"knob {place}": exploration_rules(place) for place in KNOB},
    **{
        f"balanced {diversity}, {weight}": [MMR(diversity), Calibrate(weight), OnePerProduct()]
        for diversity in (0.05, 0.075, 0.1)
        for weight in (0.3, 0.4, 0.5)
    },
}


class Pools:
    """The best items of users, their histories and new targets.

    Args:
        recommender: The checkpoint.
        rows: Rows of the split.
    """

    def __init__(self, recommender: XCatRecommender, rows: Sequence[dict[str, Any]]) -> None:
        self.recommender = recommender
        self.histories = [np.asarray(row["items"], dtype=np.int64) for row in rows]
        self.targets = [sorted(set(row["targets"]) - set(row["items"])) for row in rows]
        found = []
        for start in range(0, len(rows), USERS_AT_ONCE):
            scores = recommender.score_rows(list(rows[start : start + USERS_AT_ONCE]), discover=True)
            found.append(scores.topk(min(pool_size(10), scores.shape[1]), dim=1))
        self.scores = torch.cat([best.values for best in found])
        self.rows = torch.cat([best.indices for best in found])

    def ordered(self, rules: Sequence[Reranker]) -> np.ndarray:
        """(users, pool) item indices after the rules."""
        recommender, parts = self.recommender, []
        for start in range(0, len(self.rows), USERS_AT_ONCE):
            users = slice(start, start + USERS_AT_ONCE)
            candidates = pool_candidates(
                self.rows[users], self.scores[users], 0, self.histories[users], recommender.vocabulary,
                recommender.item_data, self.rows.shape[1],
            )  # fmt: skip
            parts.append(self.rows[users].gather(1, rerank_order(candidates, rules)))
        ordered: np.ndarray = torch.cat(parts).numpy()
        return ordered


def measured(pools: Pools, rules: Sequence[Reranker], k: int) -> dict[str, np.ndarray]:
    """Values per user of one setting."""
    ordered, data = pools.ordered(rules), pools.recommender.item_data
    widest = max(map(len, pools.targets))
    ranks = np.zeros((len(ordered), widest), dtype=np.int64)
    for user, targets in enumerate(pools.targets):
        for place, target in enumerate(targets):
            at = np.flatnonzero(ordered[user] == target)
            ranks[user, place] = at[0] + 1 if len(at) else ordered.shape[1] + 1
    top, found = ordered[:, :k], per_user_metrics(ranks, [k])
    codes = pools.recommender.vocabulary.category_codes
    known = [codes[history] for history in pools.histories]
    parts: dict[str, list[np.ndarray]] = {"similarity": [], "distance": [], "history": []}
    for user in range(len(top)):
        vectors = data.vectors(torch.from_numpy(top[user : user + 1]))
        own = data.vectors(torch.from_numpy(np.unique(pools.histories[user])))
        parts["similarity"].append(intra_list_similarity(vectors))
        parts["distance"].append(minimum_distance(vectors))
        parts["history"].append((vectors[0] @ own.T).max(axis=1).mean(keepdims=True))
    return {
        "ndcg": found[f"ndcg@{k}"], "recall": found[f"recall@{k}"],
        **{name: np.concatenate(values) for name, values in parts.items()},
        "duplicates": duplicates(data.products("title")[top]).astype(float),
        "categories": category_coverage(codes[top]).astype(float),
        "kl": kl_to_history(codes[top], known),
        "new": np.array([
            float((~np.isin(codes[row], own)).mean()) for row, own in zip(top, known, strict=True)
        ]),
    }  # fmt: skip


def spearman(values: Sequence[float]) -> float:
    """Spearman's rank correlation of values with their places; for values without ties."""
    ranks = np.argsort(np.argsort(values))
    return float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])


def milliseconds(pick: Callable[..., np.ndarray], length: int = 20, count: int = 200, width: int = 384) -> float:
    """Time to pick 20 of 200 items for one list."""
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(1, count, width)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    relevance = np.sort(generator.random((1, count)))[:, ::-1].copy()
    return 1e3 * best_seconds(lambda: pick(relevance, vectors, 0.3, length), repeats=200)


def line(name: str, found: dict[str, np.ndarray], plain: dict[str, np.ndarray]) -> str:
    """A row of the table."""
    means = {key: float(np.nanmean(values)) for key, values in found.items()}
    change = {key: means[key] / float(np.nanmean(plain[key])) - 1 for key in ("similarity", "distance", "kl")}
    ndcg = relative_bootstrap(found["ndcg"], plain["ndcg"])
    cells = [
        name, f"{means['ndcg']:.4f}", f"{ndcg.mean:+.1%} [{ndcg.low:+.1%}, {ndcg.high:+.1%}]",
        f"{means['recall']:.4f}",
        f"{means['similarity']:.3f} ({change['similarity']:+.0%})",
        f"{means['distance']:.3f} ({change['distance']:+.0%})", f"{means['duplicates']:.3f}",
        f"{means['categories']:.2f}", f"{means['kl']:.2f} ({change['kl']:+.0%})", f"{means['history']:.3f}",
        f"{means['new']:.2f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data")
    parser.add_argument("--part", choices=["validation", "test"], default="test")
    parser.add_argument("--users", type=int, help="number of users, drawn with seed 0; all by default")
    parser.add_argument("-k", type=int, default=10, help="length of the lists")
    parser.add_argument("--only", default="", help="measure only settings whose name has this text, beside plain")
    parser.add_argument("--output", type=Path, help="JSON file for the means")
    options = parser.parse_args()
    recommender = XCatRecommender.from_pretrained(options.checkpoint)
    shop = read_shop(options.data, saved=recommender.processor.event_settings)
    split = evaluation_data(recommender, shop).splits[options.part].with_format(None)
    rows = [row for row in split if set(row["targets"]) - set(row["items"])]
    if options.users is not None and options.users < len(rows):
        drawn = np.random.default_rng(0).permutation(len(rows))[: options.users]
        rows = [rows[place] for place in np.sort(drawn)]
    pools = Pools(recommender, rows)
    print(machine_line())
    times = f"MMR {milliseconds(mmr_picks):.2f} ms, DPP {milliseconds(dpp_picks):.2f} ms"
    print(f"{len(rows):,} users; 20 of 200 items for one list: {times}")
    print(
        f"| lists of {options.k} | NDCG | change | Recall | similarity | minimum distance | duplicate titles "
        "| categories | KL | history | new |\n|" + "---|" * 11
    )
    results: dict[str, dict[str, np.ndarray]] = {}
    for name, rules in {
        key: found for key, found in SETTINGS.items() if key == "plain" or options.only in key
    }.items():
        results[name] = measured(pools, rules, options.k)
        print(line(name, results[name], results["plain"]), flush=True)
    means = {name: {key: float(np.nanmean(v)) for key, v in found.items()} for name, found in results.items()}
    if f"knob {KNOB[-1]}" in means:
        for metric in ("similarity", "history", "distance", "new"):
            values = [means[f"knob {place}"][metric] for place in KNOB]
            print(f"knob, Spearman with {metric}: {spearman(values):+.3f}")
    if options.output is not None:
        options.output.write_text(json.dumps({"users": len(rows), "k": options.k, "means": means}, indent=2))


if __name__ == "__main__":
    main()

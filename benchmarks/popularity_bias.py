"""Popularity bias against NDCG: re-ranking rules at several strengths, on one checkpoint.

    python benchmarks/popularity_bias.py CKPT DATA [--purpose next] [--loss 0.01] [--output FILE.json]
    python benchmarks/popularity_bias.py CKPT DATA --rule "LogitAdjustment(s, after=2)"

The strength of each rule is chosen on the validation users: the largest one that loses at most `--loss` of NDCG. They
are ranked without the re-ranker, because it was fitted on them. All strengths are then measured on the test users, and
the chosen one is marked. Changes are relative to the plain lists, with 95 % intervals of a paired bootstrap over
users. "balanced" is NDCG on a popularity-balanced test, where targets are weighted by inverse propensities. Lists have
10 items of a pool of 200.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from machine import machine_line

from xcat_rec.evaluation.audits.exposure import gini
from xcat_rec.evaluation.audits.popularity import tail_per_user
from xcat_rec.evaluation.bootstrap import Interval, bootstrap_statistics
from xcat_rec.evaluation.propensities import balanced_per_user
from xcat_rec.evaluation.purposes import DISCOVER, NEXT
from xcat_rec.evaluation.ranks import pad_targets
from xcat_rec.evaluation.recommendation_ranking.ranking_metrics import per_user_metrics
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.rerank import POOL, Reranker, pool_candidates, rerank_order
from xcat_rec.ranking.rerankers import LogitAdjustment, PopularityDiscount, Share
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS
from xcat_rec.training.tuning.held_out import rerankers_off
from xcat_rec.workflows.checkpoint_evaluation import evaluation_data
from xcat_rec.workflows.read_shop import read_shop

USERS_AT_ONCE, K = 128, 10
FAMILIES: dict[str, tuple[Callable[[float], Reranker], tuple[float, ...]]] = {
    "PopularityDiscount(s)": (PopularityDiscount, (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)),
    "LogitAdjustment(s)": (LogitAdjustment, (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)),
    "LogitAdjustment(s, after=2)": (lambda s: LogitAdjustment(s, 2), (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)),
    "LogitAdjustment(s, after=5)": (lambda s: LogitAdjustment(s, 5), (0.1, 0.2, 0.25, 0.3, 0.4, 0.6)),
    'Share("long-tail", s)': (lambda s: Share("long-tail", s), (0.1, 0.2, 0.3, 0.4)),
}


@dataclass
class Pools:
    """The best items of the users who have a target of a purpose.

    Args:
        rows: (users, pool) item indices.
        scores: (users, pool) their scores.
        histories: Item indices of each user.
        targets: Target item indices of each user.
    """

    rows: torch.Tensor
    scores: torch.Tensor
    histories: list[list[int]]
    targets: list[list[int]]

    @classmethod
    def of_split(cls, recommender: XCatRecommender, split: Dataset, purpose: str) -> Pools:
        """Score a split."""
        users = list(split.with_format(None))
        if purpose == DISCOVER:
            users = [{**row, "targets": sorted(set(row["targets"]) - set(row["items"]))} for row in users]
        users = [row for row in users if row["targets"]]
        best, found = [], []
        for start in range(0, len(users), USERS_AT_ONCE):
            rows = users[start : start + USERS_AT_ONCE]
            scores = recommender.score_rows(rows, discover=purpose == DISCOVER)
            top = scores.topk(min(POOL, scores.shape[1]), dim=1)
            best.append(top.values)
            found.append(top.indices)
        histories, targets = ([list(row[name]) for row in users] for name in ("items", "targets"))
        return cls(torch.cat(found), torch.cat(best), histories, targets)


@dataclass
class Measured:
    """Values per user of one setting: NDCG, popularity, long-tail share, balanced NDCG with weights, and the lists."""

    ndcg: np.ndarray
    arp: np.ndarray
    tail: np.ndarray
    balanced: tuple[np.ndarray, np.ndarray]
    top: np.ndarray


def measure(pools: Pools, recommender: XCatRecommender, rules: list[Reranker]) -> Measured:
    """Measure the lists of rules."""
    counts, ordered = recommender.model.model.items.item_counts.numpy(), []
    for start in range(0, len(pools.rows), USERS_AT_ONCE):
        part = slice(start, start + USERS_AT_ONCE)
        candidates = pool_candidates(
            pools.rows[part], pools.scores[part], 0, pools.histories[part], recommender.vocabulary,
            recommender.item_data, POOL,
        )  # fmt: skip
        ordered.append(pools.rows[part].gather(1, rerank_order(candidates, rules)))
    places, wanted = torch.cat(ordered).numpy(), pad_targets(pools.targets)
    ranks = np.zeros(wanted.shape, dtype=np.int64)
    for column, items in enumerate(wanted.T):
        hit = places == items[:, None]
        ranks[:, column] = np.where(items < NUM_SPECIAL_ROWS, 0, np.where(hit.any(1), hit.argmax(1), POOL) + 1)
    top = places[:, :K]
    tail = tail_per_user(top, counts)
    balanced = balanced_per_user(ranks, pools.targets, counts, K)
    return Measured(per_user_metrics(ranks, [K])[f"ndcg@{K}"], tail[:, 0], tail[:, 1], balanced, top)


def changes(new: Measured, plain: Measured, samples: int) -> dict[str, Interval]:
    """Relative changes of NDCG, ARP, long-tail share and balanced NDCG."""
    both = new, plain
    ndcg, arp, tail = (np.stack([getattr(one, name) for one in both]) for name in ("ndcg", "arp", "tail"))
    sums = np.stack([one.balanced[0] * one.balanced[1] for one in both])

    def ratios(times: np.ndarray) -> np.ndarray:
        return np.array([a / b - 1 for a, b in (values @ times for values in (ndcg, arp, tail, sums))])

    found = bootstrap_statistics(ratios, len(new.top), samples)
    return {name: found.interval(place) for place, name in enumerate(("ndcg", "arp", "tail", "balanced"))}


def gini_of(found: Measured, num_rows: int) -> float:
    """Gini of the items' frequencies in all lists. Resampling users would change its size, so it has no interval."""
    return gini(np.bincount(found.top.ravel(), minlength=num_rows)[NUM_SPECIAL_ROWS:])


def _cells(found: dict[str, Interval], gini_change: float) -> list[str]:
    ndcg, arp, tail, balanced = (found[name] for name in ("ndcg", "arp", "tail", "balanced"))
    return [
        *(f"{one.mean:+.1%} [{one.low:+.1%}, {one.high:+.1%}]" for one in (ndcg, arp)),
        f"{1 + tail.mean:.2f} [{1 + tail.low:.2f}, {1 + tail.high:.2f}]",
        f"{gini_change:+.3f}",
        f"{balanced.mean:+.1%} [{balanced.low:+.1%}, {balanced.high:+.1%}]",
    ]


def curve(
    recommender: XCatRecommender, data: Any, purpose: str, loss: float, samples: int, rules: Sequence[str]
) -> list[dict[str, Any]]:
    """Print and return the table of a purpose."""
    with rerankers_off(recommender.model.config):
        validation = Pools.of_split(recommender, data.splits["validation"], purpose)
    parts = {"validation": validation, "test": Pools.of_split(recommender, data.splits["test"], purpose)}
    plain = {part: measure(pools, recommender, []) for part, pools in parts.items()}
    test, rows = plain["test"], []
    values, weights = test.balanced
    print(
        f"{purpose}, {len(test.top):,} test users, {len(plain['validation'].top):,} validation users: "
        f"NDCG@{K} {test.ndcg.mean():.4f}, ARP {test.arp.mean():.1f}, long-tail share {test.tail.mean():.3f}, "
        f"balanced NDCG {values @ weights / weights.sum():.4f}\n\n"
        "| rule | strength | validation NDCG | NDCG | ARP | long-tail share, times | Gini | balanced |\n|" + "---|" * 8
    )
    for name in rules:
        make, strengths = FAMILIES[name]
        chosen = None
        lost = {
            strength: float(
                measure(parts["validation"], recommender, [make(strength)]).ndcg.mean()
                / plain["validation"].ndcg.mean() - 1
            )
            for strength in strengths
        }  # fmt: skip
        for strength in strengths:
            if lost[strength] < -loss:
                break
            chosen = strength
        for strength in strengths:
            new = measure(parts["test"], recommender, [make(strength)])
            found, size = changes(new, test, samples), len(recommender.vocabulary)
            less_even = gini_of(new, size) - gini_of(test, size)
            mark = " (chosen)" if strength == chosen else ""
            cells = [name, f"{strength:g}{mark}", f"{lost[strength]:+.1%}", *_cells(found, less_even)]
            print(f"| {' | '.join(cells)} |", flush=True)
            ends = {key: [one.mean, one.low, one.high] for key, one in found.items()}
            row = {
                "purpose": purpose,
                "rule": name,
                "strength": strength,
                "chosen": strength == chosen,
                "gini": less_even,
            }
            rows.append({**row, "validation": lost[strength], **ends})
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data")
    parser.add_argument("--purpose", choices=[NEXT, DISCOVER], action="append", help="both by default")
    parser.add_argument("--rule", choices=list(FAMILIES), action="append", help="all by default")
    parser.add_argument("--loss", type=float, default=0.01, help="largest loss of NDCG on validation users")
    parser.add_argument("--samples", type=int, default=300, help="bootstrap samples")
    parser.add_argument("--output", type=Path, help="JSON file")
    options = parser.parse_args()
    recommender = XCatRecommender.from_pretrained(options.checkpoint)
    shop = read_shop(options.data, saved=recommender.processor.event_settings)
    data = evaluation_data(recommender, shop)
    print(machine_line())
    rows = []
    for purpose in options.purpose or (NEXT, DISCOVER):
        rows += curve(recommender, data, purpose, options.loss, options.samples, options.rule or list(FAMILIES))
        print()
    if options.output is not None:
        options.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

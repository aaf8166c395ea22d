"""Heads for brands, categories and campaigns over a checkpoint, beside summed items and counts; MLPs too.

    python benchmarks/target_heads.py CKPT DATA --target brand --target category --users 5000 --json FILE

Heads are trained on the training sequences, over frozen states, until NDCG@10 of the next item's group falls on
validation. Prints Recall and NDCG of validation and test, for the next group and for groups that the
history lacks, with paired intervals of the difference to summed items.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from xcat_rec import XCatRecommender, load_shop
from xcat_rec.evaluation.comparison import compare_groups
from xcat_rec.evaluation.group_ranking import SummedItems, group_rows, trained_groups
from xcat_rec.evaluation.head_ranking import HeadRanker
from xcat_rec.evaluation.ranker_evaluation import RankingReport, evaluate_ranker
from xcat_rec.tokenization.item_groups import read_groups
from xcat_rec.training.tuning.head_training import linear_head, next_groups, train_head, training_states
from xcat_rec.training.tuning.held_out import rerankers_off
from xcat_rec.workflows.checkpoint_evaluation import evaluation_data

PARTS, KINDS, SUMMED = ("validation", "test"), ("linear", "mlp"), "summed items"


def batches(rows: Any, size: int = 64) -> Iterator[list[dict[str, Any]]]:
    """Rows of a dataset as lists of dictionaries."""
    plain = rows.with_format(None)
    for start in range(0, len(plain), size):
        columns = plain[start : start + size]
        yield [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


class KeptScores:
    """A ranker of items that computes the scores of each user once, for several targets and heads."""

    def __init__(self, recommender: XCatRecommender) -> None:
        self._recommender = recommender
        self._kept: dict[tuple[str, str], torch.Tensor] = {}

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """(users, rows) scores for the next item."""
        return self._scores("next", self._recommender.score_rows, rows)

    def discover_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """(users, rows) scores for discovery."""
        return self._scores("discover", self._recommender.discover_rows, rows)

    def _scores(self, purpose: str, score: Any, rows: list[dict[str, Any]]) -> torch.Tensor:
        missing = [row for row in rows if (purpose, row["user_id"]) not in self._kept]
        if missing:
            for row, found in zip(missing, score(missing), strict=True):
                self._kept[purpose, row["user_id"]] = found.clone()
        return torch.stack([self._kept[purpose, row["user_id"]] for row in rows])


@torch.no_grad()
def query_states(recommender: XCatRecommender, rows: Any) -> torch.Tensor:
    """(users, hidden) states of the histories of a part."""
    parts = [recommender.ranker.states(recommender.processor.collate(batch))[0] for batch in batches(rows, 256)]
    return torch.cat(parts)


def head_of(kind: str, hidden: int, popularity: torch.Tensor) -> nn.Module:
    """A linear head, or one with a hidden layer, whose bias starts at the popularity of the groups."""
    last = linear_head(hidden if kind == "linear" else 4 * hidden, popularity)
    if kind == "linear":
        return last
    return nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Dropout(0.1), last)


def line(report: RankingReport, against: RankingReport, ks: tuple[int, ...]) -> dict[str, Any]:
    """Metrics of a report, and the difference of NDCG to summed items."""
    found: dict[str, Any] = {"users": report.num_users, "targets": report.num_targets}
    for k in ks:
        found |= {f"recall@{k}": report.metrics[f"recall@{k}"], f"ndcg@{k}": report.metrics[f"ndcg@{k}"]}
        interval = report.interval(f"ndcg@{k}")
        found[f"ndcg@{k} interval"] = None if interval is None else [interval.low, interval.high]
        gap = None if report is against else report.difference(against, f"ndcg@{k}")
        found[f"ndcg@{k} difference"] = None if gap is None else [gap.mean, gap.low, gap.high]
    return found


class Targets:
    """Evaluates one target: summed items, counts, heads, and both together.

    Args:
        recommender: The checkpoint.
        data: Its evaluation data; validation and test have the evaluated users.
        target: Column of the items.
        ks: Cut-offs.
        most: Training events per user that heads read.
    """

    def __init__(self, recommender: XCatRecommender, data: Any, target: str, ks: tuple[int, ...], most: int) -> None:
        self.recommender, self.splits, self.ks, self.most = recommender, data, ks, most
        self.states = {part: query_states(recommender, data[part]) for part in PARTS}
        self.groups = read_groups(recommender.vocabulary, target)
        self.trained, self.heads = trained_groups(data["train"], self.groups), dict[str, nn.Module]()

    def judged(self, ranker: Any, part: str) -> RankingReport:
        """The report of a ranker of groups."""
        return evaluate_ranker(
            ranker, group_rows(self.splits[part], self.groups), self.groups.vocabulary(), trained=self.trained,
            ks=self.ks, progress=False,
        )  # fmt: skip

    def train_heads(self, kinds: Sequence[str]) -> None:
        """Train the heads; the epoch is chosen on validation."""
        if not kinds:
            return
        began = time.perf_counter()
        model, processor = self.recommender.model, self.recommender.processor
        states, labels = training_states(model, processor, self.splits["train"], self.most)
        some, wanted = next_groups(labels, self.groups)
        states = states[some]
        popularity = torch.bincount(wanted.codes, minlength=len(self.groups)) / len(states)
        print(f"{self.groups.column}: {len(self.groups):,} groups, {len(states):,} training states, "
              f"{time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip
        for kind in kinds:
            began = time.perf_counter()
            head = head_of(kind, states.shape[1], popularity)
            self.heads[kind], values = train_head(head, states, wanted, self._ndcg)
            print(f"{kind} head: {time.perf_counter() - began:.0f} s, NDCG@10 of validation by epoch "
                  f"{', '.join(f'{value:.4f}' for value in values)}", flush=True)  # fmt: skip

    @torch.no_grad()
    def _ndcg(self, head: nn.Module) -> float:
        return self.judged(self.ranker(head, "validation"), "validation").metrics["ndcg@10"]

    def ranker(self, head: nn.Module, part: str, summed: SummedItems | None = None) -> HeadRanker:
        """A head over the states of a part, alone or with weight 1 beside summed items."""
        return HeadRanker(
            lambda states: torch.log_softmax(head(states), 1),
            lambda rows: self.states[part][[row["row"] for row in rows]],
            summed,
        )

    @torch.no_grad()
    def reports(self, items: KeptScores, part: str) -> dict[str, RankingReport]:
        """Reports of all models on a part."""
        rows, groups = self.splits[part], self.groups
        found = compare_groups({SUMMED: items}, self.splits["train"], rows, groups, ks=self.ks, progress=False)
        for kind, head in self.heads.items():
            found[f"{kind} head"] = self.judged(self.ranker(head, part), part)
            both = self.ranker(head, part, SummedItems(items, groups, rows))
            found[f"{SUMMED} + {kind} head"] = self.judged(both, part)
        return found


def spread(rows: Any, users: int | None) -> Any:
    """At most so many rows, evenly spread."""
    if users is None or users >= len(rows):
        return rows
    return rows.select(np.unique(np.linspace(0, len(rows) - 1, users).astype(int)))


def main() -> None:
    """Train the heads and print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data")
    parser.add_argument("--target", action="append", required=True)
    parser.add_argument("-k", type=int, action="append")
    parser.add_argument("--users", type=int, help="Evaluated users per part, evenly spread; all by default.")
    parser.add_argument("--most-events", type=int, default=20, help="Training events per user that a head reads.")
    parser.add_argument("--heads", nargs="*", choices=KINDS, default=KINDS, help="Heads; none without a value.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ks = tuple(sorted(set(options.k or (1, 5, 10)) | {10}))
    torch.manual_seed(0)
    recommender = XCatRecommender.from_pretrained(options.checkpoint)
    data = evaluation_data(recommender, load_shop(options.data)).splits
    for part in PARTS:
        data[part] = spread(data[part], options.users)
    targets = [Targets(recommender, data, target, ks, options.most_events) for target in options.target]
    config, table = recommender.model.config, {}
    for part in PARTS:
        items = KeptScores(recommender)
        with rerankers_off(config) if part == "validation" else nullcontext():  # fitted on these users
            for one in targets:
                if part == "validation":
                    one.train_heads(options.heads)
                found = one.reports(items, part)
                for purpose in ("next", "discover"):
                    own = {name: report if purpose == "next" else report.discover for name, report in found.items()}
                    for name, report in own.items():
                        if report is not None and own[SUMMED] is not None:
                            key = f"{one.groups.column}, {part}, {purpose}, {name}"
                            table[key] = line(report, own[SUMMED], ks)
                            print(shown(key, table[key], ks), flush=True)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


def shown(key: str, figures: dict[str, Any], ks: tuple[int, ...]) -> str:
    """One line of figures: Recall / NDCG at each cut-off, and the difference of NDCG@10 to summed items."""
    values = " ".join(f"{figures[f'recall@{k}']:.4f}/{figures[f'ndcg@{k}']:.4f}" for k in ks)
    gap = figures["ndcg@10 difference"]
    beside = "" if gap is None else f"  {gap[0]:+.4f} [{gap[1]:+.4f}, {gap[2]:+.4f}]"
    return f"{key:64} {figures['users']:6} users  {values}{beside}"


if __name__ == "__main__":
    main()

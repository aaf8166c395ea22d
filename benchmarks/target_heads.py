"""Heads for brands, categories and campaigns over the trunk of a checkpoint, beside summed items and counts.

    python benchmarks/target_heads.py CKPT DATA --target brand --json FILE

Heads are trained on the training sequences, over frozen states, and their epochs are chosen on validation (NDCG@10 of
the next item's group). Prints Recall and NDCG of validation and test, for the next group and for groups that the
history lacks, with paired intervals of the difference to summed items.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from xcat_rec import XCatRecommender, load_shop
from xcat_rec.evaluation.comparison import compare_groups
from xcat_rec.evaluation.group_ranking import SummedItems, group_rows, trained_groups
from xcat_rec.evaluation.ranker_evaluation import RankingReport, evaluate_ranker
from xcat_rec.tokenization.item_groups import ItemGroups, read_groups
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS
from xcat_rec.workflows.checkpoint_evaluation import evaluation_data

BATCH, EPOCHS, RATE = 1024, 8, 2e-3
PARTS = ("validation", "test")


def batches(rows: Any, size: int = 64) -> Iterator[list[dict[str, Any]]]:
    """Rows of a dataset as lists of dictionaries."""
    plain = rows.with_format(None)
    for start in range(0, len(plain), size):
        columns = plain[start : start + size]
        yield [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@torch.no_grad()
def training_states(
    recommender: XCatRecommender, rows: Any, groups: ItemGroups, most: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """States after events of training sequences, and (states, groups) shares of the next event's groups.

    At most the latest `most` events per user are taken.
    """
    model, processor = recommender.model.model, recommender.processor
    states, owners, codes = [], [], []
    for batch in batches(rows):
        inputs = processor.collate(batch, layout="right")
        inputs.pop("query_positions")
        hidden = model(**inputs, return_dict=True).last_hidden_state.float()
        for place, row in enumerate(batch):
            items = np.asarray(row["items"][-processor.max_history :])
            found, counts = groups.expanded(items[1:])
            ends = np.cumsum(counts)
            for position in range(max(0, len(items) - 1 - most), len(items) - 1):
                own = found[ends[position] - counts[position] : ends[position]]
                if len(own):
                    codes.extend(own)
                    owners.extend([len(states)] * len(own))
                    states.append(hidden[place, position])
    shares = torch.zeros(len(states), len(groups), dtype=torch.float16)
    shares[torch.tensor(owners), torch.from_numpy(np.asarray(codes))] = 1
    return torch.stack(states), shares


class HeadRanker:
    """Ranks groups by a head over the state of the history; with `summed`, added to the log of summed items."""

    def __init__(
        self, recommender: XCatRecommender, head: nn.Module, dataset: Any, summed: SummedItems | None, weight: float
    ) -> None:
        self._recommender, self._head, self._summed, self._weight = recommender, head, summed, weight
        self._rows = dataset.with_format(None)

    @torch.no_grad()
    def _logits(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        columns = self._rows[[row["row"] for row in rows]]
        own = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        states, _ = self._recommender.ranker.states(self._recommender.processor.collate(own))
        logits = torch.log_softmax(self._head(states), 1)
        return nn.functional.pad(logits, (NUM_SPECIAL_ROWS, 0), value=-torch.inf)

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """(users, groups) logarithms of probabilities."""
        if self._summed is None:
            return self._logits(rows)
        return self._summed.score_rows(rows) + self._weight * self._logits(rows)

    def discover_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        """The same for discovery."""
        if self._summed is None:
            return self._logits(rows)
        return self._summed.discover_rows(rows) + self._weight * self._logits(rows)


def head_of(kind: str, hidden: int, popularity: torch.Tensor) -> nn.Module:
    """A linear head, or one with a hidden layer, whose bias starts at the popularity of the groups."""
    last = nn.Linear(hidden if kind == "linear" else 4 * hidden, len(popularity))
    nn.init.normal_(last.weight, std=0.02)
    with torch.no_grad():
        last.bias.copy_((popularity + 1e-6).log())
    if kind == "linear":
        return last
    return nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Dropout(0.1), last)


def train(head: nn.Module, states: torch.Tensor, shares: torch.Tensor, judge: Any) -> tuple[nn.Module, list[float]]:
    """Train a head with the cross-entropy of the groups; keeps the epoch with the best value of `judge`."""
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.01)
    steps = EPOCHS * -(-len(states) // BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    best, kept, values = -1.0, copy.deepcopy(head), []
    generator = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        head.train()
        for part in torch.randperm(len(states), generator=generator).split(BATCH):
            wanted = shares[part].float()
            loss = -(torch.log_softmax(head(states[part]), 1) * (wanted / wanted.sum(1, keepdim=True))).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        values.append(judge(head.eval()))
        if values[-1] > best:
            best, kept = values[-1], copy.deepcopy(head)
    return kept, values


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


def main() -> None:
    """Train the heads and print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data")
    parser.add_argument("--target", default="brand")
    parser.add_argument("-k", type=int, action="append")
    parser.add_argument("--most-events", type=int, default=20, help="Training events per user that a head reads.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ks = tuple(sorted(set(options.k or (1, 5, 10)) | {10}))
    torch.manual_seed(0)
    recommender = XCatRecommender.from_pretrained(options.checkpoint)
    shop, groups = load_shop(options.data), read_groups(recommender.vocabulary, options.target)
    data = evaluation_data(recommender, shop)
    splits, vocabulary = data.splits, groups.vocabulary()
    rows = {part: group_rows(splits[part], groups) for part in PARTS}
    trained = trained_groups(splits["train"], groups)

    def judged(ranker: Any, part: str) -> RankingReport:
        return evaluate_ranker(ranker, rows[part], vocabulary, trained=trained, ks=ks, progress=False)

    config = recommender.model.config
    before = config.candidate_attention, config.discover_candidate_attention
    reports: dict[str, dict[str, RankingReport]] = {}
    for part in PARTS:
        if part == "validation":  # the re-rankers were fitted on these users
            config.candidate_attention, config.discover_candidate_attention = False, None
        reports[part] = compare_groups(
            {"summed items": recommender}, splits["train"], splits[part], groups, ks=ks, progress=False
        )
        config.candidate_attention, config.discover_candidate_attention = before
    began = time.perf_counter()
    states, shares = training_states(recommender, splits["train"], groups, options.most_events)
    popularity = shares.float().mean(0)
    print(f"{options.target}: {len(groups):,} groups, {len(states):,} training states, "
          f"{time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip
    summed = {part: SummedItems(recommender, groups, splits[part]) for part in PARTS}
    for kind in ("linear", "mlp"):

        def ranker(head: nn.Module, part: str, weight: float | None = None) -> HeadRanker:
            return HeadRanker(recommender, head, splits[part], None if weight is None else summed[part], weight or 0)

        began = time.perf_counter()
        head, values = train(
            head_of(kind, states.shape[1], popularity), states, shares,
            lambda head: judged(ranker(head, "validation"), "validation").metrics["ndcg@10"],
        )  # fmt: skip
        print(f"{kind} head: {time.perf_counter() - began:.0f} s, NDCG@10 of validation by epoch "
              f"{', '.join(f'{value:.4f}' for value in values)}", flush=True)  # fmt: skip
        for part in PARTS:
            if part == "validation":
                config.candidate_attention, config.discover_candidate_attention = False, None
            reports[part][f"{kind} head"] = judged(ranker(head, part), part)
            reports[part][f"summed items + {kind} head"] = judged(ranker(head, part, 1.0), part)
            config.candidate_attention, config.discover_candidate_attention = before
    table = {}
    for part, found in reports.items():
        for purpose in ("next", "discover"):
            own = {name: report if purpose == "next" else report.discover for name, report in found.items()}
            for name, report in own.items():
                if report is not None and own["summed items"] is not None:
                    table[f"{part}, {purpose}, {name}"] = line(report, own["summed items"], ks)
    for name, figures in table.items():
        shown = " ".join(f"{figures[f'recall@{k}']:.4f}/{figures[f'ndcg@{k}']:.4f}" for k in ks)
        gap = figures["ndcg@10 difference"]
        beside = "" if gap is None else f"  {gap[0]:+.4f} [{gap[1]:+.4f}, {gap[2]:+.4f}]"
        print(f"{name:48} {figures['users']:6} users  {shown}{beside}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()

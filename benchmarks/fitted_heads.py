"""Heads of targets as the product fits them on a trained checkpoint, and their gain on the test split.

    python benchmarks/fitted_heads.py CKPT DATA --target category --output FOLDER

`fit_target_heads` chooses epoch and weights on validation, without the re-rankers, which were fitted on these users.
Prints the weights, then Recall@10 and NDCG@10 of summed items, of the head and of both as `recommend_targets` has
them, with the paired interval of the difference to the sums. The checkpoint with its heads is saved in FOLDER.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import xcat_rec
from xcat_rec.evaluation.baseline_names import HEAD, SUMMED_ITEMS
from xcat_rec.evaluation.ranker_evaluation import RankingReport
from xcat_rec.training.tuning import fit_target_heads
from xcat_rec.workflows.checkpoint_evaluation import evaluation_data

METRIC = "ndcg@10"


def line(name: str, report: RankingReport, summed: RankingReport) -> str:
    """Users, Recall@10 and NDCG@10 of a model, and the difference to summed items."""
    gap = report.difference(summed, METRIC)
    beside = "" if gap is None or report is summed else f"  {gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"
    return (
        f"{name:40} {report.num_users:6} users  {report.metrics['recall@10']:.4f} {report.metrics[METRIC]:.4f}{beside}"
    )


def main() -> None:
    """Fit the heads, save them and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("data")
    parser.add_argument("--target", action="append", required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    shop = xcat_rec.load_shop(options.data)
    recommender = xcat_rec.XCatRecommender.from_pretrained(options.checkpoint)
    splits = evaluation_data(recommender, shop).splits
    model, processor = recommender.model, recommender.processor
    for one in fit_target_heads(model, processor, splits["train"], splits["validation"], options.target):
        print(f"{one.column}: weights {one.weights}, NDCG@10 of the head by epoch on validation "
              f"{', '.join(f'{value:.4f}' for value in one.epochs)}", flush=True)  # fmt: skip
        for purpose, gain in one.gains.items():
            told = "too few users" if gain is None else f"{gain.before:.4f} -> {gain.after:.4f}, {gain.users} users"
            print(f"{one.column}, validation, {purpose}: {told}", flush=True)
    model.save_pretrained(options.output)
    processor.save_pretrained(options.output)
    recommender = xcat_rec.XCatRecommender.from_pretrained(options.output)
    for target in options.target:
        found = xcat_rec.evaluate(recommender, shop, target=target, ks=[10])
        rows = {SUMMED_ITEMS: found.baselines[SUMMED_ITEMS], HEAD: found.baselines[HEAD], "served": found.report}
        for name, report in rows.items():
            print(line(f"{target}, test, next, {name}", report, rows[SUMMED_ITEMS]), flush=True)
        new = {name: report.discover for name, report in rows.items() if report.discover is not None}
        for name, report in new.items():
            print(line(f"{target}, test, discover, {name}", report, new[SUMMED_ITEMS]), flush=True)


if __name__ == "__main__":
    main()

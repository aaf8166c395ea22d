"""Terms of the training objective against popularity bias: a fit per term and strength, and what each changes.

    python benchmarks/sample_users.py DATA SAMPLE --users 2500
    python benchmarks/training_terms.py SAMPLE --output FOLDER [--term exposure_weight] [--rule-strength 0.2]

Every fit has the same data and seed, and is compared with the fit without a term. The strength of a term is chosen on
the validation users: the largest one that loses at most `--loss` of NDCG. Intervals are 95 % of a paired bootstrap
over the test users; they leave out that two fits differ by chance. So other seeds without a term are in the table,
too. "tail targets" is NDCG of users whose target is in the long tail, and "flagged" the number of items per list that
the content policy flags. With `--rule-strength` each fit is also measured with `LogitAdjustment(s, after=2)`, and the
best pair on the validation users is named: of those within the loss, the one with the highest balanced NDCG.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine_line
from popularity_bias import K, Measured, Pools, changes, gini_of, measure

import xcat_rec
from xcat_rec.evaluation.audits.popularity import tail_rows
from xcat_rec.evaluation.bootstrap import bootstrap_statistics
from xcat_rec.evaluation.purposes import NEXT
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.rerankers import LogitAdjustment
from xcat_rec.tokenization.policy import ContentPolicy
from xcat_rec.tokenization.policy.item_verdicts import checked_catalogue
from xcat_rec.tokenization.tables.schema import ShopTables
from xcat_rec.workflows.checkpoint_evaluation import evaluation_data

TERMS: dict[str, tuple[float, ...]] = {
    "logit_adjustment": (0.1, 0.2, 0.4),
    "propensity_power": (0.25, 0.5, 1.0),
    "exposure_weight": (0.3, 1.0, 3.0),
    "group_gap_weight": (0.03, 0.1, 0.3),
    "flagged_weight": (3.0, 10.0, 30.0),
}
NO_TERM = "none"


@dataclass
class Fitted:
    """What the lists of a fit are like.

    Args:
        term: Name of the term.
        strength: Its strength, or the seed of a fit without a term.
        rule: Strength of the re-ranking rule; 0 for none.
        found: Values per user of both parts.
        flagged: Flagged items in the list of each test user.
        tail_targets: Whether the target of each test user is in the long tail.
        rows: Number of item indices.
    """

    term: str
    strength: float
    rule: float
    found: dict[str, Measured]
    flagged: np.ndarray
    tail_targets: np.ndarray
    rows: int


def flagged_items(shop: ShopTables, recommender: XCatRecommender) -> list[str]:
    """Ids of the items that the standard content policy does not allow."""
    return sorted(checked_catalogue(ContentPolicy(), recommender.vocabulary)["items"])


def measured(
    shop: ShopTables, checkpoint: Path, term: str, strength: float, rules: list[float], flagged: list[str] | None
) -> tuple[list[Fitted], list[str]]:
    """Measure the lists of a checkpoint, without a rule and with each strength of the rule.

    Args:
        shop: The tables.
        checkpoint: The checkpoint.
        term: Name of its term.
        strength: The strength.
        rules: Strengths of the rule.
        flagged: Flagged items; None to find them.
    """
    recommender = XCatRecommender.from_pretrained(str(checkpoint))
    flagged = flagged_items(shop, recommender) if flagged is None else flagged
    data = evaluation_data(recommender, shop)
    parts = {part: Pools.of_split(recommender, data.splits[part], NEXT) for part in ("validation", "test")}
    size = len(recommender.vocabulary)
    marked = np.zeros(size, dtype=bool)
    marked[recommender.vocabulary.encode(flagged)] = True
    tail = tail_rows(recommender.model.model.items.item_counts.numpy())
    targets = np.array([any(tail[item] for item in items) for items in parts["test"].targets])
    fits = []
    for rule in (0.0, *rules):
        rerankers = [LogitAdjustment(rule, 2)] if rule else []
        found = {part: measure(pools, recommender, rerankers) for part, pools in parts.items()}
        fits.append(Fitted(term, strength, rule, found, marked[found["test"].top].sum(1), targets, size))
    return fits, flagged


def on_validation(fit: Fitted, plain: Fitted) -> tuple[float, float]:
    """Relative changes of NDCG and of balanced NDCG on the validation users."""
    new, old = fit.found["validation"], plain.found["validation"]
    (a, weights), (b, _) = new.balanced, old.balanced
    return float(new.ndcg.mean() / old.ndcg.mean() - 1), float((a @ weights) / (b @ weights) - 1)


def compared(fit: Fitted, plain: Fitted, samples: int) -> dict[str, Any]:
    """A row of the table: changes relative to the fit without a term."""
    found = changes(fit.found["test"], plain.found["test"], samples)
    tail = fit.tail_targets
    new, old = ((one.found["test"].ndcg * tail, one.flagged.astype(float)) for one in (fit, plain))

    def ratios(times: np.ndarray) -> np.ndarray:
        pairs = [(a @ times, b @ times) for a, b in zip(new, old, strict=True)]
        return np.array([a / b - 1 if b else 0.0 for a, b in pairs])

    more = bootstrap_statistics(ratios, len(tail), samples)
    found |= {"tail targets": more.interval(0), "flagged": more.interval(1)}
    ndcg, balanced = on_validation(fit, plain)
    row = {"term": fit.term, "strength": fit.strength, "rule": fit.rule, "validation": ndcg}
    row |= {"validation balanced": balanced}
    row["gini"] = gini_of(fit.found["test"], fit.rows) - gini_of(plain.found["test"], plain.rows)
    return row | {name: [one.mean, one.low, one.high] for name, one in found.items()}


HEAD = ("term", "strength", "rule", "validation NDCG", "validation balanced", "NDCG", "ARP", "long-tail share, times",
        "Gini", "balanced", "tail targets", "flagged")  # fmt: skip


def line(row: dict[str, Any], chosen: bool) -> str:
    """A row as a line of a table."""

    def percent(name: str) -> str:
        mean, low, high = row[name]
        return f"{mean:+.1%} [{low:+.1%}, {high:+.1%}]"

    mean, low, high = (1 + value for value in row["tail"])
    strength = f"{'seed ' if row['term'] == NO_TERM else ''}{row['strength']:g}{' (chosen)' if chosen else ''}"
    cells = [row["term"], strength, f"{row['rule']:g}" if row["rule"] else "", f"{row['validation']:+.1%}"]
    cells += [f"{row['validation balanced']:+.1%}", percent("ndcg"), percent("arp")]
    cells += [f"{mean:.2f} [{low:.2f}, {high:.2f}]", f"{row['gini']:+.3f}"]
    return f"| {' | '.join([*cells, *map(percent, ('balanced', 'tail targets', 'flagged'))])} |"


def largest_within(rows: list[dict[str, Any]], loss: float) -> set[tuple[str, float]]:
    """The chosen strength of each term: the largest one before a strength that loses more."""
    chosen: dict[str, float] = {}
    for term in {row["term"] for row in rows} - {NO_TERM}:
        for row in sorted((row for row in rows if row["term"] == term), key=lambda row: float(row["strength"])):
            if row["validation"] < -loss:
                break
            chosen[term] = row["strength"]
    return set(chosen.items())


def main() -> None:
    """Fit, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--output", type=Path, required=True, help="folder for the fits and rows.json")
    parser.add_argument("--term", choices=list(TERMS), action="append", help="all by default")
    parser.add_argument("--strength", type=float, action="append", help="instead of those of the terms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--other-seeds", type=int, default=2, help="fits without a term and another seed")
    parser.add_argument("--rule-strength", type=float, action="append", default=[])
    parser.add_argument("--loss", type=float, default=0.01, help="largest loss of NDCG on validation users")
    parser.add_argument("--samples", type=int, default=300, help="bootstrap samples")
    parser.add_argument("--quick", action="store_true", help="without re-ranker, queries, and long trainings")
    parser.add_argument("--epochs", type=float, help="epochs of each fit; by default those of xcat fit")
    given = parser.parse_args()
    shop = xcat_rec.load_shop(given.data)
    print(machine_line())
    wanted = [(NO_TERM, float(given.seed + n)) for n in range(given.other_seeds + 1)]
    wanted += [(term, one) for term in given.term or TERMS for one in given.strength or TERMS[term]]
    plain: Fitted | None = None
    flagged: list[str] | None = None
    rows: list[dict[str, Any]] = []
    for term, strength in wanted:
        begin, place = time.perf_counter(), given.output / f"{term}-{strength:g}"
        fields: dict[str, Any] = {"seed": given.seed, term: strength} if term != NO_TERM else {"seed": int(strength)}
        if term == "flagged_weight":
            fields["flagged"] = flagged
        if given.quick:
            fields |= {"quick": True, "tune_second_stage": False, "ask_length": 0}
        if given.epochs is not None:
            fields["num_train_epochs"] = given.epochs
        if not (place / "config.json").is_file():
            xcat_rec.fit(shop, place, card=None, **fields)
        fits, flagged = measured(shop, place, term, strength, given.rule_strength, flagged)
        if plain is None:
            plain, test = fits[0], fits[0].found["test"]
            values, weights = test.balanced
            print(
                f"{len(test.top):,} test users, {int(plain.tail_targets.sum()):,} with a target in the long tail, "
                f"{len(flagged)} flagged items: NDCG@{K} {test.ndcg.mean():.4f}, ARP {test.arp.mean():.1f}, long-tail "
                f"share {test.tail.mean():.3f}, balanced NDCG {values @ weights / weights.sum():.4f}, NDCG of targets "
                f"in the long tail {test.ndcg[plain.tail_targets].mean():.4f}, flagged items per list "
                f"{plain.flagged.mean():.3f}"
            )
            fits = fits[1:]
        rows += [compared(fit, plain, given.samples) for fit in fits]
        (given.output / "rows.json").write_text(json.dumps(rows, indent=1))
        print(f"{term} {strength:g}: {time.perf_counter() - begin:.0f} s", flush=True)
    plainly = largest_within([row for row in rows if not row["rule"]], given.loss)
    print(f"\n| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for row in rows:
        print(line(row, not row["rule"] and (row["term"], row["strength"]) in plainly))
    own = [row for row in rows if row["validation"] >= -given.loss and (row["term"] != NO_TERM or row["rule"])]
    if own:
        print(f"\nhighest balanced NDCG on validation users within the loss:\n{line(max(own, key=_balanced), True)}")


def _balanced(row: dict[str, Any]) -> float:
    return float(row["validation balanced"])


if __name__ == "__main__":
    main()

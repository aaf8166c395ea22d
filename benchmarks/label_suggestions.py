"""Labels that `suggest_labels` needs for 95 % of the full accuracy, against random labels, with a simulated person.

    python benchmarks/label_suggestions.py DATA --kind texts --seeds 5 --json FILE
    python benchmarks/label_suggestions.py amazon_beauty_2014 --kind items --column department
    python benchmarks/label_suggestions.py amazon_beauty_2014 --kind users --column department --segment

DATA for texts is a folder with reviews.* (columns label, 1 in favour and 0 against, and review_text), or with events.*
whose ratings of 4 and 5 are in favour and of 1 and 2 against. The label of an item is a value of the column, and that
of a user the value of the latest item, which the user's vector does not have; with --segment it is the most frequent
value of the user's items, of which the vector has the earlier half. Values of fewer than ten things are left out.

Per seed a fifth of the things is held out, and a pool is drawn from the rest. Both ways label the same number of
things of the pool per step, from no label on. After each step `label_model` is trained on the labels. "Full" is the
model that is trained on the whole pool.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from machine import machine_line

from xcat_rec import load_shop
from xcat_rec.tokenization.interests.opinions import read_statements
from xcat_rec.tokenization.sequences.timeline import TiePolicy, Unit, sort_events
from xcat_rec.tokenization.sources import read_table
from xcat_rec.tokenization.text import clean_text
from xcat_rec.tokenization.text.default_encoder import choose_text_encoder
from xcat_rec.training.labelling.label_pool import LabelPool
from xcat_rec.training.labelling.ranking import label_model, rank_pool
from xcat_rec.training.labelling.selection import unit_vectors
from xcat_rec.workflows.interests import encoder_of
from xcat_rec.workflows.label_pools import ITEM, TEXT, USER, item_pool, user_pool

WAYS, METRICS, SHARE, LEAST = ("random", "suggested"), ("accuracy", "balanced accuracy"), 0.95, 10


def encode(texts: list[str]) -> np.ndarray:
    """States of the default encoder."""
    states: np.ndarray = encoder_of(choose_text_encoder(None, texts)).encode(texts)[:, 0]
    return states


def labelled_texts(folder: Path, most: int) -> tuple[list[str], list[str]]:
    """Distinct texts and their sides, positive or negative; at most so many, drawn with seed 0."""
    files = {path.name.split(".")[0]: path for path in folder.iterdir()}
    if "reviews" in files:
        table = read_table(files["reviews"])
        ratings = 1 + 4 * table["label"].cast(pl.Float64)
        table = pl.DataFrame({"text": [clean_text(text) for text in table["review_text"]], "rating": ratings})
    else:
        table = read_statements(read_table(files["events"])).table
    table = table.filter((pl.col("text") != "") & pl.col("rating").is_in([1.0, 2.0, 4.0, 5.0]))
    table = table.unique("text", keep="first", maintain_order=True)
    table = table.sample(min(most, table.height), seed=0, shuffle=True)
    texts = table["text"].to_list()
    return texts, ["positive" if rating > 3 else "negative" for rating in table["rating"]]


def texts_of(folder: Path, most: int) -> LabelPool:
    """Texts with a sentiment."""
    texts, sides = labelled_texts(folder, most)
    return LabelPool(TEXT, texts, texts, encode(texts), sides)


def items_of(folder: Path, column: str, most: int) -> LabelPool:
    """Items with a value in the column, drawn with seed 0."""
    shop = load_shop(folder)
    items = shop.items.filter(pl.col(column).is_not_null())
    items = items.sample(min(most, items.height), seed=0, shuffle=True)
    # The columns of the category would tell the department.
    items = items.drop("category") if column != "category" else items
    values = dict(zip(items[ITEM], items[column].cast(pl.String), strict=True))
    unlabelled = items.with_columns(pl.lit(None, pl.String).alias(column))
    return labelled(item_pool(replace(shop, items=unlabelled), column, {}, most, encode), values)


def users_of(folder: Path, column: str, most: int, segment: bool) -> LabelPool:
    """Users with a label by the column, drawn with seed 0: the value of the latest event, or the most frequent one.

    The vectors have the events before the latest one, or the earlier half of the events.
    """
    shop = load_shop(folder)
    values = dict(zip(shop.items[ITEM], shop.items[column], strict=True))
    timeline = sort_events(shop.events, Unit.EVENT, TiePolicy.FILE, 0)
    place, count = pl.int_range(pl.len()).over(USER), pl.len().over(USER)
    log = timeline.events.with_columns(
        _value=pl.col(ITEM).replace_strict(values, return_dtype=pl.String),
        _earlier=(place < count / 2) if segment else (place < count - 1),
    )
    told = log.filter(pl.col("_value").is_not_null() & (segment | ~pl.col("_earlier")))
    label = pl.col("_value").mode(maintain_order=True).first() if segment else pl.col("_value").last()
    by_user = dict(told.group_by(USER).agg(label).sort(USER).iter_rows())
    users = list(by_user)
    chosen = np.random.default_rng(0).permutation(len(users))[:most]
    labels = {users[row]: by_user[users[row]] for row in chosen}
    earlier = log.filter("_earlier", pl.col(USER).is_in(list(labels))).drop("_earlier", "_value")
    return labelled(user_pool(replace(shop, events=earlier), {}, most, encode), labels)


def labelled(pool: LabelPool, labels: dict[str, str]) -> LabelPool:
    """A pool of candidates with the labels that the simulated person gives; a shop has no pool of labelled things."""
    return replace(pool, labels=[labels[one] for one in pool.ids])


def part(pool: LabelPool, rows: np.ndarray, labels: list[str]) -> LabelPool:
    """Some things of a pool, with these labels."""
    prior = None if pool.prior is None else pool.prior[rows]
    names = [pool.ids[row] for row in rows]
    return replace(pool, ids=names, shown=names, vectors=pool.vectors[rows], labels=labels, prior=prior)


def scores(vectors: np.ndarray, truth: np.ndarray, known: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Accuracy and balanced accuracy on the test rows of a model of the labelled rows."""
    if len(set(truth[known])) < 2:
        right = truth[test] == truth[known[0]]
    else:
        right = label_model().fit(vectors[known], truth[known]).predict(vectors[test]) == truth[test]
    by_label = [right[truth[test] == label].mean() for label in np.unique(truth[test])]
    return dict(zip(METRICS, (float(right.mean()), float(np.mean(by_label))), strict=True))


def labelled_steps(
    pool: LabelPool, truth: np.ndarray, way: str, rows: np.ndarray, test: np.ndarray, options: Any, seed: int
) -> list[dict[str, float]]:
    """Metrics after each step of a way, until it has as many labels as are allowed."""
    vectors = unit_vectors(pool.vectors)
    order = np.random.default_rng(seed).permutation(len(rows))
    place = {pool.ids[row]: number for number, row in enumerate(rows)}
    known: list[int] = []
    steps = []
    while len(known) < min(options.most, len(rows)):
        if way == "random":
            new = order[len(known) : len(known) + options.batch].tolist()
        else:
            labels = [""] * len(rows)
            for number in known:
                labels[number] = truth[rows[number]]
            new = [place[one.id] for one in rank_pool(part(pool, rows, labels), options.batch)]
        known += new
        steps.append({"labels": len(known), **scores(vectors, truth, rows[known], test)})
    return steps


def measure(pool: LabelPool, options: Any) -> list[dict[str, Any]]:
    """Labels to reach the share of the full metrics, per seed and way; None if it takes more than are allowed."""
    truth = np.array(pool.labels)
    names, counts = np.unique(truth, return_counts=True)
    usable = np.flatnonzero(np.isin(truth, names[counts >= LEAST]))
    found = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        drawn = np.random.default_rng(seed).permutation(usable)
        test, rows = drawn[: len(drawn) // 5], drawn[len(drawn) // 5 :][: options.pool]
        full = scores(unit_vectors(pool.vectors), truth, rows, test)
        line: dict[str, Any] = {"seed": seed, "pool": len(rows), "test": len(test), "full": full}
        for way in WAYS:
            steps = labelled_steps(pool, truth, way, rows, test, options, seed)
            line[way] = {
                metric: next((step["labels"] for step in steps if step[metric] >= SHARE * full[metric]), None)
                for metric in METRICS
            }
            line[f"{way} steps"] = steps
        found.append(line)
        print(json.dumps({name: value for name, value in line.items() if "steps" not in name}), flush=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--kind", choices=("texts", "items", "users"), required=True)
    parser.add_argument("--column", default="category", help="Column of items.")
    parser.add_argument("--segment", action="store_true", help="Users: the most frequent value, not the latest one.")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=20, help="Labels per step.")
    parser.add_argument("--most", type=int, default=600, help="Most labels.")
    parser.add_argument("--pool", type=int, default=1600)
    parser.add_argument("--things", type=int, default=2500, help="Things that are read, test things included.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(machine_line(), flush=True)
    start = time.perf_counter()
    if options.kind == "texts":
        pool = texts_of(options.data, options.things)
    elif options.kind == "items":
        pool = items_of(options.data, options.column, options.things)
    else:
        pool = users_of(options.data, options.column, options.things, options.segment)
    print(f"{len(pool.ids):,} {options.kind}, {len(set(pool.labels))} labels", flush=True)
    found = measure(pool, options)
    for metric in METRICS:
        for way in WAYS:
            needed = [line[way][metric] for line in found]
            print(
                f"{metric:18} {way:10} labels per seed: {', '.join(str(one or f'>{options.most}') for one in needed)}"
            )
    print(f"{time.perf_counter() - start:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()

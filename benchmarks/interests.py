"""Sentiment against labels, keyphrases, and interest profiles, on real texts.

    python benchmarks/interests.py DATA [--lexicon-limit N] --json

DATA is a folder with reviews.* (columns label, 1 in favour and 0 against, review_text, and category if there is one),
or with items.* and events.* whose events carry user, item, time, rating and texts. A fifth of the texts is held out,
by a hash of the text, so that equal texts are on one side. The majority baseline predicts the most frequent label of
the other texts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from machine import machine_line

from xcat_rec.tokenization.interests.entities import EntityMatcher
from xcat_rec.tokenization.interests.keyphrases import KeyphraseExtractor
from xcat_rec.tokenization.interests.opinions import Statements, full_profile, opinions_of, read_statements
from xcat_rec.tokenization.interests.sentiment import LearnedSentiment, Sentiment, lexicon_sentiment
from xcat_rec.tokenization.sources import read_table
from xcat_rec.tokenization.text import clean_text, item_texts, resolve_text_encoder
from xcat_rec.tokenization.text.text_encoder import TextEncoder


def table_of(folder: str, name: str) -> pl.DataFrame | None:
    """A table in the folder, or None if it has no table of this name."""
    files = sorted(path for path in Path(folder).iterdir() if path.name.split(".")[0] == name)
    return read_table(files[0]) if files else None


def held_out(texts: list[str]) -> np.ndarray:
    """(texts,) True for a fifth of the distinct texts."""
    return np.array([hashlib.sha256(text.encode("utf-8", "replace")).digest()[0] % 5 == 0 for text in texts])


def accuracy(judge: Sentiment, texts: list[str], positive: np.ndarray) -> dict[str, float]:
    """Accuracy (0 counts as positive, the majority), and texts per second."""
    start = time.perf_counter()
    found = judge(texts) >= 0
    seconds = time.perf_counter() - start
    balanced = np.mean([(found == positive)[positive == side].mean() for side in (True, False)])
    return {
        "accuracy": float((found == positive).mean()), "balanced_accuracy": float(balanced),
        "texts_per_second": len(texts) / seconds, "texts": len(texts),
    }  # fmt: skip


def judge_sentiment(texts: list[str], positive: np.ndarray, lexicon_limit: int) -> dict[str, Any]:
    """Accuracy on held-out texts of the majority, the lexicon and the model trained on the other texts."""
    out = held_out(texts)
    test = [text for text, held in zip(texts, out, strict=True) if held]
    train = [text for text, held in zip(texts, out, strict=True) if not held]
    start = time.perf_counter()
    learned = LearnedSentiment.fit(train, positive[~out])
    fit_seconds = time.perf_counter() - start
    majority = bool(positive[~out].mean() >= 0.5)
    sides = positive[out]
    picked = np.random.default_rng(0).permutation(len(test))[:lexicon_limit]
    some = [test[i] for i in picked]
    return {
        "majority": {"accuracy": float((sides == majority).mean()), "balanced_accuracy": 0.5, "texts": len(test)},
        "lexicon": accuracy(lexicon_sentiment, some, sides[picked]),
        "learned": {**accuracy(learned, test, sides), "fit_seconds": fit_seconds, "fit_texts": len(train)},
        "learned_on_the_lexicons_texts": accuracy(learned, some, sides[picked]),
    }


def report_reviews(reviews: pl.DataFrame, lexicon_limit: int) -> dict[str, Any]:
    """Sentiment and keyphrases of labelled reviews."""
    cleaned = [clean_text(text) for text in reviews["review_text"]]
    keep = np.array([bool(text) for text in cleaned])
    texts = [text for text in cleaned if text]
    positive = reviews["label"].to_numpy()[keep] == 1
    categories = reviews["category"].to_numpy()[keep] if "category" in reviews.columns else np.full(len(texts), "all")
    extractor = KeyphraseExtractor().fit(texts)
    phrases = {}
    for category in sorted(set(categories)):
        for side, name in ((True, "in favour"), (False, "against")):
            told = [texts[i] for i in np.flatnonzero((categories == category) & (positive == side))]
            phrases[f"{category} {name}"] = [phrase for phrase, _ in extractor.extract(told, 8)]
    return {"sentiment": judge_sentiment(texts, positive, lexicon_limit), "keyphrases": phrases}


def report_shop(items: pl.DataFrame, events: pl.DataFrame, users: int, lexicon_limit: int) -> dict[str, Any]:
    """Profiles of the users with the most texts, and sentiment against ratings (4, 5 positive, 1, 2 negative)."""
    statements = read_statements(events)
    rated = statements.table.filter((pl.col("text") != "") & pl.col("rating").is_in([1.0, 2.0, 4.0, 5.0]))
    sentiment = judge_sentiment(rated["text"].to_list(), (rated["rating"] > 3).to_numpy(), lexicon_limit)
    texts = dict(zip(items["item_id"], item_texts(items, ("title",)), strict=True))
    categories = dict(zip(items["item_id"], items["category"], strict=True))
    folder, _ = resolve_text_encoder()
    encoder = TextEncoder.from_pretrained(folder)
    entities = EntityMatcher.of_catalogue(items)
    keyphrases = KeyphraseExtractor().fit([text for text in statements.table["text"] if text])
    most = statements.table.group_by("user_id").len().sort(pl.col("len"), "user_id", descending=[True, False])
    profiles = {}
    for user in most["user_id"].head(users):
        told: Statements = statements.of_user(user)
        opinions = opinions_of(told, lambda given: encoder.encode(given, progress=False)[:, 0], texts, categories)
        profile = full_profile(told, opinions, entities=entities, keyphrases=keyphrases)
        profiles[user] = {**profile.to_dict(), "description": profile.describe()}
    return {"sentiment": sentiment, "profiles": profiles}


def show(report: dict[str, Any]) -> None:
    """Print tables."""
    print(machine_line() + "\n")
    print("| sentiment | texts | accuracy | mean of both sides | texts/s |\n|---|---|---|---|---|")
    for name, part in report["sentiment"].items():
        speed = f"{part['texts_per_second']:,.0f}" if "texts_per_second" in part else ""
        print(f"| {name} | {part['texts']:,} | {part['accuracy']:.4f} | {part['balanced_accuracy']:.4f} | {speed} |")
    for name, phrases in report.get("keyphrases", {}).items():
        print(f"\n{name}: {', '.join(phrases)}", end="")
    for user, profile in report.get("profiles", {}).items():
        print(f"\n{user}\n{profile['description']}")
    print()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with reviews.*, or with items.* and events.*")
    parser.add_argument("--users", type=int, default=3, help="profiles printed")
    parser.add_argument("--lexicon-limit", type=int, default=3000, help="held-out texts for the lexicon, such as 3000")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    reviews, items, events = (table_of(options.data, name) for name in ("reviews", "items", "events"))
    if reviews is not None:
        report = report_reviews(reviews, options.lexicon_limit)
    elif items is not None and events is not None:
        report = report_shop(items, events, options.users, options.lexicon_limit)
    else:
        parser.error(f"{options.data} has neither reviews.* nor items.* and events.*")
    show(report)
    if options.json:
        print(json.dumps({**report, "machine": machine_line()}, ensure_ascii=False))


if __name__ == "__main__":
    main()

"""Chinese search by text: an encoder against BM25 over segmented words, and the share of unknown tokens.

    pip install -c constraints.txt bm25s jieba
    python benchmarks/chinese_search.py DATA [--encoder FOLDER] [--documents 100] [--json]

DATA is a folder with `reviews.parquet` (`category`, `review_text`) and `queries.parquet` (`query`). A document is a
review. A query is a search query that has the name of exactly one category, such as a query for a kind of fruit; the
name is cut out, so that the rest of the query has to find the category. A document is relevant if it is in the
category of the query. Precision at 10 and the reciprocal rank of the first relevant document are means over the
queries of each category. Sentences do the same with a sentence of a review that is not among the documents, with the
name cut out, as the query.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
from pathlib import Path

import bm25s
import jieba
import numpy as np
import polars as pl
from machine import machine_line

from xcat_rec.evaluation.bootstrap import relative_bootstrap
from xcat_rec.tokenization.text import clean_text
from xcat_rec.tokenization.text.default_encoder import choose_text_encoder
from xcat_rec.tokenization.text.pooling import read_pooling
from xcat_rec.tokenization.text.text_encoder import TextEncoder
from xcat_rec.tokenization.unknown_tokens import share_unknown_to

QUERIES = 100
"""Most queries of one kind per category."""
DEPTH = 10


def words(texts: list[str]) -> list[list[str]]:
    """Words segmented by jieba, without white space and punctuation."""
    return [[word for word in jieba.lcut(text) if re.search(r"\w", word)] for text in texts]


def queries_of(queries: list[str], categories: list[str]) -> list[tuple[str, str]]:
    """Pairs of a query, without the name of its category, and that category."""
    found = []
    for query in dict.fromkeys(queries):
        named = [name for name in categories if name in query]
        rest = query.replace(named[0], "").strip() if len(named) == 1 else ""
        if len(rest) > 1:
            found.append((rest, named[0]))
    return found


def sentences_of(reviews: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs of a sentence of each review, of 8 to 30 characters and without the name of its category, and that one."""
    found = []
    for text, category in reviews:
        parts = [part.replace(category, "") for part in re.split("[,。!?;，！？；\\s]+", text)]
        found += [(part, category) for part in parts if 8 <= len(part) <= 30][:1]
    return found


def at_most(pairs: list[tuple[str, str]], seed: int) -> list[tuple[str, str]]:
    """At most `QUERIES` pairs per category, drawn at random."""
    drawn = [pairs[i] for i in np.random.default_rng(seed).permutation(len(pairs))]
    counts: dict[str, int] = {}
    kept = []
    for text, category in drawn:
        counts[category] = counts.get(category, 0) + 1
        if counts[category] <= QUERIES:
            kept.append((text, category))
    return kept


def normalised(states: np.ndarray) -> np.ndarray:
    """First states, of length 1."""
    vectors: np.ndarray = states[:, 0] / np.linalg.norm(states[:, 0], axis=1, keepdims=True)
    return vectors


def values_of(scores: np.ndarray, pairs: list[tuple[str, str]], categories: np.ndarray) -> np.ndarray:
    """(queries, 2) precision at 10 and reciprocal rank; equal scores are in the random order of the documents."""
    order = np.argsort(-scores, axis=1, kind="stable")
    right = categories[order] == np.array([category for _, category in pairs])[:, None]
    return np.stack([right[:, :DEPTH].mean(1), 1 / (1 + right.argmax(1))], axis=1)


def by_category(values: np.ndarray, pairs: list[tuple[str, str]]) -> dict[str, dict[str, float]]:
    """Means per category and over all queries."""
    wanted = np.array([category for _, category in pairs])
    precision, reciprocal = values.T
    groups = {"all": np.ones(len(pairs), bool), **{name: wanted == name for name in sorted(set(wanted.tolist()))}}
    return {
        name: {
            "queries": int(rows.sum()), "precision@10": round(float(precision[rows].mean()), 4),
            "mrr": round(float(reciprocal[rows].mean()), 4),
        }
        for name, rows in groups.items()
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", help="folder or hub id; by the language of the texts if left out")
    parser.add_argument("--documents", type=int, default=100, help="reviews per category")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    jieba.setLogLevel(logging.ERROR)
    reviews = pl.read_parquet(given.data / "reviews.parquet").unique("review_text", maintain_order=True)
    reviews = reviews.sample(fraction=1.0, shuffle=True, seed=given.seed)
    documents = reviews.group_by("category", maintain_order=True).head(given.documents)
    documents = documents.sample(fraction=1.0, shuffle=True, seed=given.seed)  # so that equal scores are in no order
    others = reviews.join(documents, on="review_text", how="anti", maintain_order="left")
    names = sorted(reviews["category"].unique())
    texts, categories = [clean_text(text) for text in documents["review_text"]], documents["category"].to_numpy()
    asked = [clean_text(query) for query in pl.read_parquet(given.data / "queries.parquet")["query"]]
    kinds = {
        "search queries": at_most(queries_of(asked, names), given.seed),
        "review sentences": at_most(
            sentences_of([(clean_text(t), c) for t, c in others.select("review_text", "category").iter_rows()]),
            given.seed,
        ),
    }
    chosen = choose_text_encoder(given.encoder, texts, asked)
    reader = TextEncoder.from_pretrained(chosen.path, pooling=read_pooling(chosen.path, chosen.name), max_tokens=64)
    asking = TextEncoder(
        reader.model, reader.tokenizer, read_pooling(chosen.path, chosen.name, query=True), max_tokens=64
    )
    vectors = normalised(reader.encode_batch(texts))
    bm25 = bm25s.BM25()
    bm25.index(words(texts), show_progress=False)
    results, ratios = {}, {}
    for kind, pairs in kinds.items():
        found = [text for text, _ in pairs]
        lexical = np.stack([bm25.get_scores(row) if row else np.zeros(len(texts)) for row in words(found)])
        own = values_of(lexical, pairs, categories)
        encoder = values_of(normalised(asking.encode_batch(found)) @ vectors.T, pairs, categories)
        results[kind] = {"bm25": by_category(own, pairs), "encoder": by_category(encoder, pairs)}
        gain = relative_bootstrap(encoder[:, 0], own[:, 0])
        ratios[kind] = [round(1 + value, 3) for value in (gain.mean, gain.low, gain.high)]
    unknown = {
        name: share_unknown_to(reader.tokenizer, read) for name, read in (("reviews", texts), ("queries", asked))
    }
    shares = ", ".join(f"{name} {share:.2%}" for name, share in unknown.items())
    print(machine_line())
    print(f"{chosen.name}: {len(texts)} reviews; unknown tokens: {shares}")
    if given.json:
        found = {"encoder": chosen.name, "unknown_tokens": unknown, "results": results, "precision_ratio": ratios}
        print(json.dumps(found, ensure_ascii=False))
        return
    for kind, models in results.items():
        print(f"\n{kind}\n{'':12}" + "".join(f"{name:>24}" for name in ("queries", *models)))
        for group in models["bm25"]:
            cells = [f"{model[group]['precision@10']:.3f} / {model[group]['mrr']:.3f}" for model in models.values()]
            print(f"{group:12}" + "".join(f"{cell:>24}" for cell in (models["bm25"][group]["queries"], *cells)))
        ratio, low, high = ratios[kind]
        print(f"precision of the encoder divided by BM25's: {ratio:.2f} [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()

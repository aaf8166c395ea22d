"""Interests in training, evaluation and serving: the same code everywhere, from earlier events only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from xcat_rec.catalogue.interests import interest_reader
from xcat_rec.checkpoints.saved_tables import saved_text_columns
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.batch import BatchRequest, histories_table, recommend_block
from xcat_rec.tokenization.interests.opinions import Statements
from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.out_of_core.prepare import prepare_tables
from xcat_rec.tokenization.out_of_core.prepared_folder import load_prepared
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.sequences.histories import read_histories
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.from_base import prepare_from_base
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.trainer import XCatTrainer

from ..tiny_shop import CATEGORIES, DAY, QUICK, SMALL, events_table, items_table, save_text_encoder, shop

TEXTS = [f"{one} number {n}" for n, one in enumerate(CATEGORIES)]
COLUMNS = ("interest_states", "interest_kinds", "interest_positions")


def events() -> pl.DataFrame:
    """The tiny data set's events, three of four with a text; times in days, so that a history has no time twice."""
    table = events_table()
    text = pl.Series([None if n % 4 == 3 else TEXTS[(n * 7) % 4] for n in range(table.height)])
    place = pl.int_range(pl.len()).over("user_id")
    return table.with_columns(review_text=text, timestamp=1_600_000_000 + place * DAY)


def tables(log: pl.DataFrame | None = None) -> ShopTables:
    return validate_tables(items_table(), events() if log is None else log, name="tiny shop")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_text_encoder(tmp_path_factory.mktemp("encoder"))


def options_of(encoder: Path, about: str = "words", **fields: object) -> PreparationOptions:
    config = {**SMALL, "max_history": 6}
    return PreparationOptions(
        text_encoder=str(encoder), split="leave-one-out", interests=about, config=config,
        cache_dir=encoder.parent / "cache", **fields,
    )  # fmt: skip


def trainer_of(prepared: PreparedTraining, folder: Path, **changed: object) -> XCatTrainer:
    arguments = XCatTrainingArguments(**{**QUICK, "num_train_epochs": 1, "output_dir": str(folder)})
    parts = {"train_dataset": prepared.splits["train"], "interests": prepared.interests, **changed}
    return XCatTrainer(
        prepared.model, arguments, eval_dataset=prepared.splits["validation"], processing_class=prepared.processor,
        **parts,
    )  # fmt: skip


def profiles(rows: object) -> list[dict[str, object]]:
    return [{name: row[name] for name in ("user_id", "items", *COLUMNS)} for row in rows]


def alike(one: dict[str, object], two: dict[str, object]) -> bool:
    """Whether two rows have the same profile; states differ in the last digits between batches."""
    if any(one[name] != two[name] for name in ("user_id", "items", "interest_kinds", "interest_positions")):
        return False
    return np.allclose(np.array(one["interest_states"]), np.array(two["interest_states"]), atol=1e-3)


def all_alike(one: list[dict[str, object]], two: list[dict[str, object]]) -> bool:
    return len(one) == len(two) and all(map(alike, one, two))


def until(row: dict[str, object], last: int) -> dict[str, object]:
    """A row with the profiles up to a position only."""
    kept = [place <= last for place in row["interest_positions"]]
    return row | {name: [v for v, k in zip(row[name], kept, strict=True) if k] for name in COLUMNS}


@pytest.mark.parametrize("about", ["words", "items"])
def test_profiles_contain_neither_targets_nor_later_events(about: str, encoder: Path, tmp_path: Path) -> None:
    """Texts and ratings from event 4 of a user on change nothing before event 5."""
    cut = 4
    late = pl.int_range(pl.len()).over("user_id") >= cut
    plain = events().with_columns(rating=pl.lit(5.0))
    other = plain.with_columns(
        review_text=pl.when(late).then(pl.lit("maps stoves boots")).otherwise("review_text"),
        rating=pl.when(late).then(1.0).otherwise("rating"),
    )
    made = [prepare_training(tables(log), options_of(encoder, about)) for log in (plain, other)]
    trained = [profiles(trainer_of(one, tmp_path / "out").train_dataset) for one in made]
    starts = {user: length - 3 for user, length in plain.group_by("user_id").len().iter_rows()}
    changed = seen = 0
    for one, two in zip(*trained, strict=True):
        # A window is the latest 7 events of training, which end before the last two of the user.
        first = max(0, starts[one["user_id"]] + 1 - 7)
        assert alike(until(one, cut - first), until(two, cut - first))
        seen += len(until(one, cut - first)["interest_kinds"])
        changed += not alike(one, two)
    assert seen and changed, "profiles after the cut do differ"


def test_reviews_of_targets_are_not_in_their_inputs(encoder: Path, tmp_path: Path) -> None:
    """The texts of validation and test targets change no row of earlier parts."""
    plain = events()
    from_end = pl.len().over("user_id") - pl.int_range(pl.len()).over("user_id")

    def changed(last: int) -> PreparedTraining:
        text = pl.when(from_end <= last).then(pl.lit("maps stoves boots")).otherwise("review_text")
        rating = pl.when(from_end <= last).then(1.0).otherwise("rating")
        return prepare_training(tables(plain.with_columns(review_text=text, rating=rating)), options_of(encoder))

    base, test_target, both, three = (changed(last) for last in (0, 1, 2, 4))
    for part in ("validation", "test"):
        assert all_alike(profiles(base.splits[part]), profiles(test_target.splits[part]))
    validation = [profiles(one.splits["validation"]) for one in (base, both, three)]
    assert all_alike(validation[0], validation[1])
    assert not all_alike(validation[0], validation[2]), "the history's own count"
    first, last = (profiles(trainer_of(one, tmp_path / "out").train_dataset) for one in (base, both))
    assert all_alike(first, last)


def test_ties_are_not_read(encoder: Path) -> None:
    """All events of a user at one second: none is earlier than another."""
    log = events().with_columns(timestamp=pl.lit(1_600_000_000))
    prepared = prepare_training(tables(log), options_of(encoder))
    assert all(row["interest_kinds"] == [] for part in ("validation", "test") for row in prepared.splits[part])


def test_serving_has_the_profiles_and_scores_of_evaluation(encoder: Path, tmp_path: Path) -> None:
    """A saved checkpoint reads interests, and computes the same for a table of histories as evaluation."""
    prepared = prepare_training(tables(), options_of(encoder), "fp32")
    trainer_of(prepared, tmp_path / "out").train()
    prepared.model.save_pretrained(tmp_path / "saved")
    prepared.processor.save_pretrained(tmp_path / "saved")
    recommender = XCatRecommender.from_pretrained(tmp_path / "saved")
    assert recommender.text_columns == ("review_text",) == saved_text_columns(tmp_path / "saved")
    assert recommender.model.config.memory_sources == ["item_text", "interests"]

    from_end = pl.len().over("user_id") - pl.int_range(pl.len()).over("user_id")
    log = events().filter(from_end > 1)
    log.write_parquet(tmp_path / "histories.parquet")
    told = read_histories(tmp_path / "histories.parquet", text_columns=recommender.text_columns)
    rows = [dict(row) for row in prepared.splits["test"]]
    assert [row["user_id"] for row in rows] == told.user_ids and any(row["interest_kinds"] for row in rows)
    scores = recommender.score_rows(rows).detach()
    everything = Filters(exclude_seen=False)  # removing items would shift the scores of the re-ranker
    found = recommender.recommend_many(
        told.items, 3, event_types=told.event_types, ratings=told.ratings, timestamps=told.timestamps,
        event_texts=told.event_texts, explain=False, filters=everything,
    )  # fmt: skip
    silent = recommender.recommend_many(
        told.items, 3, event_types=told.event_types, timestamps=told.timestamps, explain=False, filters=everything
    )  # fmt: skip
    for user, best in enumerate(found):
        expected = scores[user][recommender.vocabulary.encode([item.item_id for item in best])]
        np.testing.assert_allclose([item.score for item in best], expected, rtol=1e-4, atol=1e-4)
    assert found != silent, "what users wrote matters"
    block = recommend_block(recommender, histories_table(told), BatchRequest(3, filters=everything))
    assert block["item_id"].to_pylist() == [item.item_id for best in found for item in best]
    now = recommender.recommend(told.items[0], texts="maps number 3", timestamps=told.timestamps[0], explain=False)
    assert now != recommender.recommend(told.items[0], timestamps=told.timestamps[0], explain=False)
    assert recommender.recommend(told.items[0], texts="maps number 3", event_texts=[None] * len(told.items[0]))


def test_training_from_a_base_keeps_its_interests(encoder: Path, tmp_path: Path) -> None:
    prepared = prepare_training(tables(), options_of(encoder, "items"), "fp32")
    prepared.model.save_pretrained(tmp_path / "base")
    prepared.processor.save_pretrained(tmp_path / "base")
    again, _ = prepare_from_base(tables(), PreparationOptions(split="leave-one-out"), str(tmp_path / "base"))
    assert again.interests is not None
    for part in ("validation", "test"):
        assert all_alike(profiles(prepared.splits[part]), profiles(again.splits[part]))
    with pytest.raises(ValueError, match=r"interests is 'words', but 'items' in the base"):
        prepare_from_base(tables(), PreparationOptions(interests="words"), str(tmp_path / "base"))


def test_without_interests_nothing_is_read(encoder: Path) -> None:
    prepared = prepare_training(tables(), options_of(encoder, "none"))
    assert prepared.interests is None and prepared.processor.interest_settings is None
    assert "interest_settings" not in prepared.processor.to_dict()
    assert "interest_states" not in prepared.splits["test"].column_names
    assert prepared.model.config.memory_sources == ["item_text"]


def test_missing_inputs_of_interests_are_refused(encoder: Path, tmp_path: Path) -> None:
    options = options_of(encoder)
    with pytest.raises(
        ValueError, match=r"reads texts of events, and events has no column review_title.*interests='i"
    ):
        prepare_training(shop(), options)
    with pytest.raises(ValueError, match="interests is 'talk'; give none, words or items"):
        prepare_training(tables(), replace(options, interests="talk"))
    with pytest.raises(ValueError, match=r"events has no column 'chat'"):
        prepare_training(tables(), replace(options, interest_columns=("chat",)))
    untimed = tables(events().with_columns(timestamp=None, order=pl.int_range(pl.len())))
    with pytest.raises(ValueError, match="hold no time"):
        prepare_training(untimed, options)
    with pytest.raises(ValueError, match="num_fusion_layers above 0"):
        prepare_training(tables(), replace(options, config={**SMALL, "num_fusion_layers": 0}))
    folder = tmp_path / "shop"
    folder.mkdir()
    items_table().write_parquet(folder / "items.parquet")
    events().write_parquet(folder / "events.parquet")
    prepare_tables(PreparationInputs(folder), tmp_path / "prepared", progress=False)
    with pytest.raises(ValueError, match="the prepared shop does not contain them; give the original tables"):
        prepare_training(load_prepared(tmp_path / "prepared"), replace(options, split="auto"))


def test_vectors_are_the_whitened_states_of_the_model(encoder: Path) -> None:
    """Words are encoded as the catalogue's texts are; items are rows of its table."""
    prepared = prepare_training(tables(), options_of(encoder, "items"), "fp32")
    assert prepared.interests is not None
    model = prepared.model.model
    user, told = next(iter(prepared.interests.by_user.items()))
    log = events().filter(
        (pl.col("user_id") == user) & (pl.col("rating").is_not_null() | pl.col("review_text").is_not_null())
    )
    rows = torch.from_numpy(prepared.processor.catalogue.encode(log["item_id"].to_arrow()))
    expected = model.items.text_states[:, 0][model.items.text_index[rows]]
    np.testing.assert_allclose(told.vectors, expected.numpy(), atol=1e-6)
    assert list(told.times) == log["timestamp"].to_list()
    texts = prepared.processor.catalogue.column("text").to_pylist()[:3]
    np.testing.assert_allclose(prepared.interests.reader.encode(texts), model.items.text_states[1:4, 0], atol=1e-4)


def test_rows_without_the_interests_that_a_model_reads_are_refused(encoder: Path, tmp_path: Path) -> None:
    prepared = prepare_training(tables(), options_of(encoder))
    with pytest.raises(ValueError, match="this model reads interests; give interests="):
        trainer_of(prepared, tmp_path, interests=None)
    rows = trainer_of(prepared, tmp_path).train_dataset
    trainer_of(prepared, tmp_path, interests=None, train_dataset=rows)


def test_an_encoder_in_training_is_refused(encoder: Path, tmp_path: Path) -> None:
    options = options_of(encoder)
    options.config = {**options.config, "freeze_text_encoder": False}
    with pytest.raises(ValueError, match="this text encoder is trained; freeze it"):
        trainer_of(prepare_training(tables(), options), tmp_path / "out")


def told_events(held_out: str | None = None) -> pl.DataFrame:
    """Each event has a text of its own about one of two kinds; two of three have the rating of the kind.

    Args:
        held_out: Kind of the texts of each user's last two events; None for the usual ones.
    """
    last = pl.len().over("user_id") - pl.int_range(pl.len()).over("user_id") <= 2
    number = pl.int_range(pl.len())
    kind = pl.when(number % 2 == 0).then(pl.lit(CATEGORIES[0])).otherwise(pl.lit(CATEGORIES[1]))
    kind = kind if held_out is None else pl.when(last).then(pl.lit(held_out)).otherwise(kind)
    rating = pl.when(number % 3 == 0).then(None).when(number % 2 == 0).then(5.0).otherwise(1.0)
    return events().with_columns(review_text=pl.format("{} number {}", kind, number), rating=rating)


def judged(model: XCatForNextItem, processor: XCatProcessor) -> np.ndarray:
    """Polarities of two texts of either kind without rating."""
    reader = interest_reader(model, processor)
    table = pl.DataFrame({
        "user_id": ["a"] * 2, "item_id": [None] * 2, "timestamp": [1, 2], "rating": [None] * 2,
        "text": [f"{kind} number 7" for kind in CATEGORIES[:2]],
    }, schema_overrides={"item_id": pl.String, "rating": pl.Float64})  # fmt: skip
    return reader.opinions(Statements(table, (1.0, 5.0)))["a"].polarities


def test_learned_sentiment_reads_training_alone_and_is_saved(encoder: Path, tmp_path: Path) -> None:
    made = [
        prepare_training(tables(log), options_of(encoder, "items", interest_sentiment="learned"))
        for log in (told_events(), told_events(held_out=CATEGORIES[3]))
    ]
    one, two = (found.processor.interest_settings["sentiment"] for found in made)
    assert one == two and one["method"] == "learned", "texts of targets are not read"
    assert any(note.startswith("sentiment is trained on ") for note in made[0].notes)
    liked, disliked = judged(made[0].model, made[0].processor)
    assert liked > 0.5 and disliked < -0.5
    made[0].model.save_pretrained(tmp_path / "base")
    made[0].processor.save_pretrained(tmp_path / "base")
    loaded = XCatRecommender.from_pretrained(tmp_path / "base")
    assert loaded.processor.interest_settings == made[0].processor.interest_settings
    assert judged(loaded.model, loaded.processor).tolist() == pytest.approx([liked, disliked], abs=1e-4)
    base = str(tmp_path / "base")
    again, _ = prepare_from_base(tables(told_events()), PreparationOptions(split="leave-one-out"), base)
    assert again.processor.interest_settings == loaded.processor.interest_settings
    with pytest.raises(ValueError, match="interest_sentiment is 'self-trained', but 'learned' in the base"):
        prepare_from_base(tables(told_events()), PreparationOptions(interest_sentiment="self-trained"), base)


def test_labels_teach_sentiment_where_no_text_has_a_rating(encoder: Path, tmp_path: Path) -> None:
    log = told_events().with_columns(rating=pl.lit(None, dtype=pl.Float64))
    texts = [f"{CATEGORIES[n % 2]} number {n} of mine" for n in range(30)]
    labels = {"text": texts, "label": ["positive", "1 star"] * 15}
    pl.DataFrame(labels).write_csv(tmp_path / "labels.csv")
    options = options_of(encoder, interest_sentiment="self-trained", interest_labels=str(tmp_path / "labels.csv"))
    made = prepare_training(tables(log), options)
    assert made.processor.interest_settings["sentiment"]["method"] == "self-trained"
    assert any(note.startswith("sentiment is trained on 30 labelled texts;") for note in made.notes)
    liked, disliked = judged(made.model, made.processor)
    assert liked > 0.5 and disliked < -0.5
    plain = prepare_training(tables(log), options_of(encoder))
    assert len(set(judged(plain.model, plain.processor))) == 1, "the lexicon cannot tell them apart"

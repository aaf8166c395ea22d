"""Discovery: items of the history are left out, with values and a re-ranker of its own."""

from __future__ import annotations

import os
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from xcat_rec.evaluation.ranks import target_ranks
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem, XCatModel
from xcat_rec.modeling_xcat.ranked_xcat import scores_of_its_own
from xcat_rec.modeling_xcat.scoring_xcat import XCatScoring
from xcat_rec.ranking.pipelines import pipeline
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.rerankers.limits import MaxPerCategory
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop

HISTORIES = [
    ["item-03", "item-10", "item-17"],
    ["item-22"],
    [f"item-{i:02d}" for i in range(0, 39, 3)],
    ["item-05"] * 4,
]
CHOICES: dict[str, dict[str, Any]] = {
    "as for next items": {},
    "no re-ranker": {"discover_candidate_attention": False},
    "re-ranker for both": {"candidate_attention": True},
    "re-ranker of its own": {"discover_candidate_attention": True},
    "two re-rankers": {"candidate_attention": True, "discover_candidate_attention": True},
    "another weight": {"discover_neighbor_weight": 3.0, "discover_candidate_attention": True},
}
every_choice = pytest.mark.parametrize("choices", CHOICES.values(), ids=list(CHOICES))


@cache
def encoder() -> str:
    return str(save_text_encoder(Path(os.environ["HF_HOME"]) / "encoder-of-discovery-tests"))


def prepared(**changes: Any) -> PreparedTraining:
    """An untrained model whose re-rankers have random weights, with the catalogue in place."""
    config = {**SMALL, "num_candidates": 6, **changes}
    made = prepare_training(shop(), PreparationOptions(text_encoder=encoder(), split="leave-one-out", config=config))
    generator = torch.Generator().manual_seed(0)
    for reranker in (made.model.model.candidates, made.model.model.discover_candidates):
        for name, buffer in () if reranker is None else reranker.named_buffers():
            drawn = torch.randn(buffer.shape, generator=generator)
            buffer.copy_(drawn.abs() + 0.5 if name.endswith("scale") else drawn)
    return made


def rows_of(using: XCatRecommender) -> list[dict[str, Any]]:
    return using.processor.history_rows(HISTORIES)


@torch.no_grad()
def by_hand(using: XCatRecommender, rows: list[dict[str, Any]]) -> torch.Tensor:
    """Scores for discovery, user by user: one mask, one sum, and the candidates of one user."""
    base, config = using.model.model, using.model.config
    items = base.item_side(base.items().float())
    found = []
    for row in rows:
        states, recent, _ = base.encode_queries(**using.processor.collate([row]))
        queries = base.query_side(states.float())
        scores = queries @ items.T
        weight = config.neighbor_weight if config.discover_neighbor_weight is None else config.discover_neighbor_weight
        of, columns, values = base.neighbors.bonus(recent, weight=1.0)
        scores[of, columns] += weight * values
        boosts = config.untrained_bonus * (base.items.item_counts == 0).float()
        scores[:, sorted({0, 1, *row["items"]})] = -torch.inf
        own = config.discover_candidate_attention
        stage = base.candidates if own is None else base.discover_candidates
        if own or (own is None and config.candidate_attention):
            best = (scores + boosts).topk(config.num_candidates)
            sources = base.candidate_sources(items)
            evidence = scores.gather(1, best.indices)
            features = stage.features(queries, recent, best.indices, evidence, sources)
            scores.scatter_(1, best.indices, stage.rescore(features)[0])
        found.append(scores + boosts)
    return torch.cat(found)


@every_choice
def test_one_score_in_every_place(choices: dict[str, Any]) -> None:
    made = prepared(**choices)
    using = XCatRecommender(made.model, made.processor)
    rows, size = rows_of(using), len(using.vocabulary)
    scores = using.discover_rows(rows)
    torch.testing.assert_close(scores, by_hand(using, rows), atol=1e-4, rtol=1e-5)
    columns = using.column_ids
    lists = using.recommend_many(HISTORIES, 100)
    piped = pipeline("item-recommendation", model=using.model, processor=using.processor)(HISTORIES, k=100)
    for history, row, found, plain in zip(HISTORIES, scores, lists, piped, strict=True):
        assert [item.item_id for item in found] == [item["item_id"] for item in plain]
        assert {item.item_id for item in found} == set(columns[2:]) - set(history)
        assert len(found) == size - 2 - len(set(history))
        expected = [float(row[columns.index(item.item_id)]) for item in found]
        assert [item.score for item in found] == pytest.approx(expected, abs=1e-4)
        assert all(later <= earlier + 1e-4 for earlier, later in pairwise(expected))
        short = using.recommend(history, 3)
        assert [item.item_id for item in short] == [item.item_id for item in found[:3]]
    alike = using.recommend_many(HISTORIES, 100, filters=Filters(exclude_seen=False))
    expected = using.model.score_catalogue(**using.processor(HISTORIES))
    torch.testing.assert_close(using.score_rows(rows), expected, atol=1e-4, rtol=1e-5)
    for row, found in zip(expected, alike, strict=True):
        assert [item.score for item in found] == pytest.approx(row[2:].sort(descending=True).values.tolist(), abs=1e-4)


def test_without_values_of_its_own_only_the_history_is_missing() -> None:
    made = prepared(repeats="jointly")
    with torch.no_grad():
        made.model.model.repeats.ages.fill_(0.5)
    using = XCatRecommender(made.model, made.processor)
    rows = rows_of(using)
    following, new = using.score_rows(rows), using.discover_rows(rows)
    seen = torch.zeros_like(new, dtype=torch.bool)
    for user, row in enumerate(rows):
        seen[user, row["items"]] = True
    assert new[seen].isneginf().all()
    torch.testing.assert_close(new[~seen], following[~seen], atol=1e-5, rtol=1e-6)


def test_candidates_are_the_best_items_that_are_left() -> None:
    made = prepared(num_candidates=3, discover_candidate_attention=True, neighbor_weight=0.0)
    using = XCatRecommender(made.model, made.processor)
    made.model.config.discover_candidate_attention = False
    first = using.discover_rows(rows_of(using))
    made.model.config.discover_candidate_attention = True
    after = using.discover_rows(rows_of(using))
    best = first.topk(3).indices
    moved = (after != first) & first.isfinite()
    assert not moved.scatter(1, best, False).any(), "no other item"
    assert (moved.sum(1) == 2).all(), "all but the one with the smallest bonus"


def test_a_history_longer_than_the_model_reads_is_left_out_whole() -> None:
    made = prepared(max_history=2)
    using = XCatRecommender(made.model, made.processor)
    history = ["item-01", "item-09", "item-20", "item-33"]
    assert not {item.item_id for item in using.recommend(history, 100)} & set(history)
    scores = using.discover_rows(using.processor.history_rows([history]))
    assert scores[0, using.vocabulary.encode(history)].isneginf().all()


def test_few_items_are_left() -> None:
    made = prepared(num_candidates=40, discover_candidate_attention=True)
    using = XCatRecommender(made.model, made.processor)
    ids = using.column_ids[2:]
    found = using.recommend_many([ids[:-2], ids[2:], ids], 5)
    assert [sorted(item.item_id for item in of_user) for of_user in found] == [sorted(ids[-2:]), ids[:2], []]
    assert all(item.score == item.score for of_user in found for item in of_user), "a number"
    scores = using.discover_rows(using.processor.history_rows([ids[:-2], ids]))
    assert scores.isfinite().sum(1).tolist() == [2, 0] and not scores.isnan().any()


def test_rules_and_filters_apply_to_discovery() -> None:
    made = prepared(discover_candidate_attention=True)
    using = XCatRecommender(made.model, made.processor, [MaxPerCategory(1)])
    rows = rows_of(using)
    lists = using.recommend_many(HISTORIES, 4)
    best = using.discover_rows(rows).topk(4).indices
    assert [[item.item_id for item in of_user] for of_user in lists] == [
        using.vocabulary.decode(of_user.numpy()) for of_user in best
    ]
    only = using.recommend_many(HISTORIES, 40, filters=Filters(only_categories="tents"))
    assert all(
        item.category == "tents" and item.item_id not in h for h, o in zip(HISTORIES, only, strict=True) for item in o
    )


def test_queries_are_answered_with_the_scores_for_discovery() -> None:
    made = prepared(discover_candidate_attention=True, discover_neighbor_weight=0.0)
    made.model.model.asks.view.fill_(1.0)
    using = XCatRecommender(made.model, made.processor)
    rows = [{**row, "ask": "maps number 35"} for row in rows_of(using)]
    lists = using.recommend_many(HISTORIES, 100, queries=["maps number 35"] * 4)
    for row, found in zip(using.discover_rows(rows), lists, strict=True):
        assert [item.score for item in found] == pytest.approx(
            row[row.isfinite()].sort(descending=True).values.tolist(), abs=1e-4
        )


def test_the_choices_are_saved(tmp_path: Path) -> None:
    made = prepared(discover_candidate_attention=True, discover_neighbor_weight=7.5)
    rows = rows_of(XCatRecommender(made.model, made.processor))
    expected = XCatRecommender(made.model, made.processor).discover_rows(rows)
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    loaded = XCatRecommender.from_pretrained(tmp_path)
    assert loaded.model.config.discover_neighbor_weight == 7.5 and loaded.model.config.discover_candidate_attention
    torch.testing.assert_close(loaded.discover_rows(rows), expected)
    older = prepared(discover_candidate_attention=True, discover_neighbor_weight=7.5, format_version=10).model
    assert older.model.discover_candidates is None
    assert (older.config.discover_neighbor_weight, older.config.discover_candidate_attention) == (None, None)
    with pytest.raises(ValueError, match=r"discover_neighbor_weight is -1\.0; give at least 0"):
        prepared(discover_neighbor_weight=-1.0)


def test_ranks_of_targets_are_places_in_the_lists() -> None:
    made = prepared(discover_candidate_attention=True)
    using: Any = XCatRecommender(made.model, made.processor)
    assert isinstance(using.model, XCatForNextItem)
    rows = [row for row in made.splits["test"] if row["targets"][0] not in row["items"]][:10]
    ranks = target_ranks(using.discover_rows(rows), torch.tensor([row["targets"] for row in rows]))
    kinds = dict(enumerate(using.processor.event_types, start=1))
    lists = using.recommend_many(
        [using.vocabulary.decode(row["items"]) for row in rows], 40,
        event_types=[[kinds[code] for code in row["event_types"]] for row in rows],
        ratings=[row["ratings"] for row in rows], timestamps=[row["timestamps"] for row in rows],
    )  # fmt: skip
    wanted = [using.vocabulary.decode(row["targets"])[0] for row in rows]
    assert len(rows) == 10 and ranks[:, 0].tolist() == [
        [item.item_id for item in found].index(item) + 1 for found, item in zip(lists, wanted, strict=True)
    ]


def test_the_index_ranks_the_items_of_a_model_that_does_not_override_its_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = prepared(candidate_attention=True, discover_candidate_attention=True)
    using = XCatRecommender(made.model, made.processor)
    assert not scores_of_its_own(made.model.model)
    assert scores_of_its_own(type("Own", (XCatModel,), {"score_states": lambda self: None})(made.model.config))
    expected = using.recommend_many(HISTORIES, 5)
    monkeypatch.setattr(XCatScoring, "score_states", None)
    assert using.recommend_many(HISTORIES, 5) == expected

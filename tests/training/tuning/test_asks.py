"""Fitting how a model reads what customers ask for, and asking the fitted model in every way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from datasets import Dataset

from xcat_rec.catalogue.change import change_catalogue
from xcat_rec.cli.app import main
from xcat_rec.evaluation.ranker_evaluation import evaluate_ranker
from xcat_rec.modeling_xcat.asks_xcat import FIELD_CODES, FIELDS
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.modeling_xcat.queries_xcat import BY_MEANING, NO_WORD, PRICE, UNREAD
from xcat_rec.ranking.pipelines import pipeline
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.batch import BatchRequest, histories_table, recommend_block
from xcat_rec.tokenization.sequences.histories import Histories
from xcat_rec.training.preparation.options import PreparedTraining
from xcat_rec.training.tuning import asks as tuning
from xcat_rec.training.tuning.ask_rows import asked_rows, new_customer
from xcat_rec.training.tuning.asks import fit_asks
from xcat_rec.workflows.bench_asks import measure_asks

from ...cli.commands import run
from ..test_trainer import prepared, trainer_of
from .test_reranker import by_the_brand

HISTORY = ["item-03", "item-10"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> PreparedTraining:
    start = prepared(tmp_path_factory.mktemp("fitted"))
    gain = fit_asks(start.model, start.processor, by_the_brand(start))
    assert gain is not None and gain.asks > 20 and gain.words > 0
    return start


@pytest.fixture(scope="module")
def recommender(fitted: PreparedTraining) -> XCatRecommender:
    return XCatRecommender(fitted.model, fitted.processor)


def test_the_words_of_every_item_are_stored_with_their_fields(fitted: PreparedTraining) -> None:
    reader, items, processor = fitted.model.model.asks, fitted.model.model.items, fitted.processor
    for row in (2, 15, 22, 40, 41):
        entries = [entry for entry in reader.words[items.text_index[row]].tolist() if entry]
        item = processor.catalogue.item(row)
        for number, name in enumerate(FIELDS[:3], start=1):
            own = [entry // FIELD_CODES for entry in entries if entry % FIELD_CODES == number]
            written = processor.tokenizer(item[name] or "", add_special_tokens=False)["input_ids"]
            assert own == processor.compared_tokens[written].tolist()
    assert not reader.words[0].any()
    texts = int(items.text_index.max())
    tents = processor.tokenizer("tents", add_special_tokens=False)["input_ids"][0]
    with_it = sum(tents in (row // FIELD_CODES).tolist() for row in reader.words)
    assert float(reader.rarity[tents]) == pytest.approx(np.log1p((texts - with_it + 0.5) / (with_it + 0.5)), abs=1e-5)
    assert not reader.rarity[processor.tokenizer.all_special_ids].any()


def test_asks_lead_to_their_items(fitted: PreparedTraining, recommender: XCatRecommender) -> None:
    for title in ("boots number 17", "stoves number 23"):
        found = recommender.recommend([], 3, query=title)
        assert found[0].title == title and found.basis == "query"
        category, _, number = title.split()
        assert {category, number} <= set(found[0].words) <= set(title.split()) and not found[0].by_meaning
        assert found[0].words[0] == number, "the rarest word"
        assert found.notes == ["items for the query alone: the history is empty"]
    with_history = recommender.recommend(HISTORY, 3, query="boots number 17")
    assert with_history[0].title == "boots number 17" and with_history.basis == "history"
    assert [item.category for item in recommender.recommend(HISTORY, 5, query="maps")] == ["maps"] * 5
    only = recommender.recommend_many([HISTORY], 3, queries=["maps"], filters=Filters(only_categories="boots"))[0]
    assert {item.category for item in only} == {"boots"}


def test_serving_and_evaluation_rank_alike(recommender: XCatRecommender) -> None:
    histories, queries = [HISTORY, ["item-22"], []], ["tents brand", "", "number 30"]
    lists = recommender.recommend_many(histories, 40, queries=queries, filters=Filters(exclude_seen=False))
    rows = recommender.processor.history_rows([history or [""] for history in histories])
    scores = recommender.score_rows([{**row, "ask": query} for row, query in zip(rows, queries, strict=True)])
    for found, of_user in zip(lists[:1] + lists[2:], scores[[0, 2]], strict=True):
        best = of_user.topk(40)
        assert [item.score for item in found] == pytest.approx(best.values.tolist(), abs=1e-3)
    plain = recommender.recommend_many(histories, 40, filters=Filters(exclude_seen=False))
    assert [i.item_id for i in lists[1]] == [i.item_id for i in plain[1]], (
        "a user who asks nothing is ranked as before"
    )
    assert [i.score for i in lists[1]] == pytest.approx([i.score for i in plain[1]], abs=1e-4)
    assert lists[1].basis == "history" and not lists[1][0].words


def test_attention_to_the_ask_is_off_without_a_gain(fitted: PreparedTraining, tmp_path: Path) -> None:
    start = prepared(tmp_path)
    few = by_the_brand(start, users=4)
    gain = fit_asks(start.model, start.processor, few)
    assert gain is not None and not gain.pays and not start.model.config.ask_attention
    assert start.model.model.asks.is_fitted, "the view of the score is read all the same"
    without = prepared(tmp_path / "without", ask_length=0)
    with pytest.raises(ValueError, match="reads no asks"):
        fit_asks(without.model, without.processor, few)
    with pytest.raises(ValueError, match="does not read queries"):
        XCatRecommender(without.model, without.processor).recommend(HISTORY, query="tents")


def test_a_misleading_history_does_not_outvote_the_query(tmp_path: Path) -> None:
    start = prepared(tmp_path, temperature=0.01)
    recommender = XCatRecommender(start.model, start.processor)
    rows = [row | {"targets": [int(recommender.score_rows([row])[0, 2:].argmin()) + 2]} for row in by_the_brand(start)]
    learnt, judged = (Dataset.from_list(rows[part]) for part in (slice(0, 160), slice(160, None)))
    assert fit_asks(start.model, start.processor, learnt) is not None
    found, _ = measure_asks(recommender, judged, start.processor.catalogue, start.trained, ["title", "own-title"])
    for part in found.values():
        assert part["metrics"]["ndcg@10"] > part["query_alone"]["ndcg@10"] - 0.01, part
        assert part["metrics"]["ndcg@10"] > part["history_alone"]["ndcg@10"] + 0.1, part
    ratios = {words / (words + meaning) for words, meaning in tuning.VIEWS if max(words, meaning) >= 600}
    assert {0.0, 1.0} < ratios and len(ratios) > 5, "the choice includes queries of which the history decides nothing"


def test_rows_with_asks_of_their_own(fitted: PreparedTraining) -> None:
    dataset = by_the_brand(fitted)
    own = dataset.add_column("asks", [["what customers really wrote"]] * len(dataset))
    rows, asks, targets = asked_rows(fitted.processor, own, 200, 0)
    share = asks.count("what customers really wrote") / len(asks)
    assert 0.3 < share < 0.7 and len(rows) == len(asks) == len(targets)
    assert all(int(target) in row["targets"] for row, target in zip(rows, targets, strict=True))
    new = [row for row in rows if list(row["items"]) == [1]]
    assert 0.05 < len(new) / len(rows) < 0.3
    assert new_customer(rows[0])["timestamps"] == list(rows[0]["timestamps"][-1:])


def test_a_training_fits_it_and_the_checkpoint_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = prepared(tmp_path)
    trainer = trainer_of(start, tmp_path, num_train_epochs=1)
    trainer.train()
    trainer.save_model(str(tmp_path / "kept"))
    start.processor.save_pretrained(tmp_path / "kept")
    loaded = XCatRecommender.from_pretrained(tmp_path / "kept")
    expected = XCatRecommender(start.model, start.processor).recommend(HISTORY, 4, query="maps number 33")
    found = loaded.recommend(HISTORY, 4, query="maps number 33")
    assert [(i.item_id, i.words) for i in found] == [(i.item_id, i.words) for i in expected]
    test = start.splits["test"]
    titles = [start.processor.catalogue.item(max(2, row["targets"][0]))["title"] for row in test]
    asked: Any = Dataset.from_list([{**row, "ask": title} for row, title in zip(test, titles, strict=True)])
    report = evaluate_ranker(
        loaded, asked, loaded.vocabulary, trained=loaded.trained, ks=[5], progress=False
    )  # fmt: skip
    assert np.median(report.ranks[report.ranks > 0]) <= 2, "an item's own title leads to it"

    for pipe in (
        pipeline("item-recommendation", model=str(tmp_path / "kept")),
        pipeline("item-recommendation", model=loaded.model, processor=loaded.processor),
    ):
        answer = pipe({"history": HISTORY, "query": "maps number 33"}, k=4)
        assert [one["item_id"] for one in answer] == [item.item_id for item in found]
        assert [one.get("words", []) for one in answer] == [list(item.words) for item in found]
        assert [one.get("by_meaning", False) for one in answer] == [item.by_meaning for item in found]
        assert "33" in answer[0]["words"] and answer[0]["price"] == 49.5
        assert [one["item_id"] for one in pipe([], k=4, query="maps number 33")] == [
            item.item_id for item in loaded.recommend([], 4, query="maps number 33")
        ]
    block = histories_table(Histories(["u"], [HISTORY]))
    table = recommend_block(loaded, block, BatchRequest(4, query="maps number 33"))
    assert table["item_id"].to_pylist() == [item.item_id for item in found]
    assert table["words"].to_pylist() == [list(item.words) for item in found]
    assert table["by_meaning"].to_pylist() == [item.by_meaning for item in found]
    assert table["notes"].to_pylist() == [found.notes] * 4
    plain = recommend_block(loaded, block, BatchRequest(4))
    assert plain["words"].null_count == plain["by_meaning"].null_count == 4
    kept = str(tmp_path / "kept")
    asked_for = ["recommend", kept, "--query", "maps number 33", "-k", "4", "--json"]
    printed = run([*asked_for, "--history", ",".join(HISTORY)], capsys)
    assert printed == found.to_dict()
    assert run(asked_for, capsys)["basis"] == "query"
    check_faces(kept, capsys)


def check_faces(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The title of the table, the words of each item and the notes, as a user sees them."""

    def shown(*arguments: str) -> tuple[list[str], str]:
        with pytest.raises(SystemExit) as stop:
            main(["recommend", checkpoint, "-k", "2", *arguments])
        assert not stop.value.code
        printed = capsys.readouterr()
        return printed.out.splitlines(), " ".join(printed.err.split())

    both = shown("--query", "maps number 33", "--history", "item-03@1700000000")
    assert both[0][0] == "Recommendations for history and query" and "note:" not in both[1]
    assert "query" in both[0][1] and "33" in both[0][2].split("maps number 33")[1], "title, then the words"
    alone = shown("--query", "maps under 5 dollars")
    assert alone[0][0] == "Recommendations for query" and "xcat chat CHECKPOINT reads price limits" in alone[1]
    assert shown("--history", "item-03@1700000000")[0][0] == "Recommendations for history"
    unknown = shown("--query", "zzqq")
    assert unknown[0][0] == "Popular items of each category" and UNREAD in unknown[1] and "query" not in unknown[0][1]
    nothing = shown("--query", "maps", "--only-category", "BOOTS")
    assert NO_WORD in nothing[1]


def test_words_are_the_ones_whose_removal_lowers_the_score(recommender: XCatRecommender) -> None:
    every = Filters(exclude_seen=False)  # 40 items are all candidates, so scores with and without a word compare
    for query in ("maps number 33", "brand boots 1 number", "tents stoves"):
        for history in ([], HISTORY):
            words = query.split()
            texts = [query, *(" ".join(word for word in words if word != out) for out in words)]
            whole, *without = recommender.recommend_many([history] * len(texts), 40, queries=texts, filters=every)
            fewer = [{item.item_id: item.score for item in found} for found in without]
            for item in whole:
                falls = {word: item.score - scores[item.item_id] for word, scores in zip(words, fewer, strict=True)}
                own = recommender.vocabulary.item(int(recommender.vocabulary.encode([item.item_id])[0]))[
                    "text"
                ].split()
                expected = [word for word in words if word in own and falls[word] > 1e-4]
                assert [word for word in item.words if falls[word] > 1e-4] == sorted(
                    expected, key=lambda word: -falls[word]
                ), (item, falls)
                assert all(falls[word] > -1e-4 for word in item.words)
                assert not (item.words and item.by_meaning)
    unexplained = recommender.recommend(HISTORY, 3, query="maps", explain=False)
    assert not any(item.words or item.by_meaning for item in unexplained) and not unexplained.notes[1:]


def test_notes_about_a_query(recommender: XCatRecommender) -> None:
    unknown = recommender.recommend([], 3, query="zzqq")
    assert unknown.basis == "popular" and unknown.notes[0] == "popular items of each category: the history is empty"
    assert unknown.notes[-1] == UNREAD
    assert list(unknown) == list(recommender.recommend([], 3))
    assert list(recommender.recommend(HISTORY, 3, query="zzqq")) == list(recommender.recommend(HISTORY, 3))
    assert UNREAD in recommender.recommend(HISTORY, 3, query="zzqq").notes
    with pytest.raises(ValueError, match="1 of 1 user has no item"):
        recommender.recommend([], query="zzqq", on_unknown="error")
    elsewhere = recommender.recommend([], 3, query="maps", only_categories="Boots")
    assert elsewhere.basis == "query" and elsewhere.notes[1:] in ([NO_WORD], [BY_MEANING])
    assert (elsewhere.notes[1:] == [BY_MEANING]) == any(item.by_meaning for item in elsewhere)
    priced = recommender.recommend_many([HISTORY, [], []], 3, queries=["maps under 5 dollars", "zzqq $5", None])
    assert [PRICE in found.notes for found in priced] == [True, True, False]
    assert priced[0].to_dict()["notes"] == priced[0].notes
    assert "zzqq" not in str([found.notes for found in priced])


def test_queries_of_a_wrong_kind(recommender: XCatRecommender) -> None:
    with pytest.raises(ValueError, match="queries must have one text per history: 2, got 1"):
        recommender.recommend_many([HISTORY, HISTORY], queries=["tents"])
    with pytest.raises(ValueError, match="query of history 0"):
        recommender.recommend_many([HISTORY], queries=[3])
    assert recommender.recommend([], 3, query="   ").basis == "popular"


def test_a_new_catalogue_has_its_words(tmp_path: Path) -> None:
    start = prepared(tmp_path)
    fit_asks(start.model, start.processor, by_the_brand(start))
    table = start.processor.catalogue.table
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    new = frame.head(1).with_columns(item_id=pl.lit("new"), title=pl.lit("kayak"), text=pl.lit("kayak brand 0 boats"))
    vocabulary = type(start.processor.catalogue)(pl.concat([frame, new]).to_arrow().cast(table.schema))
    processor = change_catalogue(start.model, start.processor, vocabulary)
    with torch.no_grad():
        found = XCatRecommender(start.model, processor).recommend(HISTORY, 2, query="maps number 33")
    assert found[0].title == "maps number 33"
    assert start.model.model.asks.words.shape == (start.model.config.num_texts, start.model.config.ask_length)

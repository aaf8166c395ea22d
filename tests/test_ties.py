"""Ties count against the model in every ranker: a data set in which two items share every text.

A model that reads only texts gives such a pair one score, so every rank is even: the target and its duplicate, and
whole pairs above them. Counted in the model's favour, every rank would be odd.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from datasets import Dataset, Features, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from xcat_rec.evaluation.ranker_evaluation import evaluate_ranker
from xcat_rec.modeling_baselines.knn import TextKNNConfig, TextKNNModel
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparationOptions, PreparedTraining
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.trainer import XCatTrainer
from xcat_rec.training.tuning.neighbor_weight import neighbor_weight_scores
from xcat_rec.workflows.bench import run_model
from xcat_rec.workflows.bench_request import BenchRequest

from .tiny_shop import CATEGORIES, QUICK, SMALL, save_text_encoder

PAIRS, USERS = 19, 30
"""With the two special rows 40, a multiple of what kernels of matrix products take at a time: the few columns that are
left over are summed in another order, and a last bit may then part a pair."""
TEXT_ONLY = {"use_item_ids": False, "num_neighbors": 0, "repeats": "off"}


def items_table() -> pl.DataFrame:
    """Items 0 to 18, and their duplicates in the same order."""
    rows = []
    for item in range(2 * PAIRS):
        pair = item % PAIRS
        category = CATEGORIES[pair % 4]
        title = f"{category} number {pair}"
        rows.append(
            {"item_id": f"item-{item:02d}", "title": title, "brand": f"brand {pair % 3}", "category": category}
        )
    return pl.DataFrame(rows)


def events_table() -> pl.DataFrame:
    """Users with both items of three to five pairs, and then one item each of two more pairs."""
    generator = np.random.default_rng(0)
    rows = []
    for user in range(USERS):
        first, count = int(generator.integers(PAIRS)), int(generator.integers(3, 6))
        pairs = [(first + 4 * n) % PAIRS for n in range(count + 2)]
        twins = [item for pair in pairs[:count] for item in (pair, pair + PAIRS)]
        single = [pair + PAIRS * int(generator.integers(2)) for pair in pairs[count:]]
        rows += [
            {"user_id": f"user-{user:02d}", "item_id": f"item-{item:02d}", "timestamp": 1_700_000_000 + 60 * n}
            for n, item in enumerate([*twins, *single])
        ]
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("twins")
    items_table().write_csv(folder / "items.csv")
    events_table().write_csv(folder / "events.csv")
    return folder, save_text_encoder(folder / "encoder")


def prepared(encoder: Path, **config: Any) -> PreparedTraining:
    options = PreparationOptions(text_encoder=str(encoder), split="leave-one-out", config={**SMALL, **config})
    return prepare_training(validate_tables(items_table(), events_table(), name="twins"), options)


def ranks_within(ndcg: np.ndarray, k: int = 10) -> list[int]:
    """The rank of each user's only target, from its NDCG@k; only ranks up to k."""
    return [round(2 ** (1 / value) - 1) for value in ndcg if value > 0 and 2 ** (1 / value) - 1 < k + 0.5]


@pytest.mark.parametrize("model", ["text-knn", "unisrec-text", "xcat-no-id"])
def test_a_benchmark_of_what_reads_texts_alone(model: str, places: tuple[Path, Path], tmp_path: Path) -> None:
    fields = {
        **SMALL, "split": "leave-one-out", "text_encoder": str(places[1]), "num_neighbors": 0, "num_successors": 0,
        "num_train_epochs": 12, "learning_rate": 5e-3, "per_device_train_batch_size": 10, "precision": "fp32",
        "use_cpu": True,
    }  # fmt: skip
    run = run_model(BenchRequest(model, data=str(places[0]), fields=fields), tmp_path)
    assert run.row["data"]["duplicate_texts"] == 2 * PAIRS
    assert run.row["metrics"]["recall@1"] == 0, "no target goes before its twin"
    found = ranks_within(run.per_user["ndcg@10"])
    if model == "xcat-no-id":  # a single item of a test history has a bonus, its duplicate has none
        learned = run.row["validation"]
        assert learned["recall@1"] == 0 and learned["mrr@5"] > 0.4, "most targets come second"
    else:
        assert found and not any(rank % 2 for rank in found), found


def test_the_trainer_s_evaluation_is_that_of_the_protocol(places: tuple[Path, Path], tmp_path: Path) -> None:
    start = prepared(places[1], **TEXT_ONLY)
    validation = start.splits["validation"]
    arguments = XCatTrainingArguments(output_dir=str(tmp_path), **{**QUICK, "metric_ks": [1, 2, 10]})
    found = XCatTrainer(start.model, arguments, start.splits["train"], validation, start.processor).evaluate()
    report = evaluate_ranker(
        XCatRecommender(start.model, start.processor), validation, start.processor.catalogue, trained=start.trained,
        ks=[1, 2, 10], progress=False,
    )  # fmt: skip
    assert report.ranks is not None and not (report.ranks % 2).any()
    assert found["eval_recall@1"] == 0 < found["eval_recall@10"]
    for name, value in report.metrics.items():
        assert found[f"eval_{name}"] == pytest.approx(value, abs=1e-9), name


def test_the_choice_of_the_neighbour_weight(places: tuple[Path, Path]) -> None:
    """The same users have both items of a pair, so both get the same from the memory."""
    start = prepared(places[1], use_item_ids=False, repeats="off", num_neighbors=38)
    memory = start.model.model.neighbors
    assert memory is not None and (memory.similarities > 0).any()
    scores = {
        k: neighbor_weight_scores(start.model, start.processor, start.splits["validation"], k=k) for k in (1, 2, 3)
    }
    assert set(scores[1].values()) == {0.0} and len(set(scores[2].values())) > 1
    assert scores[2] == pytest.approx(scores[3]), "no target is third"


TEXTS = st.lists(st.integers(0, 3), min_size=3, max_size=9)
STATES = st.lists(st.tuples(st.integers(-1, 1), st.integers(-1, 1)), min_size=3, max_size=3)


@settings(deadline=None, max_examples=60)
@given(TEXTS, STATES, st.data())
def test_duplicates_anywhere_against_an_order_that_puts_the_target_last(
    texts: list[int], states: list[tuple[int, int]], data: st.DataObject
) -> None:
    items = st.integers(2, len(texts) + 1)
    rows = data.draw(
        st.lists(
            st.fixed_dictionaries({
                "items": st.lists(items, max_size=3), "targets": st.lists(items, min_size=1, max_size=3, unique=True)
            }),
            min_size=1,
            max_size=4,
        )
    )  # fmt: skip
    index = torch.tensor([0, 0, *texts])
    config = TextKNNConfig(num_item_rows=len(index), num_texts=4, text_dim=2)
    model = TextKNNModel(config).fit(torch.tensor([(0, 0), *states], dtype=torch.float32), index)
    whole = List(Value("int32"))
    dataset = Dataset.from_list(rows, features=Features({"items": whole, "targets": whole}))
    vocabulary = ItemVocabulary(pa.table({"item_id": [str(i) for i in range(len(texts))]}))
    report = evaluate_ranker(
        model, dataset, vocabulary, trained=np.ones(len(index), dtype=bool), ks=[1, 2, 5], progress=False
    )
    assert report.ranks is not None
    for user, row in enumerate(rows):
        scores = model.score_rows([row])[0].tolist()
        hits = dict.fromkeys((1, 2, 5), 0)
        for place, target in enumerate(row["targets"]):
            order = sorted(range(2, len(index)), key=lambda item: (-scores[item], item == target))
            rank = order.index(target) + 1
            assert report.ranks[user, place] == rank
            same = [item for item in range(2, len(index)) if index[item] == index[target]]
            assert rank >= len(same)
            hits = {k: count + (rank <= k) for k, count in hits.items()}
        for k, count in hits.items():
            assert report.per_user[f"recall@{k}"][user] == pytest.approx(count / len(row["targets"]))


def test_a_rank_can_be_read_off_the_figure() -> None:
    values = np.array([1 / math.log2(1 + rank) for rank in (1, 2, 7, 10)] + [0.0])
    assert ranks_within(values) == [1, 2, 7, 10]

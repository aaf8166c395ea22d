"""A card with everything in it, from small numbers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa

from xcat_rec import XCatConfig, XCatTrainingArguments
from xcat_rec.evaluation.audits.exposure import audit_recommendations
from xcat_rec.evaluation.ranker_evaluation import RankingReport, report_from_ranks
from xcat_rec.model_cards.card_data import TrainingRecord, XCatModelCardData
from xcat_rec.model_cards.dataset_facts import DatasetFacts
from xcat_rec.tokenization.vocabulary import ItemVocabulary

USERS, ITEMS = 40, 20
VOCABULARY = ItemVocabulary(
    pa.table({
        "item_id": [f"item-{i}" for i in range(ITEMS)],
        "category": [("tents", "boots")[i % 2] for i in range(ITEMS)],
        "brand": [f"brand {i}" for i in range(ITEMS)],
    })
)  # fmt: skip
RANKS = np.arange(USERS) % 5 + 1
FACTS = DatasetFacts(
    num_users=2469, num_items=26_391, num_events=1_419_018, num_texts=9000, content_hash="0123456789abcdef" * 4,
    first_event=1_482_728_400, last_event=1_514_764_799, repeated_events=12,
    users_of_parts={"train": 2400, "validation": 2300, "test": 2200},
    problems=("events, column user_id: 3 users have one event only; they are left out",),
    licence="CC0-1.0", homepage="https://example.org/journey", citation="dunnhumby, The Complete Journey",
)  # fmt: skip


def report(ranks: np.ndarray, shift: int = 0) -> RankingReport:
    """Each user has one target; that of every other user is a switch, none is cold, and every fourth was had."""
    top = (np.arange(12) + np.arange(USERS)[:, None] + shift) % ITEMS + 2
    flags = {
        "switch": (np.arange(USERS) % 2 == 0)[:, None],
        "new_category": (np.arange(USERS) % 8 == 0)[:, None],
        "cold": np.zeros((USERS, 1), dtype=bool),
        "unseen": np.ones((USERS, 1), dtype=bool),
        "history_0_5": np.ones((USERS, 1), dtype=bool),
        "history_6_10": np.zeros((USERS, 1), dtype=bool),
    }
    new = np.arange(USERS) % 4 < 3
    discover = np.where(new, ranks, 0)[:, None], top
    return report_from_ranks(ranks[:, None], flags, top, [10], ITEMS, discover=discover)


def example_results() -> dict[str, RankingReport]:
    """This model beside a baseline that is worse, but for the slice `new_category`."""
    worse = RANKS + 4
    worse[::8] = 1
    better = RANKS.copy()
    better[::8] = 5
    return {"popularity": report(worse, 3), "XCat": report(better)}


def arguments(folder: Path) -> XCatTrainingArguments:
    return XCatTrainingArguments(
        output_dir=str(folder), num_train_epochs=3, learning_rate=0.003, precision="fp32", use_cpu=True
    )


def example_card(folder: Path, **changes: object) -> XCatModelCardData:
    """A card with every section filled; `changes` are fields to replace."""
    results = example_results()
    histories = [[2 + user % ITEMS, 2 + (user + 1) % ITEMS] for user in range(USERS)]
    counts = np.array([0, 0, *range(ITEMS)])
    record = TrainingRecord(
        config=XCatConfig(hidden_size=64, num_item_rows=ITEMS + 2, event_types=["purchase"]),
        arguments=arguments(folder),
        log=[
            {"loss": 4.0, "epoch": 1.0, "step": 10},
            {"eval_recall@10": 0.25, "eval_slices.switch.ndcg@10": 0.125, "epoch": 1.0, "step": 10},
            {"loss": 3.5, "epoch": 2.0, "step": 20},
            {
                "eval_recall@10": 0.5,
                "eval_discover_ndcg@10": 0.25,
                "eval_slices.switch.ndcg@10": 0.375,
                "epoch": 2.0,
                "step": 20,
            },
            {"train_runtime": 3.0, "epoch": 2.0, "step": 20},
        ],
        best_step=20,
        seconds=154.2,
        evaluation_seconds=12.0,
        hardware="x86_64 CPU with AVX2, 2 cores, 24 GiB of memory",
    )
    data = XCatModelCardData(
        model_name="XCat on The Complete Journey",
        dataset_name="The Complete Journey",
        base_model="sentence-transformers/all-MiniLM-L6-v2",
        base_model_revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        parameters=(1234, 56_789),
        split="last-basket",
        seeds={"training": 7, "split": 7},
        preparation={"max_text_length": 32},
        notes=["the hub cannot be reached"],
        command="xcat fit DATA --output checkpoint --seed 7",
        example_history=["1082185", "995242"],
        training=record,
        results=results,
        dataset=lambda: FACTS,
        audit=lambda: audit_recommendations(results, "XCat", histories, VOCABULARY, counts),
    )
    return dataclasses.replace(data, **changes)  # type: ignore[arg-type]

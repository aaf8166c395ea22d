"""Unknown names are refused before a table is read: the events here cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import xcat_rec

WRONG = "nonsense"
NAMES: dict[str, dict[str, Any]] = {
    "task": {"task": WRONG},
    "peft": {"peft": WRONG, "base": "here"},
    "groups": {"lora_targets": [WRONG]},
    "split": {"split": WRONG},
    "tie_policy": {"tie_policy": WRONG},
    "metrics": {"metrics": [WRONG]},
    "metric_for_best_model": {"metric_for_best_model": WRONG},
    "text_encoder": {"text_encoder": "./nonsense"},
    "behavior_encoder": {"behavior_encoder": WRONG},
    "objective": {"objective": WRONG},
    "scoring": {"scoring": WRONG},
    "fusion_block": {"fusion_block": WRONG},
    "memory_sources": {"memory_sources": [WRONG]},
    "hidden_act": {"hidden_act": WRONG},
    "text_pooling": {"text_pooling": WRONG},
    "repeats": {"repeats": WRONG},
    "interests": {"interests": WRONG},
    "interest_sentiment": {"interests": "words", "interest_sentiment": WRONG},
    "interest_labels": {"interests": "words", "interest_sentiment": "learned", "interest_labels": WRONG},
    "card_baselines": {"card_baselines": [WRONG]},
    "cold_policy": {"cold_policy": WRONG, "cold_items": 0.2},
    "precision": {"precision": WRONG},
    "optim": {"optim": WRONG},
    "lr_scheduler_type": {"lr_scheduler_type": WRONG},
    "report_to": {"report_to": WRONG},
    "eval_strategy": {"eval_strategy": WRONG},
    "unknown_items": {"unknown_items": WRONG},
    "missing_users": {"missing_users": WRONG},
    "time_format": {"time_format": WRONG},
    "encoding": {"encoding": WRONG},
    "card": {"card": {WRONG: 1}},
    "models": {"models": WRONG},
    "asks": {"asks": WRONG},
}
OF_FIT = NAMES.keys() - {"models", "asks"}
OF_BENCH = NAMES.keys() - {"peft", "groups", "card_baselines", "card"}
OF_EVALUATE = {"metrics", "split", "tie_policy", "repeats", "unknown_items", "missing_users"} | {
    "time_format",
    "encoding",
}


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "events.csv").write_text("a,b\n1\n")
    return folder


def check(name: str, call: Any, *given: Any) -> None:
    fields = dict(NAMES[name])
    if "base" in fields:
        fields["base"] = str(given[0])
    with pytest.raises((ValueError, OSError)) as error:
        call(*given, **fields)
    assert WRONG in str(error.value) and name.removeprefix("groups") in str(error.value).replace("method", "peft")


@pytest.mark.parametrize("name", sorted(OF_FIT))
def test_fit(unreadable, name):
    if name == "peft":
        (unreadable / "config.json").write_text("{}")
    check(name, xcat_rec.fit, unreadable, unreadable / "out")


@pytest.mark.parametrize("name", sorted(OF_BENCH))
def test_bench(unreadable, name):
    check(name, xcat_rec.bench, unreadable, *([] if name == "models" else ["xcat"]))


@pytest.mark.parametrize("name", sorted(OF_EVALUATE))
def test_evaluate(unreadable, name):
    check(name, xcat_rec.evaluate, unreadable, unreadable)


def test_bench_refuses_tasks_that_it_cannot_train(unreadable):
    from xcat_rec.training.tasks.next_item import NextItemTask

    with pytest.raises(ValueError, match=r"task is NextItemTask, and each run has its own process"):
        xcat_rec.bench(unreadable, "xcat", task=NextItemTask())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"interest_sentiment": "learned"}, "no interests are read; give interests= too"),
        (
            {"interests": "words", "interest_labels": "labels.csv"},
            "interest_labels is 'labels.csv'; give interest_sent",
        ),
    ],
)
def test_sentiment_that_nothing_reads_is_refused(unreadable: Path, fields: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        xcat_rec.fit(unreadable, unreadable / "out", **fields)

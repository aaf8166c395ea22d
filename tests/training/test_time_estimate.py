"""The estimate of a run's time, and a quick run."""

from __future__ import annotations

import io
import re
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import TrainerControl, TrainerState

from xcat_rec.tokenization.progress_bars import show_progress
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.data_defaults import from_data
from xcat_rec.training.time_estimate import TimeEstimate, WorkBesideSteps, work_beside_steps
from xcat_rec.training.tuning.asks import ask_work
from xcat_rec.training.tuning.reranker import _steps, fit_seconds

from .test_trainer import prepared, trainer_of


def test_the_time_left_follows_from_measured_times(tmp_path: Path) -> None:
    arguments = XCatTrainingArguments(output_dir=str(tmp_path), use_cpu=True, per_device_train_batch_size=10)
    state, control = TrainerState(max_steps=100, num_train_epochs=10), TrainerControl()
    estimate = TimeEstimate(lambda: WorkBesideSteps(50, 100, 3.0, 200))
    estimate.on_train_begin(arguments, state, control)
    log = io.StringIO()
    with show_progress(log):
        for state.global_step in range(1, 11):
            time.sleep(0.15)
            estimate.on_step_end(arguments, state, control)
        state.epoch = 1.0
        training, rest = estimate.seconds_left(arguments, state)
        assert training == pytest.approx(0.15 * 90 + 9 * 50 * 0.5 * 0.015, rel=0.2)
        assert rest == pytest.approx(3.0 + 300 * 0.5 * 0.015, rel=0.2)
        time.sleep(0.5)
        estimate.on_evaluate(arguments, state, control)
    training, rest = estimate.seconds_left(arguments, state)
    assert training == pytest.approx(0.15 * 90 + 9 * 0.5, rel=0.2) and rest == pytest.approx(3.0 + 300 * 0.01, rel=0.2)
    first, second = log.getvalue().splitlines()
    assert re.fullmatch(r"time left: at most \d+ s \(training \d+ s, tuning and final evaluation \d+ s\)", first)
    assert second.startswith("time left: at most")


def test_training_reports_an_estimate_its_stages_and_what_quick_costs(tmp_path: Path) -> None:
    start, log = prepared(tmp_path), io.StringIO()
    trainer = trainer_of(start, tmp_path, disable_tqdm=False, quick=True, num_train_epochs=from_data(10.0))
    assert trainer.args.num_train_epochs == 1
    trainer.ranked_later = 60
    with show_progress(log):
        trainer.train()
    told = log.getvalue()
    assert "quick: 1 epoch, and at most 4,096 users" in told
    assert told.count("time left: ") == 1 and "\r" not in told
    assert not [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    assert trainer.evaluate()["eval_ndcg@10"] > 0


def test_the_time_of_the_re_ranker_follows_from_the_number_of_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reranker = prepared(tmp_path).model.model.candidates
    assert reranker is not None
    ticks = iter(range(100))
    clock = SimpleNamespace(perf_counter=lambda: next(ticks))
    monkeypatch.setattr("xcat_rec.training.tuning.reranker.time", clock)
    for users, quick in ((100, False), (30_000, False), (100, True)):
        per_step, fits = 1 / 3, 4
        assert fit_seconds(reranker, users, quick) == pytest.approx(per_step * fits * _steps(users, quick))
    assert fit_seconds(reranker, 100) < fit_seconds(reranker, 30_000)


def test_the_work_of_queries_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, args = prepared(tmp_path, ask_length=8), XCatTrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    validation = start.splits["validation"]
    assert start.model.model.asks is not None and len(validation) == 60
    monkeypatch.setattr("xcat_rec.training.tuning.asks.time", SimpleNamespace(perf_counter=count().__next__))
    before = {name: value.clone() for name, value in start.model.model.asks.named_buffers()}
    asked, seconds = ask_work(start.model.model.asks, 60)
    assert asked == 60 * 2 + 60 * 2, "two asks per user, ranked for the weights and for their candidates"
    assert seconds == pytest.approx(1 / 3 * (60 + 60)), "two fits of 60 steps"
    assert all(torch.equal(value, before[name]) for name, value in start.model.model.asks.named_buffers())
    work = [work_beside_steps(args, start.model, {}, validation, 0)]
    start.model.model.asks = None
    work.append(work_beside_steps(args, start.model, {}, validation, 0))
    assert work[0].tuned_users - work[1].tuned_users == asked and work[0].fit_seconds > work[1].fit_seconds


def test_a_trainer_without_bars_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start, log = prepared(tmp_path), io.StringIO()
    with show_progress(log):
        trainer_of(start, tmp_path, num_train_epochs=1).train()
    assert not log.getvalue()

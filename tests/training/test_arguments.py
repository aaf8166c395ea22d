from __future__ import annotations

import warnings

import pytest
import torch
from transformers import HfArgumentParser, Trainer

from xcat_rec.tokenization.text import precision
from xcat_rec.training import arguments as arguments_module
from xcat_rec.training.arguments import XCatTrainingArguments, sized_for


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch):
    """Pretends a ratio of bf16 to fp32 on this machine."""

    def pretend(ratio: float) -> None:
        monkeypatch.setattr(precision, "bf16_speedup", lambda kind="cpu": ratio)
        monkeypatch.setattr(arguments_module, "bf16_speedup", lambda kind="cpu": ratio)

    return pretend


def made(tmp_path, **fields):
    return XCatTrainingArguments(output_dir=str(tmp_path), use_cpu=True, **fields)


def test_precision_follows_the_measured_speed(tmp_path, speed):
    speed(4.0)
    assert made(tmp_path).bf16 is True
    assert made(tmp_path, precision="fp32").bf16 is False
    speed(0.01)
    assert made(tmp_path).bf16 is False


@pytest.mark.parametrize("ratio", [4.0, 0.01])
def test_products_of_training_run_in_the_chosen_precision(ratio, tmp_path, speed):
    speed(ratio)
    trainer = Trainer(torch.nn.Linear(2, 2), made(tmp_path, eval_strategy="no"))
    with trainer.compute_loss_context_manager(), trainer.accelerator.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if ratio > 1 else torch.float32)


@pytest.mark.parametrize("fields", [{"bf16": True}, {"precision": "bf16"}])
def test_slow_bf16_is_used_with_a_warning(fields, tmp_path, speed):
    speed(0.01)
    with pytest.warns(UserWarning, match="0.01 times the speed of fp32"):
        assert made(tmp_path, **fields).bf16 is True
    speed(3.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert made(tmp_path, **fields).bf16 is True


def test_the_deciding_metric_is_computed(tmp_path):
    assert made(tmp_path, metric_for_best_model="recall@5").metric_ks == [5, 10, 20]
    assert made(tmp_path, metric_ks=(5, 10.0)).metric_ks == [5, 10] and made(tmp_path, metric_ks=10).metric_ks == [10]
    assert made(tmp_path, metric_for_best_model="slices.switch.ndcg@10").metric_ks == [10, 20]


def test_without_evaluation_there_is_no_best_model(tmp_path):
    assert made(tmp_path, eval_strategy="no").load_best_model_at_end is False


def test_an_unknown_precision_is_refused(tmp_path):
    with pytest.raises(ValueError, match="precision is 'int3'"):
        made(tmp_path, precision="int3")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"metric_ks": []}, r"metric_ks is \[\]"),
        ({"metric_ks": "10"}, "metric_ks is a list of cut-offs, such as 10; got a plain string"),
        ({"metric_ks": [5, 2.5]}, "metric_ks is 2.5; give a whole number"),
        ({"metric_ks": [5, 0]}, r"metric_ks is \[5, 0\]"),
        ({"per_device_train_batch_size": 0}, "per_device_train_batch_size is 0; give at least 1"),
        ({"per_device_eval_batch_size": -2}, "per_device_eval_batch_size is -2"),
        ({"early_stopping_patience": -1}, "early_stopping_patience is -1; give at least 0"),
        ({"max_eval_users": 0}, "max_eval_users is 0; give at least 1"),
        ({"max_train_events": 1}, "max_train_events is 1; give at least 2"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; give a positive number"),
        ({"num_train_epochs": 0}, "num_train_epochs is 0; give a positive number"),
        ({"new_category_weight": 0.0}, "new_category_weight is 0.0; give a positive number"),
        ({"label_smoothing_factor": 0.1}, "label_smoothing_factor is 0.1; leave it out: labels are smoothed by soft_"),
        ({"neftune_noise_alpha": 5.0}, "neftune_noise_alpha is 5.0; leave it out"),
        ({"remove_unused_columns": True}, "remove_unused_columns is True; leave it out"),
        ({"batch_eval_metrics": True}, "batch_eval_metrics is True; leave it out"),
    ],
)
def test_numbers_that_cannot_be_are_refused(fields, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        made(tmp_path, **fields)


def test_a_command_line_of_its_own_is_parsed(tmp_path):
    given = ["--output_dir", str(tmp_path), "--metric_ks", "3", "7", "--max_eval_users", "99", "--report_to", "none"]
    (arguments,) = HfArgumentParser(XCatTrainingArguments).parse_args_into_dataclasses(given)
    assert (arguments.metric_ks, arguments.max_eval_users, arguments.report_to) == ([3, 7, 10], 99, [])


@pytest.mark.parametrize(
    ("items", "window", "histories", "times"),
    [
        (1, 0.0, 128, 1), (16_383, 8.0, 128, 1), (16_384, 7.0, 256, 2), (36_298, 7.2, 512, 4), (10**7, 1.0, 512, 4),
        (1, 12.8, 80, 1), (1, 50.0, 20, 1), (1, 150.0, 16, 1), (20_000, 16.0, 128, 2), (68_492, 50.0, 82, 4),
        (68_492, 150.0, 27, 4),
    ],
)  # fmt: skip
def test_batches_grow_with_the_catalogue_and_shrink_with_long_histories(items, window, histories, times, tmp_path):
    arguments = made(tmp_path, **sized_for(items, window, 20))
    assert arguments.per_device_train_batch_size == histories
    assert arguments.learning_rate == pytest.approx(2e-3 * times**0.5)
    assert arguments.num_train_epochs == 10
    slower = sized_for(items, window, 20, 1e-3)
    assert times == 1 or slower["learning_rate"] == pytest.approx(1e-3 * times**0.5)


@pytest.mark.parametrize(
    ("labels", "epochs", "of_30"),
    [(0, 10, 30), (500_000, 10, 30), (500_001, 10, 30), (1_000_000, 5, 15), (1_400_000, 4, 11), (10**9, 2, 6)],
)
def test_long_logs_are_learnt_in_fewer_passes(labels, epochs, of_30, tmp_path):
    assert made(tmp_path, **sized_for(10**9, 8.0, labels)).num_train_epochs == epochs
    assert sized_for(10**9, 8.0, labels, epochs=30).get("num_train_epochs", 30) == of_30


@pytest.mark.parametrize(
    ("items", "labels", "epochs", "patience"),
    [(0, 20, 10, 5), (100, 2000, 10, 5), (100, 3000, 15, 8), (100, 4000, 20, 10), (100, 5000, 20, 10),
     (1682, 98_000, 20, 10), (10_000, 1_000_000, 10, 10), (68_492, 1_400_000, 4, 5), (1000, 10**9, 4, 10)],
)  # fmt: skip
def test_dense_logs_are_learnt_in_more_passes_with_more_patience(items, labels, epochs, patience, tmp_path):
    arguments = made(tmp_path, **sized_for(items, 8.0, labels))
    assert (arguments.num_train_epochs, arguments.early_stopping_patience) == (epochs, patience)
    sized = sized_for(items, 8.0, labels, epochs=30, patience=0)
    assert sized.get("num_train_epochs", 30) == pytest.approx(3 * epochs, abs=1)
    assert not sized.get("early_stopping_patience")


def test_steps_may_stand_for_epochs(tmp_path):
    assert made(tmp_path, num_train_epochs=0, max_steps=5).max_steps == 5


def test_the_probe_measures():
    assert precision.matmul_gflops("cpu", torch.float32) > 0.01
    assert precision.bf16_speedup() > 0


def test_a_single_step_is_not_a_step_of_the_warm_up(tmp_path):
    """A share of the steps is rounded up, and a step of the warm-up begins at a rate of 0."""
    assert [made(tmp_path, warmup_steps=0.1).get_warmup_steps(steps) for steps in (0, 1, 2, 10, 11)] == [0, 0, 1, 1, 2]
    assert made(tmp_path, warmup_steps=50).get_warmup_steps(1) == 50
    assert [made(tmp_path).get_warmup_steps(steps) for steps in (1, 2, 10, 99, 100, 1000)] == [0, 1, 5, 49, 50, 50]

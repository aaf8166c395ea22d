"""Every argument inherited from `TrainingArguments`: an evaluation does not change with it, or it is refused."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainingArguments

from .test_trainer import prepared, trainer_of

WORKERS = {"dataloader_num_workers": 1}
WORKS: dict[str, Any] = {
    "accelerator_config": {"split_batches": True},
    "activation_checkpointing": True,
    "activation_checkpointing_kwargs": {"use_reentrant": False},
    "adam_beta1": 0.8,
    "adam_beta2": 0.9,
    "adam_epsilon": 1e-6,
    "auto_find_batch_size": True,
    "average_tokens_across_devices": False,
    "bf16": True,
    "data_seed": 3,
    "dataloader_drop_last": True,
    "dataloader_in_order": False,
    "dataloader_multiprocessing_context": "fork",
    "dataloader_num_workers": 2,
    "dataloader_persistent_workers": True,
    "dataloader_pin_memory": False,
    "dataloader_prefetch_factor": 3,
    "do_eval": True,
    "do_predict": True,
    "do_train": True,
    "enable_jit_checkpoint": True,
    "eval_accumulation_steps": 1,
    "eval_delay": 1,
    "eval_on_start": True,
    "eval_steps": 3,
    "eval_strategy": "steps",
    "eval_use_gather_object": True,
    "full_determinism": True,
    "gradient_accumulation_steps": 2,
    "greater_is_better": True,
    "ignore_data_skip": True,
    "include_for_metrics": ["inputs", "loss"],
    "include_num_input_tokens_seen": "non_padding",
    "label_names": ["targets"],
    "learning_rate": 1e-3,
    "length_column_name": "events",
    "load_best_model_at_end": False,
    "log_level": "error",
    "log_on_each_node": False,
    "logging_first_step": True,
    "logging_nan_inf_filter": False,
    "logging_steps": 3,
    "logging_strategy": "steps",
    "lr_scheduler_kwargs": {},
    "lr_scheduler_type": "cosine",
    "max_grad_norm": 0.0,
    "max_steps": 3,
    "metric_for_best_model": "eval_loss",
    "num_train_epochs": 1,
    "optim": "adafactor",
    "optim_args": "",
    "output_dir": "other",
    "per_device_eval_batch_size": 7,
    "per_device_train_batch_size": 7,
    "resume_from_checkpoint": None,
    "restore_callback_states_from_checkpoint": False,
    "run_name": "run",
    "save_on_each_node": True,
    "save_only_model": True,
    "save_steps": 3,
    "save_strategy": "best",
    "save_total_limit": 2,
    "seed": 3,
    "skip_memory_metrics": False,
    "torch_compile": True,
    "torch_compile_backend": "eager",
    "torch_compile_mode": "default",
    "torch_empty_cache_steps": 1,
    "train_sampling_strategy": "group_by_length",
    "use_cache": True,
    "warmup_steps": 0,
    "weight_decay": 0.1,
}
"""A non-default value of each, which must not change rows or metrics."""

BESIDE: dict[str, dict[str, Any]] = {
    "dataloader_in_order": {"dataloader_num_workers": 2},
    "dataloader_multiprocessing_context": WORKERS,
    "dataloader_persistent_workers": WORKERS,
    "dataloader_prefetch_factor": WORKERS,
    "eval_strategy": {"eval_steps": 3, "save_strategy": "no"},
    "eval_steps": {"eval_strategy": "steps", "save_strategy": "steps", "save_steps": 3},
    "length_column_name": {"train_sampling_strategy": "batch_rebalance"},
    "activation_checkpointing_kwargs": {"activation_checkpointing": True},
    "torch_compile": {"torch_compile_backend": "eager"},
}
"""Arguments without which one means nothing."""

REFUSED: dict[str, tuple[Any, str]] = {
    "batch_eval_metrics": (True, "batch_eval_metrics is True; leave it out: ranks"),
    "bf16_full_eval": (True, "bf16_full_eval is True; leave it out: items are ranked in float32"),
    "debug": ("underflow_overflow", "debug is .*; leave it out"),
    "eval_do_concat_batches": (False, "eval_do_concat_batches is False; leave it out"),
    "fp16_full_eval": (True, "fp16_full_eval is True; leave it out: items are ranked in float32"),
    "label_smoothing_factor": (0.1, "labels are smoothed by soft_target_weight"),
    "neftune_noise_alpha": (5.0, "the model has no token embeddings"),
    "prediction_loss_only": (True, "prediction_loss_only is True, and metric_for_best_model is 'ndcg@10'"),
    "remove_unused_columns": (True, "the collators need every column"),
    "use_liger_kernel": (True, "it has no kernel for this model"),
}

ELSEWHERE = {
    "names of places and reports": (
        "disable_tqdm", "hub_always_push", "hub_model_id", "hub_private_repo", "hub_revision", "hub_strategy",
        "hub_token", "log_level_replica", "project", "push_to_hub", "report_to", "trackio_bucket_id",
        "trackio_space_id", "trackio_static_space_id",
    ),
    "several processes (test_several_processes)": (
        "ddp_backend", "ddp_broadcast_buffers", "ddp_bucket_cap_mb", "ddp_find_unused_parameters", "ddp_static_graph",
        "ddp_timeout", "deepspeed", "fsdp", "fsdp_config", "local_rank", "parallelism_config",
    ),
    "a GPU": ("fp16", "tf32", "use_cpu"),
    "another name of an argument above": ("gradient_checkpointing", "gradient_checkpointing_kwargs"),
    "optimisers that are not installed": ("liger_kernel_config", "optim_target_modules"),
}  # fmt: skip
"""Fields that this machine cannot try, or that have nothing to do with it."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    start = prepared(tmp_path_factory.mktemp("start"))
    trainer = trainer_of(start, tmp_path_factory.mktemp("out"))
    return {"start": start, **judged(trainer, start)}


def judged(trainer: Any, start: Any) -> dict[str, Any]:
    """Metrics of both splits, and the ranks of one in the order of its rows."""
    metrics = [trainer.evaluate(start.splits[name]) for name in ("validation", "test")]
    kept = [{k: v for k, v in each.items() if "@" in k or k == "eval_loss"} for each in metrics]
    return {"figures": kept, "ranks": trainer.predict(start.splits["test"]).predictions[0]}


@pytest.fixture(autouse=True)
def plain_algorithms():
    yield
    torch.use_deterministic_algorithms(False)


def changed(name: str, start: Any, folder: Path) -> Any:
    arguments = {**BESIDE.get(name, {}), name: WORKS[name]}
    if name == "output_dir":
        return trainer_of(start, folder / "other")
    return trainer_of(start, folder, **{"tune_second_stage": False, **arguments})


def test_every_field_is_in_a_table():
    tables = [*WORKS, *REFUSED, *(name for names in ELSEWHERE.values() for name in names)]
    assert sorted(tables) == sorted(field.name for field in dataclasses.fields(TrainingArguments))


@pytest.mark.parametrize("name", WORKS)
def test_an_evaluation_does_not_change_with(name, found, tmp_path):
    again = judged(changed(name, found["start"], tmp_path), found["start"])
    assert np.array_equal(again["ranks"], found["ranks"])
    for one, other in zip(again["figures"], found["figures"], strict=True):
        assert one == pytest.approx(other)


@pytest.mark.parametrize("name", REFUSED)
def test_arguments_that_would_change_it_are_refused(name, found, tmp_path):
    value, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        trainer_of(found["start"], tmp_path, **{name: value})


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_training_runs_with(name, found, tmp_path):
    start = found["start"]
    trainer = changed(name, replace(start, model=copy.deepcopy(start.model)), tmp_path)
    trainer.args.num_train_epochs = min(2, trainer.args.num_train_epochs)
    before = {key: value.clone() for key, value in trainer.model.state_dict().items()}
    trainer.train()
    assert trainer.state.global_step > 0
    assert any(not torch.equal(value, before[key]) for key, value in trainer.model.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["softmax", "sampled_softmax", "gbce"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_model_trains_as_the_plain_one(objective, precision, tmp_path):
    config = {"objective": objective, "soft_target_weight": 0.3, "hidden_dropout": 0.0, "id_dropout": 0.0}
    losses = []
    for compiled in (False, True):
        trainer = trainer_of(
            prepared(tmp_path, **config), tmp_path, max_steps=3, torch_compile=compiled, precision=precision,
            tune_second_stage=False, logging_steps=1, logging_strategy="steps",
        )  # fmt: skip
        trainer.train()
        losses.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert losses[1] == pytest.approx(losses[0], rel=0.02 if precision == "bf16" else 1e-3)


@pytest.mark.parametrize("strategy", ["group_by_length", "batch_rebalance", "sequential"])
def test_training_takes_rows_in_other_orders(strategy, found, tmp_path):
    start = found["start"]
    model = copy.deepcopy(start.model)
    trainer = trainer_of(
        replace(start, model=model),
        tmp_path,
        train_sampling_strategy=strategy,
        num_train_epochs=1,
        tune_second_stage=False,
    )
    trainer.train()
    assert trainer.state.global_step == -(-len(trainer.train_dataset) // 10)
    with pytest.raises(ValueError, match="max_tokens_per_batch has its own sampler"):
        trainer_of(start, tmp_path, train_sampling_strategy=strategy, max_tokens_per_batch=40)


def test_arguments_that_would_spoil_batches_are_refused(found, tmp_path):
    start = found["start"]
    with pytest.raises(ValueError, match="length_column_name is 'items', a column of List"):
        trainer_of(start, tmp_path, train_sampling_strategy="group_by_length", length_column_name="items")
    with pytest.raises(ValueError, match="dispatch_batches of accelerator_config is True; leave it out"):
        trainer_of(start, tmp_path, accelerator_config={"dispatch_batches": True})
    trainer = trainer_of(start, tmp_path, dataloader_drop_last=True, per_device_train_batch_size=500)
    with pytest.raises(ValueError, match="60 training windows do not fill one batch of 500"):
        trainer.train()


def test_the_loss_alone_is_computed_where_that_is_asked_for(found, tmp_path):
    trainer = trainer_of(found["start"], tmp_path, prediction_loss_only=True, metric_for_best_model="eval_loss")
    metrics = trainer.evaluate()
    assert metrics["eval_loss"] == pytest.approx(found["figures"][0]["eval_loss"])
    assert not any("@" in name for name in metrics)

"""Checks of training arguments, without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.more_metrics import metric_names
from ..evaluation.purposes import DISCOVER, DISCOVER_SLICES
from ..evaluation.recommendation_ranking.ranking_metrics import COVERAGE
from ..evaluation.slices import SLICE_NAMES
from ..modeling_xcat.arguments_xcat import finite_number, listed
from ..modeling_xcat.limits_xcat import MOST_LOGIT_ADJUSTMENT
from ..tokenization.text.precision import check_precision


def check_refused(args: Any) -> None:
    """Refuse arguments of `TrainingArguments` that do not apply here, before they fail in the middle of a step."""
    refused = {
        "label_smoothing_factor": "labels are smoothed by soft_target_weight of the model's configuration",
        "neftune_noise_alpha": "the model has no token embeddings; use id_dropout of its configuration",
        "remove_unused_columns": "the collators need every column",
        "batch_eval_metrics": "ranks of all users are gathered, and they are small",
        "bf16_full_eval": "items are ranked in float32, whatever the precision of training",
        "fp16_full_eval": "items are ranked in float32, whatever the precision of training",
        "use_liger_kernel": "it has no kernel for this model",
        "debug": "its checks of layer outputs do not support masks; look at grad_norm in the logs",
    }
    for name, reason in refused.items():
        if getattr(args, name):
            raise ValueError(f"{name} is {getattr(args, name)}; leave it out: {reason}")
    if not args.eval_do_concat_batches:
        raise ValueError(
            "eval_do_concat_batches is False; leave it out: metrics are computed from the ranks of all users"
        )
    if args.max_tokens_per_batch is not None and str(args.train_sampling_strategy) != "random":
        raise ValueError(
            f"train_sampling_strategy is {args.train_sampling_strategy}, and max_tokens_per_batch has its own "
            "sampler; leave one of them out"
        )
    metric = args.metric_for_best_model or ""
    if metric.endswith("loss") and args.greater_is_better:
        raise ValueError(f"greater_is_better is True, but a lower {metric} is better; leave it out")


def target_columns(given: Any) -> list[str]:
    """Columns of `target_heads`: a list of names, or a text with commas between them.

    Args:
        given: The columns.

    Raises:
        ValueError: If it is neither a text nor a list.

    Example:
        >>> target_columns("category, brand")
        ['category', 'brand']
    """
    if isinstance(given, str):
        return [name.strip() for name in given.split(",")]
    return listed("target_heads", given, "columns of the items, such as category")


def check_numbers(args: Any) -> None:
    """Refuse numbers out of range.

    Args:
        args: `XCatTrainingArguments`, or any object with its fields.

    Raises:
        ValueError: If one is; it names the field.
    """
    check_precision(args.precision)
    at_least = {
        "per_device_train_batch_size": 1, "per_device_eval_batch_size": 1, "early_stopping_patience": 0,
        "max_train_events": 2, "max_tokens_per_batch": 2, "trained_texts_per_step": 1,
        "adaptor_refresh_steps": 1, "max_eval_users": 1, "shuffle_buffer_size": 0,
    }  # fmt: skip
    for name, least in at_least.items():
        value = getattr(args, name)
        if value is not None and value < least:
            raise ValueError(f"{name} is {value}; give at least {least}")
    if not args.metric_ks or min(args.metric_ks) < 1:
        raise ValueError(f"metric_ks is {args.metric_ks}; give at least one cut-off, each 1 or more")
    if args.new_category_weight <= 0:
        raise ValueError(f"new_category_weight is {args.new_category_weight}; give a positive number, such as 2")
    if not 0 <= finite_number("logit_adjustment", args.logit_adjustment) <= MOST_LOGIT_ADJUSTMENT:
        raise ValueError(
            f"logit_adjustment is {args.logit_adjustment}; give 0 for none, or a number up to "
            f"{MOST_LOGIT_ADJUSTMENT}, such as 0.2"
        )
    for name in ("exposure_weight", "group_gap_weight", "flagged_weight", "propensity_power", "propensity_clip"):
        finite_number(name, getattr(args, name))
    for name in ("exposure_weight", "group_gap_weight", "flagged_weight"):
        if getattr(args, name) < 0:
            raise ValueError(f"{name} is {getattr(args, name)}; give 0 for none, or a positive number, such as 0.1")
    if not 0 <= args.propensity_power <= 2 or args.propensity_clip < 1:
        raise ValueError(
            f"propensity_power is {args.propensity_power} and propensity_clip {args.propensity_clip}; give a power "
            "from 0 to 2 and a clip of 1 or more"
        )
    if bool(args.flagged_weight) != bool(args.flagged):
        raise ValueError(
            f"flagged is {args.flagged} and flagged_weight {args.flagged_weight}; give both, or none of them"
        )
    for name, example in (("learning_rate", 0.001), ("text_encoder_learning_rate", 5e-5)):
        value = getattr(args, name)
        if value is not None and value <= 0:
            raise ValueError(f"{name} is {value}; give a positive number, such as {example}")
    if args.num_train_epochs <= 0 and args.max_steps <= 0:
        raise ValueError(f"num_train_epochs is {args.num_train_epochs}; give a positive number")


def check_deciding_metric(args: Any, eval_dataset: Any = None) -> None:
    """Refuse a metric that no evaluation computes, before the first evaluation of a long training fails."""
    if args.eval_strategy == "no":
        return
    name = args.metric_for_best_model or ""
    names = metric_names(args.metrics)
    figures = [_figures(names, SLICE_NAMES), f"{DISCOVER}_{_figures(names, DISCOVER_SLICES)}"]
    sets = "".join(f"|{re.escape(key)}_" for key in eval_dataset) if isinstance(eval_dataset, Mapping) else ""
    pattern = rf"(eval_)?({sets})(loss|{'|'.join(figures)})"
    if args.load_best_model_at_end and not re.fullmatch(pattern, name):
        raise ValueError(
            f"metric_for_best_model is {name!r}; give {', '.join(names)} or {COVERAGE} with a cut-off, such as "
            f"ndcg@10, or the metric of a slice, such as slices.{SLICE_NAMES[0]}.ndcg@10, or one of discovery, "
            f"such as {DISCOVER}_ndcg@10, or eval_loss"
            + (
                f", each with the name of an evaluation set before it, such as {next(iter(eval_dataset))}_ndcg@10"
                if sets
                else ""
            )
        )
    if args.prediction_loss_only and not name.endswith("loss"):
        raise ValueError(
            f"prediction_loss_only is True, and metric_for_best_model is {name!r}, which needs ranks; give "
            "metric_for_best_model='eval_loss', or leave prediction_loss_only out"
        )


def _figures(names: Sequence[str], slices: Sequence[str]) -> str:
    """Pattern of the ranking metrics of one purpose."""
    return rf"(((slices\.({'|'.join(slices)})\.)?({'|'.join(map(re.escape, names))}))|{COVERAGE})@[1-9]\d*"

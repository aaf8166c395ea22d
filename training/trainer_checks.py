"""What a trainer is not made with: refused at once, where it would end or be ignored hours later."""

from __future__ import annotations

import re
from typing import Any

from datasets import Dataset

from ..evaluation.metrics import METRIC_NAMES
from ..evaluation.slices import SLICE_NAMES
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.interest_snapshots import NO_INTERESTS
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.user_interests import UserInterests
from .arguments import XCatTrainingArguments
from .text_tuning import trains_text


def check_kinds(args: Any, eval_dataset: Any) -> None:
    """Refuse other training arguments, and several evaluation splits: what is tuned, is tuned on one."""
    if not isinstance(args, XCatTrainingArguments):
        raise TypeError(f"args is of {type(args).__name__}; give XCatTrainingArguments, which takes the same fields")
    if not isinstance(eval_dataset, Dataset | None):
        raise TypeError(
            f"eval_dataset is a {type(eval_dataset).__name__}; give one datasets.Dataset, the validation split "
            "(Dataset.from_list makes one of rows), and call evaluate with others after training"
        )


def check_deciding_metric(args: XCatTrainingArguments) -> None:
    """Refuse a metric that no evaluation will give, before hours of training end at the first one."""
    name = args.metric_for_best_model or ""
    ranked, slices = "|".join(METRIC_NAMES), "|".join(SLICE_NAMES)
    known = re.fullmatch(rf"(eval_)?(((slices\.({slices})\.)?({ranked}))|coverage)@[1-9]\d*", name)
    if args.load_best_model_at_end and not known:
        raise ValueError(
            f"metric_for_best_model is {name!r}; give {', '.join(METRIC_NAMES)} or coverage with a cut-off, such as "
            f"ndcg@10, or one of a slice, such as slices.{SLICE_NAMES[0]}.ndcg@10"
        )


def check_interests(
    interests: UserInterests | None, dataset: Any, processor: XCatProcessor, model: XCatForNextItem
) -> None:
    """Refuse training rows without the interests that a model reads, and interests that would not stay as they are."""
    if interests is not None and trains_text(model):
        raise ValueError(
            "interests are made of text states once, and this text encoder is to be trained; freeze it, "
            "or leave interests out"
        )
    there = set(NO_INTERESTS) <= set(dataset.column_names)
    if processor.interest_settings is not None and interests is None and not there:
        raise ValueError("this model reads interests; give interests=, as prepare_training returns them")


def check_adaptor_refresh(every: int, model: XCatForNextItem) -> None:
    """Refuse to keep what the adaptor made of texts where there is nothing to keep, or where it would not last."""
    if every == 1:
        return
    given = f"adaptor_refresh_steps is {every}"
    if not model.config.use_text:
        raise ValueError(f"{given}, and this model represents items without text (use_text is False); leave it out")
    if not model.config.uses_full_softmax:
        raise ValueError(
            f"{given}, and a sampled objective ({model.config.objective}) never gives the whole catalogue to the text "
            "adaptor, only the items of the step; leave it out"
        )
    if trains_text(model):
        raise ValueError(
            f"{given}, and this text encoder is to be trained, so that the texts themselves change every step; "
            "freeze it, or leave adaptor_refresh_steps out"
        )

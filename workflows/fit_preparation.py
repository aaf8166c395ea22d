"""The first part of a fit: data, model and adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..checkpoints.adapters import add_adapter
from ..modeling_xcat.hub_xcat import fetched_commit
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.pretrained_xcat import XCatPreTrainedModel
from ..tokenization.sequences.split_data import SplitData
from ..training.arguments import XCatTrainingArguments
from ..training.fairness import check_fairness
from ..training.preparation.from_base import prepare_from_base
from ..training.preparation.options import PreparationOptions, PreparedTraining
from ..training.preparation.prepare import prepare_training
from ..training.tasks.task import Task
from ..training.trainer_checks import check_heads_of_task
from ..training.tuning.target_heads import check_target_heads, check_training, check_validation
from .fit_request import FitRequest

if TYPE_CHECKING:
    from peft import PeftModel


def prepare_fit(
    request: FitRequest, options: PreparationOptions, arguments: XCatTrainingArguments, task: Task
) -> tuple[PreparedTraining, XCatPreTrainedModel | PeftModel, bool]:
    """The prepared data, the trained model, and whether the catalogue differs from the base's.

    Args:
        request: The data, the model and its training.
        options: Options of the preparation.
        arguments: Training arguments; those about columns and items are checked before texts are encoded.
        task: The task.

    Raises:
        ValueError: If tables, options or arguments cannot be used.
    """

    def split(*given: Any, **named: Any) -> SplitData:
        data = task.split(*given, **named)
        check_fairness(arguments, data.vocabulary)  # before texts are encoded
        check_heads_of_task(arguments, task)
        for groups in check_target_heads(data.vocabulary, arguments.target_heads or ()):
            check_validation(task.ranked_rows(data.validation), groups)
            check_training(data.train, groups)
        return data

    if request.base is None:
        precision = "bf16" if arguments.bf16 else "fp32"
        prepared = prepare_training(request.shop, options, precision, split=split, relations=task.counts_events)
        return prepared, _headed(task, prepared), True
    prepared, changed = prepare_from_base(
        request.shop, options, request.base, recount=request.peft is None, split=split
    )
    if request.peft is None:
        return prepared, _headed(task, prepared), changed
    commit = fetched_commit(request.base)
    adapted = add_adapter(
        prepared.model, request.peft, request.lora_rank, request.lora_targets, base=request.base, revision=commit
    )
    return prepared, adapted, changed


def _headed(task: Task, prepared: PreparedTraining) -> XCatPreTrainedModel:
    """The model of the task, in place of the prepared one if it ranks too."""
    return ranking_model(prepared, task.for_data(prepared.data).new_model(prepared.model))


def ranking_model(prepared: PreparedTraining, model: XCatPreTrainedModel) -> XCatPreTrainedModel:
    """The model, which becomes the prepared one if it ranks.

    Args:
        prepared: The prepared data and model.
        model: The model of a task.
    """
    if isinstance(model, XCatForNextItem):
        prepared.model = model
    return model

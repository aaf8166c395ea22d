"""The card of a trainer run in Python, from the records of the trainer."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from ..checkpoints.adapters import parameter_counts
from ..checkpoints.load import bare_model
from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.pretrained_xcat import XCatPreTrainedModel
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.vocabulary import ItemVocabulary
from ..training.hub import OF_RUN
from ..training.provenance import describe_hardware
from ..training.trainer import XCatTrainer
from .callback import take_over
from .card import build_card
from .card_data import TrainingRecord, XCatModelCardData

__all__ = ["XCatTrainer", "card_of_run", "example_histories", "popular_items"]


def card_of_run(trainer: Any) -> str | None:
    """The card of a trainer without an attached card.

    Args:
        trainer: The trainer.

    Returns:
        The text; None if nothing was trained, and for models of other kinds, such as click baselines.
    """
    seconds = [entry["train_runtime"] for entry in trainer.state.log_history if "train_runtime" in entry]
    if not any("loss" in entry for entry in trainer.state.log_history):
        return None
    found: PreTrainedModel = bare_model(trainer.model)
    if not isinstance(found, XCatPreTrainedModel):
        return None
    model, processor = bare_model(trainer.model), trainer.processing_class
    record = TrainingRecord(
        config=model.config, arguments=trainer.args, seconds=seconds[-1] if seconds else None,
        hardware=describe_hardware(), processes=trainer.args.world_size,
    )  # fmt: skip
    take_over(record, trainer.state)
    data = XCatModelCardData(
        model_id=trainer.hub_model_id or trainer.args.hub_model_id, model_type=type(model).__name__, training=record,
        parameters=trainer.trained_parameters.counts or parameter_counts(trainer.model),
        seeds={"training": trainer.args.seed},
    )  # fmt: skip
    if isinstance(processor, XCatProcessor):
        data.example_history = popular_items(model, processor.catalogue, 3)
        settings = processor.event_settings or {}
        data.split, data.tie_policy = settings.get("split", data.split), settings.get("tie_policy", data.tie_policy)
    return f"{build_card(data)}\n{OF_RUN}\n"


def popular_items(model: XCatForNextItem, vocabulary: ItemVocabulary, count: int) -> list[str]:
    """Ids of the items with the most training events, for an example that shows no customer's history.

    Args:
        model: A model with its catalogue in place.
        vocabulary: The catalogue.
        count: Number of items.
    """
    counts = model.model.items.item_counts[NUM_SPECIAL_ROWS:]
    best = counts.argsort(descending=True, stable=True)[:count] + NUM_SPECIAL_ROWS
    return vocabulary.decode(best.tolist())


def example_histories(model: XCatForNextItem, vocabulary: ItemVocabulary, count: int = 3) -> list[list[str]]:
    """Short histories for examples: popular items, three per history. None is the history of a customer.

    Args:
        model: A model with its catalogue in place.
        vocabulary: The catalogue.
        count: Number of histories; fewer for a small catalogue.
    """
    items = popular_items(model, vocabulary, 3 * count)
    return [items[place : place + 3] for place in range(0, len(items), 3)]


XCatTrainer.card_of_run = card_of_run  # type: ignore[method-assign, assignment]  # cards are above training

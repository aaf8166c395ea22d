"""A checkpoint trained again on tables that were attacked or defended."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from tempfile import TemporaryDirectory
from typing import Any, Literal

from datasets import Dataset
from transformers import set_seed

from ..catalogue.change import change_catalogue, ordered_after, same_catalogue
from ..catalogue.item_table import count_again
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..ranking.recommender import XCatRecommender
from ..tokenization.progress import quiet_transformers
from ..tokenization.sequences.event_weights import add_event_weights
from ..tokenization.tables.schema import ShopTables
from ..tokenization.vocabulary import UNKNOWN_ROW
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.prepare import build_vocabulary
from ..training.trainer import XCatTrainer
from .checkpoint_evaluation import evaluation_data
from .update import LEARNING_RATE, WARMUP

Start = Literal["checkpoint", "new"]
STARTS: tuple[Start, ...] = ("checkpoint", "new")
EPOCHS = 1.0


@quiet_transformers()
def refit(
    old: XCatRecommender,
    shop: ShopTables,
    *,
    weights: Mapping[tuple[str, str], float] | None = None,
    start: Start = "checkpoint",
    epochs: float = EPOCHS,
    seed: int = 0,
) -> XCatRecommender:
    """Train a checkpoint again on tables with its items, with its own settings; the checkpoint is not changed.

    Changed texts are encoded. Counts, item-to-item weights and transitions are computed from these tables alone. Then
    the weights are trained; the re-ranker stays.

    Args:
        old: The checkpoint.
        shop: The tables.
        weights: Weights of events by the ids of user and item, as in `add_event_weights`; none or None for 1.
        start: "checkpoint" fine-tunes its weights at the rate of `update`; "new" trains new weights beside its text
            encoder, at the default rate.
        epochs: Epochs; 0 to compute counts, weights and transitions only.
        seed: Seed of new weights and of the training.

    Raises:
        ValueError: If the tables lack items of the checkpoint.
    """
    model, processor = deepcopy(old.model), old.processor
    vocabulary = ordered_after(processor.catalogue, build_vocabulary(shop, tuple(processor.text_fields)))
    known = processor.catalogue.encode(vocabulary.column("item_id")) != UNKNOWN_ROW
    if known.sum() != processor.catalogue.num_items:
        raise ValueError(
            f"data lacks {processor.catalogue.num_items - known.sum()} of the {processor.catalogue.num_items} items "
            "of the checkpoint; give the tables that it was trained on"
        )
    vocabulary = type(vocabulary)(vocabulary.table.slice(0, processor.catalogue.num_items).combine_chunks())
    if not same_catalogue(processor.catalogue, vocabulary, model.config.item_features or {}):
        processor = change_catalogue(model, processor, vocabulary)
    train = evaluation_data(XCatRecommender(model, processor), shop).data.train
    if weights:
        train = add_event_weights(train, vocabulary, weights)
    if start == "new":
        set_seed(seed)  # all trainings begin with the same weights
        model = _new_weights(model)
    count_again(model, train)
    if epochs > 0:
        _train(model, processor, train, start, epochs, seed)
    return XCatRecommender(model, processor, old.rerankers)


def _new_weights(model: XCatForNextItem) -> XCatForNextItem:
    """The same texts and text encoder, with new weights beside them."""
    fresh = type(model)(model.config)
    kept = {name: value for name, value in model.named_buffers() if name in fresh.state_dict()}
    kept |= {name: value for name, value in model.named_parameters() if name.startswith("model.text.encoder.")}
    fresh.load_state_dict(kept, strict=False)
    return fresh


def _train(model: XCatForNextItem, processor: Any, train: Dataset, start: Start, epochs: float, seed: int) -> None:
    with TemporaryDirectory(prefix=".xcat-attack-") as place:
        given: dict[str, Any] = {"learning_rate": LEARNING_RATE} if start == "checkpoint" else {}
        arguments = XCatTrainingArguments(
            output_dir=place, num_train_epochs=epochs, warmup_steps=WARMUP, eval_strategy="no", save_strategy="no",
            load_best_model_at_end=False, tune_second_stage=False, tune_neighbor_weight=False, seed=seed, **given,
        )  # fmt: skip
        trainer = XCatTrainer(model, arguments, train, None, processor)
        trainer.train()

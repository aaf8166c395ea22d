"""Trained baselines of a model card: id-based models."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import set_seed

from ..catalogue.item_table import fill_item_table
from ..evaluation.ranker_evaluation import Ranker
from ..modeling_xcat.configuration_xcat import XCatConfig
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..ranking.recommender import XCatRecommender
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.options import PreparedTraining
from ..training.recipes import Recipe, find_recipe
from ..training.trainer import XCatTrainer
from .baselines import check_names

logger = logging.getLogger(__name__)

_OF_THE_RUN = (
    "seed", "precision", "use_cpu", "disable_tqdm", "metric_ks", "metrics", "per_device_eval_batch_size",
    "num_train_epochs", "max_steps", "max_train_events", "quick",
)  # fmt: skip
"""Training fields that also apply to the baselines; other fields come from the recipe or are defaults."""
_OF_THE_DATA = ("num_item_rows", "event_types", "num_rating_buckets", "num_time_gap_buckets", "max_history")


def fit_baselines(
    names: Sequence[str],
    prepared: PreparedTraining,
    training: Mapping[str, Any],
    folder: Path,
    tell: Callable[[str], None] = logger.info,
) -> dict[str, Ranker]:
    """Train the named models.

    Args:
        names: Some of `IDS_ONLY`.
        prepared: Training data of the model.
        training: Fields of `XCatTrainingArguments` of the run.
        folder: Where trainers may write; the caller removes it.
        tell: Called with messages about the progress.

    Returns:
        Fitted models by their name in tables.

    Raises:
        ValueError: If a name is not in `IDS_ONLY`.
    """
    check_names(names)
    rankers: dict[str, Ranker] = {}
    for name in names:
        tell(f"training {name}, for comparison")
        rankers[name] = _train(find_recipe(name), prepared, training, folder / name)
    return rankers


def _train(recipe: Recipe, prepared: PreparedTraining, training: Mapping[str, Any], folder: Path) -> XCatRecommender:
    shared = {name: training[name] for name in _OF_THE_RUN if name in training}
    arguments = XCatTrainingArguments(**recipe.training_fields({**shared, "output_dir": str(folder)}))
    set_seed(arguments.seed)
    data = {name: getattr(prepared.model.config, name) for name in _OF_THE_DATA}
    model = XCatForNextItem(XCatConfig(**{**data, **recipe.config}))
    train = prepared.splits["train"]
    fill_item_table(model, prepared.processor, train)
    trainer = XCatTrainer(
        model,
        arguments,
        train_dataset=train,
        eval_dataset=prepared.splits["validation"],
        processing_class=prepared.processor,
    )
    trainer.train()
    return XCatRecommender(model, prepared.processor)

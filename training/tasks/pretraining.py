"""Pretraining on several datasets: batches of one dataset each, and a model whose catalogue is exchangeable."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from datasets import Dataset
from transformers import initialization as init

from ...modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ...modeling_xcat.modeling_pretraining_xcat import XCatForPreTraining
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...modeling_xcat.pretrained_xcat import XCatPreTrainedModel
from ...tokenization.sequences.joined_shops import JoinedShops
from ...tokenization.sequences.split_data import SplitData
from ..arguments import XCatTrainingArguments
from ..samplers import GroupBatchSampler
from ..tuning.asks import fit_asks
from .next_item import NextItemTask
from .task import register_task, without_head

if TYPE_CHECKING:
    from ..trainer import XCatTrainer

PRETRAINING = "pretraining"

logger = logging.getLogger(__name__)


@register_task(PRETRAINING)
class PretrainingTask(NextItemTask):
    """Pretrain on several datasets, for `fit(base=)` and for new catalogues.

    A batch has histories of one dataset, and batches of all datasets are mixed in random order. So the items of a
    batch, and the negatives drawn beside them, are of one field: those of another would be too easy to tell apart.

    The base depends on no catalogue: id embeddings are zero and not trained, nothing is counted (`counts_events`), and
    neither item-to-item weights nor re-rankers are tuned. Validation ranks the items of all datasets.
    """

    head = XCatForPreTraining
    encodes_texts = False
    counts_events = False

    def for_data(self, data: SplitData) -> Self:
        """The task itself.

        Raises:
            ValueError: If the data is not of several datasets.
        """
        if not isinstance(data.shop, JoinedShops):
            raise ValueError(
                f"task is {PRETRAINING!r}, and {data.shop.name} is one dataset; call pretrain with several, or leave "
                "task= out"
            )
        return self

    def new_model(self, model: XCatForNextItem) -> XCatPreTrainedModel:
        """The given model with the losses of pretraining, and without id embeddings."""
        head = self.head(model.config)
        head.model = model.model
        if model.config.use_item_ids:
            weight = head.model.items.id_embeddings.weight
            init.zeros_(weight)
            weight.requires_grad_(False)
        return head

    def trained_model(self, model: XCatPreTrainedModel) -> XCatPreTrainedModel:
        """A model of next items, with id embeddings that can be trained."""
        assert isinstance(model, XCatForPreTraining)
        if model.config.use_item_ids:
            model.model.items.id_embeddings.weight.requires_grad_(True)
        return without_head(model)

    def tunes_lists(self, args: XCatTrainingArguments) -> bool:
        """False: no re-ranker of lists is fitted."""
        return False

    def begin(self, trainer: XCatTrainer, model: Any) -> None:
        """Set the bounds of the datasets in the catalogue."""
        NextItemTask.begin(self, trainer, model)
        model.catalogue_bounds = bounds_of(trainer.processor.catalogue.codes("shop")[0])

    def before_evaluation(self, trainer: XCatTrainer, model: Any, validation: Dataset) -> None:
        """Nothing: there are no item-to-item weights."""

    def tune(self, trainer: XCatTrainer, model: Any, validation: Dataset) -> None:
        """Fit what reads queries, which depends on texts alone."""
        args = trainer.args
        if args.tune_second_stage and model.model.asks is not None and len(validation):
            found = fit_asks(model, trainer.processor, validation, seed=args.seed, quick=args.quick)
            logger.info("queries: %s", found)

    def batch_sampler(self, trainer: XCatTrainer, rows: Any) -> GroupBatchSampler:
        """Batches of one dataset each.

        Raises:
            ValueError: If `max_tokens_per_batch` is given, or the rows are a stream.
        """
        args = trainer.args
        if not isinstance(rows, Dataset):
            raise ValueError("train_dataset is a stream, and pretraining sorts rows by dataset; give a Dataset")
        if args.max_tokens_per_batch is not None:
            raise ValueError(
                f"max_tokens_per_batch is {args.max_tokens_per_batch}, and pretraining makes batches by dataset; "
                "give per_device_train_batch_size"
            )
        bounds = bounds_of(trainer.processor.catalogue.codes("shop")[0])
        first = np.array([items[0] for items in rows.with_format(None)["items"]], dtype=np.int64)
        groups = np.searchsorted(bounds, first, side="right") - 1
        return GroupBatchSampler(groups.tolist(), args.per_device_train_batch_size, args.order_seed)


def bounds_of(codes: np.ndarray) -> Sequence[int]:
    """First row of each dataset, ascending, and the number of rows.

    Args:
        codes: (rows,) code of each row's dataset, ascending from 0; -1 at special rows.

    Example:
        >>> bounds_of(np.array([-1, -1, 0, 0, 1]))
        [2, 4, 5]
    """
    own = codes[NUM_SPECIAL_ROWS:]
    starts = np.flatnonzero(np.diff(own, prepend=-1)) + NUM_SPECIAL_ROWS
    bounds: list[int] = [*starts.tolist(), len(codes)]
    return bounds

"""Task: head, labels, batches and metrics of a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import torch
from datasets import Dataset
from torch import nn
from transformers import EvalPrediction, PreTrainedModel

from ...evaluation.ranker_evaluation import Ranker
from ...modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ...modeling_xcat.modeling_pretraining_xcat import XCatForPreTraining
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...modeling_xcat.pretrained_xcat import XCatPreTrainedModel
from ...modeling_xcat.registry_xcat import Registry
from ...registered_modules import import_registered
from ...tokenization.interests.reader import UserInterests
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.sequences.event_options import EventOptions
from ...tokenization.sequences.split_data import SplitData
from ...tokenization.tables.schema import ShopTables
from ...tokenization.text.item_text import DEFAULT_TEXT_FIELDS
from ...tokenization.vocabulary import ItemVocabulary
from ..arguments import XCatTrainingArguments
from ..preparation.windows import training_rows
from ..samplers import GroupBatchSampler, TokenBatchSampler
from ..trainer_checks import check_rows

if TYPE_CHECKING:
    from ..trainer import XCatTrainer

Collator = Callable[[Sequence[dict[str, Any]]], dict[str, torch.Tensor]]
"""From dataset rows to a batch, the arguments of the head's `forward`."""


class Task:
    """What a model is trained for. `XCatTrainer` is the same for all tasks and calls these methods.

    A subclass sets `head` and makes batches with labels. All other methods have a default: evaluation batches are
    made like training batches, `Trainer` computes the loss and gathers logits and labels, and the loss chooses the
    best epoch. A task keeps no state of a training; the trainer does.

    Attributes:
        head: Class of the trained model. Its `forward` returns a `ModelOutput` with `loss` if labels are given. It has
            an `XCatModel` as `model`, or the task makes the model itself, as `ClickBaselineTask` does.
        deciding_metric: Metric that chooses the best epoch if `metric_for_best_model` has its default value.
        encodes_texts: Whether the labels are items and the head takes `item_text_...` inputs, with which a text
            encoder is trained.
        tunes: Whether `tune` chooses values on the evaluation set.
        counts_events: Whether item-to-item weights, transitions and segments are computed from the training events
            before training, as in `fill_item_table`.
        option_class: Dataclass of the options that `with_options` takes; None for a task without options.
    """

    head: ClassVar[type[PreTrainedModel]]
    deciding_metric: ClassVar[str] = "loss"
    encodes_texts: ClassVar[bool] = False
    tunes: ClassVar[bool] = False
    counts_events: ClassVar[bool] = True
    option_class: ClassVar[type | None] = None

    def tunes_lists(self, args: XCatTrainingArguments) -> bool:
        """Whether `tune` fits re-rankers of lists on the evaluation set; for the time estimate.

        Args:
            args: The training arguments.
        """
        return self.tunes

    @property
    def ranks(self) -> bool:
        """Whether the head ranks the catalogue: `fit` then compares it with baselines and writes a card."""
        return issubclass(self.head, XCatForNextItem)

    def with_options(self, **fields: Any) -> Self:
        """The task with values of its own options, fields of `option_class`.

        Args:
            **fields: Options by name.

        Raises:
            ValueError: If the task has no such options, or a value is out of range.
        """
        if fields:
            raise ValueError(f"{type(self).__name__} has no option {next(iter(fields))!r}; leave it out")
        return self

    def split(
        self,
        shop: ShopTables,
        events: EventOptions,
        *,
        vocabulary: ItemVocabulary | None = None,
        event_types: list[str] | None = None,
        text_fields: Sequence[str] = DEFAULT_TEXT_FIELDS,
        cache_dir: Path | None = None,
    ) -> SplitData:
        """Select the events and split them; see `ShopTables.split`, the default."""
        return shop.split(
            events, vocabulary=vocabulary, event_types=event_types, text_fields=text_fields, cache_dir=cache_dir
        )

    def for_data(self, data: SplitData) -> Self:
        """The task for split data, with what it needs of it beside the rows; by default the task itself.

        Args:
            data: Result of `split`.
        """
        return self

    def ranked_rows(self, rows: Dataset) -> Dataset:
        """Evaluation rows as histories with the items that follow, for metrics of next-item prediction.

        Args:
            rows: Validation or test rows of the split.

        Returns:
            The rows.
        """
        return rows

    def new_model(self, model: XCatForNextItem) -> XCatPreTrainedModel:
        """The model to train: the given one, or a new head around its `XCatModel`.

        Args:
            model: A new model, or a base, with its catalogue in place. Set sizes of the head in its `config`.
        """
        if self.ranks:
            return without_head(model) if self.head is XCatForNextItem else model
        head: Any = self.head(model.config)
        head.model = model.model
        return head  # type: ignore[no-any-return]

    def trained_model(self, model: XCatPreTrainedModel) -> XCatPreTrainedModel:
        """The model that `fit` saves: the trained head, without what only training needs.

        Args:
            model: Result of `new_model`, trained.
        """
        return model

    def collator(self, processor: XCatProcessor) -> Collator:
        """The function that makes a batch with labels from rows.

        Args:
            processor: The processor with the catalogue.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a collator(processor)")

    def evaluation_collator(self, processor: XCatProcessor, model: Any, args: XCatTrainingArguments) -> Collator:
        """The function that makes a batch from evaluation rows.

        Args:
            processor: The processor with the catalogue.
            model: The head, with its catalogue in place.
            args: Training arguments.
        """
        return self.collator(processor)

    def training_rows(
        self,
        rows: Any,
        args: XCatTrainingArguments,
        max_history: int,
        processor: XCatProcessor,
        interests: UserInterests | None,
    ) -> Any:
        """Rows for batches: windows of training sequences.

        Args:
            rows: The rows that the trainer was given, a `Dataset` or a stream.
            args: Training arguments.
            max_history: Events that the model reads.
            processor: The processor with the catalogue.
            interests: Interests of the users; None for a model that reads none.
        """
        return training_rows(rows, args, max_history, processor.catalogue.category_codes, interests)

    def rows_with_loss(self, rows: Any, model: Any) -> Any:
        """The training rows that have a loss; by default all.

        Args:
            rows: Result of `training_rows`.
            model: The head, whose configuration may switch off a loss.
        """
        return rows

    def batch_sampler(self, trainer: XCatTrainer, rows: Any) -> TokenBatchSampler | GroupBatchSampler | None:
        """The batches of an epoch; None for those of `Trainer`. By default for `max_tokens_per_batch` alone.

        Args:
            trainer: The trainer.
            rows: Result of `training_rows`.
        """
        args = trainer.args
        if args.max_tokens_per_batch is None:
            return None
        lengths = [len(items) - 1 for items in rows.with_format(None)["items"]]
        return TokenBatchSampler(lengths, args.max_tokens_per_batch, args.order_seed, args.world_size)

    def check_rows(self, rows: Any) -> None:
        """Refuse training rows without a label.

        Args:
            rows: Result of `training_rows`.

        Raises:
            ValueError: If no row has two events.
        """
        check_rows(rows)

    def check_metric(self, args: XCatTrainingArguments, eval_dataset: Any) -> None:
        """Refuse a `metric_for_best_model` that no evaluation will give, before training begins.

        Args:
            args: Training arguments.
            eval_dataset: Evaluation set, or several by name.
        """

    def begin(self, trainer: XCatTrainer, model: Any) -> None:
        """Set the training-only state of the model; called before each training.

        Args:
            trainer: The trainer.
            model: The head.
        """

    def before_evaluation(self, trainer: XCatTrainer, model: Any, validation: Dataset) -> None:
        """Called before each evaluation in training, if `tunes`.

        Args:
            trainer: The trainer.
            model: The head.
            validation: The evaluation set that decides.
        """

    def tune(self, trainer: XCatTrainer, model: Any, validation: Dataset) -> None:
        """Choose values that are not trained; called at the end of training with the best weights, if `tunes`.

        Args:
            trainer: The trainer.
            model: The head.
            validation: The evaluation set that decides.
        """

    def prediction_step(
        self, trainer: XCatTrainer, model: nn.Module, inputs: dict[str, Any], prediction_loss_only: bool
    ) -> tuple[torch.Tensor | None, Any, Any] | None:
        """Evaluate a batch in place of `Trainer.prediction_step`.

        Args:
            trainer: The trainer; losses of single labels go to its `add_losses`.
            model: The model as accelerate has wrapped it.
            inputs: A batch of `evaluation_collator`, on the device.
            prediction_loss_only: Whether only the loss is wanted.

        Returns:
            Loss, predictions and labels, as of `Trainer`; None to leave the batch to `Trainer`.
        """
        return None

    def metrics(self, trainer: XCatTrainer, prediction: EvalPrediction) -> dict[str, float]:
        """Metrics of an evaluation beside the loss, by name.

        Args:
            trainer: The trainer.
            prediction: Predictions and labels of all rows.
        """
        return {}

    def held_out_ranker(self, trainer: XCatTrainer, recommender: Ranker) -> Ranker:
        """See `XCatTrainer.held_out_ranker`."""
        return recommender


def without_head(model: XCatForNextItem) -> XCatForNextItem:
    """A model of clicks or of pretraining as a model of next items alone; other models as they are."""
    if not isinstance(model, XCatForClickPrediction | XCatForPreTraining):
        return model
    plain = XCatForNextItem(model.config)
    plain.model = model.model
    if hasattr(model, "soft_target_rows"):
        plain.soft_target_rows.copy_(model.soft_target_rows)
    return plain


T = TypeVar("T", bound=type[Task])

TASKS: Registry[type[Task]] = Registry("task")
"""Tasks by name; `register_task` adds one."""


def register_task(name: str) -> Callable[[T], T]:
    """Add the decorated subclass of `Task` under a name, for `task=` in Python and `xcat fit --task`.

    A task of another package is named with its module, `my_package.tasks:returns`, which is then imported.

    Args:
        name: Its name, such as "next-item"; "MODULE:NAME" outside this package.

    Raises:
        ValueError: If another class has the name.
    """

    def add(kind: T) -> T:
        TASKS.add(name, kind, kind)
        return kind

    return add


def find_task(task: Task | str) -> Task:
    """A task by its name; the module of "MODULE:NAME" is imported.

    Args:
        task: A registered name, or a task, which is returned as it is.

    Raises:
        ValueError: If the name is unknown; the error lists the registered names.
    """
    if isinstance(task, Task):
        return task
    for name in ("click", "pretraining"):  # all tasks of this package are registered with these
        import_module(f".{name}", __package__)
    import_registered(TASKS, task)
    return TASKS.find(task)()

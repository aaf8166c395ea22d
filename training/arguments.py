"""Training arguments with the defaults of recommendation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from transformers import TrainingArguments

from ..modeling_xcat.arguments_xcat import listed, whole_number
from ..tokenization.text.precision import bf16_speedup, check_precision, use_bf16
from .argument_checks import check_numbers, check_refused
from .data_defaults import depends_on_data, from_data
from .recipes import QUICK_SHARE
from .tuning.user_samples import MOST_USERS

DEFAULT_RATE = 2e-3
DEFAULT_EPOCHS = 10.0
DEFAULT_PATIENCE = 5
DEFAULT_WARMUP = 50.0
DEFAULT_HISTORIES = 128
_LEAST_HISTORIES = 16
_SHORT = 8.0
"""Events of a history up to which a batch is a number of histories, and beyond which of events."""
_ITEMS_OF_A_BATCH = 8192
_MOST_TIMES = 4
_MOST_LABELS = 5_000_000
"""Events to predict in all default epochs together, beyond which there are fewer epochs."""
_LEAST_EPOCHS = 0.2
"""Share of the epochs that is left of them on however long a log."""
_SPARSE = 20.0
"""Events to predict an item, from which on there are more epochs."""
_MOST_EPOCHS = 2.0
"""Times the epochs on however dense a log."""


@dataclass
class XCatTrainingArguments(TrainingArguments):
    """`TrainingArguments` whose defaults fit behaviour sequences.

    A batch is a number of histories; the collator packs them into rows. Training evaluates and saves once an epoch,
    stops when the ranking metric has not improved for a while, and ends with the best epoch's weights.
    """

    precision: str = field(
        default="auto",
        metadata={"help": "auto (bf16 where this machine is measurably faster at it), fp32 or bf16."},
    )
    early_stopping_patience: int = field(
        default=from_data(DEFAULT_PATIENCE),
        metadata={
            "help": "Evaluations without improvement after which training stops, over a dense log more if left out; "
            "0 never stops, nor does a run without load_best_model_at_end."
        },
    )
    quick: bool = field(
        default=False,
        metadata={
            "help": "Train in about a tenth of the time, for a first look: a tenth of the epochs and no evaluation "
            "between them, and fewer users and steps for the memory weight and the re-ranker. Metrics are a little "
            "lower (docs/research/speed.md)."
        },
    )
    tune_neighbor_weight: bool = field(
        default=True,
        metadata={
            "help": "Whether the weight of the neighbour memory is chosen on the validation split, before each "
            "evaluation in training and at the end."
        },
    )
    tune_second_stage: bool = field(
        default=True,
        metadata={
            "help": "Whether a second stage, in which the best candidates attend to the history, is fitted on the "
            "validation split at the end, and used if users it was not fitted on gain from it."
        },
    )
    max_eval_users: int | None = field(
        default=MOST_USERS,
        metadata={
            "help": "Users of the validation split, evenly spread, that an evaluation in training ranks at most; all "
            "if None. Evaluations after it rank all."
        },
    )
    new_category_weight: float = field(
        default=2.0,
        metadata={
            "help": "Weight in the loss of an event whose category is not among the events read; 1 for all alike."
        },
    )
    share_negatives: bool = field(
        default=False,
        metadata={
            "help": "Whether a sampled objective has the same candidates in all processes: the loss is that of one "
            "process with the whole batch, and each scores the targets of all."
        },
    )
    adaptor_refresh_steps: int = field(
        default=1,
        metadata={
            "help": "Every so many steps all texts of the catalogue go through the text adaptor; in between only "
            "those of the step's own items do, and the others are as they were. 1 for all in every step."
        },
    )
    max_tokens_per_batch: int | None = field(
        default=None,
        metadata={"help": "Events to predict a training batch, at most; in place of a number of histories."},
    )
    max_train_events: int | None = field(
        default=None, metadata={"help": "Training events used of a user, the latest; all if left out."}
    )
    shuffle_buffer_size: int = field(
        default=10_000,
        metadata={"help": "Training windows of a stream that are shuffled together, such as 10000; 0 for none."},
    )
    trained_texts_per_step: int = field(
        default=64,
        metadata={"help": "Item texts a step that a text encoder in training encodes anew; others keep their states."},
    )
    text_encoder_learning_rate: float | None = field(
        default=None,
        metadata={"help": "Peak learning rate of the text encoder; 5e-5 if left out, 2e-4 for its adapters."},
    )
    metric_ks: list[int] = field(
        default_factory=lambda: [10, 20], metadata={"help": "Cut-offs k of the ranking metrics."}
    )
    seed: int = field(default=0, metadata={"help": "Seed of training; give PreparationOptions the same."})
    per_device_train_batch_size: int = field(
        default=from_data(DEFAULT_HISTORIES),
        metadata={"help": "Histories per training batch; from the data if left out."},
    )
    per_device_eval_batch_size: int = field(default=256, metadata={"help": "Users an evaluation batch."})
    learning_rate: float = field(
        default=from_data(DEFAULT_RATE),
        metadata={"help": "Peak learning rate of AdamW; higher for a large catalogue if left out."},
    )
    weight_decay: float = field(default=0.01, metadata={"help": "Weight decay of AdamW."})
    num_train_epochs: float = field(
        default=from_data(DEFAULT_EPOCHS),
        metadata={"help": "Epochs at most; over a long log fewer and a dense one more, if left out."},
    )
    lr_scheduler_type: str = field(default="linear", metadata={"help": "Learning rate schedule."})
    warmup_steps: float = field(default=from_data(DEFAULT_WARMUP), metadata={"help": "Steps of linear warm-up."})
    eval_strategy: str = field(default="epoch", metadata={"help": "When to evaluate: no, steps or epoch."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to save: no, steps, epoch or best."})
    save_total_limit: int | None = field(default=1, metadata={"help": "Checkpoints kept besides the best."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "Whether the best checkpoint is the result."})
    metric_for_best_model: str | None = field(default="ndcg@10", metadata={"help": "Metric that decides."})
    greater_is_better: bool | None = field(
        default=None, metadata={"help": "Whether more of it is better; if left out, of everything but a loss."}
    )
    dataloader_pin_memory: bool = field(
        default=torch.cuda.is_available(), metadata={"help": "Whether batches are pinned for a GPU."}
    )
    restore_callback_states_from_checkpoint: bool = field(
        default=True, metadata={"help": "Whether resuming restores the count of early stopping."}
    )
    remove_unused_columns: bool = field(default=False, metadata={"help": "The collator needs every column."})
    report_to: None | str | list[str] = field(  # noqa: RUF036 HfArgumentParser wants this order
        default="none", metadata={"help": "tensorboard, wandb, ... or none."}
    )
    logging_strategy: str = field(default="epoch", metadata={"help": "When to log the training loss."})

    def __post_init__(self) -> None:
        check_precision(self.precision)
        if self.quick:
            self._hurry()
        self.warmup_steps = float(self.warmup_steps)
        given: Any = self.metric_ks
        cutoffs = listed("metric_ks", [given] if isinstance(given, Real) else given, "cut-offs, such as 10")
        self.metric_ks = [whole_number("metric_ks", k, least=-1) for k in cutoffs]
        check_numbers(self)
        check_refused(self)
        explicit = bool(self.bf16) or self.precision == "bf16"
        wanted = _cutoff(self.metric_for_best_model or "")
        if wanted > 0 and wanted not in self.metric_ks:
            self.metric_ks = sorted({*self.metric_ks, wanted})
        if self.load_best_model_at_end and (self.eval_strategy == "no" or self.save_strategy == "no"):
            self.load_best_model_at_end = False
        self.bf16 = explicit
        super().__post_init__()
        if getattr(self.accelerator_config, "dispatch_batches", None):
            raise ValueError(
                "dispatch_batches of accelerator_config is True; leave it out: histories are packed into rows, which "
                "cannot be cut into the parts of processes"
            )
        kind = torch.device(self.device).type
        if explicit and bf16_speedup(kind) < 1:
            warnings.warn(
                f"bf16 products run at {bf16_speedup(kind):.3g} times the speed of fp32 on this machine; "
                "precision='auto' would choose fp32",
                stacklevel=3,
            )
        if not self.fp16 and not explicit:
            self.bf16 = use_bf16(self.precision, kind)
            self.mixed_precision = "bf16" if self.bf16 else self.mixed_precision  # which Trainer goes by

    @property
    def order_seed(self) -> int:
        """Seed of the order of histories."""
        return self.seed if self.data_seed is None else self.data_seed

    def suit_stream(self) -> None:
        """Evaluate, save and log ten times in a training where that was to be once an epoch; each process reads all.

        A process takes its share of what it reads, for packed rows cannot be dispatched.
        """
        loading: Any = self.accelerator_config
        loading.dispatch_batches = False
        for name in ("eval", "save", "logging"):
            if getattr(self, f"{name}_strategy") == "epoch":
                setattr(self, f"{name}_strategy", type(getattr(self, f"{name}_strategy"))("steps"))
                setattr(self, f"{name}_steps", 0.1)

    def share_buffers(self, changing: bool) -> None:
        """Have DDP send buffers before every step only where they change, unless that was given.

        The item table is buffers, alike in all processes; where texts are trained, their states differ.

        Args:
            changing: Whether training changes the item table.
        """
        if self.ddp_broadcast_buffers is None:
            self.ddp_broadcast_buffers = changing

    def share_precision(self) -> None:
        """Take over what the first process measured, so that all run one arithmetic; every process must call it."""
        if self.precision != "auto" or self.world_size == 1:
            return
        chosen = broadcast_object_list([self.bf16, self.mixed_precision])
        self.bf16, self.mixed_precision = bool(chosen[0]), str(chosen[1])

    def _hurry(self) -> None:
        """Replace defaults by those of `quick`; values that were given stay."""
        if depends_on_data(self.num_train_epochs):
            self.num_train_epochs = from_data(QUICK_SHARE * self.num_train_epochs)
        if depends_on_data(self.warmup_steps):
            self.warmup_steps = QUICK_SHARE  # below 1: a share of the steps
        for name in ("eval_strategy", "save_strategy"):
            if getattr(self, name) == "epoch":
                setattr(self, name, "no")


def sized_for(
    num_items: int,
    window: float,
    labels: int,
    learning_rate: float = DEFAULT_RATE,
    epochs: float = DEFAULT_EPOCHS,
    patience: int = DEFAULT_PATIENCE,
) -> dict[str, Any]:
    """Histories a batch, peak learning rate, epochs and patience that are used for a shop where they are not given.

    A step of the full softmax represents the whole catalogue whatever the size of the batch, so that small batches of
    a large catalogue are spent on that; but where histories are long, few of them are many events, and more events
    make fewer steps. The rate grows with the catalogue as the square root of the batch (Krizhevsky 2014). A long log
    is learnt in fewer passes, and one that has much to say of each item in more, for it is not soon learnt by heart;
    it is waited for as much longer, since the more passes there are, the sooner one of them is the best by chance.

    Args:
        num_items: Items of the catalogue.
        window: Events to predict that a training sequence has on average, of those that a model reads at once.
        labels: Events to predict in all training sequences.
        learning_rate: Peak learning rate with the batch of a small catalogue.
        epochs: Epochs, at most, of a log that is neither long nor dense.
        patience: Evaluations without gain after which training over such a log stops.

    Returns:
        Fields of `XCatTrainingArguments`.

    Example:
        >>> sized_for(12_000, 7.0, 150_000), sized_for(40_000, 50.0, 800_000)
        ({}, {'per_device_train_batch_size': 82, 'learning_rate': 0.004, 'num_train_epochs': 6})
        >>> sized_for(1_700, 90.0, 98_000)
        {'per_device_train_batch_size': 16, 'early_stopping_patience': 10, 'num_train_epochs': 20}
    """
    times = 1
    while times < _MOST_TIMES and num_items >= 2 * times * _ITEMS_OF_A_BATCH:
        times *= 2
    sized: dict[str, Any] = {}
    histories = max(_LEAST_HISTORIES, round(DEFAULT_HISTORIES * times * min(1.0, _SHORT / max(window, 1.0))))
    if histories != DEFAULT_HISTORIES:
        sized["per_device_train_batch_size"] = histories
    if times > 1:
        sized["learning_rate"] = learning_rate * times**0.5
    times_dense = min(_MOST_EPOCHS, max(1.0, labels / (_SPARSE * max(1, num_items))))
    if times_dense > 1:
        sized["early_stopping_patience"] = round(patience * times_dense)
    share = times_dense * min(1.0, max(_LEAST_EPOCHS, _MOST_LABELS / (DEFAULT_EPOCHS * max(1, labels))))
    if share != 1:
        sized["num_train_epochs"] = max(1, round(epochs * share))
    return sized


def _cutoff(metric: str) -> int:
    name, _, cutoff = metric.rpartition("@")
    return int(cutoff) if name and cutoff.isdigit() else -1

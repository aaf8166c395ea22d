"""Training arguments with the defaults of recommendation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from transformers import TrainingArguments

from ..evaluation.more_metrics import DECIDING_METRIC, metric_names
from ..modeling_xcat.arguments_xcat import listed, whole_number
from ..tokenization.text.precision import bf16_speedup, check_precision, use_bf16
from .argument_checks import check_numbers, check_refused, target_columns
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
"""History length up to which a batch is sized by histories; above it, by events."""
_ITEMS_OF_A_BATCH = 8192
_MOST_TIMES = 4
_MOST_LABELS = 5_000_000
"""Target events over all default epochs; with more, the number of epochs is reduced."""
_LEAST_EPOCHS = 0.2
"""Minimum share of the default epochs, for very long interaction logs."""
_SPARSE = 20.0
"""Target events per item above which the number of epochs is increased."""
_MOST_EPOCHS = 2.0
"""Maximum factor on the epochs, for very dense interaction logs."""


@dataclass
class XCatTrainingArguments(TrainingArguments):
    """`TrainingArguments` whose defaults fit behaviour sequences.

    A batch is a number of histories; the collator packs them into rows. Training evaluates and saves once per epoch,
    stops when the ranking metric has not improved for several evaluations, and ends with the best epoch's weights.
    """

    precision: str = field(
        default="auto",
        metadata={"help": "auto (bf16 where this machine is measurably faster at it), fp32 or bf16."},
    )
    early_stopping_patience: int = field(
        default=from_data(DEFAULT_PATIENCE),
        metadata={
            "help": "Evaluations without improvement after which training stops; more by default for a dense log; "
            "0 never stops, nor does a run without load_best_model_at_end."
        },
    )
    quick: bool = field(
        default=False,
        metadata={
            "help": "Train in about a tenth of the time for a first result: a tenth of the epochs, no evaluation and "
            "no checkpoint between epochs (nothing to resume), fewer users and steps to tune the item-to-item weight "
            "and the re-ranker. Metrics are slightly lower (docs/research/speed.md)."
        },
    )
    tune_neighbor_weight: bool = field(
        default=True,
        metadata={
            "help": "Whether the weight of the item-to-item scores is tuned on the validation split, before each "
            "evaluation in training and at the end. A given neighbor_weight, discover_neighbor_weight or "
            "discover_product_weight is kept."
        },
    )
    tune_second_stage: bool = field(
        default=True,
        metadata={
            "help": "Whether a re-ranker is fitted on the validation split after training; it is used if "
            "cross-validation over users shows a gain."
        },
    )
    tune_lists: bool = field(
        default=True,
        metadata={
            "help": "With task click: whether what only ranked lists use is tuned as well (re-rankers, discovery and "
            "queries); false saves time if the model is used for clicks alone."
        },
    )
    target_heads: list[str] | None = field(
        default=None,
        metadata={
            "help": "Columns of the items, such as category,brand, whose values heads predict beside summed items; by "
            "default those of the base, and none for a new model."
        },
    )
    max_eval_users: int | None = field(
        default=MOST_USERS,
        metadata={
            "help": "Maximum users per evaluation in training, evenly spread over the validation split; all "
            "if None. Later evaluations rank all users."
        },
    )
    new_category_weight: float = field(
        default=2.0,
        metadata={
            "help": "Loss weight of an event whose category is not among the events read, such as 2; 1 for no effect."
        },
    )
    logit_adjustment: float = field(
        default=0.0,
        metadata={
            "help": "Popularity that the training loss explains and the scores leave out, such as 0.2: this times "
            "log(1 + training events) is added to the scores in the loss. Higher values list fewer popular items; the "
            "re-ranking rule logit-adjustment takes the same number without training."
        },
    )
    propensity_power: float = field(
        default=0.0,
        metadata={
            "help": "Loss weight of an event by its item: training events to the power of minus this, with mean 1, "
            "such as 0.5; 0 for none."
        },
    )
    propensity_clip: float = field(
        default=10.0, metadata={"help": "Largest of these weights relative to their mean, such as 10."}
    )
    fairness_column: str = field(
        default="long-tail",
        metadata={"help": "Groups of items for exposure_weight and group_gap_weight: long-tail, or a column (brand)."},
    )
    exposure_weight: float = field(
        default=0.0,
        metadata={
            "help": "Weight of a penalty on groups whose exposure in a batch differs from their share of the "
            "catalogue, such as 0.1; 0 for none."
        },
    )
    group_gap_weight: float = field(
        default=0.0,
        metadata={"help": "Weight of a penalty on different mean losses of the groups in a batch, such as 0.01."},
    )
    flagged: list[str] = field(
        default_factory=list,
        metadata={"help": "Items to recommend less: item ids, or conditions such as restricted=true."},
    )
    flagged_weight: float = field(
        default=0.0, metadata={"help": "Weight of a penalty on the probability of flagged items, such as 1."}
    )
    share_negatives: bool = field(
        default=False,
        metadata={
            "help": "Whether a sampled objective uses the same candidates in all processes: the loss equals that of "
            "one process with the whole batch, and each process scores the targets of all."
        },
    )
    adaptor_refresh_steps: int = field(
        default=1,
        metadata={
            "help": "Steps between full updates of the text projection of all item texts; in between only "
            "the texts of a step's items are updated. 1 updates all in every step."
        },
    )
    max_tokens_per_batch: int | None = field(
        default=None,
        metadata={"help": "Maximum target events per training batch, such as 4096; instead of a number of histories."},
    )
    max_train_events: int | None = field(
        default=None, metadata={"help": "Latest training events used per user, such as 500; all by default."}
    )
    shuffle_buffer_size: int = field(
        default=10_000,
        metadata={"help": "Shuffle buffer for a stream, in training windows; 0 for no shuffling."},
    )
    trained_texts_per_step: int = field(
        default=64,
        metadata={"help": "Item texts that a trained text encoder encodes per step; others keep their stored states."},
    )
    text_encoder_learning_rate: float | None = field(
        default=None,
        metadata={"help": "Peak learning rate of the text encoder; by default 5e-5, for its adapters 2e-4."},
    )
    metric_ks: list[int] = field(
        default_factory=lambda: [10, 20], metadata={"help": "Cut-offs k of the ranking metrics."}
    )
    metrics: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Metrics reported beside recall, NDCG, MRR and coverage, such as hit_rate, or "
            "my_package:precision of a package of your own."
        },
    )
    seed: int = field(default=0, metadata={"help": "Seed of training; give PreparationOptions the same."})
    per_device_train_batch_size: int = field(
        default=from_data(DEFAULT_HISTORIES),
        metadata={"help": "Histories per training batch; by default chosen from the data."},
    )
    per_device_eval_batch_size: int = field(default=256, metadata={"help": "Users per evaluation batch."})
    learning_rate: float = field(
        default=from_data(DEFAULT_RATE),
        metadata={"help": "Peak learning rate of AdamW, such as 1e-3; by default higher for a large catalogue."},
    )
    weight_decay: float = field(default=0.01, metadata={"help": "Weight decay of AdamW."})
    num_train_epochs: float = field(
        default=from_data(DEFAULT_EPOCHS),
        metadata={
            "help": "Maximum number of epochs, such as 10; by default fewer for a long log, more for a dense one and "
            "with images."
        },
    )
    lr_scheduler_type: str = field(default="linear", metadata={"help": "Learning rate schedule."})
    warmup_steps: float = field(
        default=from_data(DEFAULT_WARMUP),
        metadata={"help": "Steps of linear warm-up; by default 50, and at most half of the steps."},
    )
    eval_strategy: str = field(default="epoch", metadata={"help": "When to evaluate: no, steps or epoch."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to save: no, steps, epoch or best."})
    save_total_limit: int | None = field(default=1, metadata={"help": "Checkpoints kept besides the best."})
    load_best_model_at_end: bool = field(
        default=True, metadata={"help": "Whether training ends with the weights of the best checkpoint."}
    )
    metric_for_best_model: str | None = field(
        default=DECIDING_METRIC, metadata={"help": "Metric that chooses the best checkpoint."}
    )
    greater_is_better: bool | None = field(
        default=None, metadata={"help": "Whether a higher metric is better; by default yes, except for a loss."}
    )
    dataloader_pin_memory: bool = field(
        default=torch.cuda.is_available(), metadata={"help": "Whether batches are pinned for a GPU."}
    )
    restore_callback_states_from_checkpoint: bool = field(
        default=True, metadata={"help": "Whether resuming restores the count of early stopping."}
    )
    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Must be false: the collator needs every column."}
    )
    report_to: None | str | list[str] = field(  # noqa: RUF036 HfArgumentParser wants this order
        default="none", metadata={"help": "tensorboard, wandb, ... or none."}
    )
    logging_strategy: str = field(default="epoch", metadata={"help": "When to log the training loss."})

    _default_warmup = False

    def __post_init__(self) -> None:
        check_precision(self.precision)
        if self.quick:
            self._hurry()
        self._default_warmup = depends_on_data(self.warmup_steps)
        self.warmup_steps = float(self.warmup_steps)
        given: Any = self.metric_ks
        cutoffs = listed("metric_ks", [given] if isinstance(given, Real) else given, "cut-offs, such as 10")
        self.metric_ks = [whole_number("metric_ks", k, least=-1) for k in cutoffs]
        if self.target_heads is not None:
            self.target_heads = target_columns(self.target_heads)
        metric_names(self.metrics)
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
                "dispatch_batches of accelerator_config is True; leave it out: packed rows of histories "
                "cannot be divided between processes"
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
            self.mixed_precision = "bf16" if self.bf16 else self.mixed_precision  # read by Trainer

    @property
    def order_seed(self) -> int:
        """Seed of the order of histories."""
        return self.seed if self.data_seed is None else self.data_seed

    def suit_stream(self) -> None:
        """Evaluate, save and log ten times per training instead of once per epoch; each process reads all rows.

        Each process uses its share of the rows, because packed rows cannot be dispatched.
        """
        loading: Any = self.accelerator_config
        loading.dispatch_batches = False
        for name in ("eval", "save", "logging"):
            if getattr(self, f"{name}_strategy") == "epoch":
                setattr(self, f"{name}_strategy", type(getattr(self, f"{name}_strategy"))("steps"))
                setattr(self, f"{name}_steps", 0.1)

    def share_buffers(self, changing: bool) -> None:
        """Let DDP broadcast buffers before every step only if they change, unless the argument was given.

        The item table consists of buffers, equal in all processes; if texts are trained, their states differ.

        Args:
            changing: Whether training changes the item table.
        """
        if self.ddp_broadcast_buffers is None:
            self.ddp_broadcast_buffers = changing

    def share_precision(self) -> None:
        """Use the first process's measurement, so all processes have one precision; every process must call it."""
        if self.precision != "auto" or self.world_size == 1:
            return
        chosen = broadcast_object_list([self.bf16, self.mixed_precision])
        self.bf16, self.mixed_precision = bool(chosen[0]), str(chosen[1])

    def get_warmup_steps(self, num_training_steps: int) -> int:
        """As in `TrainingArguments`; the default number is at most half of the steps, and a share never all of them.

        So a short training reaches its rate, and a single step has it. A given number of steps stays.
        """
        steps: int = super().get_warmup_steps(num_training_steps)
        if self._default_warmup:
            return min(steps, num_training_steps // 2)
        return steps if self.warmup_steps >= 1 else min(steps, max(num_training_steps - 1, 0))

    def _hurry(self) -> None:
        """Replace defaults by the values of `quick`; given values are kept."""
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
    """Default batch size, peak learning rate, epochs and patience for a data set.

    A step of the full softmax represents the whole catalogue, whatever the batch size, so large catalogues get larger
    batches. Long histories get smaller batches: few histories already have many events, and too many events per batch
    leave few steps. The learning rate grows with the square root of the batch size (Krizhevsky 2014). A long log needs
    fewer epochs. A log with many events per item needs more epochs, because it overfits later; its patience grows too,
    because with more epochs the best one is more often best by chance.

    Args:
        num_items: Items of the catalogue.
        window: Mean target events per training sequence, within the events that a model reads at once.
        labels: Target events in all training sequences.
        learning_rate: Peak learning rate for a small catalogue.
        epochs: Maximum epochs for a log that is neither long nor dense.
        patience: Evaluations without gain after which training stops, for such a log.

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

"""XCatTrainer: `Trainer` for the XCat models, whatever their task."""

from __future__ import annotations

import copy
import logging
import math
from functools import partial
from typing import TYPE_CHECKING, Any

from datasets import IterableDataset
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, ProgressCallback, set_seed

from ..catalogue.item_table import refresh_text_states
from ..checkpoints.adapters import parameter_counts
from ..checkpoints.load import bare_model
from ..modeling_xcat.pretrained_xcat import XCatPreTrainedModel
from ..tokenization.interests.reader import UserInterests
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.progress import quiet_transformers, stage, without_mtime_note
from .arguments import XCatTrainingArguments
from .callbacks import EarlyStoppingOfSets, EpochProgress, TrainedParameters
from .divergence import check_finite
from .evaluation_loop import EvaluationLoop
from .hub import HubPushes
from .hyperparameter_search import HyperparameterSearch
from .optimization import Optimization
from .preparation.windows import resolve_sizes
from .process_group import end_process_group_at_exit
from .row_datasets import as_rows, evaluation_sets
from .samplers import OrderOfEpoch
from .step_losses import StepLosses
from .tasks.next_item import NEXT_ITEM
from .tasks.task import Task, find_task
from .text_tuning import TextTuningCollator, item_encoder, keep_projected_texts, trains_text
from .time_estimate import TimeEstimate, WorkBesideSteps, work_beside_steps
from .trainer_checks import (
    check_adaptor_refresh,
    check_arguments,
    check_batches,
    check_head,
    check_heads_of_task,
    check_interests,
    check_sharding,
    check_stream,
    check_text_tuning,
    suited_to_task,
)
from .tuning.user_samples import spread_users

if TYPE_CHECKING:
    from peft import PeftModel

logger = logging.getLogger(__name__)


class XCatTrainer(StepLosses, HubPushes, HyperparameterSearch, Optimization, EvaluationLoop):
    """Trains a model for a task, by default to predict the next item, and evaluates it.

    A text encoder with trainable parameters is trained as `text_tuning` describes. Under FSDP2 a copy of the model is
    sharded and trained; at the end of `train` the given model has the full trained weights in every process.

    Args:
        model: The model with its catalogue in place, or a `PeftModel` around it; None with `model_init`, which makes
            a model for every run of `train`, for `hyperparameter_search`.
        args: Training arguments. Batch size, learning rate, epochs and patience that are not given are chosen for
            `train_dataset`; `trainer.args` is then a copy with these values.
        train_dataset: Rows with `items`, `event_types`, `ratings`, `timestamps`, as `build_splits` makes them: a
            `Dataset`, a torch `Subset` of one, a list, or a stream (`IterableDataset`), which is shuffled in a buffer.
        eval_dataset: The same with `targets`: the validation split. Item-to-item weight and re-ranker are tuned on it.
            Of several sets (a mapping from names) the set named "validation", or the first, is used;
            metrics are then named `eval_<name>_ndcg@10`, and those of the deciding set also `eval_ndcg@10`.
        processing_class: The processor with the model's catalogue.
        interests: Interests of the users of the training rows, for a model that reads them; evaluation rows
            already contain theirs.
        task: Labels, batches and metrics of the training: a `Task`, or a registered name, "MODULE:NAME" of another
            package.
        **kwargs: More arguments of `Trainer`.

    Attributes:
        trained_parameters: Counts the trained parameters.
        ranked_later: Users ranked after training, once per model; for the time estimate.

    Raises:
        TypeError: If the arguments are not `XCatTrainingArguments`, the model is not a head of the task, or a data set
            is not made of rows.
        ValueError: If an argument is missing, or arguments and model do not fit together.
    """

    args: XCatTrainingArguments
    model_init: Any
    ranked_later: int = 0

    def __init__(
        self,
        model: XCatPreTrainedModel | PeftModel | None,
        args: XCatTrainingArguments,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: XCatProcessor | None = None,
        interests: UserInterests | None = None,
        task: Task | str = NEXT_ITEM,
        **kwargs: Any,
    ) -> None:
        if processing_class is None:
            raise ValueError("XCatTrainer needs processing_class=, the XCatProcessor of the model's catalogue")
        check_arguments(args)
        model_init = kwargs.pop("model_init", None)
        if (model is None) == (model_init is None):
            raise ValueError("XCatTrainer needs either model= or model_init=, a function that makes a model")
        if model is None:
            set_seed(args.seed)
            self.model_init = model_init
            model = self.call_model_init()
        bare = bare_model(model)
        self.task, self._interests = find_task(task), interests
        check_head(bare, self.task)
        eval_dataset = evaluation_sets(eval_dataset)
        check_heads_of_task(args, self.task)
        args = suited_to_task(args, self.task)
        if kwargs.get("compute_metrics") is None:
            self.task.check_metric(args, eval_dataset)
        args.share_precision()
        check_adaptor_refresh(args.adaptor_refresh_steps, bare)
        args = self._take_rows(train_dataset, args, processing_class, bare)
        kwargs.setdefault("data_collator", self.task.collator(processing_class))
        self.tunes_text, self._texts_of_step = trains_text(bare), 0
        args.share_buffers(self.tunes_text)
        self._adaptor_of_step: int | None = None
        self._whole: Any = None
        if self.tunes_text:
            check_text_tuning(self.task)
            kwargs["data_collator"] = TextTuningCollator(
                kwargs["data_collator"], processing_class, args.trained_texts_per_step
            )
        super().__init__(
            model=model, args=args, train_dataset=self._given_rows, eval_dataset=eval_dataset,
            processing_class=processing_class, **kwargs,
        )  # fmt: skip
        self.model_init = model_init
        check_sharding(self.is_fsdp_enabled, self.tunes_text)
        if args.world_size > 1:
            end_process_group_at_exit()
        if self.compute_metrics is None:
            self.compute_metrics = partial(self.task.metrics, self)
        self._choose_callbacks()
        self.evaluation_collator = self.task.evaluation_collator(processing_class, bare, args)
        self._cut_rows(bare)

    @property
    def processor(self) -> XCatProcessor:
        """The processor that carries the model's catalogue."""
        processor: Any = self.processing_class
        return processor  # type: ignore[no-any-return]

    @property
    def given_rows(self) -> Any:
        """The training rows as given: whole sequences, a `Dataset` or a stream; None without training rows."""
        return self._given_rows

    def _take_rows(
        self, rows: Any, args: XCatTrainingArguments, processor: XCatProcessor, model: Any
    ) -> XCatTrainingArguments:
        """Keep the training rows as they are given; returns the arguments with what is chosen for them."""
        self._given_rows: Any = None
        self._cut_for: tuple[Any, ...] | None = None
        if rows is None:
            return args
        self._given_rows = as_rows(rows, "train_dataset")
        check_interests(self._interests, self._given_rows, processor, model)
        args = resolve_sizes(args, self._given_rows, model.config)
        if isinstance(self._given_rows, IterableDataset):
            check_stream(self._given_rows, args, model.config.max_history)
            args.suit_stream()
        return args

    def _choose_callbacks(self) -> None:
        args = self.args
        if args.early_stopping_patience and args.load_best_model_at_end:
            self.add_callback(EarlyStoppingOfSets(args.early_stopping_patience))
        # Trainer has added one of the two; both print every log to standard output.
        if self.pop_callback(ProgressCallback) is not None:
            self.add_callback(EpochProgress())
            self.add_callback(TimeEstimate(self._work_beside_steps))
        self.remove_callback(PrinterCallback)
        self.trained_parameters = TrainedParameters()
        self.add_callback(self.trained_parameters)

    def _cut_rows(self, model: Any) -> None:
        """Make the training rows from the given ones; again if model or arguments have changed."""
        args, length = self.args, model.config.max_history
        wanted = length, args.max_train_events, args.new_category_weight, args.train_sampling_strategy
        if self._given_rows is None or self._cut_for == wanted:
            return
        rows = self.task.training_rows(self._given_rows, args, length, self.processor, self._interests)
        rows = self.task.rows_with_loss(rows, model)
        if isinstance(rows, IterableDataset) and args.shuffle_buffer_size:
            rows = rows.shuffle(seed=args.order_seed, buffer_size=args.shuffle_buffer_size)
        self.train_dataset, self._cut_for = rows, wanted

    def get_train_dataloader(self) -> Any:
        """As in `Trainer`, or with the batches of `Task.batch_sampler`."""
        self.task.check_rows(self.train_dataset)
        sampler = None if self.train_dataset is None else self.task.batch_sampler(self, self.train_dataset)
        if sampler is None:
            loader = super().get_train_dataloader()
            check_batches(loader, self.train_dataset, self.args)
            return loader
        self.remove_callback(OrderOfEpoch)  # from an earlier training
        self.add_callback(OrderOfEpoch(sampler))
        dataset: Any = self.train_dataset
        loader = DataLoader(
            dataset,
            batch_sampler=sampler,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
            persistent_workers=self.args.dataloader_persistent_workers,
            prefetch_factor=self.args.dataloader_prefetch_factor,
            multiprocessing_context=self.args.dataloader_multiprocessing_context,
            in_order=self.args.dataloader_in_order,
        )
        return self.accelerator.prepare(loader)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`; at the end the task tunes values on the validation split.

        Not with an adapter, which is saved without a configuration: it uses the base's.
        """
        if self.model_init is None:
            self._make_ready()
        self._train_batch_size = self.args.train_batch_size  # may have changed after a search
        with self._shown():
            return self._train_and_tune(*args, **kwargs)

    def _train_and_tune(self, *args: Any, **kwargs: Any) -> Any:
        """Train, then tune the rest on the validation split."""
        try:
            result = self._train_sharded(*args, **kwargs) if self.is_fsdp_enabled else super().train(*args, **kwargs)
        finally:
            model = bare_model(self.model)
            keep_projected_texts(model, False)
        if self.ended_trial:  # its model is not kept
            return result
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)  # computes as a loaded checkpoint
        self._refresh_texts("fp32", force=True)  # the best weights are from another step
        validation = self.deciding_set
        if self.task.tunes and self.trains_whole and validation is not None and len(validation):
            self.task.tune(self, model, validation)
        return result

    def _inner_training_loop(self, *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`, which has made a new model if `model_init` was given."""
        self._make_ready()
        model: Any = self.model
        self._cut_rows(bare_model(model))
        trained, total = parameter_counts(model)
        logger.info("training %s of %s parameters", f"{trained:,}", f"{total:,}")
        return super()._inner_training_loop(*args, **kwargs)

    def _make_ready(self) -> None:
        """Set the training-only state of the model."""
        model, self._adaptor_of_step = bare_model(self.model), None
        keep_projected_texts(model, self.args.adaptor_refresh_steps > 1)
        self.forget_parts()
        self.task.begin(self, model)

    @property
    def trains_whole(self) -> bool:
        """Whether the model itself is trained; an adapter is saved without tuned values."""
        model: Any = self.model
        return bare_model(model) is model and not getattr(model, "_hf_peft_config_loaded", False)

    def _work_beside_steps(self) -> WorkBesideSteps:
        sets: dict[str, Any] = self.eval_dataset if isinstance(self.eval_dataset, dict) else {"": self.eval_dataset}
        chosen_on = self.deciding_set if self.task.tunes_lists(self.args) and self.trains_whole else None
        return work_beside_steps(self.args, bare_model(self.model), sets, chosen_on, self.ranked_later)

    def _train_sharded(self, *args: Any, **kwargs: Any) -> Any:
        """Train a copy, because FSDP2 cannot undo sharding; then copy its weights to the model."""
        whole: Any = self.model
        self._whole, self.model = whole, copy.deepcopy(whole)
        self.model_wrapped = self.model
        try:
            result = super().train(*args, **kwargs)
            sharded: Any = self.model
            parts = sharded.state_dict()
            for name, value in whole.state_dict().items():
                part = parts[name]
                value.copy_(part.full_tensor() if isinstance(part, DTensor) else part)
        finally:
            self.model = self.model_wrapped = whole.to(self.args.device)
            self._whole = None
        return result

    def _prepare_for_training(self, *args: Any, **kwargs: Any) -> Any:
        model, loader = super()._prepare_for_training(*args, **kwargs)
        if isinstance(model, FSDPModule) and hasattr(model, "set_reduce_scatter_unused_params"):  # not in old torch
            # Only some processes may have user texts in their batch; all must reduce the same gradients.
            model.set_reduce_scatter_unused_params(True)
        return model, loader

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`; every `adaptor_refresh_steps` steps the text projection of all items is updated.

        Raises:
            ValueError: If the loss is not finite.
        """
        step, last = self.state.global_step, self._adaptor_of_step
        if last is None or not 0 <= step - last < self.args.adaptor_refresh_steps:
            last = self._adaptor_of_step = step
        # The same for all batches of one gradient accumulation.
        if step == last and (items := item_encoder(bare_model(self.model))) is not None:
            items.kept_texts = None
        loss = super().training_step(*args, **kwargs)
        if not self.args.fp16:  # its gradients are scaled, and a step that overflows is skipped
            check_finite(loss, f"the loss of step {step + 1} is", self.args.learning_rate)
        return loss

    def log(self, logs: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """As in `Trainer`; trainer_state.json gets None for numbers that JSON does not support."""
        super().log(logs, *args, **kwargs)
        self.state.log_history[-1] = {name: _finite(value) for name, value in self.state.log_history[-1].items()}

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        best = self.state.best_metric
        self.state.best_metric = _finite(best)
        with stage("saving the state"), without_mtime_note():
            super()._save_checkpoint(*args, **kwargs)
        self.state.best_metric = best
        # Kept texts are not saved: a resumed run refreshes them first, and so does an uninterrupted run.
        self._adaptor_of_step = None

    def evaluate(self, eval_dataset: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`; the deciding set is evaluated with its best item-to-item weight.

        In training `max_eval_users` of every set are ranked. If the text encoder is trained, the catalogue's texts are
        encoded again first.

        Raises:
            ValueError: If `hyperparameter_search` has released the model.
        """
        model: Any = self.model
        if model is None:
            raise ValueError(
                "hyperparameter_search released the model of its last trial; set the values of the best run in args "
                "and call train() first"
            )
        self._refresh_texts()
        validation = self.deciding_set
        if self.is_in_train and eval_dataset is None and validation is not None:
            if self.task.tunes and self.trains_whole and len(validation):
                self.task.before_evaluation(self, bare_model(self.model), validation)
            eval_dataset = self._users_in_training(self.eval_dataset)
        return super().evaluate(eval_dataset, *args, **kwargs)

    def _users_in_training(self, rows: Any) -> Any:
        if isinstance(rows, dict):
            return {name: self._users_in_training(part) for name, part in rows.items()}
        return rows.select(spread_users(rows, self.args.max_eval_users))

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        self._refresh_texts()
        model = self.model
        # FSDP2 creates classes in files of torch; the checkpoint would contain those instead of the model's code.
        self.model = model if self._whole is None else self._whole
        try:
            with quiet_transformers():
                super()._save(output_dir, state_dict)
        finally:
            self.model = model

    def _load_from_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        try:
            super()._load_from_checkpoint(*args, **kwargs)
        except RuntimeError as error:
            if "size mismatch" not in str(error):
                raise
            raise ValueError(
                f"resume_from_checkpoint: the weights of {args[0]} have other sizes than the model; resume with the "
                "data and configuration that the training was started with"
            ) from error
        self._refresh_texts(force=True)

    def _refresh_texts(self, precision: str | None = None, force: bool = False) -> None:
        """Update the stored text states to the weights of this step, once per step."""
        if self.tunes_text and (force or self._texts_of_step != self.state.global_step):
            precision = precision or ("bf16" if self.args.bf16 else "fp32")
            refresh_text_states(bare_model(self.model), self.processor, precision=precision)
            self._texts_of_step = self.state.global_step


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""Fills a card during training."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..checkpoints.adapters import parameter_counts
from ..checkpoints.load import bare_model
from ..training.callbacks import TrainedParameters
from ..training.provenance import describe_hardware
from .card import build_card
from .card_data import TrainingRecord, XCatModelCardData

logger = logging.getLogger(__name__)
_P = ParamSpec("_P")


def _never_stops_a_run(method: Callable[_P, None]) -> Callable[_P, None]:
    """Turn errors into warnings: a card must never stop a training run."""

    @functools.wraps(method)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:
            logger.warning("the model card lacks the data of %s: %r", method.__name__, error)

    return guarded


class ModelCardCallback(TrainerCallback):
    """Records a training run in a card: settings, log, time, machine, emissions.

    Args:
        data: The card; its `training` is filled.
        trainer: The trainer, whose other callbacks provide emissions and trained parameters; None to leave these
            out.
    """

    def __init__(self, data: XCatModelCardData, trainer: Trainer | None = None) -> None:
        super().__init__()
        self.data = data
        self.trainer = trainer
        self.begin = 0.0

    @_never_stops_a_run
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Record settings, machine and time."""
        self.begin = time.perf_counter()
        record = self.data.training
        record.arguments = args  # type: ignore[assignment]
        record.resumed_at = state.global_step
        record.processes = args.world_size
        record.evaluation_seconds = 0.0
        record.hardware = describe_hardware()
        if kwargs.get("model") is not None:
            self.data.parameters = parameter_counts(kwargs["model"])
            # The model's own object, so that later changes in training (the neighbour weight) are recorded.
            record.config = bare_model(kwargs["model"]).config
            self.data.model_type = type(bare_model(kwargs["model"])).__name__

    @_never_stops_a_run
    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Copy the log so far; a resumed training includes the earlier run's log."""
        self._take_over(state)

    @_never_stops_a_run
    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add the time of the evaluation."""
        self._take_over(state)
        self.data.training.evaluation_seconds += float((metrics or {}).get("eval_runtime", 0.0))

    @_never_stops_a_run
    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Record the best step so far."""
        self._take_over(state)

    @_never_stops_a_run
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Record the time and the emissions."""
        self._take_over(state)
        record = self.data.training
        record.seconds = time.perf_counter() - self.begin
        others = [] if self.trainer is None else self.trainer.callback_handler.callbacks
        counted = next((c.counts for c in others if isinstance(c, TrainedParameters)), None)
        self.data.parameters = counted or self.data.parameters
        record.emissions = next(filter(None, map(emissions_of, others)), None)

    def _take_over(self, state: TrainerState) -> None:
        take_over(self.data.training, state)


def take_over(record: TrainingRecord, state: TrainerState) -> None:
    """Record the log of a trainer so far and its best step.

    Args:
        record: The record; its arguments are set.
        state: The state of the trainer.
    """
    record.log = [dict(entry) for entry in state.log_history]
    arguments = record.arguments
    best = state.best_global_step if arguments is not None and arguments.load_best_model_at_end else None
    record.best_step = best or None


def emissions_of(callback: Any) -> dict[str, Any] | None:
    """Emissions measured by codecarbon, in the fields of the hub's `co2_eq_emissions`.

    Args:
        callback: A callback; transformers' codecarbon callback has a tracker with the measurements after it stopped.

    Returns:
        Emissions in grams of CO2 equivalent and their location; None for another callback.
    """
    found = getattr(getattr(callback, "tracker", None), "final_emissions_data", None)
    if found is None:
        return None
    return {
        "emissions": round(1000 * float(found.emissions), 6),
        "source": "codecarbon",
        "training_type": "fine-tuning",
        "geographical_location": str(found.country_name or "unknown"),
        "hardware_used": str(found.gpu_model or found.cpu_model or "unknown"),
        "energy_kwh": float(found.energy_consumed),
        "tracker_version": str(found.codecarbon_version),
    }


def attach_card(trainer: Trainer, data: XCatModelCardData) -> None:
    """Let a trainer fill a card, and push it with the model.

    Args:
        trainer: The trainer.
        data: The card.
    """
    trainer.add_callback(ModelCardCallback(data, trainer))
    trainer.card = partial(build_card, data)  # type: ignore[attr-defined]

"""Fills a card as training goes."""

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
    """A card is not worth a training run: whatever goes wrong with it is a warning."""

    @functools.wraps(method)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception as error:
            logger.warning("the model card lacks what %s would have told it: %r", method.__name__, error)

    return guarded


class ModelCardCallback(TrainerCallback):
    """Writes down in a card what a training run was: settings, log, time, machine, emissions.

    Args:
        data: The card; its `training` is filled.
        trainer: The trainer, whose other callbacks have emissions and the trained parameters at the end; None to do
            without.
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
        """Note settings, machine and time."""
        self.begin = time.perf_counter()
        record = self.data.training
        record.arguments = args  # type: ignore[assignment]
        record.resumed_at = state.global_step
        record.processes = args.world_size
        record.evaluation_seconds = 0.0
        record.hardware = describe_hardware()
        if kwargs.get("model") is not None:
            self.data.parameters = parameter_counts(kwargs["model"])
            # The model's own, so that what training still changes in it (the neighbours' weight) is told as it is.
            record.config = bare_model(kwargs["model"]).config
            self.data.model_type = type(bare_model(kwargs["model"])).__name__

    @_never_stops_a_run
    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Take over the log so far; where training was resumed, that of the earlier run is in it."""
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
        """Note which step is the best so far."""
        self._take_over(state)

    @_never_stops_a_run
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Note the time, and what codecarbon measured."""
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
    """Note the log of a trainer so far, and its best step.

    Args:
        record: The record, whose arguments are there.
        state: The state of the trainer.
    """
    record.log = [dict(entry) for entry in state.log_history]
    arguments = record.arguments
    best = state.best_global_step if arguments is not None and arguments.load_best_model_at_end else None
    record.best_step = best or None


def emissions_of(callback: Any) -> dict[str, Any] | None:
    """What codecarbon measured, in the fields of the hub's `co2_eq_emissions`.

    Args:
        callback: A callback; that of transformers for codecarbon has a tracker, which holds its figures once stopped.

    Returns:
        Emissions in grams of CO2 equivalent, and where they came about; None for another callback.
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

"""An estimate of the training time, from the speed of the first steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.progress import say
from .arguments import XCatTrainingArguments
from .tuning.asks import ask_work
from .tuning.neighbor_weight import USERS_IN_TRAINING
from .tuning.novel_targets import discovery_differs
from .tuning.reranker import fit_seconds
from .tuning.user_samples import MOST_USERS, QUICK_USERS

LEAST_STEPS = 5
LEAST_SECONDS = 1.0
"""Measured time before the first estimate; half of a shorter training."""
_USER_PER_HISTORY = 0.5
"""Assumed ratio of the time to rank a user to the time to train on a history, before an evaluation is measured."""


@dataclass(frozen=True)
class WorkBesideSteps:
    """Work of a run besides its training steps.

    Args:
        evaluated_users: Users that an evaluation in training encodes, for the metrics and for the memory weight.
        tuned_users: Users encoded when tuning after training, of items and of queries.
        fit_seconds: Time to fit re-ranker and attention to queries.
        ranked_later: Users ranked later, once per model.
    """

    evaluated_users: int
    tuned_users: int
    fit_seconds: float
    ranked_later: int


def work_beside_steps(
    args: XCatTrainingArguments,
    model: XCatForNextItem,
    evaluated: Mapping[str, Any],
    chosen_on: Dataset | None,
    ranked_later: int,
) -> WorkBesideSteps:
    """Count the work besides the steps.

    Args:
        args: Arguments of the training.
        model: The model.
        evaluated: Evaluation sets by name; None without a set.
        chosen_on: Rows for tuning the item-to-item weight, the re-ranker and queries; None if nothing is tuned.
        ranked_later: As in `WorkBesideSteps`.
    """
    known = 0 if chosen_on is None else len(chosen_on)
    ranked = sum(min(len(rows), args.max_eval_users or len(rows)) for rows in evaluated.values() if rows is not None)
    weighed = known if known and args.tune_neighbor_weight and model.config.num_neighbors else 0
    reranker = model.model.candidates if known and args.tune_second_stage else None
    learnt = 0 if reranker is None else min(known, QUICK_USERS if args.quick else MOST_USERS)
    reader = model.model.asks if known and args.tune_second_stage else None
    asked, ask_seconds = (0, 0.0) if reader is None else ask_work(reader, known, args.quick)
    purposes = 2 if chosen_on is not None and known and discovery_differs(model, chosen_on) else 1
    return WorkBesideSteps(
        evaluated_users=ranked + min(weighed, USERS_IN_TRAINING),
        tuned_users=purposes * ((min(weighed, QUICK_USERS) if args.quick else weighed) + learnt) + asked,
        fit_seconds=ask_seconds + (0.0 if reranker is None else purposes * fit_seconds(reranker, learnt, args.quick)),
        ranked_later=ranked_later,
    )


class TimeEstimate(TrainerCallback):
    """Reports the estimated time of the whole run after its first steps, and after evaluations were measured.

    Args:
        work: Computes the work besides the steps when training begins.
    """

    def __init__(self, work: Callable[[], WorkBesideSteps]) -> None:
        self._count = work
        self._work = WorkBesideSteps(0, 0, 0.0, 0)
        self._steps, self._step_seconds = 0, 0.0
        self._evaluations, self._evaluation_seconds = 0, 0.0
        self._step_ended: float | None = None
        self._before = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Count the work."""
        self.__init__(self._count)  # type: ignore[misc]
        self._work = self._count()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure a step; the first step after a break is left out. Report when enough time is measured."""
        now = time.monotonic()
        if self._step_ended is not None:
            self._steps += 1
            self._step_seconds += now - self._step_ended
        self._step_ended = now
        enough = self._steps >= LEAST_STEPS and self._step_seconds >= LEAST_SECONDS
        if not self._before and (enough or 2 * self._steps >= state.max_steps > 2):
            self._report(args, state)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Measure an evaluation, including the tuning of the item-to-item weight; report large changes."""
        if self._step_ended is None:  # not in training
            return
        self._evaluations += 1
        self._evaluation_seconds += time.monotonic() - self._step_ended
        self._step_ended = None
        if self._steps and (not self._before or self._evaluations & (self._evaluations - 1) == 0):
            self._report(args, state)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Exclude the time of saving from the steps."""
        self._step_ended = None

    def _report(self, args: TrainingArguments, state: TrainerState) -> None:
        training, rest = self.seconds_left(args, state)
        self._before = training + rest
        if state.is_world_process_zero:
            most = "at most " if getattr(args, "early_stopping_patience", 0) and args.load_best_model_at_end else ""
            say(
                f"time left: {most}{_readable(training + rest)} (training {_readable(training)}, tuning and final "
                f"evaluation {_readable(rest)})"
            )

    def seconds_left(self, args: TrainingArguments, state: TrainerState) -> tuple[float, float]:
        """Remaining seconds of training with its evaluations, and of the work after it.

        Args:
            args: Arguments of the training.
            state: State of the training.
        """
        step = self._step_seconds / max(1, self._steps)
        if self._evaluations:
            evaluation = self._evaluation_seconds / self._evaluations
            user = evaluation / max(1, self._work.evaluated_users)
        else:
            histories = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
            user = _USER_PER_HISTORY * step / histories
            evaluation = user * self._work.evaluated_users
        training = step * (state.max_steps - state.global_step) + evaluation * _evaluations_left(args, state)
        return training, user * (self._work.tuned_users + self._work.ranked_later) + self._work.fit_seconds


def _evaluations_left(args: TrainingArguments, state: TrainerState) -> int:
    if args.eval_strategy == "no":
        return 0
    if args.eval_strategy == "steps":
        return (state.max_steps - state.global_step) // max(1, int(state.eval_steps or args.eval_steps or 1))
    return max(0, round(state.num_train_epochs - (state.epoch or 0)))


def _readable(seconds: float) -> str:
    """Seconds, minutes or hours with two digits.

    Example:
        >>> _readable(7.4), _readable(400), _readable(9000)
        ('7 s', '6.7 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.2g} min" if seconds < 5400 else f"{seconds / 3600:.2g} h"

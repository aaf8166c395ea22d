"""Hyperparameter search by the metric that chooses the best epoch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import Trainer
from transformers.hyperparameter_search import default_hp_search_backend
from transformers.trainer_utils import BestRun, IntervalStrategy

from .arguments import XCatTrainingArguments
from .search_space import DEFAULT_SPACE, space_function
from .studies import EPOCHS, finished, one_search, open_study

search_space = space_function(DEFAULT_SPACE)
"""Default search space: a function of an optuna trial."""


class HyperparameterSearch(Trainer):
    """The search of a trainer that was made with `model_init`."""

    args: XCatTrainingArguments
    objective: Any
    _seeks_best = False

    def hyperparameter_search(  # type: ignore[override]
        self,
        hp_space: Callable[[Any], dict[str, Any]] | None = None,
        compute_objective: Callable[[dict[str, float]], float] | None = None,
        n_trials: int = 20,
        direction: str | list[str] | None = None,
        backend: Any = None,
        study: str | os.PathLike[str] | None = None,
        settings: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """As in `Trainer`, for `metric_for_best_model` of the best epoch of each trial, unless another is given.

        The search does not change the arguments. To train with the best values, set them and train::

            best = trainer.hyperparameter_search(n_trials=20, backend="optuna")
            for name, value in best.hyperparameters.items():
                setattr(trainer.args, name, value)
            trainer.train()

        With `study` the trials are kept in a SQLite file. After a kill the same call continues it: the killed trial
        runs again with its values. Trials report after each epoch, and bad ones are pruned then (median rule). The
        file has values and metrics of `eval_dataset` only.

        A `model_init` that takes a trial gets them by `trainer.train(trial=optuna.trial.FixedTrial(values))`.

        Args:
            hp_space: Draws values of training arguments from a trial; None for `search_space`, with optuna.
            compute_objective: Computes the objective from the metrics of the last evaluation.
            n_trials: Number of trials; with `study`, of all trials that ended or were pruned, earlier ones too.
            direction: "maximize" or "minimize"; None for the direction of `metric_for_best_model`.
            backend: optuna or ray; optuna with `study`.
            study: SQLite file, such as study.db; None to keep nothing.
            settings: Data and settings of the trials, which a continued study must share; None to compare nothing.
            **kwargs: More arguments of `Trainer.hyperparameter_search` and of the backend.

        Returns:
            The best run: `objective` and `hyperparameters`.

        Raises:
            ValueError: If an objective is given without its direction, or the study was made with other settings.
        """
        if compute_objective is not None and direction is None:
            raise ValueError("compute_objective is given without direction; give maximize or minimize")
        direction = direction or ("maximize" if self.args.greater_is_better else "minimize")
        backend = "optuna" if study is not None else backend or default_hp_search_backend()
        given, self._seeks_best = dict(vars(self.args)), compute_objective is None
        options = {
            "hp_space": search_space if hp_space is None and backend == "optuna" else hp_space, "backend": backend,
            "compute_objective": compute_objective or self._deciding_metric, "direction": direction,
        }  # fmt: skip
        try:
            if study is None:
                return super().hyperparameter_search(n_trials=n_trials, **options, **kwargs)
            return self._search_in_study(Path(study), n_trials, settings, options, kwargs)
        finally:
            vars(self.args).update(given)
            self._seeks_best = False

    def _search_in_study(
        self,
        path: Path,
        n_trials: int,
        settings: Mapping[str, Any] | None,
        options: dict[str, Any],
        kwargs: dict[str, Any],
    ) -> Any:
        """Run the trials that a study lacks; returns its best run."""
        with one_search(path):
            opened = open_study(path, options["direction"], settings, self.args.seed)
            left = n_trials - finished(opened)
            if left > 0:
                own = {"sampler": opened.sampler, "pruner": opened.pruner, **kwargs}
                super().hyperparameter_search(
                    n_trials=left, storage=opened._storage, study_name=opened.study_name, load_if_exists=True,
                    **options, **own,
                )  # fmt: skip
            best = opened.best_trial
            return BestRun(str(best.number), best.value, best.params)

    def _report_to_hp_search(self, trial: Any, step: int, metrics: dict[str, float]) -> None:
        """As in `Trainer`, by number of the epoch: trials of other batch sizes have other steps."""
        by_epoch = self.args.eval_strategy == IntervalStrategy.EPOCH and self.state.epoch is not None
        super()._report_to_hp_search(trial, round(self.state.epoch) if by_epoch else step, metrics)

    def _deciding_metric(self, metrics: dict[str, float]) -> float:
        return metrics[f"eval_{(self.args.metric_for_best_model or 'loss').removeprefix('eval_')}"]

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`; the objective of a trial is the metric of its best epoch, whose weights it ends with."""
        result = super().train(*args, **kwargs)
        if self.ended_trial:
            self.objective = self.state.best_metric
        trial = kwargs.get("trial")
        if trial is not None and hasattr(trial, "set_user_attr") and self.state.epoch is not None:
            trial.set_user_attr(EPOCHS, round(self.state.epoch))
        return result

    @property
    def ended_trial(self) -> bool:
        """Whether a trial has its objective; what is tuned after the last epoch does not change it."""
        best: Any = self.state.best_metric
        return self._seeks_best and self.args.load_best_model_at_end and best is not None

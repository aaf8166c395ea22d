"""Hyperparameter search by the metric that chooses the best epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import Trainer
from transformers.hyperparameter_search import default_hp_search_backend

from .arguments import XCatTrainingArguments


def search_space(trial: Any) -> dict[str, Any]:
    """Default search space, for an optuna trial."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 5e-4, 1e-2, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.3, log=True),
        "new_category_weight": trial.suggest_float("new_category_weight", 1.0, 4.0),
    }


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
        **kwargs: Any,
    ) -> Any:
        """As in `Trainer`, for `metric_for_best_model` of the best epoch of each trial, unless another is given.

        The search does not change the arguments. To train with the best values, set them and train::

            best = trainer.hyperparameter_search(n_trials=20, backend="optuna")
            for name, value in best.hyperparameters.items():
                setattr(trainer.args, name, value)
            trainer.train()

        A `model_init` that takes a trial gets them by `trainer.train(trial=optuna.trial.FixedTrial(values))`.

        Args:
            hp_space: Draws values of training arguments from a trial; None for `search_space`, with optuna.
            compute_objective: Computes the objective from the metrics of the last evaluation.
            n_trials: Number of trials.
            direction: "maximize" or "minimize"; None for the direction of `metric_for_best_model`.
            backend: optuna or ray.
            **kwargs: More arguments of `Trainer.hyperparameter_search` and of the backend.

        Returns:
            The best run: `objective` and `hyperparameters`.

        Raises:
            ValueError: If an objective is given without its direction.
        """
        if compute_objective is not None and direction is None:
            raise ValueError("compute_objective is given without direction; give maximize or minimize")
        backend = backend or default_hp_search_backend()
        given, self._seeks_best = dict(vars(self.args)), compute_objective is None
        try:
            return super().hyperparameter_search(
                hp_space=search_space if hp_space is None and backend == "optuna" else hp_space,
                compute_objective=compute_objective or self._deciding_metric,
                n_trials=n_trials,
                direction=direction or ("maximize" if self.args.greater_is_better else "minimize"),
                backend=backend,
                **kwargs,
            )
        finally:
            vars(self.args).update(given)
            self._seeks_best = False

    def _deciding_metric(self, metrics: dict[str, float]) -> float:
        return metrics[f"eval_{(self.args.metric_for_best_model or 'loss').removeprefix('eval_')}"]

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`; the objective of a trial is the metric of its best epoch, whose weights it ends with."""
        result = super().train(*args, **kwargs)
        if self._seeks_best and self.args.load_best_model_at_end and self.state.best_metric is not None:
            self.objective = self.state.best_metric
        return result

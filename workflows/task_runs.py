"""Runs of a benchmark by task: which model with which seed, checked without torch."""

from __future__ import annotations

from collections.abc import Sequence

from .baselines import BASELINE_SEED, DEFAULT_MODELS, plan_runs
from .click_models import CLICK, CLICK_BASELINES, CLICK_OWN, DEFAULT_CLICK_MODELS, FLOORS


def check_click_model(name: str) -> None:
    """Refuse a model that does not predict clicks.

    Raises:
        ValueError: If the name is unknown; the message lists the known ones.
    """
    known = (*CLICK_BASELINES, *CLICK_OWN)
    if name not in known:
        raise ValueError(f"models has {name!r}, which is not a click model; give some of {', '.join(known)}")


def plan_click_runs(models: Sequence[str], seeds: int) -> list[tuple[str, int]]:
    """(model, seed) of every run, with the floors: one run per seed for trained models, one for the others.

    Args:
        models: Names of models; blanks around them and duplicates are removed.
        seeds: Runs per trained model.

    Raises:
        ValueError: If a name is unknown, there are no names, or `seeds` is below 1.

    Example:
        >>> plan_click_runs(["din"], 2)
        [('candidate-popularity', 0), ('category-match', 0), ('din', 0), ('din', 1)]
    """
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; give the number of runs of each trained model, at least 1")
    names = [name.strip() for name in models if name.strip()]
    if not names:
        raise ValueError(f"models is empty; give some of {', '.join((*CLICK_BASELINES, *CLICK_OWN))}")
    for name in names:
        check_click_model(name)
    chosen = list(dict.fromkeys([*FLOORS, *names]))
    once = {name for name, baseline in CLICK_BASELINES.items() if not baseline.trained}
    return [(name, seed) for name in chosen for seed in ([BASELINE_SEED] if name in once else range(seeds))]


def plan_task_runs(
    models: str | Sequence[str] | None, seeds: int, base: str | None, task: str | None
) -> list[tuple[str, int]]:
    """(model, seed) of every run of a task; see `plan_runs` and `plan_click_runs`.

    Args:
        models: Names of models: a list, or one text with commas; None for the default ones.
        seeds: Runs per trained model.
        base: Checkpoint that some models start from.
        task: Name of the task; None for the next item.

    Raises:
        ValueError: If the task is unknown; or as the two functions.
    """
    if task not in (None, CLICK, "next-item") and ":" not in task:
        from ..training.tasks.task import find_task

        find_task(task)  # torch is needed to know whether it is registered
    if models is None:
        models = DEFAULT_CLICK_MODELS if task == CLICK else DEFAULT_MODELS
    names = models.split(",") if isinstance(models, str) else list(models)
    return plan_click_runs(names, seeds) if task == CLICK else plan_runs(names, seeds, base)

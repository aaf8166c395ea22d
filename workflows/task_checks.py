"""Checks of tasks before any data is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..training.tasks.task import Task, find_task
from .baselines import check_names
from .click_models import CLICK


def check_task(
    task: Task | str,
    peft: str | None = None,
    card_baselines: Sequence[str] = (),
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Task:
    """Find a task before any data is read, and refuse arguments that its model cannot use.

    Args:
        task: A task or its name.
        peft: Method of an adapter, or None.
        card_baselines: Names of models to compare with in the card.
        options: Options of the task, such as those of `ClickOptions`.

    Raises:
        ValueError: If a name is unknown, or the model of the task ranks no items and one of the others is given.
    """
    check_names(card_baselines)
    found = find_task(task)
    if peft and found.option_class is not None:
        raise ValueError(
            f"peft is {peft!r}, and an adapter has no head for {type(found).__name__}; leave it out, and the weights "
            "of the base are trained"
        )
    for name, given in (("peft", peft), ("card_baselines", card_baselines)):
        if given and not found.ranks:
            raise ValueError(
                f"{name} is {given!r}, and {found.head.__name__}, the model of this task, ranks no items; leave it out"
            )
    return found.with_options(**options)


def check_ranked_report(task: Task, config: Mapping[str, Any], report: object) -> None:
    """Refuse a page of ranked lists for a model that is not trained to rank.

    Args:
        task: The task.
        config: Given fields of `XCatConfig`.
        report: The page, or None.

    Raises:
        ValueError: If there would be no lists.
    """
    if report is None:
        return
    if not task.ranks:
        raise ValueError(f"report is a page of ranked lists, and {task.head.__name__} ranks no items; leave it out")
    if task.option_class is not None and config.get("next_item_weight") == 0:
        raise ValueError(
            "report is a page of ranked lists, and next_item_weight is 0, so the model is not trained to rank; leave "
            "it out"
        )


def check_bench_task(task: str, options: Mapping[str, Any] = MappingProxyType({}), **others: Any) -> None:
    """Refuse a task that the models of a benchmark cannot be trained for.

    Args:
        task: Name of the task.
        options: Options of the task.
        **others: Arguments that a benchmark of clicks does not take, by name.

    Raises:
        ValueError: If it is not the name of a task, its model ranks no items, or another argument does not fit.
    """
    if not isinstance(task, str):
        raise ValueError(
            f"task is {type(task).__name__}, and each run has its own process; give the name that it is registered "
            "with, as 'MODULE:NAME'"
        )
    found = check_task(task, options=options)
    given = next((name for name, value in others.items() if value), None)
    if given is not None and task == CLICK:
        raise ValueError(f"{given} is {others[given]!r}, and a benchmark of clicks ranks no items; leave it out")
    if not found.ranks:
        raise ValueError(
            f"task is {task!r}, and {found.head.__name__}, its model, ranks no items, so bench cannot compare it; "
            "train it with fit"
        )

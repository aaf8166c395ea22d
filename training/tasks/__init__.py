"""What a model is trained for: one purpose a file, each with its head, labels, batches and metrics."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .click import ClickTask as ClickTask
    from .click_baseline import ClickBaselineTask as ClickBaselineTask
    from .click_prediction import ClickPredictionTask as ClickPredictionTask
    from .next_item import NextItemTask as NextItemTask
    from .pretraining import PretrainingTask as PretrainingTask
    from .task import TASKS as TASKS
    from .task import Task as Task
    from .task import find_task as find_task
    from .task import register_task as register_task

_EXPORTS = {
    "Task": ".task",  # base class of a purpose
    "TASKS": ".task",  # registry of the tasks
    "register_task": ".task",  # adds a task to it
    "find_task": ".task",  # a task by its name
    "ClickPredictionTask": ".click_prediction",  # base class of tasks that predict clicks, for any model
    "ClickTask": ".click",  # clicks on shown items, by XCat
    "ClickBaselineTask": ".click_baseline",  # clicks on shown items, by a `ClickModel` such as DIN
    "NextItemTask": ".next_item",  # the next item, ranked among the whole catalogue
    "PretrainingTask": ".pretraining",  # self-supervised losses on several datasets
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

"""Baselines by name: how bench fits each; torch is imported when one is fitted."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..evaluation.baseline_names import POPULARITY, REPEAT_PURCHASE

if TYPE_CHECKING:
    import torch

    from ..evaluation.ranker_evaluation import Ranker

UNSEEN = "-unseen"
"""Ending of the names of neighbour models that leave out the items of a user's history."""


@dataclass(frozen=True)
class BaselineData:
    """What a baseline is fitted to.

    Args:
        histories: Item rows of the target events of training, one list per user.
        num_item_rows: Rows of the item table, special rows included.
        text_states: (texts, dim) whitened embeddings of the item texts; None unless the baseline reads them.
        text_index: (item rows,) row of `text_states` of each item, or None.
    """

    histories: Iterable[list[int]]
    num_item_rows: int
    text_states: torch.Tensor | None = None
    text_index: torch.Tensor | None = None


Fit = Callable[[BaselineData], "Ranker"]


@dataclass(frozen=True)
class Baseline:
    """A model without random parts.

    Args:
        fit: Makes the fitted model.
        reads_text: Whether it needs `text_states`, so that bench encodes the item texts.
    """

    fit: Fit
    reads_text: bool = False


BASELINES: dict[str, Baseline] = {}
"""Baselines by name; `register_baseline` adds one."""


def register_baseline(name: str, *, reads_text: bool = False) -> Callable[[Fit], Fit]:
    """Add a baseline to `xcat bench` and `xcat_rec.bench`.

    Every run has a process of its own, so a baseline from another package is named with its module:
    `--models my_package.baselines:latest`. The module is imported, and registers "my_package.baselines:latest".

    Args:
        name: Its name; "MODULE:NAME" outside this package.
        reads_text: As in `Baseline`.

    Raises:
        ValueError: If another function has the name.
    """

    def add(fit: Fit) -> Fit:
        taken = BASELINES.get(name)
        if taken is not None and _home(taken.fit) != _home(fit):
            raise ValueError(f"baseline {name!r} is {_home(taken.fit)} already; give another name")
        BASELINES[name] = Baseline(fit, reads_text)
        return fit

    return add


def import_baseline(name: str) -> None:
    """Import the module of a baseline "MODULE:NAME", which registers it.

    Raises:
        ValueError: If there is no such module, or it does not register the name.
    """
    module, colon, _ = name.rpartition(":")
    if not colon or name in BASELINES:
        return
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ValueError(f"models has {name!r}, and there is no module {error.name}; install its package") from error
    if name not in BASELINES:
        raise ValueError(
            f"models has {name!r}, which {module} does not register; decorate its function with "
            f"@register_baseline({name!r})"
        )


def _home(fit: Fit) -> str:
    return f"{getattr(fit, '__module__', '')}.{getattr(fit, '__qualname__', fit)}"


@register_baseline(POPULARITY)
def _popularity(data: BaselineData) -> Ranker:
    from ..modeling_baselines.popularity import PopularityConfig, PopularityModel

    return PopularityModel(PopularityConfig(num_item_rows=data.num_item_rows)).fit(data.histories)


@register_baseline(REPEAT_PURCHASE)
def _repeat_purchase(data: BaselineData) -> Ranker:
    from ..modeling_baselines.popularity import RepeatPurchaseConfig, RepeatPurchaseModel

    return RepeatPurchaseModel(RepeatPurchaseConfig(num_item_rows=data.num_item_rows)).fit(data.histories)


def _item_knn(data: BaselineData, history: bool) -> Ranker:
    from ..modeling_baselines.knn import ItemKNNConfig, ItemKNNModel

    return ItemKNNModel(ItemKNNConfig(num_item_rows=data.num_item_rows, history=history)).fit(data.histories)


def _item_regression(data: BaselineData, history: bool) -> Ranker:
    from ..modeling_baselines.knn import ItemRegressionConfig, ItemRegressionModel

    config = ItemRegressionConfig(num_item_rows=data.num_item_rows, history=history)
    return ItemRegressionModel(config).fit(data.histories)


def _text_knn(data: BaselineData, history: bool) -> Ranker:
    from ..modeling_baselines.knn import TextKNNConfig, TextKNNModel

    states, index = data.text_states, data.text_index
    assert states is not None
    assert index is not None
    sizes = {"num_item_rows": data.num_item_rows, "num_texts": states.shape[0], "text_dim": states.shape[1]}
    return TextKNNModel(TextKNNConfig(**sizes, history=history)).fit(states, index)  # type: ignore[arg-type]


for _suffix in ("", UNSEEN):
    register_baseline("item-knn" + _suffix)(partial(_item_knn, history=not _suffix))
    register_baseline("item-regression" + _suffix)(partial(_item_regression, history=not _suffix))
    register_baseline("text-knn" + _suffix, reads_text=True)(partial(_text_knn, history=not _suffix))

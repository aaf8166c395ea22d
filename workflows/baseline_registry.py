"""Baselines by name: how bench fits each; torch is imported when one is fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..evaluation.baseline_names import POPULARITY, POPULARITY_RECENT, REPEAT_PURCHASE
from ..modeling_xcat.registry_xcat import Registry

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

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
        texts: Text of each item row, "" for none.
        encode: Encodes texts with the text encoder, given whether they are queries: (texts, dim), not whitened; None
            unless the baseline reads `text_states`.
        train: Training split, with times; None if it is not known.
        validation: Validation split, on which a baseline may choose its settings; None if it is not known.
    """

    histories: Iterable[list[int]]
    num_item_rows: int
    text_states: torch.Tensor | None = None
    text_index: torch.Tensor | None = None
    texts: Sequence[str] = ()
    encode: Callable[[Sequence[str], bool], torch.Tensor] | None = None
    train: Dataset | None = None
    validation: Dataset | None = None


Fit = Callable[[BaselineData], "Ranker"]


@dataclass(frozen=True)
class Baseline:
    """A model without random parts.

    Args:
        fit: Makes the fitted model.
        reads_text: Whether it needs `text_states`, so that bench encodes the item texts.
        packages: Modules of an extra that it imports; bench checks them before any run.
        extra: The extra that has them.
    """

    fit: Fit
    reads_text: bool = False
    packages: tuple[str, ...] = ()
    extra: str = ""


BASELINES: Registry[Baseline] = Registry("baseline")
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
        BASELINES.add(name, Baseline(fit, reads_text), fit)
        return fit

    return add


@register_baseline(POPULARITY)
def _popularity(data: BaselineData) -> Ranker:
    from ..modeling_baselines.popularity import PopularityConfig, PopularityModel

    return PopularityModel(PopularityConfig(num_item_rows=data.num_item_rows)).fit(data.histories)


@register_baseline(POPULARITY_RECENT)
def _popularity_recent(data: BaselineData) -> Ranker:
    from ..evaluation.recent_popularity import fit_recent_popularity

    assert data.train is not None
    return fit_recent_popularity(data.train, data.validation, data.num_item_rows)


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


def _bm25(data: BaselineData) -> Ranker:
    from ..modeling_baselines.search import WordSearch

    return WordSearch(data.texts)


@register_baseline("text-search", reads_text=True)
def _text_search(data: BaselineData) -> Ranker:
    from ..modeling_baselines.search import TextSearch

    assert data.encode is not None
    return TextSearch(data.texts, data.encode)


# rjieba is for Chinese words; that a text is Chinese shows only when the tables are read.
BASELINES.add("bm25", Baseline(_bm25, packages=("bm25s", "rjieba"), extra="search"), _bm25)
for _suffix in ("", UNSEEN):
    register_baseline("item-knn" + _suffix)(partial(_item_knn, history=not _suffix))
    register_baseline("item-regression" + _suffix)(partial(_item_regression, history=not _suffix))
    register_baseline("text-knn" + _suffix, reads_text=True)(partial(_text_knn, history=not _suffix))

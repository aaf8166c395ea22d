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
        about: Description in one line.
        reference: The publication it follows; empty for none.
    """

    fit: Fit
    reads_text: bool = False
    packages: tuple[str, ...] = ()
    extra: str = ""
    about: str = ""
    reference: str = ""


BASELINES: Registry[Baseline] = Registry("baseline")
"""Baselines by name; `register_baseline` adds one."""


def register_baseline(
    name: str, *, reads_text: bool = False, about: str | None = None, reference: str = ""
) -> Callable[[Fit], Fit]:
    """Add a baseline to `xcat bench` and `xcat_rec.bench`.

    Every run has a process of its own, so a baseline from another package is named with its module:
    `--models my_package.baselines:latest`. The module is imported, and registers "my_package.baselines:latest".

    Args:
        name: Its name; "MODULE:NAME" outside this package.
        reads_text: As in `Baseline`.
        about: As in `Baseline`; None for the first line of the function's docstring.
        reference: As in `Baseline`.

    Raises:
        ValueError: If another function has the name.
    """

    def add(fit: Fit) -> Fit:
        told = (getattr(fit, "__doc__", None) or "").strip().partition("\n")[0] if about is None else about
        BASELINES.add(name, Baseline(fit, reads_text, about=told, reference=reference), fit)
        return fit

    return add


@register_baseline(POPULARITY, about="items by number of training events")
def _popularity(data: BaselineData) -> Ranker:
    from ..modeling_baselines.popularity import PopularityConfig, PopularityModel

    return PopularityModel(PopularityConfig(num_item_rows=data.num_item_rows)).fit(data.histories)


@register_baseline(
    POPULARITY_RECENT,
    about="items by number of training events in the last weeks, a window chosen on validation",
    reference='Ji et al., "A Re-visit of the Popularity Baseline in Recommender Systems", SIGIR 2020',
)
def _popularity_recent(data: BaselineData) -> Ranker:
    from ..evaluation.recent_popularity import fit_recent_popularity

    assert data.train is not None
    return fit_recent_popularity(data.train, data.validation, data.num_item_rows)


@register_baseline(
    REPEAT_PURCHASE,
    about="the user's own items by frequency, then popular items",
    reference='Hu et al., "Modeling Personalized Item Frequency Information for Next-basket Recommendation", '
    "SIGIR 2020",
)
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


@register_baseline("text-search", reads_text=True, about="items for a query by cosine of texts; for queries (asks)")
def _text_search(data: BaselineData) -> Ranker:
    from ..modeling_baselines.search import TextSearch

    assert data.encode is not None
    return TextSearch(data.texts, data.encode)


# rjieba is for Chinese words; that a text is Chinese shows only when the tables are read.
BASELINES.add(
    "bm25",
    Baseline(
        _bm25, packages=("bm25s", "rjieba"), extra="search",
        about="items for a query by shared words; for queries (asks)",
        reference='Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009',
    ),
    _bm25,
)  # fmt: skip
_KNN = (
    ("item-knn", _item_knn, False, "items with the same users, by cosine, 100 neighbours",
     'Sarwar et al., "Item-based Collaborative Filtering Recommendation Algorithms", WWW 2001'),
    ("item-regression", _item_regression, False, "item-to-item ridge regression on the nearest items",
     'Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019'),
    ("text-knn", _text_knn, True, "items with texts near the last ten events", ""),
)  # fmt: skip
for _name, _fit, _reads, _about, _reference in _KNN:
    for _suffix, _ending in (("", ""), (UNSEEN, ", without items of the history")):
        register_baseline(_name + _suffix, reads_text=_reads, about=_about + _ending, reference=_reference)(
            partial(_fit, history=not _suffix)
        )

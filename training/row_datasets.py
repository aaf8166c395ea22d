"""Conversion of rows of any type to data sets of `datasets`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from datasets import Dataset, IterableDataset
from torch.utils.data import IterableDataset as TorchIterableDataset
from torch.utils.data import Subset

COUNTED_ROWS = 1000
"""Rows of a stream used for estimates."""


def as_dataset(rows: Any, name: str) -> Dataset:
    """Convert rows for evaluation; a stream is read to its end.

    Args:
        rows: A `datasets.Dataset` or `IterableDataset`, a `torch.utils.data.Subset` of one, or any data set or list of
            mappings.
        name: Name of the argument, for errors.

    Raises:
        TypeError: If these are not rows.
    """
    found = as_rows(rows, name)
    return found if isinstance(found, Dataset) else Dataset.from_list(list(found))


def evaluation_sets(rows: Any) -> Dataset | dict[str, Dataset] | None:
    """Convert `eval_dataset` of `Trainer`: None, one data set, or several by name."""
    if rows is None:
        return None
    if isinstance(rows, Mapping):
        if not rows:
            raise ValueError("eval_dataset is an empty mapping; leave it out, or give a name with a data set")
        return {str(name): as_dataset(part, f"eval_dataset[{name!r}]") for name, part in rows.items()}
    return as_dataset(rows, "eval_dataset")


def as_rows(rows: Any, name: str) -> Dataset | IterableDataset:
    """Convert rows for training; a stream is kept as a stream.

    Args:
        rows: As for `as_dataset`; a `torch.utils.data.IterableDataset` is a stream, too.
        name: Name of the argument, for errors.

    Raises:
        TypeError: If these are not rows.

    Example:
        >>> as_rows(Subset([{"items": [2, 3]}, {"items": [4, 5]}], [1]), "train_dataset")["items"][:]
        [[4, 5]]
    """
    if isinstance(rows, Dataset | IterableDataset):
        return rows
    if isinstance(rows, Subset) and isinstance(rows.dataset, Dataset):
        return rows.dataset.select(rows.indices)
    if isinstance(rows, TorchIterableDataset):
        return IterableDataset.from_generator(_each, gen_kwargs={"rows": rows})
    if hasattr(rows, "__getitem__") and hasattr(rows, "__len__") and not isinstance(rows, str | Mapping):
        found = [rows[i] for i in range(len(rows))]
        if all(isinstance(row, Mapping) and "items" in row for row in found):
            return Dataset.from_list([dict(row) for row in found])
    raise TypeError(
        f"{name} is a {type(rows).__name__}; give a datasets.Dataset, an IterableDataset, a torch Subset, or a list "
        "of mappings with the column items, as build_splits makes them"
    )


def _each(rows: Iterable[Any]) -> Iterable[Any]:
    yield from rows

"""Groups of items by a column of the items table, such as brands, categories and campaigns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

if TYPE_CHECKING:
    import torch

_TEXTS = ("item_id", "title", "description", "text")
"""Columns that describe one item each; grouping by them says nothing."""


@dataclass(frozen=True)
class ItemGroups:
    """Groups of items. An item belongs to no group, to one, or to several, such as several campaigns.

    Args:
        column: Column of the items table.
        names: Names of the groups, in order of their first item.
        rows: (memberships,) item indices in ascending order, one per item and group.
        codes: (memberships,) position of the group in `names`.
        num_rows: Rows of the vocabulary.

    Example:
        >>> table = pa.table({"item_id": ["a", "b", "c"], "campaign": [["1", "2"], ["2"], None]})
        >>> groups = read_groups(ItemVocabulary(table), "campaign")
        >>> groups.names, [codes.tolist() for codes in groups.of_histories([[2, 3], [4], []])]
        (['1', '2'], [[0, 1, 1], [], []])
    """

    column: str
    names: list[str]
    rows: np.ndarray
    codes: np.ndarray
    num_rows: int

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _starts(self) -> np.ndarray:
        """(rows + 1,) position of each item's first membership."""
        return np.searchsorted(self.rows, np.arange(self.num_rows + 1))

    def expanded(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The groups of many items, one after the other.

        Args:
            items: (items,) item indices.

        Returns:
            (memberships,) group codes, and (items,) their number per item.
        """
        first, counts = self._starts[items], self._starts[items + 1] - self._starts[items]
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.codes[np.repeat(first, counts) + offsets], counts

    def of_histories(self, histories: list[list[int]]) -> list[np.ndarray]:
        """Group codes of the items of each history, in their order."""
        lengths = np.fromiter(map(len, histories), np.int64, count=len(histories))
        flat = np.fromiter((item for history in histories for item in history), np.int64, count=int(lengths.sum()))
        codes, counts = self.expanded(flat)
        ends = np.append(0, np.cumsum(counts))[np.cumsum(lengths)]
        return np.split(codes, ends[:-1]) if len(histories) else []

    def members(self, histories: list[list[int]]) -> torch.Tensor:
        """(histories, groups) bool, whether an item of a history belongs to a group."""
        import torch

        found = torch.zeros(len(histories), len(self), dtype=torch.bool)
        for place, codes in enumerate(self.of_histories(histories)):
            found[place, torch.from_numpy(codes)] = True
        return found

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """Sum values of items per group.

        Args:
            values: (users, rows) values of the items.

        Returns:
            (users, groups) sums; an item of several groups counts in each.
        """
        import torch

        taken = values[:, torch.from_numpy(self.rows).to(values.device)]
        total = values.new_zeros(len(values), len(self))
        return total.index_add_(1, torch.from_numpy(self.codes).to(values.device), taken)

    def probabilities(self, scores: torch.Tensor) -> torch.Tensor:
        """Probability of each group for the next item: the softmax over all items, summed per group.

        Groups that share no item have probabilities that sum to 1 with the items of no group. Groups that share items
        can sum to more, because each has the probability that the next item belongs to it.

        Args:
            scores: (users, rows) scores, the logarithms of odds; `-inf` for items that are left out.

        Returns:
            (users, groups) probabilities; 0 if every item is left out.
        """
        import torch

        kept = torch.isfinite(scores).any(1, keepdim=True)
        return self.sums(torch.softmax(scores.masked_fill(~kept, 0.0), dim=1)) * kept

    def vocabulary(self) -> ItemVocabulary:
        """The groups as a catalogue whose items are the groups; each group is its own category."""
        names = pa.array(self.names, pa.string())
        return ItemVocabulary(pa.table({"item_id": names, "title": names, "category": names}))


def group_columns(vocabulary: ItemVocabulary) -> list[str]:
    """Columns of a catalogue that can group its items: with texts, integers, booleans, or lists of them."""
    fields = vocabulary.table.schema
    names = [field.name for field in fields if field.name not in _TEXTS and _is_groupable(field.type)]
    return [name for name in names if vocabulary.column(name).null_count < vocabulary.num_items]


def _is_groupable(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(texts or pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _has_repeats(vocabulary: ItemVocabulary, name: str) -> bool:
    """Whether two items can share a value of a column; a file name per item groups nothing."""
    column = vocabulary.column(name)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return True
    values = pc.utf8_trim_whitespace(pc.cast(column.drop_null(), pa.large_string()))
    return bool(pc.count_distinct(values).as_py() < len(values))


def read_groups(vocabulary: ItemVocabulary, target: str, argument: str = "target") -> ItemGroups:
    """Read the groups of a column.

    Args:
        vocabulary: The catalogue.
        target: Name of the column, such as "brand"; its values are texts, integers or booleans, or lists of them for
            items of several groups. Null and blank values are no group.
        argument: Name of the argument in errors.

    Raises:
        ValueError: If the catalogue has no such column, or no item has a value in it.
    """
    if target not in group_columns(vocabulary):
        raise _unusable(vocabulary, target, argument)
    column = vocabulary.column(target).combine_chunks()
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        places, values = pc.list_parent_indices(column).to_numpy(), pc.list_flatten(column)
    else:
        places, values = np.arange(len(column)), column
    texts = pc.utf8_trim_whitespace(pc.cast(values, pa.large_string()))
    filled = pc.fill_null(pc.not_equal(texts, ""), False)
    encoded = pc.dictionary_encode(pc.filter(texts, filled))
    if not len(encoded):
        raise _unusable(vocabulary, target, argument)
    rows = places[filled.to_numpy(zero_copy_only=False)] + NUM_SPECIAL_ROWS
    pairs = np.unique(np.stack([rows, np.from_dlpack(encoded.indices).astype(np.int64)], 1), axis=0)
    return ItemGroups(target, encoded.dictionary.to_pylist(), pairs[:, 0], pairs[:, 1], len(vocabulary))


def _unusable(vocabulary: ItemVocabulary, target: str, argument: str) -> ValueError:
    """The error of a column that cannot group the items."""
    fields = vocabulary.table.schema
    if target not in fields.names:
        what = f"the items have no column {target!r}"
    elif target in _TEXTS:
        what = f"column {target} describes single items"
    elif _is_groupable(fields.field(target).type):
        what = f"no item has a value in column {target}"
    else:
        what = f"column {target} contains {fields.field(target).type}, not names of groups"
    known = [name for name in group_columns(vocabulary) if name != target and _has_repeats(vocabulary, name)]
    return ValueError(
        f"{argument} is {target!r}: {what}; give one of {', '.join(known) or '(no column groups the items)'}"
    )

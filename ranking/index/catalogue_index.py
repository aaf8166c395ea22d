"""The index of a recommender: how its items are searched, and which are deleted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from ...counting import counted
from ...modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ...modeling_xcat.ranking_xcat import ItemIndex
from .approximate import ApproximateIndex, product_items


@dataclass(frozen=True)
class IndexReport:
    """Facts about an index, measured when it was built.

    Args:
        kind: Its kind; see `KINDS`.
        num_items: Items in it.
        seconds: Time of the build.
        recall: Share of the exact best items that it finds, on held-out queries; 1 for an exact index.
        k: Number of best items of `recall`.
        num_queries: Number of queries of `recall`.
        effort: Effort of the search, chosen for `wanted_recall`; 0 for an exact index.
        wanted_recall: The recall that was asked for.
    """

    kind: str
    num_items: int
    seconds: float = 0.0
    recall: float = 1.0
    k: int = 100
    num_queries: int = 0
    effort: int = 0
    wanted_recall: float = 1.0

    def __str__(self) -> str:
        if self.kind == "exact":
            return f"exact index of {counted(self.num_items, 'item')}"
        missed = "" if self.recall >= self.wanted_recall else f" (below the wanted {self.wanted_recall:g})"
        return (
            f"{self.kind} index of {counted(self.num_items, 'item')}: built in {self.seconds:.1f} s, recall@{self.k} "
            f"{self.recall:.3f}{missed} against the exact lists of {counted(self.num_queries, 'history', 'histories')}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class CatalogueIndex:
    """An index of a recommender's items. It does not change; changes make a new one.

    Args:
        search: The items with their search.
        deleted: (rows,) True for deleted items: no list has them, and histories still may.
        report: Facts about the build.
        grown: Whether items were added or changed after the checkpoint was saved.
    """

    search: ItemIndex | ApproximateIndex
    deleted: torch.Tensor
    report: IndexReport
    grown: bool = False

    @classmethod
    def exact(cls, search: ItemIndex) -> CatalogueIndex:
        """An exact index without deleted items."""
        count = len(search.items)
        nothing = torch.zeros(count, dtype=torch.bool, device=search.items.device)
        return cls(search, nothing, IndexReport("exact", count - NUM_SPECIAL_ROWS))

    @property
    def kind(self) -> str:
        """Its kind; see `KINDS`."""
        return self.report.kind

    @property
    def items(self) -> torch.Tensor:
        """(rows, hidden) item embeddings."""
        return self.search.items

    @property
    def scan(self) -> ItemIndex:
        """The items with the exact search."""
        return self.search.exact if isinstance(self.search, ApproximateIndex) else self.search

    @property
    def num_items(self) -> int:
        """Items that lists may have."""
        return int((~self.deleted[NUM_SPECIAL_ROWS:]).sum())

    def without(self, rows: torch.Tensor) -> CatalogueIndex:
        """An index without the items of (n,) indices."""
        deleted = self.deleted.clone()
        deleted[rows.to(deleted.device)] = True
        return replace(self, deleted=deleted)

    def with_items(self, base: Any, rows: torch.Tensor) -> CatalogueIndex:
        """An index with new and changed items.

        Args:
            base: The `XCatModel` with these items.
            rows: (n,) their indices; new ones follow the others.
        """
        size, old, rows = len(base.items.item_counts), self.items, rows.to(self.items.device)
        items = torch.cat([old, old.new_zeros(size - len(old), old.shape[1])])
        items[rows] = base.item_side(base.items(rows).float())
        deleted = torch.cat([self.deleted, self.deleted.new_zeros(size - len(old))])
        deleted[rows] = False
        search: ItemIndex | ApproximateIndex
        if isinstance(self.search, ApproximateIndex):
            search = self.search.changed(items, rows, cold_row(base), lambda some: product_items(base, items, some))
        else:
            search = ItemIndex(items, first_row=NUM_SPECIAL_ROWS)
        return replace(self, search=search, deleted=deleted, grown=True)


def cold_row(base: Any) -> int:
    """Index of a cold item of an `XCatModel`, 0 for none."""
    cold = (base.items.item_counts[NUM_SPECIAL_ROWS:] == 0).nonzero()
    return int(cold[0, 0]) + NUM_SPECIAL_ROWS if len(cold) else 0

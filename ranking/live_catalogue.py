"""Items that are added, changed and deleted while a recommender answers requests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import torch

from ..catalogue.added_items import AddedItems, add_items, read_items
from ..catalogue.change import change_catalogue
from ..catalogue.interests import interest_reader
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.recommending_xcat import ItemRanker
from ..tokenization.digests import catalogue_digest
from ..tokenization.interests.reader import InterestReader
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from .index.catalogue_index import CatalogueIndex
from .index.collection_urls import is_qdrant_url
from .index.folder import AGAIN, IndexFilesError, read_index, save_index
from .item_data import ItemData
from .live_policy import LivePolicy
from .snapshots import WRITING

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource
    from ..tokenization.tables.schema import TableColumns
    from .recommender import XCatRecommender

_CHECKED, _TOLERANCE = 64, 0.02
"""Items whose embeddings are computed again when an index is loaded, and the largest difference (of bfloat16)."""


class LiveCatalogue(LivePolicy):
    """The part of a recommender that has the items, and changes them.

    A change makes new objects and then sets them all at once. A request that began before reads the old ones, the next
    one reads the new ones, and none waits. Item indices never change: new items follow the others.
    """

    model: XCatForNextItem
    item_data: ItemData
    _interests: InterestReader | None
    _index: CatalogueIndex
    _checkpoint: str

    def _place(self, model: XCatForNextItem, processor: XCatProcessor) -> None:
        """Set model, processor and the exact index of all items; for the constructor."""
        self._checkpoint = catalogue_digest(processor.catalogue)
        ranker = ItemRanker(model, processor.catalogue, policy=processor.policy)
        self._set(model, processor, ranker, CatalogueIndex.exact(ranker.index))

    def _set(
        self, model: XCatForNextItem, processor: XCatProcessor, ranker: ItemRanker, index: CatalogueIndex
    ) -> None:
        new: dict[str, Any] = {
            "model": model, "processor": processor, "vocabulary": processor.catalogue, "ranker": ranker,
            "item_data": ItemData.of_model(model, processor.catalogue, ranker.items), "_index": index,
            "_interests": interest_reader(model, processor),
        }  # fmt: skip
        self._switch(new)

    @property
    def index(self) -> CatalogueIndex:
        """The index of the items; see `build_index`. Set another one to search with it."""
        return self._index

    @index.setter
    def index(self, index: CatalogueIndex) -> None:
        with WRITING:
            if len(index.items) != len(self.vocabulary):
                raise ValueError(
                    f"index has {len(index.items) - NUM_SPECIAL_ROWS:,} items and the recommender "
                    f"{self.vocabulary.num_items:,}; build it with build_index(recommender, kind)"
                )
            self._set(self.model, self.processor, self._ranker(self.model, self.processor, index), index)

    def _ranker(
        self, model: XCatForNextItem, processor: XCatProcessor, index: CatalogueIndex | None = None
    ) -> ItemRanker:
        """The ranker of other items; of the class and with the graphs of the one in use."""
        ranker = copy(self.ranker)
        search, deleted = (None, None) if index is None else (index.search, index.deleted)
        ItemRanker.__init__(ranker, model, processor.catalogue, search, deleted, processor.policy)
        return ranker

    def add_items(
        self, items: TableSource, *, columns: TableColumns | None = None, encoding: str | None = None
    ) -> AddedItems:
        """Add items by their texts, or change items; the next request has them. Nothing is trained.

        An item that is in the catalogue takes the values of the table; it keeps its values of columns that the table
        lacks and of empty cells, and what the model learned about it. A deleted item comes back.

        Args:
            items: Items table: a file, a data frame or a dictionary of columns.
            columns: Column names; None for the names in the checkpoint's training.
            encoding: Encoding of a text file; None to detect it.

        Returns:
            Numbers of new and changed items, and notes on values that could not be used, such as a price in words.

        Raises:
            ValueError: As `catalogue.add_items`.

        Example (not run: it needs a checkpoint):
            recommender.add_items({"item_id": ["new-1"], "title": ["Red tent for two"], "price": [49.0]}).new
        """
        with WRITING:
            table, report = read_items(items, self.processor, columns, encoding)
            self.follow()
            model, before, catalogue = _sharing_tensors(self.model), self.processor.policy, self.vocabulary
            processor, added = add_items(model, self.processor, table)
            rows = torch.from_numpy(np.unique(processor.catalogue.encode(table["item_id"].to_arrow())))
            with torch.no_grad():
                index = self._index.with_items(model.model, rows)
            self._set(model, processor, self._ranker(model, processor, index), index)
            self._queue_added(before, catalogue)
            untold = [one for one in report.problems if one.kind != "no_title"]  # a known item keeps its title
            return replace(added, notes=(*added.notes, *map(str, untold)))

    def is_deleted(self, item: str) -> bool:
        """Whether an item of the catalogue is deleted.

        Args:
            item: Its external id.
        """
        return bool(self._index.deleted[int(self.vocabulary.encode([item])[0])])

    def delete_items(self, ids: Sequence[str]) -> int:
        """Leave items out of all lists, from the next request on. Histories may still have them.

        Args:
            ids: Item ids, in any list, array or column.

        Returns:
            Number of items that were not deleted before.

        Raises:
            ValueError: If an id is not in the catalogue.
        """
        names = [str(name) for name in ([ids] if isinstance(ids, str) else ids)]
        with WRITING:
            rows = torch.from_numpy(self.vocabulary.encode(names))
            unknown = (rows < NUM_SPECIAL_ROWS).nonzero()
            if len(unknown):
                raise ValueError(
                    f"ids: {len(unknown):,} of {len(names):,} are not items of the catalogue, for example "
                    f"{names[int(unknown[0])]!r}; leave them out"
                )
            index = self._index.without(rows)
            deleted, ranker = self._index.num_items - index.num_items, copy(self.ranker)
            ranker.filter = ranker.filter.leaving_out(index.deleted)
            self._switch({"ranker": ranker, "_index": index})
            return deleted

    def save_index(self, folder: str | os.PathLike[str]) -> Path:
        """Write the index with the added, changed and deleted items; load it with `from_pretrained(..., index=)`.

        Args:
            folder: Its folder; an index in it is replaced, in one step.

        Raises:
            OSError: If the folder has other files, or cannot be written.
        """
        with WRITING:
            state = self.snapshot()
        return save_index(folder, state._index, state.vocabulary, self._checkpoint)

    def load_index(self, folder: str | os.PathLike[str]) -> None:
        """Use the index of a folder, with its added, changed and deleted items.

        Args:
            folder: The folder.

        Raises:
            IndexFilesError: If a file is missing or changed, or the index is of another checkpoint.
            ImportError: If a package that its kind needs is not installed.
        """
        with WRITING:
            files = read_index(folder, self._checkpoint)
            model, processor, index = self.model, self.processor, files.to_index(self.model.device)
            if files.catalogue is not None:
                model, processor = self._grown(files.catalogue)
            _check_embeddings(model, index, os.fspath(folder))
            self._set(model, processor, self._ranker(model, processor, index), index)

    def _completed(
        self, index: str | os.PathLike[str] | None, policy: Any, checkpoint: str | os.PathLike[str]
    ) -> Self:
        """This recommender, with the index of a folder if there is one, and the policy that was given or is saved."""
        if isinstance(index, str) and is_qdrant_url(index):
            from .index.qdrant_collection import collection_index

            self.index = collection_index(cast("XCatRecommender", self), index)
        elif index is not None:
            self.load_index(index)
        if policy is not None:
            self.policy = policy
        elif Path(checkpoint).is_dir():
            self.follow_policy(checkpoint)
        return self

    def _grown(self, catalogue: ItemVocabulary) -> tuple[XCatForNextItem, XCatProcessor]:
        """Model and processor with the items of a catalogue."""
        model = _sharing_tensors(self.model)
        return model, change_catalogue(model, self.processor, catalogue)

    def restore_items(self, catalogue: ItemVocabulary) -> None:
        """Take over the items of a catalogue that grew from this one, with an exact index.

        Args:
            catalogue: The items; those of the recommender come first.
        """
        with WRITING:
            model, processor = self._grown(catalogue)
            ranker = self._ranker(model, processor)
            self._set(model, processor, ranker, replace(CatalogueIndex.exact(ranker.index), grown=True))


def _sharing_tensors(model: XCatForNextItem) -> XCatForNextItem:
    """A copy of a model for serving with the same tensors, so that its catalogue can be replaced.

    It has no label smoothing over text neighbours, whose table is for training only.
    """
    shared = [*model.parameters(), *model.buffers(), model.model.text]
    same: XCatForNextItem = deepcopy(model, {id(one): one for one in shared})
    same.config.soft_target_weight = 0.0
    return same


def _check_embeddings(model: XCatForNextItem, index: CatalogueIndex, folder: str) -> None:
    """Refuse an index whose embeddings are of other weights, by those of some items."""
    rows = torch.linspace(NUM_SPECIAL_ROWS, len(index.items) - 1, _CHECKED, device=index.items.device).long()
    with torch.no_grad():
        now = model.model.item_side(model.model.items(rows).float())
    if now.shape != index.items[rows].shape or not torch.allclose(now, index.items[rows], atol=_TOLERANCE):
        raise IndexFilesError(f"{folder} is the index of other weights; {AGAIN.format(folder=folder)}")

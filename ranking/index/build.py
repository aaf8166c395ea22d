"""Build an index of a recommender's items, and measure its recall against the exact lists."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ...modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ...modeling_xcat.first_stage_xcat import FirstStage
from ...modeling_xcat.item_mask_xcat import ItemMask
from .approximate import ApproximateIndex, product_items
from .catalogue_index import CatalogueIndex, IndexReport, cold_row
from .faiss_finder import FaissFinder
from .kinds import Finder, check_kind
from .qdrant_finder import COLLECTION, QdrantFinder, connect

if TYPE_CHECKING:
    from ..recommender import XCatRecommender

QUERIES = 256
"""Histories that recall is measured on; as many others choose the effort."""
RECALL_AT = 100
_LONGEST = 5


def build_index(
    recommender: XCatRecommender,
    kind: str = "exact",
    *,
    recall: float = 0.95,
    histories: Sequence[Sequence[str]] = (),
    url: str | None = None,
    collection: str = COLLECTION,
) -> CatalogueIndex:
    """Index the items of a recommender. Deleted items stay deleted; set the result as `recommender.index` to use it.

    The effort of the search is the smallest with the wanted recall on one half of the histories. Recall is measured on
    the other half, for lists without the items of the history: the share of the exact best items that are found.

    Args:
        recommender: The recommender.
        kind: A kind of `KINDS`.
        recall: Wanted recall at 100.
        histories: Histories of users, to measure recall on; empty to make them up, as walks from an item to near ones.
        url: Address of the server, for the kind "qdrant", such as http://localhost:6333.
        collection: Name of the collection on the server, which is replaced.

    Raises:
        ValueError: If an argument is invalid, or there are too few items for the kind.
        ImportError: If a package that the kind needs is not installed.
    """
    check_kind(kind)
    if not 0 < recall <= 1:
        raise ValueError(f"recall is {recall!r}; give a share above 0 and at most 1, such as 0.95")
    now, base = recommender.index, recommender.model.model
    if kind == "exact":
        return replace(now, search=now.scan, report=IndexReport("exact", now.num_items))
    start = time.perf_counter()
    rows = live_rows(now)
    vectors = product_items(base, now.items, rows)
    finder: Finder
    if kind == "qdrant":
        finder = QdrantFinder.build(connect(url), str(url), collection, rows.cpu().numpy(), vectors)
    else:
        finder = FaissFinder.build(kind, rows.cpu().numpy(), vectors)
    seconds = time.perf_counter() - start
    return measured(recommender, finder, kind, seconds, recall, histories)


def measured(
    recommender: XCatRecommender,
    finder: Finder,
    kind: str,
    seconds: float,
    recall: float,
    histories: Sequence[Sequence[str]] = (),
) -> CatalogueIndex:
    """An index with a finder of all items that are not deleted, with its effort chosen and its recall measured.

    Args:
        recommender: The recommender.
        finder: The finder.
        kind: Kind of the index.
        seconds: Time of the build.
        recall: Wanted recall.
        histories: As for `build_index`.
    """
    now, base = recommender.index, recommender.model.model
    read = [recommender.vocabulary.encode(list(history)) for history in histories]
    known = [history.tolist() for history in read if (history >= NUM_SPECIAL_ROWS).any()]
    stage = stage_of(recommender, known or walks(recommender, 2 * QUERIES))
    k = min(RECALL_AT, max(1, now.num_items // 10))
    mask = ItemMask(~now.deleted, torch.full_like(now.deleted, -1, dtype=torch.long))
    exact = now.scan.best(stage, k, mask)[1]
    search = ApproximateIndex(
        now.items, finder, finder.efforts[-1], live_rows(now)[:0], cold_row(base),
        0 if base.segments is None else base.config.num_segments,
    )  # fmt: skip
    choosing, testing = torch.arange(len(exact))[::2], torch.arange(len(exact))[1::2]
    testing = testing if len(testing) else choosing
    for effort in finder.efforts:
        search = replace(search, effort=effort)
        if _recall(search, stage, choosing, exact, k, mask) >= recall:
            break
    found = _recall(search, stage, testing, exact, k, mask)
    report = IndexReport(kind, now.num_items, seconds, found, k, len(testing), search.effort, recall)
    return replace(now, search=search, report=report)


def live_rows(index: CatalogueIndex) -> torch.Tensor:
    """(n,) indices of the items that are not deleted."""
    return (~index.deleted[NUM_SPECIAL_ROWS:]).nonzero()[:, 0] + NUM_SPECIAL_ROWS


def walks(recommender: XCatRecommender, count: int) -> list[list[int]]:
    """Histories of one to five item indices: each item is one of the ten nearest of the item before."""
    generator = torch.Generator().manual_seed(0)
    items, rows = recommender.index.items, live_rows(recommender.index)
    lengths = torch.randint(1, _LONGEST + 1, (count,), generator=generator)
    found = rows[torch.randint(len(rows), (count, 1), generator=generator).to(rows.device)]
    for _ in range(_LONGEST - 1):
        near = recommender.index.scan.search(items[found[:, -1]], min(10, len(rows)), lambda scores, start: None)[1]
        choice = torch.randint(near.shape[1], (count, 1), generator=generator).to(rows.device)
        found = torch.cat([found, near.gather(1, choice)], 1)
    return [history[:length] for history, length in zip(found.tolist(), lengths.tolist(), strict=True)]


@torch.no_grad()
def stage_of(recommender: XCatRecommender, histories: Sequence[Sequence[int]]) -> FirstStage:
    """The scores of lists without the items of histories of item indices."""
    ids = [recommender.vocabulary.decode(history) for history in histories]
    rows = recommender.processor.history_rows(ids)
    states, recent = recommender.ranker.states(recommender.processor.collate(rows, layout=recommender.ranker.layout))
    stage: FirstStage = recommender.model.model.first_stage(states, recent.discovering(histories))
    return stage


def _recall(
    search: ApproximateIndex, stage: FirstStage, queries: torch.Tensor, exact: torch.Tensor, k: int, mask: ItemMask
) -> float:
    """Share of the exact best items of some queries that a search finds."""
    found = search.best(stage.of_queries(queries), k, mask)[1]
    return float((exact[queries][:, :, None] == found[:, None, :]).any(2).float().mean())

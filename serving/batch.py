"""Recommendation for many users: from a table of histories to a table of recommendations, block by block.

Every engine uses the same blocks and the same function, so all engines give the same results.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..checkpoints.saved_tables import saved_item_ids
from ..modeling_xcat.arguments_xcat import whole_number
from ..modeling_xcat.filters_xcat import Filters
from ..modeling_xcat.unknown_users_xcat import OnUnknown, check_unknown
from ..ranking.recommender import XCatRecommender
from ..ranking.rerank import Reranker
from ..ranking.rerankers.knob import Explore
from ..ranking.rerankers.words import rules_of_request
from ..tokenization.progress import stage
from ..tokenization.sequences.histories import Histories

BLOCK_USERS = 256
"""Users per block, scored together."""
RECOMMENDATIONS = pa.schema(
    {
        "user_id": pa.string(),
        "rank": pa.int32(),
        "item_id": pa.string(),
        "score": pa.float64(),
        "title": pa.string(),
        "category": pa.string(),
        "basis": pa.string(),
        "unknown_items": pa.int32(),
        "gaps_known": pa.bool_(),
        "notes": pa.list_(pa.string()),
        "words": pa.list_(pa.string()),
        "by_meaning": pa.bool_(),
        "propensity": pa.float64(),
    }
)
"""Columns of a table of recommendations. `rank` counts from 1; `basis` to `notes` are facts about the user's list, see
`Recommendations`; `words` and `by_meaning` explain the item by the query and are null without one.
`propensity` is null if the list was not drawn at random."""
POSITION = "position"
"""Column with a user's position in the order of first appearance."""

_HISTORIES = {
    POSITION: pa.int64(),
    "user_id": pa.string(),
    "items": pa.list_(pa.string()),
    "event_types": pa.list_(pa.string()),
    "ratings": pa.list_(pa.float64()),
    "timestamps": pa.list_(pa.int64()),
    "event_texts": pa.list_(pa.string()),
}


@dataclass(frozen=True)
class BatchRequest:
    """Options that apply to every user.

    Args:
        k: Recommendations per user; fewer if the filters leave fewer items.
        filters: Filters on the recommended items.
        query: What every user asks for, or None; see `XCatRecommender.recommend`.
        texts: User texts added to every history.
        cold_boost: Added to the scores of cold items; None for the checkpoint's value.
        on_unknown: Result for a user without a known item; see `XCatRecommender.recommend`.
        rerank: Re-ranking rules; see `XCatRecommender.recommend`.
        explore: Word or place of the knob; see `XCatRecommender.recommend`.
        index: Folder of an index; see `XCatRecommender.from_pretrained`.
        profile: As in `XCatRecommender.recommend`.
    """

    k: int = 10
    filters: Filters = field(default_factory=Filters)
    texts: tuple[str, ...] = ()
    cold_boost: float | None = None
    on_unknown: OnUnknown = "popular"
    query: str | None = None
    rerank: str | Sequence[str | Reranker] | None = None
    explore: Explore | float | None = None
    index: str | None = None
    profile: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", whole_number("k", self.k))
        check_unknown(0, 0, self.on_unknown)
        rules_of_request(self.rerank, self.explore)


def histories_table(histories: Histories) -> pa.Table:
    """Histories as a table with one row per user and the column `position`; unknown details have no column."""
    columns = {
        POSITION: range(len(histories.user_ids)),
        "user_id": histories.user_ids,
        "items": histories.items,
        "event_types": histories.event_types,
        "ratings": histories.ratings,
        "timestamps": histories.timestamps,
        "event_texts": histories.event_texts,
    }
    return pa.table(
        {name: pa.array(values, _HISTORIES[name]) for name, values in columns.items() if values is not None}
    )


def blocks_of(histories: pa.Table, users: int = BLOCK_USERS) -> Iterator[pa.Table]:
    """Cut a table of histories into blocks of at most `users` rows.

    Example:
        >>> [block.num_rows for block in blocks_of(pa.table({"user_id": ["a", "b", "c"]}), 2)]
        [2, 1]
    """
    for start in range(0, histories.num_rows, users):
        yield histories.slice(start, users)


def recommend_block(recommender: XCatRecommender, block: pa.Table, request: BatchRequest) -> pa.Table:
    """Recommend to the users of one block.

    Args:
        recommender: A loaded checkpoint.
        block: Rows of a table of histories.
        request: The options.

    Returns:
        The columns of `RECOMMENDATIONS` and `position`; users in the order of the block, best item first. A user
        without recommendations has one row of rank 0 without an item, for its notes; it is not written.

    Raises:
        ValueError: Like `XCatRecommender.recommend_many`.
    """
    columns = block.to_pydict()
    users, items = columns["user_id"], columns["items"]
    found = recommender.recommend_many(
        items,
        request.k,
        queries=None if request.query is None else [request.query] * len(items),
        texts=[request.texts] * len(items) if request.texts else None,
        event_types=columns.get("event_types"),
        ratings=columns.get("ratings"),
        timestamps=columns.get("timestamps"),
        event_texts=columns.get("event_texts"),
        filters=request.filters,
        rerank=request.rerank,
        explore=request.explore,
        cold_boost=request.cold_boost,
        on_unknown=request.on_unknown,
        profile=request.profile,
        explain="query" if request.query is not None else False,
    )
    rows = [
        {
            POSITION: position, "user_id": user, "rank": rank, "item_id": item.item_id, "score": item.score,
            "title": item.title, "category": item.category, "propensity": item.propensity, **best.facts(),
            "words": list(item.words) if request.query else None,
            "by_meaning": item.by_meaning if request.query else None,
        } if item is not None else {POSITION: position, "user_id": user, "rank": 0, **best.facts()}
        for position, user, best in zip(columns[POSITION], users, found, strict=True)
        for rank, item in enumerate(best or [None], start=1)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=RECOMMENDATIONS.insert(0, pa.field(POSITION, pa.int64())))


def check_histories(checkpoint: str, histories: pa.Table, request: BatchRequest) -> None:
    """If users without a known item are an error, find them before any recommendation is computed.

    Args:
        checkpoint: Checkpoint folder or hub id.
        histories: A table of histories.
        request: The options.

    Raises:
        ValueError: If there are such users, and `on_unknown` of the request is "error".
    """
    if request.on_unknown != "error" or request.texts or request.query:
        return
    ids = saved_item_ids(checkpoint) if request.index is None else None
    if ids is None:  # an index with other items, an adapter, or a repository
        ids = XCatRecommender.from_pretrained(checkpoint, index=request.index).vocabulary.column("item_id")
    known = pc.is_in(histories["items"].combine_chunks().flatten(), value_set=ids.combine_chunks())
    users = histories.num_rows
    owners = pc.list_parent_indices(histories["items"].combine_chunks()).to_numpy()
    without = users - len(np.unique(owners[known.to_numpy(zero_copy_only=False)]))
    check_unknown(without, users, request.on_unknown)


def listed_rows(table: pa.Table) -> pa.Table:
    """The rows of a table of recommendations that have an item; see `recommend_block`."""
    return table.filter(pc.greater(table["rank"], 0))


def recommend_locally(
    checkpoint: str, histories: pa.Table, request: BatchRequest, *, with_empty: bool = False
) -> Iterator[pa.Table]:
    """Recommend to the users of a table in this process.

    Args:
        checkpoint: Checkpoint folder or hub id.
        histories: Result of `histories_table`.
        request: The options.
        with_empty: Whether a user without recommendations has a row of rank 0, for its notes.

    Yields:
        Tables of recommendations, users in order of first appearance.
    """
    check_histories(checkpoint, histories, request)
    recommender = XCatRecommender.from_pretrained(checkpoint, index=request.index)
    with stage("recommending", histories.num_rows, "users") as progress:
        for block in blocks_of(histories):
            found = recommend_block(recommender, block, request)
            yield found if with_empty else listed_rows(found)
            progress.advance(block.num_rows)


def write_recommendations(tables: Iterable[pa.Table], path: Path) -> int:
    """Write tables of recommendations to one parquet file, atomically.

    Args:
        tables: Tables with the columns of `RECOMMENDATIONS`; other columns are dropped, and rows of rank 0.
        path: The file; an existing one is replaced.

    Returns:
        The number of rows written.

    Raises:
        OSError: If the file cannot be written; before the first table is computed.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; give a file in it", str(path))
    rows = 0
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with pq.ParquetWriter(unfinished, RECOMMENDATIONS) as writer:
            for table in tables:
                table = listed_rows(table)
                writer.write_table(table.select(RECOMMENDATIONS.names).cast(RECOMMENDATIONS))
                rows += table.num_rows
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return rows

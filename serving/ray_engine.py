"""Recommendation for many users on a Ray cluster: one loaded recommender per actor, users in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from ..ranking.recommender import XCatRecommender
from ..tokenization.out_of_core.ray_cluster import connect_ray, import_ray
from .batch import POSITION, RECOMMENDATIONS, BatchRequest, blocks_of, check_histories, listed_rows, recommend_block

ERROR = "error"
"""Column that returns a block's input error; null without an error."""


class RecommendingActor:
    """Loads a checkpoint once and computes recommendations for blocks of users.

    Args:
        checkpoint: Checkpoint folder, which every node must be able to read, or hub id.
        request: The options.
    """

    def __init__(self, checkpoint: str, request: BatchRequest) -> None:
        self.recommender = XCatRecommender.from_pretrained(checkpoint, index=request.index)
        self.request = request

    def __call__(self, block: pa.Table) -> pa.Table:
        """Recommend to the users of one block. An input error becomes a row, because Ray would lose its type."""
        try:
            found = recommend_block(self.recommender, block, self.request)
            return found.append_column(ERROR, pa.nulls(found.num_rows, pa.string()))
        except ValueError as error:
            columns = {POSITION: pa.int64(), **dict(zip(RECOMMENDATIONS.names, RECOMMENDATIONS.types, strict=True))}
            schema = pa.schema({**columns, ERROR: pa.string()})
            return pa.Table.from_pylist([{POSITION: -1, "rank": 0, ERROR: str(error)}], schema=schema)


def recommend_with_ray(
    checkpoint: str, histories: pa.Table, request: BatchRequest, actors: int = 2, *, with_empty: bool = False
) -> Iterator[pa.Table]:
    """Recommend to the users of a table on the connected Ray cluster, or on the cluster in RAY_ADDRESS.

    Without either, a local cluster is started, and stopped at the end. An actor takes one CPU and the memory of one
    loaded checkpoint. Blocks go to free actors, and the results are sorted back into the order of the users.

    Args:
        checkpoint: Checkpoint folder, which every node must be able to read under this path, or hub id.
        histories: Result of `histories_table`.
        request: The options.
        actors: Number of recommenders that run in parallel.
        with_empty: As in `recommend_locally`.

    Yields:
        Tables of recommendations, users in order of first appearance.

    Raises:
        ImportError: If Ray is not installed.
        ValueError: If the cluster has fewer CPUs than actors, or see `recommend_block`.

    Example:
        >>> try:
        ...     next(recommend_with_ray("CKPT", pa.table({"items": [["A"]]}), BatchRequest(k=3), actors=0))
        ... except ValueError as error:
        ...     print(error)
        actors is 0; give at least 1
    """
    if actors < 1:
        raise ValueError(f"actors is {actors}; give at least 1")
    ray = import_ray()
    if Path(checkpoint).is_dir():
        checkpoint = str(Path(checkpoint).resolve())  # actors have another working directory
    check_histories(checkpoint, histories, request)
    with connect_ray(ray):
        cpus = int(ray.cluster_resources().get("CPU", 0))
        if actors > cpus:
            raise ValueError(f"actors is {actors} and the Ray cluster has {cpus} CPUs; give actors={cpus} or fewer")
        ray.data.DataContext.get_current().enable_progress_bars = False
        blocks = list(blocks_of(histories))
        recommended = ray.data.from_arrow(blocks).map_batches(
            RecommendingActor,
            fn_constructor_kwargs={"checkpoint": checkpoint, "request": request},
            batch_size=None,  # whole blocks: scores must not depend on how Ray divides the work
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=min(actors, len(blocks))),
            num_cpus=1,
        )
        for table in recommended.sort([POSITION, "rank"]).iter_batches(batch_size=None, batch_format="pyarrow"):
            # Position -1 is sorted to the front, so an error is raised before any result is returned.
            if table.num_rows and table[ERROR][0].is_valid:
                raise ValueError(table[ERROR][0].as_py())
            found = table.drop_columns(ERROR)
            yield found if with_empty else listed_rows(found)

"""Verification of graphs against torch: the same scores, the same lists, and a limit on the loss of NDCG."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.processing_xcat import XCatProcessor
from .graphs import BEHAVIOR, DISCOVER, SCORES, TEXT, Graph, example_histories
from .runtime import OnnxGraphs

TOLERANCE = 1e-4
"""Largest difference of a score of an fp32 graph from torch."""
MOST_LOSS, LEAST_SPEED = 0.01, 1.5
"""An int8 graph is used if it loses at most this share of NDCG@10 and is at least this many times as fast."""
_TOP = 10
_LEAST_SHARED = 0.7
"""Least share of the top 10 that graphs with weights of 16 bits have in common with torch."""
_REPEATS = 15


def check_graph(graph: Graph, graphs: OnnxGraphs, batches: Sequence[Mapping[str, torch.Tensor]], exact: bool) -> float:
    """Compare a graph with torch.

    Args:
        graph: The graph and its module.
        graphs: The exported graphs.
        batches: Inputs to compare on.
        exact: Whether its weights are those of the model, so that its scores have to be the same.

    Returns:
        The largest difference of an output.

    Raises:
        ValueError: If the graph computes something else.
    """
    largest = 0.0
    for inputs in batches:
        with torch.no_grad():
            expected = graph.module(**inputs)
        expected = expected if isinstance(expected, tuple) else (expected,)
        found = graphs.run(graph.name, inputs)
        for name, wanted in zip(graph.outputs, expected, strict=True):
            own = found[name]
            finite = torch.isfinite(wanted)
            if own.shape != wanted.shape or not torch.equal(torch.isfinite(own), finite):
                raise ValueError(_wrong(graph, f"{name} has another shape or leaves out other items", inputs))
            differences = (own - wanted)[finite].abs()
            largest = max(largest, float(differences.max()) if differences.numel() else 0.0)
            if exact and largest > TOLERANCE:
                raise ValueError(_wrong(graph, f"{name} differs by {largest:.2g}, more than {TOLERANCE}", inputs))
            if name == "scores" and (shared := shared_top(own, wanted)) < (1.0 if exact else _LEAST_SHARED):
                raise ValueError(_wrong(graph, f"only {shared:.0%} of the top {_TOP} are the same", inputs))
    return largest


def _wrong(graph: Graph, reason: str, inputs: Mapping[str, torch.Tensor]) -> str:
    shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in inputs.items())
    return f"the graph {graph.name} is not written: for {shapes} {reason} from torch; report this with the checkpoint"


def shared_top(found: torch.Tensor, wanted: torch.Tensor, k: int = _TOP) -> float:
    """Share of the k best items of each query that are among those of torch; equal scores may be in any order.

    Args:
        found: (queries, items) scores.
        wanted: (queries, items) scores of torch.
        k: Number of best items.

    Example:
        >>> wanted = torch.tensor([[3.0, 2.0, 1.0, 0.0]])
        >>> shared_top(torch.tensor([[3.0, 0.0, 1.0, 0.0]]), wanted, 2), shared_top(wanted, wanted, 2)
        (0.5, 1.0)
    """
    k = min(k, wanted.shape[1])
    least = wanted.topk(k, dim=1).values[:, -1:] - 2 * TOLERANCE
    return float((wanted.gather(1, found.topk(k, dim=1).indices) >= least).float().mean())


def inputs_to_compare(
    graph: Graph, model: XCatForNextItem, processor: XCatProcessor, rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, torch.Tensor]]:
    """Random inputs of several shapes, and inputs of given histories.

    Args:
        graph: The graph.
        model: The model.
        processor: Its processor.
        rows: Rows of a dataset, or none.
    """
    if graph.name == TEXT:
        texts = [value for value in processor.catalogue.column("text").to_pylist()[:24] if value] or ["tent"]
        return [dict(processor.tokenize(part)) for part in (texts[:1], texts[:7], texts)]
    longest = model.config.max_history
    batches = [example_histories(model, *shape, seed=shape[1]) for shape in ((1, 1), (2, 3), (5, longest))]
    if rows:
        batches.append(histories_of(processor, rows, graph))
    return [_for_graph(inputs, graph, model) for inputs in batches]


def histories_of(processor: XCatProcessor, rows: Sequence[Mapping[str, Any]], graph: Graph) -> dict[str, torch.Tensor]:
    """Inputs of a graph for rows of a dataset, without candidates.

    Args:
        processor: The processor.
        rows: Rows with `items` and the like.
        graph: The graph.
    """
    inputs = processor.inputs_of(rows, layout="right")
    return {name: value for name, value in inputs.items() if name in graph.inputs}


def _for_graph(inputs: dict[str, torch.Tensor], graph: Graph, model: XCatForNextItem) -> dict[str, torch.Tensor]:
    """The same inputs with candidates and seen items; a single history has a third of the candidates."""
    if graph.name == BEHAVIOR:
        return inputs
    ids = inputs["item_ids"]
    step = 3 if len(ids) == 1 else 1
    given = {**inputs, "candidate_ids": torch.arange(NUM_SPECIAL_ROWS, model.config.num_item_rows, step)}
    return {**given, "seen_ids": ids[:, : max(1, ids.shape[1] - 1)]} if graph.name == DISCOVER else given


class GraphRanker:
    """Ranks rows of a dataset by the scoring graphs, or by their modules in torch.

    Args:
        scoring: The graphs of scores, by name.
        processor: The processor.
        graphs: The exported graphs; None to compute in torch.
    """

    def __init__(self, scoring: Mapping[str, Graph], processor: XCatProcessor, graphs: OnnxGraphs | None) -> None:
        self._scoring, self._processor, self._graphs = scoring, processor, graphs

    def score_rows(self, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
        """(users, item rows) scores of every item."""
        return self._scores(self._scoring[SCORES], rows)

    def discover_rows(self, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
        """(users, item rows) scores of items that the rows lack."""
        return self._scores(self._scoring[DISCOVER], rows)

    def _scores(self, graph: Graph, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
        inputs = histories_of(self._processor, rows, graph)
        inputs["candidate_ids"] = torch.arange(NUM_SPECIAL_ROWS, len(self._processor.catalogue))
        if graph.name == DISCOVER:
            histories = [torch.as_tensor(row["items"]).long() for row in rows]
            inputs["seen_ids"] = torch.nn.utils.rnn.pad_sequence(histories, batch_first=True)
        if self._graphs is None:
            with torch.no_grad():
                scores = graph.module(**inputs)
        else:
            scores = self._graphs.run(graph.name, inputs)["scores"]
        special = scores.new_full((len(scores), NUM_SPECIAL_ROWS), -torch.inf)
        return torch.cat([special, scores], 1)


def check_loss(name: str, dtype: str, before: float, after: float) -> float:
    """Refuse a graph that loses too much NDCG.

    Args:
        name: The graph.
        dtype: Its type.
        before: NDCG@10 in float32.
        after: NDCG@10 of the graph.

    Returns:
        The loss, as a share.

    Raises:
        ValueError: If the loss is above `MOST_LOSS`.

    Example:
        >>> round(check_loss("scores", "bf16", 0.1, 0.0995), 4)
        0.005
    """
    loss = (before - after) / before if before else 0.0
    if loss > MOST_LOSS:
        raise ValueError(
            f"{dtype} loses {loss:.1%} of NDCG@10 in {name} ({before:.4f} in float32, {after:.4f} in {dtype}), and at "
            f"most {MOST_LOSS:.0%} is allowed; nothing was written; give dtype='fp32', 'fp16' or 'bf16'"
        )
    return loss


def check_speed(name: str, speed: float) -> None:
    """Refuse an int8 graph that is not fast enough to be worth it.

    Args:
        name: The graph.
        speed: Time in float32 divided by the time in int8.

    Raises:
        ValueError: If it is below `LEAST_SPEED`.

    Example:
        >>> check_speed("text_encoder", 2.0)
    """
    if speed < LEAST_SPEED:
        raise ValueError(
            f"int8 is {speed:.2f} times as fast as float32 in {name} on this machine, and {LEAST_SPEED} is required; "
            "nothing was written; give dtype='fp32', 'fp16' or 'bf16'"
        )


def relative_speed(part: str, before: OnnxGraphs, after: OnnxGraphs, inputs: Mapping[str, torch.Tensor]) -> float:
    """Median time of a graph divided by the median time of another, measured in turns.

    Args:
        part: The graph.
        before: Graphs in float32.
        after: Graphs of another type.
        inputs: Inputs of the graph.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_REPEATS):
        for graphs, own in zip((before, after), times, strict=True):
            start = time.perf_counter()
            graphs.run(part, inputs)
            own.append(time.perf_counter() - start)
    first, second = (sorted(own)[len(own) // 2] for own in times)
    return first / second

"""The parts of a model as modules that `torch.onnx.export` can trace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ..modeling_xcat.cloze_xcat import EVENT_CODES
from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS
from ..modeling_xcat.layout_xcat import SequenceLayout
from ..modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.ranked_xcat import scores_of_its_own
from ..modeling_xcat.recent_events_xcat import RecentEvents

TEXT, BEHAVIOR, SCORES, DISCOVER = "text_encoder", "behavior", "scores", "discover"
PARTS = (TEXT, BEHAVIOR, SCORES, DISCOVER)
"""Names of the graphs: text encoder, behaviour model, scores of every item, scores of items new to the users."""
BATCH, LENGTH, TOKENS, ITEMS, SEEN = "batch", "length", "tokens", "items", "seen"
"""Names of the free axes."""
Codes = tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]
"""Codes of events, each (rows, length), in the order of `EVENT_CODES`; None for codes that the model does not read."""
_EXAMPLE_ROWS, _EXAMPLE_LENGTH = 3, 5


@dataclass(frozen=True)
class Graph:
    """A part of a model, ready to be traced.

    Args:
        name: One of `PARTS`.
        module: The module.
        inputs: Example inputs by name.
        axes: Per input, the names of its axes; all are free.
        outputs: Names of the outputs.
    """

    name: str
    module: nn.Module
    inputs: dict[str, torch.Tensor]
    axes: dict[str, tuple[str, ...]]
    outputs: tuple[str, ...]


class TextGraph(nn.Module):
    """Token ids to pooled states and whitened states of texts."""

    def __init__(self, model: XCatForNextItem) -> None:
        super().__init__()
        self.text = model.model.text

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Encode (texts, tokens) token ids.

        Returns:
            (texts, states, text_dim) pooled states, (texts, states) 1 for existing states, and whitened states.
        """
        states, valid = self.text(input_ids, attention_mask)
        whitened = self.text.whiten(states.float()) * valid[..., None]
        return states, valid.to(torch.int64), whitened


class BehaviorGraph(nn.Module):
    """Histories to states and query (user) embeddings, at the last event of each row."""

    def __init__(self, model: XCatForNextItem) -> None:
        super().__init__()
        self.base = model.model
        with torch.no_grad():
            self.register_buffer("table", model.model.items().float())

    table: torch.Tensor

    def states(self, item_ids: torch.Tensor, attention_mask: torch.Tensor, codes: Codes) -> torch.Tensor:
        """(rows, hidden) states at the last events of (rows, length) histories."""
        given = dict(zip(EVENT_CODES, codes, strict=True))
        output = self.base(item_ids, attention_mask, item_embeds=self.table[item_ids], **given, return_dict=True)
        hidden: torch.Tensor = output.last_hidden_state.flatten(0, 1)[last_events(attention_mask)]
        return hidden.float()

    def forward(
        self,
        item_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        event_type_ids: torch.Tensor | None = None,
        rating_ids: torch.Tensor | None = None,
        time_gap_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode (rows, length) histories.

        Returns:
            (rows, hidden) states and (rows, hidden) user embeddings.
        """
        states = self.states(item_ids, attention_mask, (event_type_ids, rating_ids, time_gap_ids))
        return states, self.base.query_side(states)


class ScoringGraph(BehaviorGraph):
    """Histories to scores of items: the score of the recommender, with re-ranker and without a query."""

    def __init__(self, model: XCatForNextItem, discovers: bool) -> None:
        super().__init__(model)
        self.discovers = discovers
        with torch.no_grad():
            self.register_buffer("item_side", model.model.item_side(self.table))

    item_side: torch.Tensor

    def forward(  # type: ignore[override]
        self,
        item_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        candidate_ids: torch.Tensor,
        seen_ids: torch.Tensor | None = None,
        event_type_ids: torch.Tensor | None = None,
        rating_ids: torch.Tensor | None = None,
        time_gap_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Score items for (rows, length) histories.

        Args:
            item_ids: (rows, length) item indices.
            attention_mask: (rows, length) 1 where there is an event.
            candidate_ids: (items,) item indices to rank.
            seen_ids: (rows, seen) item indices of whole histories, 0 for none, for the graph of items new to users.
            event_type_ids: (rows, length) event types, if the model reads them.
            rating_ids: (rows, length) ratings, likewise.
            time_gap_ids: (rows, length) time gaps, likewise.

        Returns:
            (rows, items) scores in the order of `candidate_ids`; -inf for items that are left out.
        """
        states = self.states(item_ids, attention_mask, (event_type_ids, rating_ids, time_gap_ids))
        events, mask, kinds = (self._padded(values) for values in (item_ids, attention_mask, event_type_ids))
        layout = SequenceLayout.from_inputs(events, mask, None)
        recent: RecentEvents = self.base.recent_events(events, layout, last_events(mask), kinds)
        if self.discovers:
            assert seen_ids is not None
            # Padded, because a graph that compares neighbouring events would refuse a single one.
            recent = replace(recent, seen=nn.functional.pad(seen_ids, (0, 2)))
        scores = self.base.score_states(states, recent, self.item_side, only=candidate_ids)
        return scores[:, candidate_ids]

    def _padded(self, values: Any) -> Any:
        """At least as many events as the windows of the model, whose slices then have one length in every graph."""
        config = self.base.config
        width = max(config.neighbor_window, config.candidate_window)
        return None if values is None else nn.functional.pad(values, (0, width))


def last_events(attention_mask: torch.Tensor) -> torch.Tensor:
    """(rows,) positions in the flattened rows of the last event of each (rows, length) history."""
    rows, length = attention_mask.shape
    place = torch.arange(length, device=attention_mask.device)
    last = torch.where(attention_mask > 0, place, 0).amax(1)
    return torch.arange(rows, device=attention_mask.device) * length + last


def check_exportable(model: XCatForNextItem) -> None:
    """Refuse a model of which a graph would be another model.

    Args:
        model: The model.

    Raises:
        ValueError: If it predicts clicks, runs in ONNX Runtime, has a recurrent or bidirectional encoder, or scores of
            its own.
    """
    if isinstance(model, XCatForClickPrediction):
        raise ValueError(
            "the model predicts clicks, and only lists of items can be exported; use a model of task='next-item'"
        )
    if type(model.model.text).__name__ == "OnnxTextEncoder":
        raise ValueError(
            "the model runs in ONNX Runtime; load the checkpoint with backend='torch' and export this one"
        )
    encoder = model.config.behavior_encoder
    if encoder != "transformer" and model.config.num_behavior_layers:
        raise ValueError(
            f"behavior_encoder is {encoder!r}, whose graph would have one fixed length; only 'transformer' is exported"
        )
    if scores_of_its_own(model.model):
        raise ValueError(f"{type(model.model).__name__} overrides score_states, which is not exported")


def graphs_of(model: XCatForNextItem) -> list[Graph]:
    """The graphs of a model; the text encoder only if it has one.

    Args:
        model: The model, in evaluation mode.

    Raises:
        ValueError: As `check_exportable`.
    """
    check_exportable(model)
    graphs = [] if model.model.text.encoder is None else [_text_graph(model)]
    inputs = example_histories(model)
    axes: dict[str, tuple[str, ...]] = dict.fromkeys(inputs, (BATCH, LENGTH))
    graphs.append(Graph(BEHAVIOR, BehaviorGraph(model), inputs, axes, ("states", "user_embeddings")))
    rows = torch.arange(NUM_SPECIAL_ROWS, model.config.num_item_rows)
    scored, of_scored = {**inputs, "candidate_ids": rows[:-1]}, {**axes, "candidate_ids": (ITEMS,)}
    graphs.append(Graph(SCORES, ScoringGraph(model, False), scored, of_scored, ("scores",)))
    seen = {**scored, "seen_ids": inputs["item_ids"][:, :4].contiguous()}
    graphs.append(
        Graph(DISCOVER, ScoringGraph(model, True), seen, {**of_scored, "seen_ids": (BATCH, SEEN)}, ("scores",))
    )
    return graphs


def _text_graph(model: XCatForNextItem) -> Graph:
    config: Any = model.config.text_config
    size = int(config.vocab_size)
    ids = torch.randint(0, size, (_EXAMPLE_ROWS, _EXAMPLE_LENGTH), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return Graph(
        TEXT, TextGraph(model), inputs, dict.fromkeys(inputs, (BATCH, TOKENS)), ("states", "valid", "whitened")
    )


def example_histories(
    model: XCatForNextItem, rows: int = _EXAMPLE_ROWS, length: int = _EXAMPLE_LENGTH, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Random histories as inputs of the graphs, padded on the right, with the codes that the model reads.

    Args:
        model: The model.
        rows: Number of histories.
        length: Events of the longest one, at most `max_history`.
        seed: Seed of the items.
    """
    generator = torch.Generator().manual_seed(seed)
    length = min(length, model.config.max_history)

    def draw(low: int, high: int) -> torch.Tensor:
        return torch.randint(low, max(low + 1, high), (rows, length), generator=generator)

    lengths = torch.randint(1, length + 1, (rows, 1), generator=generator)
    lengths[0] = length
    mask = (torch.arange(length) < lengths).long()
    inputs = {"item_ids": draw(NUM_SPECIAL_ROWS, model.config.num_item_rows) * mask, "attention_mask": mask}
    base = model.model
    tables = (base.event_type_embeddings, base.rating_embeddings, base.time_gap_embeddings)
    for name, table in zip(EVENT_CODES, tables, strict=True):
        if table is not None:
            inputs[name] = draw(1, table.num_embeddings) * mask
    return inputs

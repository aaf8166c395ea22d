"""Queries and scores: dot products, item-to-item weights, repeat bias, cold-item boost and re-ranker in one sum."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

import torch
from torch import nn

from .asks_xcat import Asks, XCatAskReader
from .cloze_xcat import check_last_events
from .configuration_xcat import NUM_SPECIAL_ROWS
from .discovery_ranker_xcat import XCatDiscoveryRanker
from .export_xcat import is_exporting
from .first_stage_xcat import Bonus, FirstStage
from .items_xcat import SomeItems, XCatItemEncoder
from .layout_xcat import SequenceLayout
from .neighbors_xcat import XCatNeighbors, XCatSuccessors
from .outputs_xcat import XCatModelOutput
from .pretrained_xcat import XCatPreTrainedModel
from .recent_events_xcat import RecentEvents
from .repeats_xcat import XCatRepeats
from .reranker_xcat import CandidateSources, XCatCandidateAttention
from .segments_xcat import XCatSegments
from .target_heads_xcat import XCatTargetHeads
from .text_xcat import XCatTextEncoder


class XCatScoring(XCatPreTrainedModel):
    """Scores of items for encoded histories; `XCatModel` makes the parts and the states.

    Attributes:
        text: The text encoder.
        items: The item table.
        neighbors: Item-to-item weights, or None.
        repeats: The repeat bias, or None.
        candidates: The re-ranker, or None.
        discover_candidates: The re-ranker for discovery, or None.
        discovery_ranker: The re-ranker for discovery that reads rates and trends of items, or None.
        successors: Item transitions for the re-ranker, or None.
        segments: Rates of first purchases for discovery, or None.
        asks: Reads what a customer asks for, or None.
        target_heads: Heads of columns of the items, such as the category, or None.
        given_fields: Fields of the configuration that were given for this training, so it does not tune them.
    """

    text: XCatTextEncoder
    items: XCatItemEncoder
    neighbors: XCatNeighbors | None
    repeats: XCatRepeats | None
    candidates: XCatCandidateAttention | None
    discover_candidates: XCatCandidateAttention | None
    discovery_ranker: XCatDiscoveryRanker | None
    successors: XCatSuccessors | None
    segments: XCatSegments | None
    asks: XCatAskReader | None
    target_heads: XCatTargetHeads | None
    given_fields: frozenset[str] = frozenset()

    def encode_queries(
        self, query_positions: torch.Tensor | None = None, **inputs: Any
    ) -> tuple[torch.Tensor, RecentEvents, XCatModelOutput]:
        """Encode histories and select the positions to predict from.

        Args:
            query_positions: (queries,) positions in the flattened rows; None for the last event of every history,
                in the order of the histories in the rows.
            **inputs: As for `forward`.

        Returns:
            (queries, hidden) states, the latest events before them, and the output of `forward`.
        """
        output: XCatModelOutput = self(**{**inputs, "return_dict": True})
        hidden: Any = output.last_hidden_state
        states, recent = self.pick(hidden, query_positions, **inputs)
        return states, recent, output

    def pick(
        self,
        hidden: torch.Tensor,
        query_positions: torch.Tensor | None,
        item_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        event_type_ids: torch.Tensor | None = None,
        **inputs: Any,
    ) -> tuple[torch.Tensor, RecentEvents]:
        """States and latest events of queries, from (rows, length, hidden) states; see `encode_queries`."""
        layout = SequenceLayout.from_inputs(item_ids, attention_mask, position_ids)
        if query_positions is None:
            flat, history, _ = layout.unpack_index()
            last = torch.ones_like(history, dtype=torch.bool)
            last[:-1] = history[:-1] != history[1:]
            query_positions = flat[last]
        elif self.config.has_masks and not is_exporting():
            check_last_events(layout, query_positions)
        recent = self.recent_events(item_ids, layout, query_positions, event_type_ids)
        return hidden.flatten(0, 1)[query_positions], recent

    def recent_events(
        self,
        item_ids: torch.Tensor,
        layout: SequenceLayout,
        query_positions: torch.Tensor,
        event_type_ids: torch.Tensor | None = None,
    ) -> RecentEvents:
        """The events before queries, up to the length of the longest history in (rows, length) `item_ids`.

        Training, validation and recommendation all read events here, so they count alike: purchases and views count,
        events of `negative_event_types` do not.
        """
        codes = self.config.negative_codes
        negative = None
        if event_type_ids is not None and codes:
            negative = torch.isin(event_type_ids, torch.tensor(codes, device=event_type_ids.device))
        if is_exporting():  # the row length, which does not depend on values
            return RecentEvents.of_queries(item_ids, layout, query_positions, item_ids.shape[1], negative)
        longest = int(layout.position_ids.max()) + 1 if layout.position_ids.numel() else 1
        return RecentEvents.of_queries(item_ids, layout, query_positions, longest, negative)

    @torch.no_grad()
    def score_catalogue(self, query_positions: torch.Tensor | None = None, **inputs: Any) -> torch.Tensor:
        """Score every item of the catalogue, in float32 whatever the precision of training.

        Args:
            query_positions: (queries,) positions in the flattened rows; None for the last event of every history.
            **inputs: As for `XCatModel.forward`, as a call of the processor returns them.

        Returns:
            (queries, item rows) scores; the special rows are -inf.

        Raises:
            TypeError: If there is another input, which would make no difference.
        """
        if not is_exporting():
            self.check_inputs(inputs)
        with torch.autocast(self.device.type, enabled=False):
            states, recent, _ = self.encode_queries(query_positions, **inputs)
            return self.score_states(states, recent)

    def check_inputs(self, inputs: Mapping[str, Any], method: str = "score_catalogue") -> None:
        """Refuse inputs of a method that `forward` would ignore."""
        forwards = [vars(cls)["forward"] for cls in type(self).__mro__ if "forward" in vars(cls)]
        known = {name for forward in forwards for name in signature(forward).parameters} | {"return_dict"}
        unknown = [name for name, value in inputs.items() if name not in known and value is not None]
        if unknown:
            raise TypeError(
                f"{method} has no input {unknown[0]!r}; the processor makes inputs of histories and their "
                "ratings, times and event types, and XCatRecommender.recommend filters and ranks"
            )

    def query_side(self, states: torch.Tensor) -> torch.Tensor:
        """Query (user) embeddings of (queries, hidden) states: their dot product with `item_side` is the score."""
        if self.config.scoring == "cosine":
            states = nn.functional.normalize(states, dim=-1)
        return states / self.config.temperature

    def item_side(self, items: torch.Tensor) -> torch.Tensor:
        """Item embeddings of (items, hidden) representations: their dot product with `query_side` is the score."""
        return nn.functional.normalize(items, dim=-1) if self.config.scoring == "cosine" else items

    def bonuses(self, recent: RecentEvents) -> list[Bonus]:
        """Bonuses of item-to-item weights and, if items of the history are ranked, of the repeat bias."""
        return [memory.bonus(recent) for memory in self._memories(recent)]

    def _memories(self, recent: RecentEvents) -> list[XCatRepeats | XCatNeighbors]:
        memories = (None if recent.discovers else self.repeats, self.neighbors)
        return [memory for memory in memories if memory is not None]

    def _dense_bonuses(self, recent: RecentEvents | None) -> torch.Tensor | None:
        """(queries, item rows) sum of the bonuses in an exported graph; None outside of it and without bonuses."""
        if recent is None or not is_exporting():
            return None
        dense = [memory.dense_bonus(recent) for memory in self._memories(recent)]
        return torch.stack(dense).sum(0) if dense else None

    def first_stage(
        self,
        states: torch.Tensor,
        recent: RecentEvents | None,
        cold_boost: float | None = None,
        asks: Asks | None = None,
    ) -> FirstStage:
        """The score before re-ranking.

        Args:
            states: (queries, hidden) behaviour states.
            recent: The events before them; None leaves item-to-item weights and repeat bias out. With
                `recent.discovering(histories)` the items of the histories are left out (discovery).
            cold_boost: Added to the scores of items without training events; None for `XCatConfig.cold_boost`.
            asks: What the users ask for, or None. A user who asks and has had no known item is ranked by the ask.
        """
        discovers = recent is not None and recent.discovers
        boost = self.config.cold_boost(discovers) if cold_boost is None else cold_boost
        queries, asked = self.query_side(states.float()), None
        if asks is not None and self.asks is not None:
            asked = self.asks.scores(asks, self.items)
            if recent is not None:
                known = (recent.items >= NUM_SPECIAL_ROWS).any(1)
                queries = queries * (known | ~asks.present)[:, None]
        segments, factor = None, self.config.discover_product_weight
        if self.segments is not None and factor is not None and recent is not None and recent.seen is not None:
            queries, segments = queries * float(factor), self.segments.scores(recent.seen)
        return FirstStage(
            queries,
            [] if recent is None or is_exporting() else self.bonuses(recent),
            boost * (self.items.item_counts == 0).float() if boost else None,
            asked,
            None if recent is None else recent.seen,
            segments,
            self._dense_bonuses(recent),
        )

    def trained_stage(self, states: torch.Tensor, recent: RecentEvents) -> FirstStage:
        """The score that the loss of next-item prediction trains: repeat bias, but no item-to-item weights or boosts.

        Args:
            states: (queries, hidden) behaviour states.
            recent: The events before them.
        """
        together = self.repeats is not None and self.config.repeats != "apart"
        bonuses = [self.repeats.bonus(recent, weight=1.0)] if self.repeats is not None and together else []
        return FirstStage(self.query_side(states.float()), bonuses)

    def score_states(
        self,
        states: torch.Tensor,
        recent: RecentEvents | None,
        item_side: torch.Tensor | None = None,
        asks: Asks | None = None,
        only: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Score states against the catalogue.

        Args:
            states: (queries, hidden) behaviour states.
            recent: The events before them, for item-to-item weights, repeat bias and re-ranker; None turns those off.
                As in `first_stage`.
            item_side: (item rows, hidden) result of `item_side` over the whole table, if already computed.
            asks: What the users ask for (`read_asks`), or None.
            only: (items,) item indices to rank, None for all; the others are left out before re-ranking.

        Returns:
            (queries, item rows) float32 scores; special rows and items that are left out are -inf.
        """
        with torch.autocast(self.device.type, enabled=False):
            if item_side is None:
                item_side = self.item_side(self.items().float())
            first = self.first_stage(states, recent, asks=asks)
            scores = first.scores(item_side)
            if only is not None:
                ranked = torch.zeros_like(scores[0]).index_fill(0, only, 1.0)
                scores = torch.where(ranked > 0, scores, -torch.inf)
            count = 0 if recent is None else self.candidate_count(first)
            if recent is not None and count:
                best = scores.topk(count, dim=1)
                rescored, _ = self.second_stage(first, recent, best.indices, best.values, item_side)
                scores.scatter_(1, best.indices, rescored)
            return scores

    @property
    def has_second_stage(self) -> bool:
        """Whether the best candidates are re-ranked by the history, for any purpose."""
        return any(self.reranker(discovers) is not None for discovers in (False, True))

    @property
    def discovery_differs(self) -> bool:
        """Whether discovery ranks in another order than the ranking of all items, without those of the history."""
        config = self.config
        own = config.discover_neighbor_weight, config.discover_product_weight, config.discover_untrained_bonus
        return self.has_second_stage or any(value is not None for value in own)

    def reranker(self, discovers: bool) -> XCatCandidateAttention | XCatDiscoveryRanker | None:
        """The re-ranker in use, or None.

        Args:
            discovers: Whether only items that the history lacks are ranked.
        """
        if discovers and self.config.discover_trends and self.discovery_ranker is not None:
            return self.discovery_ranker
        own = self.config.discover_candidate_attention if discovers else None
        if own is None:
            return self.candidates if self.config.candidate_attention else None
        return self.discover_candidates if own else None

    def has_probabilities(self, discovers: bool) -> bool:
        """Whether the softmax of the scores are probabilities: the trained scores, or those of a fitted re-ranker.

        The item-to-item weight is chosen for the order of items, so with it alone the softmax is too sharp.

        Args:
            discovers: Whether only items that the history lacks are ranked.
        """
        return self.reranker(discovers) is not None or self.neighbors is None or not self.neighbors.weight(discovers)

    def candidate_count(self, first: FirstStage) -> int:
        """Number of best items that are re-ranked for these queries, by history or ask; 0 for none."""
        config, reranker = self.config, self.reranker(first.seen is not None)
        attends = first.asked is not None and config.ask_attention
        count = config.num_candidates if attends or isinstance(reranker, XCatCandidateAttention) else 0
        if isinstance(reranker, XCatDiscoveryRanker):
            count = max(count, config.num_discovery_candidates)
        return min(count, config.num_items)

    def second_stage(
        self,
        first: FirstStage,
        recent: RecentEvents,
        rows: torch.Tensor,
        scores: torch.Tensor,
        item_side: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Re-rank candidates, by the history and then by the ask.

        Args:
            first: The score before re-ranking.
            recent: The events before the queries.
            rows: (queries, candidates) item indices.
            scores: (queries, candidates) their scores by `first`; -inf for items that were filtered out.
            item_side: (item rows, hidden) item embeddings.

        Returns:
            (queries, candidates) scores, and the (queries, candidates, events) attention of
            `XCatCandidateAttention.rescored`, or None without it.
        """
        given, attention = first.given(rows), None
        evidence = scores - given
        reranker = self.reranker(recent.discovers)
        if reranker is not None:
            sources = self.candidate_sources(item_side)
            evidence, attention = reranker.rescored(first.queries, recent, rows, evidence, sources)
        if self.asks is not None and first.asked is not None and self.config.ask_attention:
            given = given + self.asks.bonuses(first.asked, rows, evidence, self.items)
        return evidence + given, attention

    def check_reads_asks(self) -> None:
        """Refuse to read asks if the model was not trained to.

        Raises:
            ValueError: If that is so.
        """
        if self.asks is None or not self.asks.is_fitted:
            raise ValueError(
                "this model does not read queries: it was trained without item texts, without a validation split, or "
                "by an earlier version; leave query out, or train it again"
            )

    def read_asks(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_ids: torch.Tensor,
        meant: torch.Tensor | None = None,
    ) -> Asks:
        """Read what customers ask for; see `XCatProcessor.ask_inputs`.

        An ask that says nothing about an item is read as none; see `XCatAskReader.comparable`.

        Args:
            input_ids: (queries, length) token ids of one text per query, for the text encoder.
            attention_mask: (queries, length) 1 where there is a token.
            token_ids: (queries, words) tokens to compare with those of items.
            meant: (queries,) whether the text encoder knows a word of each query; None if it knows all.

        Raises:
            ValueError: If the model was not trained to read asks.
        """
        self.check_reads_asks()
        assert self.asks is not None
        states = None
        if self.text.encoder is not None:
            states = self.text.whiten(self.text(input_ids, attention_mask)[0].float())[:, 0]
        return self.asks.comparable(self.asks.read(token_ids, states, meant), self.items)

    def candidate_sources(self, item_side: torch.Tensor | SomeItems) -> CandidateSources:
        """What the features of candidates are made from, for (item rows, hidden) item embeddings."""
        return CandidateSources(self.items, item_side, self.neighbors, self.successors, self.segments)

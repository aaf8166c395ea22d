"""From model inputs to recommendations with reasons; shared by all recommenders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import torch

from .arguments_xcat import plain_price
from .ask_words_xcat import AskWords, carrying_words, joined_words
from .asks_xcat import Asks
from .configuration_xcat import NUM_SPECIAL_ROWS
from .explanation_xcat import COMPARED, list_influences
from .filters_xcat import Filters, ItemFilter
from .list_text_xcat import printed_items
from .past_xcat import XCatPast, next_states, overrides
from .popular_xcat import popular_rows
from .ranked_xcat import Ranked, Reordering, ranked_items, with_pinned
from .ranking_xcat import CODES_FROM, ItemIndex
from .recent_events_xcat import RecentEvents
from .unknown_users_xcat import unknown_note, why_unknown

REASONS = 3
"""Maximum reasons per recommendation."""
_OPTIONAL = ("words", "by_meaning", "price", "currency", "propensity")
_SHOWN = ("item_id", "title", "category", "price", "currency")  # columns of the catalogue
Basis = Literal["history", "query", "texts", "popular", "none"]
"""Basis of a list: known items of the history, the query alone, the user's texts alone, item popularity, or nothing
(an empty list)."""


@dataclass(frozen=True)
class Reason:
    """An item of the history without which the score of a recommendation falls.

    Args:
        item_id: Its external id.
        title: Its title, or its id without one.
        weight: Share of the recommendation's odds that is lost without its events, from 0 to 1; see `Influences`.
    """

    item_id: str
    title: str
    weight: float


@dataclass(frozen=True)
class Recommendation:
    """One recommended item.

    Args:
        item_id: Its external id.
        score: Its score.
        title: Its title, or its id without one.
        category: Its category.
        because: Its reasons, the one with the largest weight first; empty if no item of the history is one.
        words: Words of the query that the item's text has and that raise its score, the first by most.
        by_meaning: Whether the item has no such word and is close to the meaning of the query; see `least_closeness`.
        price: Its price as the catalogue has it, None if unknown.
        currency: Currency of the price, None if unknown.
        propensity: Probability of the item in its place, given the items above it, if the list was drawn at random.
    """

    item_id: str
    score: float
    title: str
    category: str | None
    because: tuple[Reason, ...] = ()
    words: tuple[str, ...] = ()
    by_meaning: bool = False
    price: float | str | None = None
    currency: str | None = None
    propensity: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON; `words` and the fields after it only if there are any."""
        because = [vars(reason).copy() for reason in self.because]  # `asdict` takes twenty times as long
        plain = {**vars(self), "because": because, "words": list(self.words)}
        return {name: value for name, value in plain.items() if name not in _OPTIONAL or not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    return value is None or value is False or value == []


GAPS_UNKNOWN = "time gaps are unknown to the model: not every event has a time"


class Recommendations(list[Recommendation]):
    """A list of recommendations, best first, with facts about its input.

    Args:
        items: The recommendations.
        basis: See `Basis`. The score of a popular item is its number of training events, divided by its rank among
            the items of its category.
        events: Events of the history.
        unknown_items: Events whose item is not in the catalogue; the model cannot use them.
        gaps_known: Whether every event that the model read has a time; None for a model without time gaps, and for a
            list that was not computed from a history.
        timed: Number of the read events with a time. Without any, a false `gaps_known` is no surprise and has no note.
        sorted_by_time: Whether the events had to be sorted, because their times did not ascend.
        shortage: Why the list has fewer items than were wanted, if it has; see `ItemFilter.shortage`.
        query_notes: Notes about the query, which follow the others.
        text_notes: Notes about the user's texts, the last ones.
        profile: Whether the list goes by the user's events and texts; False if it is the same for everybody.

    Example:
        >>> popular = Recommendations([], "popular", events=2, unknown_items=2)
        >>> popular.notes
        ['popular items: none of the 2 events has an item of the catalogue']
    """

    def __init__(
        self,
        items: Iterable[Recommendation] = (),
        basis: Basis = "history",
        *,
        events: int = 0,
        unknown_items: int = 0,
        gaps_known: bool | None = None,
        timed: int = 0,
        sorted_by_time: bool = False,
        shortage: str | None = None,
        query_notes: Sequence[str] = (),
        text_notes: Sequence[str] = (),
        profile: bool = True,
    ) -> None:
        super().__init__(items)
        self.basis: Basis = basis
        self.events = events
        self.unknown_items = unknown_items
        self.gaps_known = gaps_known
        self.timed = timed
        self.sorted_by_time = sorted_by_time
        self.shortage = shortage
        self.query_notes, self.text_notes, self.profile = list(query_notes), list(text_notes), profile

    @property
    def notes(self) -> list[str]:
        """Notes for a reader of the list, one sentence each."""
        notes, named = [], why_unknown(self.events, self.profile)
        if self.basis == "popular":
            varied = " of each category" if any(item.category for item in self) else ""
            notes.append(f"popular items{varied}: {named}")
        elif self.basis == "query":
            notes.append(f"items for the query alone: {named}")
        elif self.basis == "none" and self.shortage is None:
            notes.append(f"no recommendations: {named}; give on_unknown='popular' for popular items")
        elif self.unknown_items:
            notes.append(unknown_note(self.unknown_items, self.events))
        if self.shortage is not None:
            notes.append(self.shortage)
        if self.gaps_known is False and self.timed:
            notes.append(f"{GAPS_UNKNOWN}; give timestamps= for all events")
        if self.sorted_by_time:
            notes.append("the events were sorted by their times, which did not ascend")
        return [*notes, *self.query_notes, *self.text_notes]

    def __str__(self) -> str:
        return printed_items(self, self.notes)

    def facts(self) -> dict[str, Any]:
        """`basis`, `unknown_items`, `gaps_known` and `notes`, which are written with every list."""
        named = ("basis", "unknown_items", "gaps_known", "notes")
        return {name: getattr(self, name) for name in named}

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON: `recommendations` and the facts about them."""
        return {"recommendations": [item.to_dict() for item in self], **self.facts()}


class ItemRanker:
    """Ranks the catalogue of a model, with the model's state at the time of construction.

    A subclass of the model is served with its own `query_side`, `item_side`, `bonuses`, `first_stage` and
    `second_stage`. If it overrides `score_states`, only that is used.

    Args:
        model: A trained `XCatForNextItem`; it is put into evaluation mode.
        vocabulary: Its catalogue, an `ItemVocabulary`.
        index: The items with their search, with the methods of `ItemIndex`; None for the exact one.
        deleted: (rows,) True for items that no list may have; None for none.
        policy: Content policy of the catalogue, as the processor has it; None for none.

    Raises:
        ValueError: If model and catalogue do not have the same items.
    """

    layout = "packed"  # of many histories in rows; "right" is one per row, padded on the right

    def __init__(
        self,
        model: Any,
        vocabulary: Any,
        index: Any = None,
        deleted: torch.Tensor | None = None,
        policy: Mapping[str, Any] | None = None,
    ) -> None:
        if len(vocabulary) != model.config.num_item_rows:
            raise ValueError(
                f"the catalogue has {vocabulary.num_items} items and the model {model.config.num_items}; "
                "take both from one checkpoint"
            )
        self.model, self.vocabulary = model.eval(), vocabulary
        self.filter = ItemFilter(vocabulary, model.device, deleted, policy)
        is_small = len(vocabulary) < CODES_FROM  # a large table is not kept twice
        with torch.no_grad():
            embedded: Any = model.model.items() if is_small or index is None else None
            self.index: ItemIndex = index or ItemIndex(model.model.item_side(embedded.float()), NUM_SPECIAL_ROWS)
        self._embedded = embedded if is_small and not overrides(model.model, "embed_items") else None
        self._counts = model.model.items.item_counts
        self.items = self.index.items

    @torch.no_grad()
    def recommend(
        self,
        inputs: dict[str, Any],
        histories: Sequence[Any],
        k: int | Sequence[int],
        filters: Filters | Sequence[Filters],
        explain: bool = True,
        cold_boost: float | None = None,
        reorder: Reordering | None = None,
        asks: Asks | None = None,
        words: AskWords | None = None,
        pasts: Sequence[XCatPast] | None = None,
    ) -> list[list[Recommendation]]:
        """Recommend items to some users.

        Args:
            inputs: Inputs of the model, one history per row, padded on the right, with `query_positions`.
            histories: All item indices of each user.
            k: Recommendations per user, one number for all or one per user; fewer if the filters leave fewer items.
            filters: Filters on the recommended items, of all users or one per user; `exclude_seen` is that of all.
            explain: Whether to find the reasons of each recommendation.
            cold_boost: Added to the scores of cold items, instead of the configuration's boost.
            reorder: Reorders the best items before the list is cut to k; None keeps the order of the scores.
            asks: What the users ask for (`read_asks`), or None.
            words: The words of the asks (`ask_words`), to explain recommendations by them; None for no explanation.
            pasts: Cached states of each user's history, or None; see `states`.

        Raises:
            ValueError: See `ItemFilter.allowed`.
        """
        wanted = [min(one, self.model.config.num_items) for one in _per_user(k, histories)]  # memory grows with k
        longest, hide = max(wanted), self.filter.hide(filters, histories)
        states, recent = self.states(inputs, pasts)
        if (filters if isinstance(filters, Filters) else filters[0]).exclude_seen:
            recent = recent.discovering(histories)
        most = max(longest, COMPARED if explain else 0, 0 if reorder is None else reorder.depth)
        base, most = self.model.model, min(most, self.model.config.num_items)
        found = ranked_items(base, self.index, states, recent, most, hide, cold_boost, asks)
        scores, best, chances = found.scores, found.rows, None
        if reorder is not None:
            found = with_pinned(found, reorder.pinned, base, self.index, states, recent, hide, cold_boost, asks)
            order = reorder.order(found.rows, found.scores)
            scores, best = found.scores.gather(1, order.places), found.rows.gather(1, order.places)
            chances = None if order.propensities is None else order.propensities[:, :longest].tolist()
        scores, best = scores[:, :longest], best[:, :longest]
        results = [self._present(own[:n], rows[:n]) for own, rows, n in zip(scores, best, wanted, strict=True)]
        if chances is not None:
            results = [
                [replace(item, propensity=chance) for item, chance in zip(items, of_user, strict=False)]
                for items, of_user in zip(results, chances, strict=True)
            ]
        if explain:
            results = self._with_reasons(results, inputs, best, found)
        return results if asks is None or words is None else self._with_words(results, asks, words, best, found)

    @torch.no_grad()
    def states(
        self, inputs: Mapping[str, torch.Tensor], pasts: Sequence[XCatPast] | None = None
    ) -> tuple[torch.Tensor, RecentEvents]:
        """States and the latest events.

        Args:
            inputs: Inputs of the model, one history per row, padded on the right, with `query_positions`.
            pasts: Cached states of each history, which save the encoding of events that they have; None for none.
        """
        base = self.model.model
        if base.items.item_counts is not self._counts:
            raise RuntimeError(
                "the model's catalogue or device has changed since this recommender was made; make a new "
                "XCatRecommender(model, processor)"
            )
        if self.model.training:  # set after construction
            self.model.eval()
        placed = {name: value.to(self._counts.device) for name, value in inputs.items()}
        return self._encoded(placed) if pasts is None else next_states(base, self._with_items(placed), pasts)

    def _encoded(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, RecentEvents]:
        """States and latest events by the model; a subclass may compute them elsewhere."""
        states, recent, _ = self.model.model.encode_queries(**self._with_items(inputs))
        return states.float(), recent

    def _with_items(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        known = self._embedded
        return inputs if known is None else inputs | {"item_embeds": known[inputs["item_ids"]]}

    def read_asks(self, inputs: Mapping[str, torch.Tensor]) -> Asks:
        """Read what customers ask for; see `XCatModel.read_asks`.

        Args:
            inputs: Result of `XCatProcessor.ask_inputs`.
        """
        base = self.model.model
        read: Asks = base.read_asks(**{name: value.to(base.device) for name, value in inputs.items()})
        return read

    def ask_words(self, processor: Any, asks: Sequence[str]) -> AskWords:
        """The words of asks, to explain recommendations by them.

        Args:
            processor: The `XCatProcessor` of the model.
            asks: One text per user, "" for none.
        """

        def without(pairs: Sequence[tuple[int, str]]) -> Asks:
            texts = processor.asks_without([asks[query] for query, _ in pairs], [word for _, word in pairs])
            different = {text: number for number, text in enumerate(dict.fromkeys(texts))}
            read = self.read_asks(processor.ask_inputs(list(different)))
            return read[torch.tensor([different[text] for text in texts], device=read.tokens.device)]

        return AskWords(processor.ask_words(asks), without, asks)

    def popular(self, k: int, filters: Filters) -> list[Recommendation]:
        """The most popular items, varied by category; see `popular_rows`.

        Args:
            k: Number of recommendations; fewer if the filters leave fewer items.
            filters: Filters on the recommended items.

        Raises:
            ValueError: See `ItemFilter.allowed`.
        """
        allowed = self.filter.for_new_users(filters)
        allowed[:NUM_SPECIAL_ROWS] = False
        return [self._item(row, score) for row, score in popular_rows(self.filter.codes, self._counts, allowed, k)]

    def _with_reasons(
        self, lists: list[list[Recommendation]], inputs: dict[str, torch.Tensor], rows: torch.Tensor, found: Ranked
    ) -> list[list[Recommendation]]:
        """The lists of (queries, k) items with their reasons."""
        gaps, lengths = int(self.model.config.num_time_gap_buckets), list(map(len, lists))
        influence = list_influences(found, rows, lengths, inputs, self.states, gaps)
        reason = cache(self.reason)  # an item of a history supports several items of its list
        return [
            [
                replace(item, because=tuple(replace(reason(row), weight=round(weight, 4)) for row, weight in reasons))
                for item, reasons in zip(items, map(self.filter.named, of_user.reasons(REASONS)), strict=True)
            ]
            for items, of_user in zip(lists, influence, strict=True)
        ]

    def _with_words(
        self, lists: list[list[Recommendation]], asks: Asks, words: AskWords, rows: torch.Tensor, found: Ranked
    ) -> list[list[Recommendation]]:
        """The lists of (queries, k) items with the words of the asks that raise their scores."""
        base = self.model.model
        carried = carrying_words(base.asks, base.items, asks, words, rows, found.candidates, found.rescore)
        return [
            [
                replace(item, words=joined_words(own, ask, self._text_of(row)) if own else own, by_meaning=near)
                for item, row, (own, near) in zip(items, of_user, of_items, strict=False)
            ]
            for ask, items, of_user, of_items in zip(words.asks, lists, rows.tolist(), carried, strict=True)
        ]

    def _text_of(self, row: int) -> str:
        return " ".join(value for value in self.vocabulary.item(row).values() if isinstance(value, str))

    def _present(self, scores: torch.Tensor, rows: torch.Tensor) -> list[Recommendation]:
        kept = torch.isfinite(scores)
        return [self._item(*found) for found in zip(rows[kept].tolist(), scores[kept].tolist(), strict=True)]

    def _item(self, row: int, score: float) -> Recommendation:
        item = self.vocabulary.values(row, _SHOWN)
        title = item.get("title") or item["item_id"]
        price = plain_price(item.get("price"))
        currency = None if price is None else item.get("currency")
        return Recommendation(
            item["item_id"], round(score, 6), title, item.get("category"), price=price, currency=currency
        )

    def reason(self, row: int, weight: float = 0.0) -> Reason:
        """The item with this index as a reason of this weight."""
        item = self.vocabulary.values(row, _SHOWN)
        return Reason(item["item_id"], item.get("title") or item["item_id"], round(weight, 4))


def _per_user(k: int | Sequence[int], histories: Sequence[Any]) -> Sequence[int]:
    return [k] * len(histories) if isinstance(k, int) else k

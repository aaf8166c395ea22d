"""From model inputs to recommendations with reasons; shared by all recommenders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import torch

from .asks_xcat import Asks
from .configuration_xcat import NUM_SPECIAL_ROWS
from .explanation_xcat import by_position, event_attention, event_shares
from .filters_xcat import Filters, ItemFilter
from .popular_xcat import popular_rows
from .ranking_xcat import Adjust, ItemIndex
from .recent_events_xcat import RecentEvents

REASONS = 3
"""Maximum reasons per recommendation."""
Basis = Literal["history", "query", "texts", "popular", "none"]
"""Basis of a list: known items of the history, the query alone, the user's texts alone, item popularity, or nothing
(an empty list for a skipped user)."""
OnUnknown = Literal["popular", "skip", "error"]
"""Result for a user without an item of the catalogue: popular items, an empty list, or an error."""
Order = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Reorders (users, n) item indices, best first, with their scores: returns (users, n) positions in list order."""


def _one_thread() -> None:
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    # OpenMP threads of a process do not exist in its forks; a fork that waits for them hangs.
    os.register_at_fork(after_in_child=_one_thread)


@dataclass(frozen=True)
class Reason:
    """A history event with influence on a recommendation, with its share from 0 to 1."""

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
        because: History events with most influence, the first with most.
        words: Words of the query that the item's text has, in the order of the query.
    """

    item_id: str
    score: float
    title: str
    category: str | None
    because: tuple[Reason, ...] = ()
    words: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON; `words` only if a query has words of the item."""
        plain = {**asdict(self), "because": [asdict(reason) for reason in self.because], "words": list(self.words)}
        return plain if self.words else {name: value for name, value in plain.items() if name != "words"}


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
        sorted_by_time: Whether the events had to be sorted, because their times did not ascend.

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
        sorted_by_time: bool = False,
    ) -> None:
        super().__init__(items)
        self.basis: Basis = basis
        self.events = events
        self.unknown_items = unknown_items
        self.gaps_known = gaps_known
        self.sorted_by_time = sorted_by_time

    @property
    def notes(self) -> list[str]:
        """Notes for a reader of the list, one sentence each."""
        notes = []
        if self.basis in ("popular", "none"):
            what = "popular items" if self.basis == "popular" else "no recommendations"
            named = f"none of the {self.events} events has an item of the catalogue"
            notes.append(f"{what}: {named if self.events else 'the history is empty'}")
        elif self.basis == "query":
            named = f"none of the {self.events} events has an item of the catalogue"
            notes.append(f"items for the query alone: {named if self.events else 'the history is empty'}")
        elif self.unknown_items:
            notes.append(f"{self.unknown_items} of {self.events} events have items that are not in the catalogue")
        if self.gaps_known is False:
            notes.append(f"{GAPS_UNKNOWN}; give timestamps= for all events")
        if self.sorted_by_time:
            notes.append("the events were sorted by their times, which did not ascend")
        return notes

    def facts(self) -> dict[str, Any]:
        """`basis`, `unknown_items` and `gaps_known`, which are written with every list."""
        return {"basis": self.basis, "unknown_items": self.unknown_items, "gaps_known": self.gaps_known}

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

    Raises:
        ValueError: If model and catalogue do not have the same items.
    """

    def __init__(self, model: Any, vocabulary: Any) -> None:
        if len(vocabulary) != model.config.num_item_rows:
            raise ValueError(
                f"the catalogue has {vocabulary.num_items} items and the model {model.config.num_items}; "
                "take both from one checkpoint"
            )
        self.model, self.vocabulary = model.eval(), vocabulary
        self.filter = ItemFilter(vocabulary, model.device)
        with torch.no_grad():
            self.items: torch.Tensor = model.model.item_side(model.model.items().float())
        self._counts = model.model.items.item_counts
        self._index = ItemIndex(self.items, first_row=NUM_SPECIAL_ROWS)

    @torch.no_grad()
    def recommend(
        self,
        inputs: dict[str, Any],
        histories: Sequence[Any],
        k: int,
        filters: Filters,
        explain: bool = True,
        cold_boost: float | None = None,
        order: Order | None = None,
        depth: int = 0,
        asks: Asks | None = None,
        words: Sequence[Sequence[str]] = (),
    ) -> list[list[Recommendation]]:
        """Recommend items to some users.

        Args:
            inputs: Inputs of the model, one history per row, padded on the right, with `query_positions`.
            histories: All item indices of each user.
            k: Recommendations per user; fewer if the filters leave fewer items.
            filters: Filters on the recommended items.
            explain: Whether to find the history events with most influence on each recommendation.
            cold_boost: Added to the scores of cold items, instead of the configuration's `untrained_bonus`.
            order: Reorders the best items before the list is cut to k; None keeps the order of the scores.
            depth: Number of best items to reorder, if more than k.
            asks: What the users ask for (`read_asks`), or None.
            words: The word of each token of the asks, to explain recommendations by shared words.

        Raises:
            ValueError: See `ItemFilter.allowed`.
        """
        k = min(k, self.model.config.num_items)  # memory grows with k
        hide = self.filter.hide(filters, self.filter.allowed(filters), histories)
        states, recent, attention = self.states(inputs, explain)
        most = k if order is None else min(max(k, depth), self.model.config.num_items)
        scores, best, of_candidates = self._ranked(states, recent, most, hide, cold_boost, asks)
        if order is not None:
            places = order(best, scores)[:, :k]
            scores, best = scores.gather(1, places), best.gather(1, places)
            if of_candidates is not None:
                of_candidates = of_candidates.gather(1, places[..., None].expand(-1, -1, of_candidates.shape[2]))
        results = []
        for user, items in enumerate(histories):
            read = torch.as_tensor(items)[-self.model.config.max_history :].long()
            weights = None if attention is None else attention[user].expand(len(best[user]), -1)
            if of_candidates is not None:
                weights = by_position(of_candidates[user], len(read))
            results.append(self._present(read, scores[user], best[user], weights, explain))
        return results if asks is None else self._with_words(results, asks, best, words)

    @torch.no_grad()
    def states(
        self, inputs: dict[str, Any], explain: bool = False
    ) -> tuple[torch.Tensor, RecentEvents, torch.Tensor | None]:
        """States, the latest events, and attention over events if requested."""
        base = self.model.model
        if base.items.item_counts is not self._counts:
            raise RuntimeError(
                "the model's catalogue or device has changed since this recommender was made; make a new "
                "XCatRecommender(model, processor)"
            )
        if self.model.training:  # set after construction
            self.model.eval()
        placed = {name: value.to(base.device) for name, value in inputs.items()}
        states, recent, output = base.encode_queries(**placed, output_attentions=explain)
        positions = placed["query_positions"]
        attention = event_attention(output, positions, base.config.max_history) if explain else None
        return states.float(), recent, attention

    def read_asks(self, inputs: Mapping[str, torch.Tensor]) -> Asks:
        """Read what customers ask for; see `XCatModel.read_asks`.

        Args:
            inputs: Result of `XCatProcessor.ask_inputs`.
        """
        base = self.model.model
        read: Asks = base.read_asks(**{name: value.to(base.device) for name, value in inputs.items()})
        return read

    def popular(self, k: int, filters: Filters) -> list[Recommendation]:
        """The most popular items, varied by category; see `popular_rows`.

        Args:
            k: Number of recommendations; fewer if the filters leave fewer items.
            filters: Filters on the recommended items.

        Raises:
            ValueError: See `ItemFilter.allowed`.
        """
        allowed = self.filter.allowed(filters)
        allowed[:NUM_SPECIAL_ROWS] = False
        return [self._item(row, score) for row, score in popular_rows(self.filter.codes, self._counts, allowed, k)]

    def _ranked(
        self,
        states: torch.Tensor,
        recent: RecentEvents,
        k: int,
        hide: Adjust,
        cold_boost: float | None,
        asks: Asks | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """The k best item indices of every query with their scores, and their attention if there is a re-ranker."""
        base = self.model.model
        if _scores_of_its_own(base):
            scores = base.score_states(states, recent, self.items, **({} if asks is None else {"asks": asks}))
            if cold_boost is not None:
                scores += (cold_boost - float(base.config.untrained_bonus)) * (self._counts == 0).float()
            hide(scores, 0)
            return *scores.topk(min(k, scores.shape[1]), dim=1), None
        first = base.first_stage(states, recent, cold_boost, asks)

        def adjust(products: torch.Tensor, start: int) -> None:
            first.add_to(products, start)
            hide(products, start)

        if not base.re_ranks(first):
            return *self._index.search(first.queries, k, adjust), None
        count = min(max(k, base.config.num_candidates), base.config.num_items)
        scores, rows = self._index.search(first.queries, count, adjust)
        candidates = min(base.config.num_candidates, count)
        rescored, attention = base.second_stage(
            first, recent, rows[:, :candidates], scores[:, :candidates], self.items
        )
        best, order = rescored.sort(dim=1, descending=True, stable=True)
        ordered = rows.gather(1, order)
        if attention is not None:
            attention = attention.gather(1, order[..., None].expand_as(attention))
            attention = torch.nn.functional.pad(attention, (0, 0, 0, count - candidates))[:, :k]
        return (
            torch.cat([best, scores[:, candidates:]], 1)[:, :k],
            torch.cat([ordered, rows[:, candidates:]], 1)[:, :k],
            attention,
        )

    def _with_words(
        self,
        lists: list[list[Recommendation]],
        asks: Asks,
        rows: torch.Tensor,
        words: Sequence[Sequence[str]],
    ) -> list[list[Recommendation]]:
        """The lists with the words of the ask that the text of each of (users, k) items has."""
        if not words:
            return lists
        base = self.model.model
        matched = base.asks.matches(asks, rows, base.items).tolist()
        return [
            [
                replace(item, words=tuple(dict.fromkeys(w for w, there in zip(own, tokens, strict=False) if there)))
                for item, tokens in zip(items, of_user, strict=False)
            ]
            for items, of_user, own in zip(lists, matched, words, strict=True)
        ]

    def _present(
        self,
        read: torch.Tensor,
        scores: torch.Tensor,
        rows: torch.Tensor,
        attention: torch.Tensor | None,
        explain: bool,
    ) -> list[Recommendation]:
        kept = torch.isfinite(scores)
        rows, scores = rows[kept], scores[kept]
        reasons: list[tuple[Reason, ...]] = [()] * len(rows)
        if explain and len(rows):
            weights = attention[kept, : len(read)] if attention is not None else None
            shares = event_shares(weights, self.items[read], self.items[rows])
            reasons = [self._reasons(read, share) for share in shares]
        return [self._item(*found) for found in zip(rows.tolist(), scores.tolist(), reasons, strict=True)]

    def _item(self, row: int, score: float, because: tuple[Reason, ...] = ()) -> Recommendation:
        item = self.vocabulary.item(row)
        title = item.get("title") or item["item_id"]
        return Recommendation(item["item_id"], round(score, 6), title, item.get("category"), because)

    def _reasons(self, items: torch.Tensor, shares: torch.Tensor) -> tuple[Reason, ...]:
        by_item: dict[int, float] = {}
        for row, share in zip(items.tolist(), shares.tolist(), strict=True):
            if row >= NUM_SPECIAL_ROWS and share > 0:
                by_item[row] = by_item.get(row, 0.0) + share
        best = sorted(by_item.items(), key=lambda pair: -pair[1])[:REASONS]
        known = [(self.vocabulary.item(row), share) for row, share in best]
        return tuple(Reason(i["item_id"], i.get("title") or i["item_id"], round(share, 4)) for i, share in known)


def check_unknown(unknown: int, users: int, on_unknown: str) -> None:
    """Refuse an invalid choice, and users without a known item if the choice is "error".

    Args:
        unknown: Users without an item of the catalogue.
        users: Number of users.
        on_unknown: See `OnUnknown`.

    Raises:
        ValueError: If that is so.
    """
    if on_unknown not in get_args(OnUnknown):
        raise ValueError(f"on_unknown is {on_unknown!r}; give one of {', '.join(get_args(OnUnknown))}")
    if on_unknown == "error" and unknown:
        raise ValueError(
            f"histories: {unknown:,} of {users:,} users have no item of the catalogue; give item ids of the items "
            "table, on_unknown='popular' for popular items, or on_unknown='skip' to leave these users out"
        )


def _scores_of_its_own(model: Any) -> bool:
    """Whether a subclass overrides `score_states`; compares names, because code from the hub has separate classes."""
    defining = next(cls for cls in type(model).__mro__ if "score_states" in vars(cls))
    return defining.__name__ != "XCatModel"

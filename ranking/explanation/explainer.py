"""The part of a recommender that explains one recommendation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch

from ...modeling_xcat.arguments_xcat import is_missing, kind_of
from ...modeling_xcat.asks_xcat import Asks
from ...modeling_xcat.explanation_xcat import COMPARED, Influences, list_influences, log_odds, places_among
from ...modeling_xcat.filters_xcat import Filters
from ...modeling_xcat.popular_xcat import popular_rows
from ...modeling_xcat.queries_xcat import Queries
from ...modeling_xcat.ranked_xcat import Ranked, catalogue_scores, ranked_items, with_pinned
from ...modeling_xcat.recent_events_xcat import RecentEvents
from ...modeling_xcat.recommending_xcat import REASONS, Basis, ItemRanker, Reason
from ...modeling_xcat.unknown_users_xcat import unknown_note
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from ..item_data import ItemData
from ..requests import Requests, one_history, read_requests
from ..snapshots import Snapshots, of_one_state
from .clicks import click_explanation
from .explanation import Counterfactual, EventInfluence, Explanation, Language, NearestItem, WordInfluence
from .methods import LEAVE_ONE_OUT, METHODS, Case
from .words import TextVariants, query_influences

_LEVELS = " > "
"""Between the levels of a category."""


@dataclass(frozen=True)
class _Request:
    """One request in terms of the model.

    Args:
        requests: The request.
        inputs: Inputs of the model.
        states: (1, hidden) state.
        recent: The events before it, for the purpose of the list.
        asks: What the user asks for, or None.
        words: The words of the query, or None.
    """

    requests: Requests
    inputs: dict[str, torch.Tensor]
    states: torch.Tensor
    recent: RecentEvents
    asks: Asks | None
    words: Any


class Explanations(Snapshots):
    """The part of a recommender that explains one recommendation."""

    @of_one_state
    def explain(
        self,
        history: Sequence[str],
        item: str,
        *,
        query: str | None = None,
        texts: str | Sequence[str] | None = None,
        event_types: Sequence[str] | None = None,
        ratings: Sequence[float | None] | None = None,
        timestamps: Sequence[Any] | None = None,
        event_texts: Sequence[str | None] | None = None,
        exclude_seen: bool = True,
        method: str = LEAVE_ONE_OUT,
        words: bool = True,
        language: Language = "en",
        click: bool = False,
        context: Mapping[str, Any] | None = None,
    ) -> Explanation:
        """Explain why an item is recommended to a user, or at which place it is.

        Args:
            history: External item ids, oldest first; empty for a new customer.
            item: External id of the item to explain, which need not be in the list of `recommend`.
            query: As in `recommend`, and so are the next five.
            texts: The user's own texts.
            event_types: Type of each event.
            ratings: Rating of each event.
            timestamps: Time of each event.
            event_texts: Text written at each event.
            exclude_seen: As in `recommend`; give False to explain an item of the history.
            method: Method of the influences in `events`; see `METHODS`. Reasons are always those of `recommend`.
            words: Whether to find the words of the texts that raise the score, which takes most of the time.
            language: Language of the sentence, "en" or "zh".
            click: Explain the probability of a click, for a model that was trained with `task="click"`: the influences
                of the history on its log odds, by leave-one-out. Words are not examined.
            context: Column name to value, for a click, as in `click_probability`.

        Returns:
            The explanation as data, with `sentence` and `heat_map()`.

        Raises:
            ValueError: If the item is not in the catalogue, or in the history although `exclude_seen` is True, if the
                model cannot be explained by the method, or as in `recommend`.

        Example (not run: it needs a checkpoint):
            print(recommender.explain(["B0001"], "B0002").sentence)
        """
        given = {
            "queries": query, "texts": texts, "event_types": event_types, "ratings": ratings, "timestamps": timestamps,
            "event_texts": event_texts,
        }  # fmt: skip
        history = one_history(history)
        of_one: dict[str, Any] = {name: None if value is None else [value] for name, value in given.items()}
        explainer = _Explainer(self, method, language, exclude_seen and not click)
        row, requests = explainer.row_of(item, history), read_requests([history], **of_one)
        if click:
            return explainer.explain_click(requests, row, context)
        if context is not None:
            raise ValueError("context is for the probability of a click; give click=True, or leave context out")
        return explainer.explain(requests, row, words)


class _Explainer:
    """Explains recommendations of a recommender.

    Args:
        recommender: An `XCatRecommender`.
        method: See `Explanations.explain`, also for the others.
        language: Language of the sentence.
        exclude_seen: Whether lists leave out items of the history.
    """

    def __init__(self, recommender: Any, method: str, language: Language, exclude_seen: bool) -> None:
        for name, value, known in (("method", method, tuple(METHODS)), ("language", language, get_args(Language))):
            if value not in known:
                raise ValueError(f"{name} is {value!r}; give one of {', '.join(known)}")
        self._of: Any = recommender
        self._method, self._language, self._exclude_seen = method, language, exclude_seen
        self._ranker: ItemRanker = recommender.ranker
        self._vocabulary: ItemVocabulary = recommender.vocabulary
        self._deleted: torch.Tensor = recommender.index.deleted

    @torch.no_grad()
    def explain(self, requests: Requests, row: int, words: bool) -> Explanation:
        """Explain the place of an item, by its index, in the list of a request."""
        self._of._check_texts(requests.texts)
        asked = Queries(self._ranker, self._of.processor, requests.queries, True)
        requests = replace(requests, queries=asked.read)
        found = self._described(requests, row)
        if found.basis == "popular":
            rank, score = self._popular_place(row)
            return replace(found, rank=rank, score=score)
        request = self._request(requests, asked)
        score, rank = self._place(row, request)
        found = replace(found, rank=rank, score=score, notes=[*found.notes, *asked.notes(0, [])])
        return self._with_influences(found, row, request, words)

    def explain_click(self, requests: Requests, row: int, context: Mapping[str, Any] | None) -> Explanation:
        """Explain the probability of a click on an item, by its index."""
        self._of.check_clicks()
        if requests.queries is not None or self._method != LEAVE_ONE_OUT:
            name, remedy = ("query", "leave query out") if requests.queries else ("method", f"give {LEAVE_ONE_OUT!r}")
            raise ValueError(f"{name} has no effect on the probability of a click; {remedy}, or leave click out")
        found = replace(self._described(requests, row), basis="history")
        found, influence = click_explanation(found, self._of, requests, context)
        return replace(found, events=self._events(influence, influence.support[0].tolist()))

    def row_of(self, item: str, history: Sequence[str]) -> int:
        """The index of an item; refuses one that lists cannot have.

        Raises:
            ValueError: If that is so.
        """
        if is_missing(item):
            raise ValueError(f"item is {kind_of(item)}; give the id of an item")
        row = int(self._vocabulary.encode([str(item)])[0])
        if row < NUM_SPECIAL_ROWS:
            raise ValueError(
                f"item is {str(item)!r}, which is not in the catalogue; give the id of one of its items, or add the "
                "item with xcat catalogue"
            )
        if self._deleted[row]:
            raise ValueError(
                f"item is {str(item)!r}, which is deleted, so no list has it; add it again with add_items"
            )
        if self._exclude_seen and str(item) in {str(one) for one in history}:
            raise ValueError(
                f"item is {str(item)!r}, which is in the history, whose items lists do not have; give "
                "exclude_seen=False"
            )
        self._check_policy(row, history)
        return row

    def _check_policy(self, row: int, history: Sequence[str]) -> None:
        """Refuse an item that the content policy keeps out of the lists of a history."""
        policy = self._ranker.filter.policy
        if policy is None:
            return
        if bool(policy.blocked[row]):
            raise ValueError("item is blocked by the content policy, so no list has it; xcat review can approve it")
        opted = policy.opted((), [self._vocabulary.encode([str(one) for one in one_history(history)]).tolist()])
        if opted is not None and not bool(policy.open_to(int(opted[0]))[row]):
            raise ValueError(
                "item is of a sensitive category that the history lacks, so lists do not have it; xcat review can "
                "approve it"
            )

    def _may_be_named(self, row: int) -> bool:
        return self._ranker.filter.policy is None or self._ranker.filter.policy.may_be_named(row)

    def _named(self, words: tuple[WordInfluence, ...]) -> tuple[WordInfluence, ...]:
        """Words that the content policy allows."""
        policy = self._of.content_policy
        if policy is None:
            return words
        verdicts = policy.check_many([one.word for one in words])
        return tuple(one for one, verdict in zip(words, verdicts, strict=True) if verdict.outcome == "allowed")

    def _request(self, requests: Requests, asked: Queries) -> _Request:
        rows, inputs = self._of._inputs(requests.of([0]))
        placed = {name: value.to(self._ranker.model.device) for name, value in inputs.items()}
        states, recent = self._ranker.states(placed)
        read = [row["items"] for row in rows]
        recent = recent.discovering(read) if self._exclude_seen else recent
        return _Request(requests, placed, states, recent, *asked.asks([0]))

    def _place(self, row: int, request: _Request) -> tuple[float, int]:
        """Score and place, from 1, of an item among all items that the list of a request can have."""
        ranker = self._ranker
        scores = catalogue_scores(ranker.model.model, request.states, request.recent, ranker.items, request.asks)
        above = (scores[0] > scores[0, row]) & ~self._deleted.to(scores.device)
        return round(float(scores[0, row]), 6), 1 + int(above.sum())

    def _popular_place(self, row: int) -> tuple[int, float]:
        """Place, from 1, and score of an item in the list of popular items."""
        ranker = self._ranker
        counts = ranker.model.model.items.item_counts
        allowed = ~self._deleted.to(counts.device)
        allowed[:NUM_SPECIAL_ROWS] = False
        listed = popular_rows(ranker.filter.codes, counts, allowed, self._vocabulary.num_items)
        place = [number for number, _ in listed].index(row)
        return 1 + place, round(float(listed[place][1]), 6)

    def _with_influences(self, found: Explanation, row: int, request: _Request, words: bool) -> Explanation:
        """The explanation with events, reasons and words."""
        base, ranker = self._ranker.model.model, self._ranker
        ranked = self._ranked(row, request)
        explained = torch.tensor([[row]], device=ranked.rows.device)
        gaps = int(base.config.num_time_gap_buckets)
        (influence,) = list_influences(ranked, explained, [1], request.inputs, ranker.states, gaps)
        case = Case(base, request.inputs, request.recent, influence.items, explained[0], ranker.items)
        values = METHODS[found.method](case, influence)[0].tolist() if len(influence.items) else []
        events = self._events(influence, values)
        verified = self._counterfactuals(row, request, influence, found.score)
        because, counterfactuals = tuple(one for one, _ in verified), tuple(other for _, other in verified)
        examined = torch.from_numpy(self._vocabulary.encode([event.item_id for event in events]))
        found = replace(
            found, events=events, because=because, counterfactuals=counterfactuals,
            known_categories=self._known_categories(row, examined),
        )  # fmt: skip
        odds = odds_of(ranked, row)
        if request.asks is not None and request.words is not None:
            of_query = query_influences(request.words, request.asks, ranked.rescore, odds)
            found = replace(found, query_words=self._named(of_query))
        if not (words and base.config.use_text and base.text.encoder is not None):
            return found
        variants = TextVariants(self._of, case, ranked.candidates[0], request.asks)
        of_event: tuple[WordInfluence, ...] = ()
        if because and because[0].item_id != found.item_id:
            of_event = self._named(variants.influences(int(self._vocabulary.encode([because[0].item_id])[0]), odds))
        return replace(found, item_words=self._named(variants.influences(row, odds)), event_words=of_event)

    def _ranked(self, row: int, request: _Request) -> Ranked:
        """The best items of a request, with the explained one behind them."""
        base, ranker = self._ranker.model.model, self._ranker
        count = min(max(COMPARED, int(base.config.num_candidates)), int(base.config.num_items))
        given = (base, ranker.index, request.states, request.recent)
        own = [self._vocabulary.encode(request.requests.histories[0]).tolist()]
        every = ranker.filter.hide(Filters(), own)
        found = ranked_items(*given, count, every, None, request.asks)
        pin = torch.tensor([row], device=found.rows.device)
        return with_pinned(found, pin, *given, every, None, request.asks)

    def _counterfactuals(
        self, row: int, request: _Request, influence: Influences, before: float
    ) -> list[tuple[Reason, Counterfactual]]:
        """The reasons of an item, each with the place of the item in the same request without the reason.

        A reason is left out if the score of that request is not below the score `before`.
        """
        found = []
        for had, weight in self._ranker.filter.named(influence.reasons(REASONS)[0]):
            reason = self._ranker.reason(had, weight)
            requests = request.requests.without_item(reason.item_id)
            basis = self._basis(requests)
            score: float | None = None
            if basis == "popular":
                rank, _ = self._popular_place(row)
            else:
                asked = Queries(self._ranker, self._of.processor, requests.queries, False)
                score, rank = self._place(row, self._request(requests, asked))
            if score is None or score < before:
                found.append((reason, Counterfactual(reason.item_id, reason.title, rank, score, basis)))
        return found

    def _described(self, requests: Requests, row: int) -> Explanation:
        """What is known of an item and a history without scores."""
        unknown = int(self._of.unknown_items(requests.histories)[0])
        known, shown = self._known_items(requests), self._vocabulary.item(row)
        return Explanation(
            shown["item_id"], shown.get("title") or shown["item_id"], self._basis(requests), self._method, 0.0,
            language=self._language, category_path=self._levels(shown),
            known_categories=self._known_categories(row, known),
            nearest=self._nearest(row, known), notes=_notes(len(requests.histories[0]), unknown),
        )  # fmt: skip

    def _events(self, influence: Influences, values: Sequence[float]) -> tuple[EventInfluence, ...]:
        """The items of the history with their influences."""
        found = []
        weights = influence.weights[0].tolist()
        for row, value, weight in zip(influence.items.tolist(), values, weights, strict=True):
            if not self._may_be_named(row):
                continue
            item = self._vocabulary.item(row)
            title = item.get("title") or item["item_id"]
            found.append(
                EventInfluence(item["item_id"], title, item.get("category"), round(value, 4), round(weight, 4))
            )
        return tuple(found)

    def _levels(self, item: Mapping[str, Any]) -> tuple[str, ...]:
        """The levels of an item's category, by its column `category_path` or its category."""
        path, policy = str(item.get("category_path") or item.get("category") or ""), self._of.content_policy
        if not path or (policy is not None and policy.check(path).outcome != "allowed"):
            return ()
        return tuple(part.strip() for part in path.split(_LEVELS))

    def _known_items(self, requests: Requests) -> torch.Tensor:
        """The distinct item indices of the history, the latest first."""
        rows = dict.fromkeys(reversed(self._vocabulary.encode(requests.histories[0]).tolist()))
        return torch.tensor([row for row in rows if row >= NUM_SPECIAL_ROWS], dtype=torch.long)

    def _known_categories(self, row: int, known: torch.Tensor) -> int:
        codes = self._vocabulary.category_codes
        return int(((codes[known.numpy()] == codes[row]) & (codes[row] >= 0)).sum())

    def _nearest(self, row: int, known: torch.Tensor) -> NearestItem | None:
        """The item of the history that is most similar to an item."""
        known = known[[one != row and self._may_be_named(one) for one in known.tolist()]]
        if not len(known):
            return None
        data: ItemData = self._of.item_data
        own, others = (torch.from_numpy(data.vectors(rows[None])[0]) for rows in (torch.tensor([row]), known))
        cosines = others @ own[0]
        best = int(cosines.argmax())
        item = self._vocabulary.item(int(known[best]))
        return NearestItem(item["item_id"], item.get("title") or item["item_id"], round(float(cosines[best]), 4))

    def _basis(self, requests: Requests) -> Basis:
        unknown = int(self._of.unknown_items(requests.histories)[0])
        basis: Basis = self._of._basis(requests, 0, unknown, "popular")
        return basis


def _notes(events: int, unknown: int) -> list[str]:
    if not unknown or unknown == events:
        return []
    return [unknown_note(unknown, events)]


def odds_of(ranked: Ranked, row: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Log odds of an item from (n, candidates) scores, against the best items."""
    best = ranked.rows[:, :COMPARED]
    rows = torch.cat([best[best > 0], best.new_tensor([row])])
    places = places_among(ranked.candidates, rows[None])[0]

    def odds(scores: torch.Tensor) -> torch.Tensor:
        return log_odds(scores, places[-1:], places[:-1])[:, 0]

    return odds

"""ListMaker: the part of a recommender that makes the lists of requests, of one or of several together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, Literal

import torch

from ..modeling_xcat.arguments_xcat import explanation, finite_number, truth, whole_number
from ..modeling_xcat.filters_xcat import Filters
from ..modeling_xcat.past_xcat import XCatPast
from ..modeling_xcat.queries_xcat import Queries
from ..modeling_xcat.ranked_xcat import Reordering
from ..modeling_xcat.recommending_xcat import Basis, Recommendation, Recommendations
from ..modeling_xcat.unknown_users_xcat import OnUnknown, check_unknown
from ..tokenization.progress import stage
from .item_data import ItemData
from .requests import Requests, joined_requests, one_history, read_requests
from .rerank import Reranker, pool_size, reordering
from .rerankers.sampling import PlackettLuce
from .rerankers.words import rules_of_request
from .snapshots import of_one_state
from .user_inputs import UserInputs

logger = logging.getLogger(__name__)

_OF_FILTERS = tuple(field.name for field in fields(Filters) if field.name != "conditions")
_OF_USER = ("texts", "event_types", "ratings", "timestamps", "event_texts")


@dataclass(frozen=True)
class ListOptions:
    """Options of a list, read and checked; see `XCatRecommender.recommend`.

    Args:
        k: Number of recommendations.
        filters: Filters on the recommended items.
        rules: Re-ranking rules.
        cold_boost: Added to the scores of cold items, None for the checkpoint's.
        on_unknown: See `OnUnknown`.
        explain: As in `recommend`.
        profile: Whether a list goes by the user's events and texts; without it, it is the same for everybody.

    Raises:
        ValueError: If a value is invalid.
    """

    k: int
    filters: Filters
    rules: Sequence[Reranker] = ()
    cold_boost: float | None = None
    on_unknown: OnUnknown = "popular"
    explain: bool | Literal["history", "query"] = True
    profile: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "profile", truth("profile", self.profile))
        if not self.profile and any(isinstance(rule, PlackettLuce) for rule in self.rules):
            raise ValueError("rerank: without a profile the list is the same for everybody; leave the rule sample out")
        object.__setattr__(self, "k", whole_number("k", self.k))
        if self.cold_boost is not None:
            object.__setattr__(self, "cold_boost", finite_number("cold_boost", self.cold_boost))
        object.__setattr__(self, "explain", explanation("explain", self.explain))

    @property
    def shared(self) -> tuple[Any, ...]:
        """Options that are equal in all lists that are made in one batch.

        `k` is one of them only with rules, because the pool that rules reorder depends on it.
        """
        k = self.k if self.rules else None
        own = (self.filters.exclude_seen, [*self.rules], k, self.cold_boost, self.on_unknown, self.explain)
        return *own, self.profile


@dataclass(frozen=True)
class ListRequest:
    """A list that is asked for.

    Args:
        requests: The request of one user.
        options: Its options.
        past: Cached states of the history, or None.
    """

    requests: Requests
    options: ListOptions
    past: XCatPast | None = None

    @property
    def kind(self) -> tuple[Any, ...]:
        """Equal for requests whose lists are made in one batch."""
        return self.requests.given, self.past is None, *self.options.shared


class ListMaker(UserInputs):
    """The part of a recommender that makes the lists of requests.

    Attributes:
        rerankers: Rules of requests that name none.
        pool: Number of best items that rules reorder; None for `pool_size`.
    """

    rerankers: list[Reranker]
    pool: int | None
    item_data: ItemData

    def list_request(
        self,
        history: Sequence[str] = (),
        k: int = 10,
        *,
        past: XCatPast | None = None,
        events: Requests | None = None,
        **options: Any,
    ) -> ListRequest:
        """Read the arguments of `recommend`, for `recommend_together`.

        Args:
            history: As in `recommend`.
            k: As in `recommend`.
            past: Cached states of the history, or None.
            events: The events of the user, in place of the arguments of `recommend` that are about events.
            **options: The other arguments of `recommend`.

        Raises:
            ValueError: As `recommend`; what depends on the catalogue is checked later.
            TypeError: If there is another argument.
        """
        given: dict[str, Any] = {
            name: None if (value := options.pop(name, None)) is None else [value] for name in _OF_USER
        }
        query = options.pop("query", None)
        requests = read_requests([one_history(history)], queries=None if query is None else [query], **given)
        if events is not None:
            requests = replace(events, texts=requests.texts, queries=requests.queries)
        read = self.list_options(k, **options)
        return ListRequest(requests, read, past if read.profile else None)

    def list_options(self, k: int = 10, *, filters: Any = (), **options: Any) -> ListOptions:
        """Read the arguments of `recommend` that are not about the user.

        Raises:
            ValueError: As `recommend`.
            TypeError: If there is another argument.
        """
        wanted = Filters(**{name: options.pop(name) for name in _OF_FILTERS if name in options}, conditions=filters)
        rules = rules_of_request(options.pop("rerank", None), options.pop("explore", None), self.rerankers)
        return ListOptions(k, wanted, rules, **options)

    @of_one_state
    def recommend_together(self, asked: Sequence[ListRequest]) -> list[Recommendations | Exception]:
        """Make the lists of several requests at once: each is that of its request alone.

        Requests whose options allow it share one pass of the model and one scan of the catalogue. If that fails,
        each of them is computed alone, so the error of a request does not touch another one.

        Args:
            asked: The requests, by `list_request`; several may have one past.

        Returns:
            The list of each request, or its error.
        """
        found: dict[int, Recommendations | Exception] = {}
        groups: list[tuple[tuple[Any, ...], list[int]]] = []
        for number, request in enumerate(asked):
            try:
                self.ranker.filter.allowed(request.options.filters)
            except Exception as error:
                found[number] = error
                continue
            kind = request.kind
            group = next((members for other, members in groups if other == kind), None)
            if group is None:
                groups.append((kind, [number]))
            else:
                group.append(number)
        for _, members in groups:
            found.update(zip(members, self._made([asked[number] for number in members]), strict=True))
        return [found[number] for number in range(len(asked))]

    def _made(self, asked: Sequence[ListRequest]) -> list[Recommendations | Exception]:
        """The lists of requests of one kind, or the error of each."""
        pasts = None if asked[0].past is None else [one.past for one in asked if one.past is not None]
        try:
            requests = joined_requests([one.requests for one in asked])
            return [*self._lists(requests, [one.options for one in asked], len(asked), pasts)]
        except Exception as error:
            if len(asked) == 1:
                return [error]
            return list(chain.from_iterable(self._made([one]) for one in asked))

    @of_one_state
    @torch.no_grad()
    def _lists(
        self,
        requests: Requests,
        options: ListOptions | Sequence[ListOptions],
        batch_size: int = 1,
        pasts: Sequence[XCatPast] | None = None,
    ) -> list[Recommendations]:
        """The lists of requests; see `recommend_many`.

        Args:
            requests: The requests.
            options: Options of all lists, or of each, whose `shared` values are equal.
            batch_size: Users per batch.
            pasts: Cached states of each user, or None.
        """
        batch_size = whole_number("batch_size", batch_size)
        every = [options] * len(requests) if isinstance(options, ListOptions) else list(options)
        shared = options if isinstance(options, ListOptions) else every[0]
        if not shared.profile:
            requests, pasts = requests.without_profile(), None
        self._check_texts(requests.texts)
        asked = Queries(self.ranker, self.processor, requests.queries, shared.explain in (True, "query"))
        requests = replace(requests, queries=asked.read)
        if requests.event_texts is not None and self._interests is None:
            logger.warning("this model reads no interests, so event_texts have no effect")
        if isinstance(options, ListOptions):
            self.ranker.filter.allowed(options.filters)  # raises before anything is computed
        unknown = self.unknown_items(requests.histories)
        otherwise = shared.on_unknown if shared.profile else "popular"
        bases = [self._basis(requests, user, int(count), otherwise) for user, count in enumerate(unknown)]
        check_unknown(sum(basis in ("popular", "none") for basis in bases), len(bases), otherwise)
        by_model = [user for user, basis in enumerate(bases) if basis in ("history", "texts", "query")]
        found: dict[int, list[Recommendation]] = self._popular(bases, every)
        with stage("recommending", len(by_model), "users", shown=len(by_model) > batch_size) as progress:
            for start in range(0, len(by_model), batch_size):
                part = by_model[start : start + batch_size]
                own = None if pasts is None else [pasts[user] for user in part]
                given = options if isinstance(options, ListOptions) else [every[user] for user in part]
                found.update(zip(part, self._batch(requests, part, given, asked, own), strict=True))
                progress.advance(len(part))
        return [
            Recommendations(
                listed := found.get(user, []),
                basis if listed else "none",
                events=len(requests.histories[user]),
                unknown_items=int(unknown[user]),
                gaps_known=self._gaps_known(requests, user) if basis == "history" and listed else None,
                timed=sum(time is not None for time in requests.times(user, self.model.config.max_history)),
                sorted_by_time=user in requests.sorted_by_time,
                shortage=None if basis == "none" else self._short(requests.histories[user], every[user], listed),
                query_notes=asked.notes(user, listed),
                text_notes=self.processor.cut_notes(requests.texts[user]) if requests.texts else (),
                profile=shared.profile,
            )
            for user, basis in enumerate(bases)
        ]

    def _batch(
        self,
        requests: Requests,
        users: Sequence[int],
        options: ListOptions | Sequence[ListOptions],
        asked: Queries,
        pasts: Sequence[XCatPast] | None,
    ) -> list[list[Recommendation]]:
        """The items of one batch of users, by the model."""
        alone = isinstance(options, ListOptions)
        shared = options if isinstance(options, ListOptions) else options[0]
        k: Any = shared.k if alone or shared.rules else [one.k for one in options]  # type: ignore[union-attr]
        filters: Any = shared.filters if alone else [one.filters for one in options]  # type: ignore[union-attr]
        rows, inputs = self._inputs(requests.of(users), pasts)
        read = [row["items"] for row in rows]
        return self.ranker.recommend(
            inputs, read, k, filters, shared.explain in (True, "history"), shared.cold_boost,
            self._reordering(read, shared), *asked.asks(users), pasts,
        )  # fmt: skip

    def _popular(self, bases: Sequence[Basis], options: Sequence[ListOptions]) -> dict[int, list[Recommendation]]:
        """The popular items of users who get them, found once per different options."""
        found: dict[int, list[Recommendation]] = {}
        of_options: dict[int, list[Recommendation]] = {}
        for user, basis in enumerate(bases):
            if basis == "popular":
                own = options[user]
                if id(own) not in of_options:
                    of_options[id(own)] = self.ranker.popular(own.k, own.filters)
                found[user] = of_options[id(own)]
        return found

    def _reordering(self, histories: Sequence[Sequence[int]], options: ListOptions) -> Reordering | None:
        if not options.rules:
            return None
        depth = max(self.pool or pool_size(options.k), options.k)
        return reordering(histories, self.vocabulary, options.rules, depth, self.item_data)

    def _basis(self, requests: Requests, user: int, unknown: int, on_unknown: OnUnknown) -> Basis:
        if unknown < len(requests.histories[user]):
            return "history"
        if requests.queries is not None and requests.queries[user]:
            return "query"
        if requests.texts is not None and requests.texts[user]:
            return "texts"
        return "popular" if on_unknown == "popular" else "none"

    def _short(self, history: list[str], options: ListOptions, found: list[Recommendation]) -> str | None:
        if len(found) == options.k:
            return None
        rows = self.vocabulary.encode(history).tolist()
        return self.ranker.filter.shortage(options.filters, rows, options.k, len(found))

    def _gaps_known(self, requests: Requests, user: int) -> bool | None:
        if not self.model.config.num_time_gap_buckets:
            return None
        return requests.timestamps is not None and None not in requests.times(user, self.model.config.max_history)

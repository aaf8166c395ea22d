"""Recommendations of groups of items, such as brands, categories and campaigns, by summed items and heads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from ..evaluation.purposes import without_history
from ..modeling_xcat.arguments_xcat import truth, whole_number
from ..modeling_xcat.filters_xcat import Filters
from ..modeling_xcat.list_text_xcat import printed_list
from ..modeling_xcat.queries_xcat import Queries
from ..modeling_xcat.ranked_xcat import catalogue_scores
from ..modeling_xcat.recommending_xcat import Basis, ItemRanker, Reason
from ..modeling_xcat.unknown_users_xcat import OnUnknown, check_unknown
from ..tokenization.item_groups import ItemGroups, read_groups
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from .requests import Requests, one_history, read_requests
from .rerank import Reranker
from .snapshots import Snapshots, of_one_state
from .target_notes import basis_note, probability_note, shortage_note
from .target_shares import group_shares, target_head

EXAMPLES = 3
"""Items shown per group."""


@dataclass(frozen=True)
class GroupItem:
    """An item of a recommended group.

    Args:
        item_id: Its external id.
        title: Its title, or its id without one.
        probability: Probability that it is the next item.
    """

    item_id: str
    title: str
    probability: float


@dataclass(frozen=True)
class TargetRecommendation:
    """One recommended group, such as a brand.

    Args:
        name: Value of the column.
        probability: Probability that the next item belongs to the group; with `exclude_seen`, the next item that the
            history lacks.
        known: Whether an item of the history belongs to it.
        items: Its most probable items.
        because: Items of the history that support its most probable item, as in `Recommendation`.
    """

    name: str
    probability: float
    known: bool = False
    items: tuple[GroupItem, ...] = ()
    because: tuple[Reason, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        return {**asdict(self), "items": [asdict(one) for one in self.items],
                "because": [asdict(one) for one in self.because]}  # fmt: skip


class TargetRecommendations(list[TargetRecommendation]):
    """A list of recommended groups, best first, with facts about its input.

    Args:
        found: The groups.
        target: The column.
        basis: See `Basis`. The probability of a popular group is its share of the training events.
        unknown_items: Events whose item is not in the catalogue.
        left_out: Groups that the list cannot have, because the history has items of them.
        notes: Notes for a reader of the list.
    """

    def __init__(
        self,
        found: Iterable[TargetRecommendation] = (),
        target: str = "",
        basis: Basis = "history",
        *,
        unknown_items: int = 0,
        left_out: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(found)
        self.target, self.unknown_items = target, unknown_items
        self.basis: Basis = basis
        self.left_out, self.notes = list(left_out), list(notes)

    def __str__(self) -> str:
        """The groups as a Markdown table with their most probable items, and the notes."""
        rows = [
            [one.name, f"{one.probability:.4f}", ", ".join(item.title for item in one.items),
             ", ".join(reason.title for reason in one.because)]
            for one in self
        ]  # fmt: skip
        return printed_list([self.target or "group", "probability", "items", "because"], rows, self.notes)

    def facts(self) -> dict[str, Any]:
        """`target`, `basis`, `unknown_items`, `left_out` and `notes`, which are written with every list."""
        named = ("target", "basis", "unknown_items", "left_out", "notes")
        return {name: getattr(self, name) for name in named}

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON: `recommendations` and the facts about them."""
        return {"recommendations": [one.to_dict() for one in self], **self.facts()}


class TargetRecommender(Snapshots):
    """The part of a recommender that recommends groups of items.

    Attributes:
        ranker: Ranks the items.
        processor: The processor of the model.
        vocabulary: Its catalogue.
        rerankers: Rules that reorder the items.
    """

    ranker: ItemRanker
    processor: XCatProcessor
    vocabulary: ItemVocabulary
    rerankers: list[Reranker]

    def recommend_targets(
        self,
        history: Sequence[str] = (),
        target: str = "brand",
        k: int = 10,
        *,
        query: str | None = None,
        texts: str | Sequence[str] | None = None,
        event_types: Sequence[str] | None = None,
        ratings: Sequence[float | None] | None = None,
        timestamps: Sequence[Any] | None = None,
        event_texts: Sequence[str | None] | None = None,
        filters: Filters | None = None,
        on_unknown: OnUnknown = "popular",
        explain: bool = True,
        profile: bool = True,
    ) -> TargetRecommendations:
        """Recommend values of a column of the items, such as brands, to one user.

        The probability of a brand is the sum of its items' probabilities, which are the softmax of the scores of all
        items. By default, values that the history has are left out: other brands for one who likes a brand.

        With a head of the column (`target_heads` of `fit`) and a weight above 0, the sums are multiplied by the head's
        probabilities to the power of that weight. Values that the head ranks share the total of their sums in these
        proportions; values that it was not trained on, or that the history has, keep theirs. The weights were chosen
        for histories alone. A list with a query, with filters other than `exclude_seen`, or with re-ranking rules has
        sums alone, and so has one without a known item.

        Args:
            history: External item ids, oldest first; empty for a new customer.
            target: Column of the items table, such as "brand", "category" or "campaign".
            k: Number of recommendations; fewer if there are fewer values.
            query: As in `recommend`, and so are the next five.
            texts: The user's own texts.
            event_types: Type of each event.
            ratings: Rating of each event.
            timestamps: Time of each event.
            event_texts: Text written at each event.
            filters: Filters on the summed items; `Filters(exclude_seen=False)` keeps items and values of the history.
            on_unknown: Result for a user without a known item; see `OnUnknown`.
            explain: Whether to find the most probable items of each value, and the reasons of the first of them.
            profile: False for values that are the same for everybody: popular ones within the filters, or those of the
                query. Nothing about the user counts, as in `recommend`.

        Returns:
            The values, best first.

        Raises:
            ValueError: If the items have no such column, or as in `recommend`.

        Example (not run: it needs a checkpoint):
            recommender.recommend_targets(["B0001"], "brand")[0].name
        """
        given = {
            "queries": query, "texts": texts, "event_types": event_types, "ratings": ratings, "timestamps": timestamps,
            "event_texts": event_texts,
        }  # fmt: skip
        of_one: dict[str, Any] = {name: None if value is None else [value] for name, value in given.items()}
        found = self.recommend_targets_many(
            [one_history(history)], target, k, **of_one, filters=filters, on_unknown=on_unknown, explain=explain,
            profile=profile,
        )  # fmt: skip
        return found[0]

    @of_one_state
    @torch.no_grad()
    def recommend_targets_many(
        self,
        histories: Sequence[Sequence[str]],
        target: str = "brand",
        k: int = 10,
        *,
        queries: Sequence[str | None] | None = None,
        texts: Sequence[str | Sequence[str] | None] | None = None,
        event_types: Sequence[Sequence[str]] | None = None,
        ratings: Sequence[Sequence[float | None]] | None = None,
        timestamps: Sequence[Sequence[Any]] | None = None,
        event_texts: Sequence[Sequence[str | None]] | None = None,
        filters: Filters | None = None,
        on_unknown: OnUnknown = "popular",
        explain: bool = True,
        profile: bool = True,
        batch_size: int = 64,
    ) -> list[TargetRecommendations]:
        """Recommend values of a column to many users; see `recommend_targets`, and `recommend_many` for the lists."""
        groups, k = read_groups(self.vocabulary, target), whole_number("k", k)
        requests = read_requests(
            histories, queries=queries, texts=texts, event_types=event_types, ratings=ratings, timestamps=timestamps,
            event_texts=event_texts,
        )  # fmt: skip
        if not truth("profile", profile):
            requests, on_unknown = requests.without_profile(), "popular"
        self._check_texts(requests.texts)
        asked = Queries(self.ranker, self.processor, requests.queries, False)
        requests = replace(requests, queries=asked.read)
        filters = filters or Filters()
        self.ranker.filter.allowed(filters)  # raises before anything is computed
        unknown = self.unknown_items(requests.histories)
        bases = [self._basis(requests, user, int(count), on_unknown) for user, count in enumerate(unknown)]
        check_unknown(sum(basis in ("popular", "none") for basis in bases), len(bases), on_unknown)
        scored = [user for user, basis in enumerate(bases) if basis in ("history", "texts", "query")]
        head = None if self.rerankers else target_head(self.ranker.model.model, groups)
        found: dict[int, TargetRecommendations] = {}
        for start in range(0, len(scored), batch_size):
            part = scored[start : start + batch_size]
            rows, inputs = self._inputs(requests.of(part))
            scores, states = self._item_scores(inputs, [row["items"] for row in rows], filters, asked.asks(part)[0])
            histories_of = [self.vocabulary.encode(requests.histories[user]).tolist() for user in part]
            known = groups.members(histories_of).to(scores.device)
            by_history = [bases[user] == "history" and not (asked.read and asked.read[user]) for user in part]
            shares = group_shares(head, groups, scores, states, known, filters, by_history)
            for place, user in enumerate(part):
                one = self._inputs(requests.of([user]))[1] if explain else None
                found[user] = self._list(
                    groups, scores[place], shares[place], known[place], histories_of[place], k, filters, one
                )
        for user, basis in enumerate(bases):
            if user not in found:
                found[user] = self._popular_groups(groups, k, filters) if basis == "popular" else _empty(groups)
            found[user].basis, found[user].unknown_items = basis, int(unknown[user])
            of_basis = basis_note(target, basis, len(requests.histories[user]), int(unknown[user]), profile)
            notes = of_basis, *self._notes(found[user], len(groups), k, filters), *asked.notes(user, [])
            found[user].notes = [note for note in notes if note]
            found[user].basis = basis if found[user] else "none"
        return [found[user] for user in range(len(bases))]

    def _item_scores(
        self, inputs: dict[str, torch.Tensor], histories: Sequence[Sequence[int]], filters: Filters, asks: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(users, rows) scores of the items, -inf for items that are left out, and (users, hidden) states."""
        states, recent = self.ranker.states(inputs)
        recent = recent.discovering(histories) if filters.exclude_seen else recent
        scores = catalogue_scores(self.ranker.model.model, states, recent, self.ranker.items, asks)
        scores = self.reranked(scores, histories)
        self.ranker.filter.hide(filters, histories)(scores, 0)
        if not filters.exclude_seen:
            return scores, states
        padded = torch.nn.utils.rnn.pad_sequence([torch.as_tensor(own).long() for own in histories], batch_first=True)
        return without_history(scores, padded), states

    @torch.no_grad()
    def row_states(self, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
        """(users, hidden) states of the histories of dataset rows, which heads read."""
        return self.ranker.states(self.processor.collate(rows, layout=self.ranker.layout))[0]

    def _list(
        self,
        groups: ItemGroups,
        scores: torch.Tensor,
        probabilities: torch.Tensor,
        known: torch.Tensor,
        history: list[int],
        k: int,
        filters: Filters,
        inputs: dict[str, torch.Tensor] | None,
    ) -> TargetRecommendations:
        """The groups of one user; `inputs` of the model explain them, None for no explanation."""
        possible = groups.sums(torch.isfinite(scores)[None].float())[0] > 0  # a probability of 0 may be a rounded one
        possible = possible & ~known if filters.exclude_seen else possible
        values, best = probabilities.masked_fill(~possible, -1.0).topk(min(k, len(groups)))
        best = best[values >= 0]
        items = [self._best_items(groups, code, scores) if inputs is not None else () for code in best.tolist()]
        reasons = self._group_reasons([found[0] for found in items], inputs, history, filters) if any(items) else {}
        listed = [
            TargetRecommendation(
                groups.names[code], round(min(1.0, float(probabilities[code])), 6), bool(known[code]), shown,
                reasons.get(shown[0].item_id, ()) if shown else (),
            )
            for code, shown in zip(best.tolist(), items, strict=True)
        ]  # fmt: skip
        left_out = [groups.names[code] for code in known.nonzero()[:, 0].tolist()] if filters.exclude_seen else []
        return TargetRecommendations(listed, groups.column, left_out=left_out)

    def _best_items(self, groups: ItemGroups, code: int, scores: torch.Tensor) -> tuple[GroupItem, ...]:
        """The most probable items of a group, of which at least one may be recommended."""
        rows = torch.from_numpy(groups.rows[groups.codes == code]).to(scores.device)
        values, places = scores[rows].topk(min(EXAMPLES, len(rows)))
        best, shares = rows[places][torch.isfinite(values)].tolist(), torch.softmax(scores, dim=0)
        found = [(self.vocabulary.item(row), round(float(shares[row]), 6)) for row in best]
        return tuple(GroupItem(item["item_id"], item.get("title") or item["item_id"], share) for item, share in found)

    def _group_reasons(
        self, items: Sequence[GroupItem], inputs: dict[str, torch.Tensor] | None, history: list[int], filters: Filters
    ) -> dict[str, tuple[Reason, ...]]:
        """Reasons of the most probable item of each group, by item id."""
        if inputs is None:
            return {}
        only = replace(filters, only_items=[one.item_id for one in items])
        listed = self.ranker.recommend(inputs, [history], len(items), only)[0]
        return {item.item_id: item.because for item in listed}

    def _popular_groups(self, groups: ItemGroups, k: int, filters: Filters) -> TargetRecommendations:
        """Groups by their share of the training events."""
        allowed = self.ranker.filter.for_new_users(filters)
        counts = (self.ranker.model.model.items.item_counts * allowed)[None].double()
        counts[:, :NUM_SPECIAL_ROWS] = 0
        values, best = (groups.sums(counts)[0] / counts.sum().clamp(min=1)).topk(min(k, len(groups)))
        listed = [
            TargetRecommendation(groups.names[code], round(value, 6))
            for value, code in zip(values.tolist(), best.tolist(), strict=True)
            if value > 0
        ]
        return TargetRecommendations(listed, groups.column)

    def _notes(self, found: TargetRecommendations, values: int, k: int, filters: Filters) -> Iterator[str | None]:
        """Notes on the length and on the probabilities of one list; None for none."""
        if found.basis == "none":
            return
        left_out, popular = len(found.left_out), found.basis == "popular"
        yield shortage_note(found.target, len(found), left_out, values, k, filters, popular)
        by_model = found and found.basis in ("history", "texts")
        if by_model and not self.ranker.model.model.has_probabilities(filters.exclude_seen):
            yield probability_note("discovery" if filters.exclude_seen else "next items")

    def reranked(self, scores: torch.Tensor, histories: Sequence[Sequence[int]]) -> torch.Tensor:
        """Scores in the order of the recommender's rules."""
        raise NotImplementedError("a recommender has rules")

    def _check_texts(self, texts: Any) -> None:
        raise NotImplementedError("a recommender checks the texts of users")

    def _inputs(self, requests: Requests) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
        raise NotImplementedError("a recommender makes rows of requests")

    def unknown_items(self, histories: Sequence[Sequence[str]]) -> Any:
        """(users,) number of events per history whose item is not in the catalogue."""
        raise NotImplementedError("a recommender knows its catalogue")

    def _basis(self, requests: Requests, user: int, unknown: int, on_unknown: OnUnknown) -> Basis:
        raise NotImplementedError("a recommender knows the basis of a list")


def _empty(groups: ItemGroups) -> TargetRecommendations:
    return TargetRecommendations((), groups.column)

"""Reasons of recommendations: the items of the history without which a score falls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from .limits_xcat import NUM_SPECIAL_ROWS
from .ranked_xcat import Ranked
from .recent_events_xcat import RecentEvents

LATEST = 16
"""Distinct items of a history that are examined, the latest ones; each costs one encoding of the history."""
LEAST_WEIGHT = 0.1
"""Minimum weight of a reason; a smaller influence is not worth a reader's time."""
COMPARED = 100
"""Best items that the odds of an item are against, whatever the length of the list."""
UNKNOWN_ROW = NUM_SPECIAL_ROWS - 1
_EVENTS_AT_ONCE = 1 << 13
_OF_USERS = ("user_text_", "interest_")

Scores = Callable[[dict[str, torch.Tensor], torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes the model inputs of some histories, the user number of each, and the item index that each lacks (0 for none):
returns (histories, items) scores of the items that are compared for that user."""


@dataclass(frozen=True)
class Influences:
    """Influence of the items of one history on the items of one list.

    Args:
        items: (had,) distinct item indices of the history, the latest first.
        support: (listed, had) fall of the log odds of a listed item without an item of the history; see `log_odds`.
        falls: (listed, had) fall of its score.
    """

    items: torch.Tensor
    support: torch.Tensor
    falls: torch.Tensor

    @property
    def weights(self) -> torch.Tensor:
        """(listed, had) shares of the odds that are lost, from 0 to 1: 1 - exp(-fall), with the smaller of the falls.

        So an item of the history that lifts all listed items alike has the weight 0 for all of them, and so has one
        whose removal raises the score.
        """
        return 1 - torch.exp(-torch.minimum(self.support, self.falls).clamp(min=0))

    def reasons(self, count: int) -> list[list[tuple[int, float]]]:
        """Item indices and weights of at most `count` reasons per item of the list, the largest weight first.

        Example:
            >>> fall = torch.tensor([[0.25, 0.5], [0.0, 2.0]])
            >>> found = Influences(torch.tensor([7, 9]), fall, torch.tensor([[0.7, 0.7], [0.7, -0.1]]))
            >>> [[(item, round(weight, 2)) for item, weight in reasons] for reasons in found.reasons(3)]
            [[(9, 0.39), (7, 0.22)], []]
        """
        values, places = self.weights.sort(dim=1, descending=True, stable=True)
        pairs = zip(self.items[places].tolist(), values.tolist(), strict=True)
        return [
            [(item, weight) for item, weight in zip(*pair, strict=True) if weight >= LEAST_WEIGHT][:count]
            for pair in pairs
        ]


def list_influences(
    found: Ranked,
    rows: torch.Tensor,
    lengths: Sequence[int],
    inputs: Mapping[str, torch.Tensor],
    encode: Callable[[dict[str, torch.Tensor]], tuple[torch.Tensor, RecentEvents]],
    gap_buckets: int = 0,
) -> list[Influences]:
    """Influence of the items of histories on the items of lists.

    Args:
        found: The best items, among them those of the lists.
        rows: (users, k) item indices of the lists.
        lengths: Items of each list.
        inputs: Inputs of the model, one history per row, padded on the right, with `query_positions`.
        encode: Takes inputs and returns states and latest events, as `ItemRanker.states`.
        gap_buckets: Buckets of time gaps of the model.

    Returns:
        One entry per user.
    """

    def score(without: dict[str, torch.Tensor], users: torch.Tensor, removed: torch.Tensor) -> torch.Tensor:
        states, recent = encode(without)
        return found.changed(states, recent, users, removed)

    best = found.rows[:, :COMPARED]
    places = places_among(found.candidates, torch.cat([best, rows], 1))
    compared, listed = places.split([best.shape[1], rows.shape[1]], 1)
    own = [of_user[:length] for of_user, length in zip(listed, lengths, strict=True)]
    others = [of_user[row > 0] for of_user, row in zip(compared, best, strict=True)]
    placed = {name: value.to(rows.device) for name, value in inputs.items()}
    return influences(placed, own, others, score, gap_buckets)


def places_among(candidates: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """(queries, n) places of (queries, n) item indices in (queries, candidates), the first of several.

    Example:
        >>> places_among(torch.tensor([[5, 9, 7, 9]]), torch.tensor([[9, 7]])).tolist()
        [[1, 2]]
    """
    ordered, order = candidates.sort(dim=1, stable=True)
    return order.gather(1, torch.searchsorted(ordered, rows.contiguous()).clamp(max=candidates.shape[1] - 1))


def influences(
    inputs: Mapping[str, torch.Tensor],
    listed: Sequence[torch.Tensor],
    compared: Sequence[torch.Tensor],
    score: Scores,
    gap_buckets: int = 0,
) -> list[Influences]:
    """Leave out every item of each history in turn, and compare the scores with and without it.

    Args:
        inputs: Inputs of the model, one history per row, padded on the right, with `query_positions`.
        listed: Per user, (n,) places of the listed items among the items that `score` compares.
        compared: Per user, (m,) places of the items that the odds of the listed ones are against.
        score: Computes the scores.
        gap_buckets: Buckets of time gaps of the model.

    Returns:
        One entry per user.
    """
    had = [latest_items(row) for row in inputs["item_ids"]]
    counts = [1 + len(items) for items in had]
    users = torch.arange(len(had)).repeat_interleave(torch.tensor(counts))
    removed = torch.cat([torch.cat([items.new_zeros(1), items]) for items in had])
    users = users.to(removed.device)
    parts = [
        score(without_items(inputs, *part, gap_buckets), *part) for part in _parts(users, removed, counts, inputs)
    ]
    scores = torch.cat([part.float() for part in parts])
    found, start = [], 0
    for items, places, others in zip(had, listed, compared, strict=True):
        own = scores[start : start + 1 + len(items)]
        odds, values = log_odds(own, places, others), own[:, places]
        found.append(Influences(items, _falls(odds), _falls(values)))
        start += 1 + len(items)
    return found


def log_odds(scores: torch.Tensor, listed: torch.Tensor, compared: torch.Tensor) -> torch.Tensor:
    """Log odds of items against other items, by the softmax of the scores.

    Args:
        scores: (histories, items) scores, which are logits.
        listed: (n,) places of the items.
        compared: (m,) places of the items that they are compared with; each without itself. An item that is compared
            with no other keeps its score.

    Returns:
        (histories, n) log odds.

    Example:
        >>> scores = torch.tensor([[2.0, 1.0, 1.0]])
        >>> log_odds(scores, torch.tensor([0, 1]), torch.tensor([0, 1])).tolist()
        [[1.0, -1.0]]
    """
    same = listed[:, None] == compared
    others = scores[:, None, compared].masked_fill(same, -torch.inf).logsumexp(2)
    return scores[:, listed] - others.masked_fill(others == -torch.inf, 0.0)


def _falls(values: torch.Tensor) -> torch.Tensor:
    """(n, events) falls of (1 + events, n) values from the first row to each other; 0 where both are infinite."""
    return (values[:1] - values[1:]).nan_to_num(0.0, posinf=torch.inf, neginf=-torch.inf).T


def without_items(
    inputs: Mapping[str, torch.Tensor], users: torch.Tensor, removed: torch.Tensor, gap_buckets: int = 0
) -> dict[str, torch.Tensor]:
    """Inputs of histories without the events of one item.

    Positions close up, and the time gap of an event becomes the time since the last event that is left. A history of
    that item alone becomes one event of an unknown item, as for a new customer. Texts and interests stay.

    Args:
        inputs: Inputs of the model, one history per row, padded on the right.
        users: (histories,) row of each new history.
        removed: (histories,) item index to remove; 0 for none.
        gap_buckets: Buckets of time gaps of the model.
    """
    ids, mask = inputs["item_ids"][users], inputs["attention_mask"][users].bool()
    kept = mask & ids.ne(removed[:, None])
    alone = ~kept.any(1)
    kept[alone, 0] = True
    order = kept.long().argsort(dim=1, descending=True, stable=True)
    index = torch.arange(ids.shape[1], device=ids.device)
    lengths = kept.sum(1)
    inside = index < lengths[:, None]
    result = {}
    for name, value in inputs.items():
        own = value[users] if name != "query_positions" else value
        if name == "query_positions":
            own = torch.arange(len(users), device=ids.device) * ids.shape[1] + lengths - 1
        elif name == "position_ids":
            own = index * inside
        elif name.startswith(_OF_USERS):
            own = torch.minimum(own, lengths[:, None] - 1) if name.endswith("_positions") else own
        else:
            own = _merged_gaps(own, kept, gap_buckets) if name == "time_gap_ids" else own
            own = own.gather(1, order) * inside
        result[name] = own
    result["item_ids"][alone, 0] = UNKNOWN_ROW
    return result


def latest_items(row: torch.Tensor) -> torch.Tensor:
    """The latest distinct items of (length,) item indices, the latest first."""
    latest = dict.fromkeys(item for item in row.flip(0).tolist() if item >= NUM_SPECIAL_ROWS)
    return torch.tensor(list(latest)[:LATEST], dtype=torch.long, device=row.device)


def _parts(
    users: torch.Tensor, removed: torch.Tensor, counts: list[int], inputs: Mapping[str, torch.Tensor]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The histories of one user at a time, which have the same candidates; on an accelerator those of several."""
    size = max(1, _EVENTS_AT_ONCE // inputs["item_ids"].shape[1])
    runs = counts if users.device.type == "cpu" else [len(users)]
    sizes = [min(size, run - start) for run in runs for start in range(0, run, size)]
    return zip(users.split(sizes), removed.split(sizes), strict=True)


def _merged_gaps(gaps: torch.Tensor, kept: torch.Tensor, buckets: int) -> torch.Tensor:
    """Gap buckets of (histories, length) events, with the gaps of events left out added to the next kept event's.

    Gaps are added at the middles of their buckets (`time_gap_buckets` of the processor). A sum with an unknown gap is
    unknown, and so is the gap of the first event.
    """
    segment = kept.long().cumsum(1) - kept.long()
    minutes = 2.0 ** (gaps - 0.5) - 1
    total = torch.zeros_like(minutes).scatter_add_(1, segment, minutes).gather(1, segment)
    unknown = torch.zeros_like(gaps).scatter_add_(1, segment, gaps.eq(0).to(gaps.dtype)).gather(1, segment)
    merged = (1 + torch.log2(1 + total).floor().long()).clamp(max=buckets - 1)
    return merged.masked_fill(unknown > 0, 0)

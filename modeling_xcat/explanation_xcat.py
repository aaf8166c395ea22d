"""Reasons of recommendations: the items of the history without which a score falls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from .limits_xcat import NUM_SPECIAL_ROWS

LATEST = 16
"""Distinct items of a history that are examined, the latest ones; each costs one encoding of the history."""
LEAST_WEIGHT = 0.1
"""Minimum weight of a reason; a smaller influence is not worth a reader's time."""
COMPARED = 10
"""Best items whose falls a reason is compared with, whatever the length of the list."""
UNKNOWN_ROW = NUM_SPECIAL_ROWS - 1
_EVENTS_AT_ONCE = 1 << 13
_OF_USERS = ("user_text_", "interest_")

Scores = Callable[[dict[str, torch.Tensor], torch.Tensor], torch.Tensor]
"""Takes the model inputs of some histories, and the user number of each: returns (histories, items) scores of the
items that are compared for that user."""


@dataclass(frozen=True)
class Influences:
    """Influence of the items of one history on the items of one list.

    Args:
        items: (had,) distinct item indices of the history, the latest first.
        weights: (listed, had) weights from 0 to 1; see `odds_lost`.
    """

    items: torch.Tensor
    weights: torch.Tensor

    def reasons(self, count: int) -> list[list[tuple[int, float]]]:
        """Item indices and weights of at most `count` reasons per item of the list, the largest weight first.

        Example:
            >>> found = Influences(torch.tensor([7, 9]), torch.tensor([[0.25, 0.5], [0.0, 0.0]]))
            >>> found.reasons(3)
            [[(9, 0.5), (7, 0.25)], []]
        """
        values, places = self.weights.sort(dim=1, descending=True, stable=True)
        pairs = zip(self.items[places].tolist(), values.tolist(), strict=True)
        return [
            [(item, weight) for item, weight in zip(*pair, strict=True) if weight >= LEAST_WEIGHT][:count]
            for pair in pairs
        ]


def influences(
    inputs: Mapping[str, torch.Tensor],
    listed: Sequence[torch.Tensor],
    compared: Sequence[torch.Tensor],
    score: Scores,
    gap_buckets: int = 0,
) -> list[Influences]:
    """Leave out every item of each history in turn, and compare the scores of the list with and without it.

    Args:
        inputs: Inputs of the model, one history per row, padded on the right, with `query_positions`.
        listed: Per user, (n,) places of the listed items among the items that `score` compares.
        compared: Per user, (m,) places of the items whose falls the listed ones are compared with.
        score: Computes the scores.
        gap_buckets: Buckets of time gaps of the model.

    Returns:
        One entry per user.
    """
    had = [_latest_items(row) for row in inputs["item_ids"]]
    users = torch.arange(len(had)).repeat_interleave(torch.tensor([1 + len(items) for items in had]))
    removed = torch.cat([torch.cat([items.new_zeros(1), items]) for items in had])
    users = users.to(removed.device)
    parts = [score(without_items(inputs, *part, gap_buckets), part[0]) for part in _parts(inputs, users, removed)]
    scores = torch.cat([part.float() for part in parts])
    found, start = [], 0
    for items, places, others in zip(had, listed, compared, strict=True):
        own = scores[start : start + 1 + len(items)]
        found.append(Influences(items, odds_lost(own[0], own[1:], places, others).T))
        start += 1 + len(items)
    return found


def odds_lost(
    scores: torch.Tensor,
    without: torch.Tensor,
    listed: torch.Tensor | None = None,
    compared: torch.Tensor | None = None,
) -> torch.Tensor:
    """Share of each listed item's odds that is lost without an event: 1 - exp(-fall of its score).

    The fall is the smaller of two: the fall of the item's score, and by how much more it falls than the scores of the
    other compared items, at their median. So an event that lifts all these items alike has the weight 0 for all of
    them, and so has an event whose removal raises the score.

    Args:
        scores: (items,) scores, which are logits.
        without: (events, items) scores without each event.
        listed: (n,) places of the items to explain; None for all.
        compared: (m,) places of the items to compare them with; None for all. Items without a score do not count.

    Returns:
        (events, n) weights from 0 to 1.

    Example:
        >>> without = torch.tensor([[2.0, 1.0, 0.0], [3.0, 1.0, 1.0]])
        >>> odds_lost(torch.tensor([3.0, 2.0, 1.0]), without).mul(100).round().tolist()
        [[0.0, 0.0, 0.0], [0.0, 63.0, 0.0]]
    """
    falls = scores - without
    every = torch.arange(len(scores), device=scores.device)
    listed = every if listed is None else listed
    compared = every if compared is None else compared
    others = falls[:, None, compared].masked_fill(listed[:, None] == compared, torch.nan)
    own = falls[:, listed]
    if others.numel():
        typical = others.nanquantile(0.5, dim=2)
        own = torch.minimum(own, own - typical.nan_to_num(0.0))
    return 1 - torch.exp(-own.nan_to_num(0.0).clamp(min=0))


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


def _latest_items(row: torch.Tensor) -> torch.Tensor:
    """The latest distinct items of (length,) item indices, the latest first."""
    latest = dict.fromkeys(item for item in row.flip(0).tolist() if item >= NUM_SPECIAL_ROWS)
    return torch.tensor(list(latest)[:LATEST], dtype=torch.long, device=row.device)


def _parts(
    inputs: Mapping[str, torch.Tensor], users: torch.Tensor, removed: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    size = max(1, _EVENTS_AT_ONCE // inputs["item_ids"].shape[1])
    return zip(users.split(size), removed.split(size), strict=True)


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

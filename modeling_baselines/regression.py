"""Item-to-item weights: each item regressed on its nearest items, by interactions and by text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from .cooccurrence import PairCounts, strongest
from .reading import NUM_SPECIAL_ROWS

CANDIDATES = 50
"""Number of items that each item is regressed on."""
RIDGE = 20.0
"""L2 penalty of the weights, in users."""
TEXT_WEIGHT = 5.0
"""Weight of a text in the regression, in users."""
MOST_PAIRS = 1 << 28
"""Maximum pairs of items that are counted, which limits the memory. If at most this many pairs are distinct, four
times as many are counted, which limits the time alone. Of larger data, evenly spread users are counted."""
MOST_COMPARED = 1 << 33
"""Pairs of items up to which all items are compared (some 92,000 items); in larger catalogues only items with common
users are compared."""

_SCORES_AT_ONCE = 1 << 24
_TARGETS_AT_ONCE = 256


def weights_by_regression(
    train_rows: Iterable[Sequence[int]],
    rows: int,
    neighbours: int,
    texts: tuple[torch.Tensor, torch.Tensor] | None = None,
    *,
    candidates: int = CANDIDATES,
    ridge: float = RIDGE,
    text_weight: float = TEXT_WEIGHT,
    elsewhere: torch.Tensor | None = None,
    event_weights: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Item-to-item weights: how strongly one item predicts each other item.

    With x_i the users of item i (1 or 0 per user), t_i its text and N the `candidates` items nearest to j, the weights
    of j are the positive part of

        argmin_w |x_j - sum_N w_i x_i|^2 + a |t_j - sum_N w_i t_i|^2 + l |w|^2

    A cosine counts the same evidence several times; in a regression, items share it. This is EASE (Steck,
    "Embarrassingly shallow autoencoders for sparse data", WWW 2019) with one system per item, over its nearest items
    only (as fsSLIM, Ning and Karypis, ICDM 2011) and with texts as additional rows (as CEASE, Jeunen et al., RecSys
    2020). The cost grows with the number of items, not with its cube. An item without users has weights from its text.

    Args:
        train_rows: One sequence of item indices per user.
        rows: Rows of the item table, `NUM_SPECIAL_ROWS` included.
        neighbours: Items to keep per item: the ones it predicts best.
        texts: (texts, width) states and the (rows,) text number of each row; None for interactions alone. A state of
            zeros is an empty text.
        candidates: Number of items that each item is regressed on: those with the highest positive cosine of
            (x, sqrt(a) t), or of x alone if not all items are compared.
        ridge: l, above 0.
        text_weight: a.
        elsewhere: (rows,) number of users of each item who are not among the sequences; None for none.
        event_weights: (events,) weights of all events, user after user: x_i has them in place of 1. None for 1.

    Returns:
        (rows, neighbours) int32 item indices and float32 weights, descending; 0 and 0 where there are fewer.

    Raises:
        ValueError: If a sequence contains an index that is not in the item table.

    Example:
        >>> found, weights = weights_by_regression([[2, 3], [3, 2], [4]], rows=5, neighbours=1, ridge=2.0)
        >>> found.tolist(), weights[2].tolist()
        ([[0], [0], [3], [2], [0]], [0.5])
    """
    most_pairs = MOST_PAIRS if rows * rows > MOST_PAIRS else 4 * MOST_PAIRS
    counts = PairCounts(train_rows, rows, most_pairs, event_weights)
    system = _Systems(counts, _unit_texts(texts), float(text_weight), float(ridge), elsewhere)
    if system.texts is not None and rows * rows <= MOST_COMPARED:
        nearest = system.nearest_of_all(candidates)
    else:
        nearest = system.nearest_together(candidates)
    sources, targets, values = [], [], []
    for part, rows_of_part in nearest:
        weights = system.solve(part, rows_of_part)
        there = weights > 0
        sources.append(rows_of_part[there])
        targets.append(part[:, None].expand_as(rows_of_part)[there])
        values.append(weights[there])
    if not sources:
        return torch.zeros(rows, neighbours, dtype=torch.int32), torch.zeros(rows, neighbours)
    order = torch.cat(targets).argsort(stable=True)
    source, target, value = (torch.cat(found)[order] for found in (sources, targets, values))
    return strongest(source, target, value, rows, neighbours)


def _unit_texts(texts: tuple[torch.Tensor, torch.Tensor] | None) -> tuple[torch.Tensor, torch.Tensor] | None:
    if texts is None:
        return None
    states, index = texts
    return torch.nn.functional.normalize(states.float(), dim=-1), index


class _Systems:
    """The linear systems of all items: counts of pairs and cosines of texts."""

    def __init__(
        self,
        counts: PairCounts,
        texts: tuple[torch.Tensor, torch.Tensor] | None,
        text_weight: float,
        ridge: float,
        elsewhere: torch.Tensor | None,
    ) -> None:
        self.counts, self.texts, self.text_weight, self.ridge = counts, texts, text_weight, ridge
        self.users = counts.mass + (0 if elsewhere is None else elsewhere.cpu())
        self.diagonal = self.users.clone()
        if texts is not None:
            speaks = texts[0].any(1)[texts[1]]
            self.diagonal = self.diagonal + text_weight * speaks
        self.diagonal[:NUM_SPECIAL_ROWS] = 0
        self._keys, self._together = torch.zeros(0, dtype=torch.long), torch.zeros(0)

    def nearest_of_all(self, candidates: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """(items,) indices and their (items, candidates) nearest, 0 for none, in blocks; all items are compared."""
        assert self.texts is not None
        states, index = self.texts
        scale = self._scale()
        found, pairs = [], _PairTable(self.counts.rows)
        counted = torch.zeros(self.counts.rows, dtype=torch.bool)
        most_rows = max(1, _SCORES_AT_ONCE // self.counts.rows)
        blocks = list(self.counts.blocks(most_rows))
        counted[torch.cat([torch.zeros(0, dtype=torch.long), *blocks])] = True
        rest = (~counted & (self.diagonal > 0)).nonzero().squeeze(1)
        for block in (*blocks, *(rest.split(most_rows) if len(rest) else ())):
            likeness = self.text_weight * (states[index[block]] @ states.T).index_select(1, index)
            if counted[block[0]]:
                own, other, together = self.counts.count(block)
                likeness.view(-1).index_add_(0, own * self.counts.rows + other, together.float())
                pairs.add(block[own], other, together)
            likeness *= scale
            likeness[torch.arange(len(block)), block] = 0.0
            best = likeness.topk(min(candidates, self.counts.rows), dim=1)
            found.append((block, best.indices * (best.values > 0)))
        self._keys, self._together = pairs.sorted()
        return found

    def nearest_together(self, candidates: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Like `nearest_of_all`, but compares items with common users only."""
        scale, found, pairs = self._scale(), [], _PairTable(self.counts.rows)
        for block in self.counts.blocks(self.counts.rows):
            own, other, together = self.counts.count(block)
            pairs.add(block[own], other, together)
            likeness = together * scale[other] * (other != block[own])
            kept, _ = strongest(own, other, likeness, len(block), candidates)
            found.append((block, kept.long()))
        self._keys, self._together = pairs.sorted()
        return found

    def _scale(self) -> torch.Tensor:
        """(rows,) factors that scale counts and text similarities of an item, to compare all its pairs."""
        return torch.where(self.diagonal > 0, self.diagonal.clamp(min=1e-9).rsqrt(), 0.0)

    def solve(self, targets: torch.Tensor, nearest: torch.Tensor) -> torch.Tensor:
        """(items, candidates) weights of candidates for (items,) targets; 0 where there is no candidate."""
        parts = [
            self._solve(some, near)
            for some, near in zip(targets.split(_TARGETS_AT_ONCE), nearest.split(_TARGETS_AT_ONCE), strict=True)
        ]
        return torch.cat(parts)

    def _solve(self, targets: torch.Tensor, nearest: torch.Tensor) -> torch.Tensor:
        count, there = nearest.shape[1], nearest > 0
        first, second = torch.triu_indices(count, count, 1)
        matrix = torch.zeros(len(targets), count, count)
        matrix[:, first, second] = self._counted(nearest[:, first], nearest[:, second])
        matrix = matrix + matrix.mT
        wanted = self._counted(targets[:, None].expand_as(nearest), nearest)
        matrix.diagonal(dim1=1, dim2=2).copy_(self.users[nearest])
        if self.texts is not None:
            states, index = self.texts
            near = states[index[nearest]]
            matrix += self.text_weight * (near @ near.mT)
            wanted = wanted + self.text_weight * (near @ states[index[targets]][..., None]).squeeze(-1)
        matrix *= there[:, :, None] & there[:, None, :]
        matrix.diagonal(dim1=1, dim2=2).add_(self.ridge)
        weights: torch.Tensor = torch.linalg.solve(matrix, (wanted * there)[..., None]).squeeze(-1)
        return weights.clamp(min=0)

    def _counted(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Number of common users of two items, for each pair."""
        if not len(self._keys):
            return torch.zeros(one.shape)
        keys = torch.minimum(one, other) * self.counts.rows + torch.maximum(one, other)
        place = torch.searchsorted(self._keys, keys).clamp(max=len(self._keys) - 1)
        return torch.where(self._keys[place] == keys, self._together[place], 0.0)


class _PairTable:
    """Pairs of different items, each stored once, with their number of common users."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._keys: list[torch.Tensor] = [torch.zeros(0, dtype=torch.long)]
        self._together: list[torch.Tensor] = [torch.zeros(0)]

    def add(self, owners: torch.Tensor, others: torch.Tensor, together: torch.Tensor) -> None:
        """Keep (pairs,) counts of owners and others."""
        once = owners < others
        self._keys.append(owners[once] * self.rows + others[once])
        self._together.append(together[once].float())

    def sorted(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(pairs,) keys `lower index * rows + higher index`, ascending, and counts."""
        keys, order = torch.cat(self._keys).sort()
        return keys, torch.cat(self._together)[order]

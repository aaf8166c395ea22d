"""The click head: a shown item attends to the history, and a small network computes the log odds of a click."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .configuration_xcat import NUM_SPECIAL_ROWS, XCatConfig
from .items_xcat import XCatItemEncoder
from .layout_xcat import SequenceLayout

_AGES = 8
_CODE_WIDTH = 16
"""Width of the embedding of a categorical context feature."""
_PAIRS = ("text", "near text", "representation", "item", "category")
"""Features of a shown item and an event; every item feature adds one."""
_EVIDENCE = ("product", "repeat bias", "had", "times", "popularity", "nearest text", "mean text", "events")
"""Features of a showing; category and every item feature add the share of the history with the same value."""
_UNITS = 5.0
"""Number of units that a cosine of 1 counts in the features."""


@dataclass(frozen=True)
class ShownItems:
    """Shown items, placed next to the rows that have their histories.

    Args:
        items: (showings,) item indices.
        rows: (showings,) row of each showing.
        slots: (showings,) place of each showing among those of its row.
        visible: (rows, slots, length) True where a showing may read an event: its own history, not later.
        ages: (rows, slots, length) number of events between an event and the showing; 0 for the latest.
    """

    items: torch.Tensor
    rows: torch.Tensor
    slots: torch.Tensor
    visible: torch.Tensor
    ages: torch.Tensor

    @classmethod
    def of(cls, items: torch.Tensor, positions: torch.Tensor, layout: SequenceLayout) -> ShownItems:
        """Place showings.

        Args:
            items: (showings,) item indices.
            positions: (showings,) position in the flattened rows of the last event before each; -1 for none.
            layout: Layout of the histories.
        """
        rows, length = layout.document_ids.shape
        known, last = positions >= 0, positions.clamp(min=0)
        row = last // max(1, length)
        order = row.argsort(stable=True)
        counts = torch.bincount(row, minlength=rows)
        slots = torch.empty_like(row)
        slots[order] = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row[order]]
        shape = rows, int(counts.max()) if len(row) else 0

        def spread(values: torch.Tensor, empty: int) -> torch.Tensor:
            table = torch.full(shape, empty, dtype=torch.long, device=row.device)
            table[row, slots] = values.masked_fill(~known, empty)
            return table[:, :, None]

        own = spread(layout.document_ids.flatten()[last], -2) == layout.document_ids[:, None, :]
        ages = spread(layout.position_ids.flatten()[last], -1) - layout.position_ids[:, None, :]
        return cls(items, row, slots, own & (ages >= 0), ages.clamp(min=0))

    def placed(self, values: torch.Tensor) -> torch.Tensor:
        """(rows, slots, ...) values of (showings, ...) values; 0 in empty places."""
        table = values.new_zeros(*self.visible.shape[:2], *values.shape[1:])
        table[self.rows, self.slots] = values
        return table

    def picked(self, table: torch.Tensor) -> torch.Tensor:
        """(showings, ...) values of (rows, slots, ...) values."""
        return table[self.rows, self.slots]

    def share(self, pairs: torch.Tensor) -> torch.Tensor:
        """(rows, slots) mean of (rows, slots, length) values over visible events; 0 without one."""
        mean: torch.Tensor = (pairs * self.visible).sum(2) / self.visible.sum(2).clamp(min=1)
        return mean


@dataclass(frozen=True)
class ShownStates:
    """Representations that the click head reads.

    Args:
        items: (showings, hidden) representations of the shown items.
        item_side: (showings, hidden) their item embeddings.
        history: (rows, length, hidden) representations of the items of the histories.
        history_side: (rows, length, hidden) their item embeddings.
        states: (rows, length, hidden) behaviour states.
        before: (showings, hidden) behaviour state before each showing, 0 without an event.
        evidence: (showings, features) values of `_EVIDENCE` that do not depend on pairs: score of next-item
            prediction in cosine units, repeat bias, whether and how often the user had the item.
        counts: (showings,) training events of each item before its showing, or all without the showing's own.
    """

    items: torch.Tensor
    item_side: torch.Tensor
    history: torch.Tensor
    history_side: torch.Tensor
    states: torch.Tensor
    before: torch.Tensor
    evidence: torch.Tensor
    counts: torch.Tensor


class XCatClickHead(nn.Module):
    """Log odds that a user clicks a shown item.

    The shown item c is the query of a cross-attention to the events j before it (target attention, as in DIN, Zhou et
    al., KDD 2018). Keys and values are behaviour state and item of the event. Features x_j of the pair, such as the
    cosine of both texts, are part of the logits and are read out, too:

        a = softmax_j(q(c, u) k_j + w x_j + b_age(j)),    r = sum_j a_j v_j,    y = sum_j a_j x_j

    With the behaviour state u before the showing, evidence z (score of next-item prediction, repeat bias, popularity,
    category match, ...) and context features d, the log odds are

        w' (z, d) + MLP(r, c, u, r * c, u * c, y, z, d)

    A null token takes the attention where no event matters, and of an empty history.
    """

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.config = config
        size, heads = config.hidden_size, config.num_attention_heads
        features = len(config.item_features or {})
        self.heads, self.pairs = heads, len(_PAIRS) + features
        self.item_norm, self.memory_norm = (nn.LayerNorm(size, config.layer_norm_eps) for _ in range(2))
        self.query = nn.Linear(2 * size, size)
        self.key, self.value = nn.Linear(2 * size, size), nn.Linear(2 * size, size)
        self.pair_weight = nn.Linear(self.pairs, heads)
        self.ages = nn.Embedding(_AGES, heads)
        self.null_value = nn.Parameter(torch.zeros(size))
        self.null_logit = nn.Parameter(torch.zeros(heads))
        self.codes = nn.ModuleList(
            nn.Embedding(count, _CODE_WIDTH, padding_idx=0) for count in config.click_categorical_sizes or ()
        )
        numbers = len(_EVIDENCE) + 1 + features + config.click_dense
        codes = _CODE_WIDTH * len(self.codes)
        self.linear = nn.Linear(numbers, 1)
        self.expand = nn.Linear(5 * size + heads * self.pairs + numbers + codes, size)
        self.middle = nn.Linear(size, size // 2 or 1)
        self.contract = nn.Linear(size // 2 or 1, 1, bias=False)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(
        self,
        shown: ShownItems,
        found: ShownStates,
        items: XCatItemEncoder,
        item_ids: torch.Tensor,
        dense: torch.Tensor | None = None,
        categorical: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute log odds.

        Args:
            shown: The shown items.
            found: Representations of items and histories.
            items: The item table.
            item_ids: (rows, length) item indices of the histories.
            dense: (showings, features) standardised numbers of the context.
            categorical: (showings, features) codes of the context.

        Returns:
            (showings,) float32 log odds.
        """
        pairs = self._pair_features(shown, found, items, item_ids)
        own = self.item_norm(found.items)
        read, attended = self._attend(shown, found, pairs, own)
        numbers = [self._evidence(shown, found, items, pairs)]
        if dense is not None and self.config.click_dense:
            numbers.append(dense.float())
        known = torch.cat(numbers, -1).to(own.dtype)
        codes = [table(categorical[:, i]) for i, table in enumerate(self.codes)] if categorical is not None else []
        before = found.before.to(own.dtype)
        parts = [read, own, before, read * own, before * own, attended, known, *codes]
        hidden = nn.functional.gelu(self.expand(self.dropout(torch.cat(parts, -1))))
        hidden = nn.functional.gelu(self.middle(self.dropout(hidden)))
        logits: torch.Tensor = (self.linear(known) + self.contract(hidden)).squeeze(-1).float()
        return logits

    def _attend(
        self, shown: ShownItems, found: ShownStates, pairs: torch.Tensor, own: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(showings, hidden) values and (showings, heads * pairs) pair features, as the shown items attend to them."""
        memory = torch.cat([self.memory_norm(found.states), self.item_norm(found.history)], -1)
        query = shown.placed(self.query(torch.cat([own, found.before.to(own.dtype)], -1)))
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (query, self.key(memory), self.value(memory))
        )
        logits = (query @ key.mT).float() * query.shape[-1] ** -0.5
        bucket = (shown.ages + 1).float().log2().long().clamp(max=_AGES - 1)
        bias = self.pair_weight(pairs.to(self.pair_weight.weight.dtype)) + self.ages(bucket)
        logits = (logits + bias.permute(0, 3, 1, 2).float()).masked_fill(~shown.visible[:, None], -torch.inf)
        null = self.null_logit.float().view(1, -1, 1, 1).expand(*logits.shape[:3], 1)
        weights = torch.softmax(torch.cat([null, logits], -1), -1)
        of_null, weights = weights[..., :1], weights[..., 1:]
        nothing = self.null_value.view(self.heads, 1, -1)
        read = weights.to(value.dtype) @ value + of_null.to(value.dtype) * nothing
        attended = torch.einsum("rhql,rqlp->rqhp", weights, pairs.float())
        return shown.picked(read.transpose(1, 2).flatten(2)), shown.picked(attended.flatten(2)).to(own.dtype)

    def _pair_features(
        self, shown: ShownItems, found: ShownStates, items: XCatItemEncoder, item_ids: torch.Tensor
    ) -> torch.Tensor:
        """(rows, slots, length, pairs) features of shown items and events."""
        own = shown.placed(shown.items)
        text = torch.zeros(shown.visible.shape, device=own.device)
        if self.config.use_text:
            text = _cosines(*(items.text_states[items.text_index[rows], 0] for rows in (own, item_ids)))
        representation = _cosines(shown.placed(found.item_side), found.history_side)
        same = own[:, :, None] == item_ids[:, None, :]
        parts = [text, text.clamp(min=0) ** 4, representation, same.float()]
        if hasattr(items, "category_values"):
            parts.append(_shared(items.category_values[own], items.category_values[item_ids]))
        else:
            parts.append(torch.zeros_like(text))
        values, others = items.feature_values[own], items.feature_values[item_ids]
        parts += [_shared(values[..., i], others[..., i]) for i in range(values.shape[-1])]
        return torch.stack(parts, -1) * shown.visible[..., None]

    def _evidence(
        self, shown: ShownItems, found: ShownStates, items: XCatItemEncoder, pairs: torch.Tensor
    ) -> torch.Tensor:
        """(showings, features) values of `_EVIDENCE`, and shares of the history with the same attributes."""
        usual = items.item_counts[NUM_SPECIAL_ROWS:].float().log1p().mean()
        text = pairs[..., 0]
        nearest = text.masked_fill(~shown.visible, -torch.inf).amax(2)
        nearest = nearest.masked_fill(nearest == -torch.inf, 0)
        events = shown.visible.sum(2).float().log1p() / 2
        table = torch.stack([nearest, shown.share(text), events], -1)
        shares = [shown.share(pairs[..., i]) for i in range(_PAIRS.index("category"), self.pairs)]
        popularity = (found.counts.float().log1p() - usual) / 2
        by_pair = shown.picked(torch.cat([table, torch.stack(shares, -1)], -1))
        return torch.cat([found.evidence * _UNITS, popularity[:, None], by_pair], -1)


def _cosines(own: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """(rows, slots, length) cosines of (rows, slots, width) and (rows, length, width) vectors; 0 where one is 0."""
    one, other = (nn.functional.normalize(part.float(), dim=-1) for part in (own, others))
    cosines: torch.Tensor = one @ other.mT
    return cosines


def _shared(own: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """(rows, slots, length) 1 where (rows, slots) and (rows, length) values are equal and not 0."""
    return ((own[:, :, None] == others[:, None, :]) & (own > 0)[:, :, None]).float()


def pairwise_loss(logits: torch.Tensor, labels: torch.Tensor, users: torch.Tensor) -> torch.Tensor:
    """Mean of log(1 + exp(negative - positive)) over pairs of a positive and a negative of one user.

    BPR (Rendle et al., UAI 2009, equation 4) over the showings of a batch.

    Args:
        logits: (showings,) log odds.
        labels: (showings,) 1 or 0.
        users: (showings,) number of the user.

    Returns:
        The loss; 0 without such a pair.

    Example:
        >>> logits, labels = torch.tensor([2.0, 0.0, 5.0]), torch.tensor([1, 0, 0])
        >>> round(float(pairwise_loss(logits, labels, torch.tensor([0, 0, 1]))), 4)
        0.1269
    """
    positive, negative = (labels == 1).nonzero().squeeze(1), (labels == 0).nonzero().squeeze(1)
    ordered, order = users[negative].sort(stable=True)
    first, end = (torch.searchsorted(ordered, users[positive], side=side) for side in ("left", "right"))
    counts = end - first
    total = int(counts.sum())
    one = positive.repeat_interleave(counts)
    steps = torch.arange(total, device=logits.device) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    other = negative[order[first.repeat_interleave(counts) + steps]]
    loss: torch.Tensor = nn.functional.softplus(logits[other] - logits[one]).sum() / max(1, total)
    return loss

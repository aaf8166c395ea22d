"""Neighbours for items that nothing has been counted of: those of the items whose texts are nearest."""

from __future__ import annotations

import logging

import torch

from ..modeling_baselines.cooccurrence import strongest
from ..modeling_baselines.regression import MOST_COMPARED, RIDGE, TEXT_WEIGHT, weights_by_regression
from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS, REGRESSION_FROM
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.neighbors_xcat import XCatNeighbors
from ..modeling_xcat.text_xcat import fit_whitening

logger = logging.getLogger(__name__)

LENDERS = 10
"""Trained items, nearest in text, that lend to an untrained one."""
LEAST_TRAINED = 10
"""Trained items a catalogue must have: where there are fewer, as where a base knows a handful of a shop's items, the
nearest of them says nothing."""
SHARPNESS = 10.0
"""A lender's share is the softmax of its cosine times this."""
MOST_COSINES = 1 << 33
"""Pairs of an untrained and a trained item that are compared at most (about a minute of two cores)."""
WEIGHT_OF_TEXTS = 80.0
"""`neighbor_weight` of a memory that goes by texts alone: what was best on shops that a base knew nothing of."""

_COSINES_AT_ONCE = 1 << 22


@torch.no_grad()
def lend_neighbors(model: XCatForNextItem, new: torch.Tensor | None = None) -> int:
    """Give items without training events a place in the neighbour memory, by their texts.

    What an untrained item says for item i is the sum over its `LENDERS` nearest trained items, weighted by the softmax
    of their cosines, of what they say for i, and likewise what i says for it; between lender and untrained item that
    is what the regression gives two items of one text, a / (a + l + users of the one that speaks). (Before format
    version 4 a similarity is the same both ways, and 1 between the two.) The table keeps the strongest of all, and the
    larger weight of a pair that it has already, so once more does no harm. Call it where counts, texts and neighbours
    are in place.

    Args:
        model: A model with its catalogue; one without texts, or without a neighbour memory, is left alone.
        new: (items,) rows that came just now, where what others have been lent is to stay; None for all items.

    Returns:
        How many items were lent neighbours.
    """
    memory, items = model.model.neighbors, model.model.items
    if memory is None or not model.config.use_text:
        return 0
    states = torch.nn.functional.normalize(items.text_states[:, 0].float(), dim=-1)
    speaks = states.any(1)[items.text_index]
    speaks[:NUM_SPECIAL_ROWS] = False
    borrowers = (speaks & (items.item_counts == 0)).nonzero().squeeze(1)
    if new is not None:
        borrowers = borrowers[torch.isin(borrowers, new)]
    trained = (speaks & (items.item_counts > 0)).nonzero().squeeze(1)
    if not len(borrowers) or len(trained) < LEAST_TRAINED:
        return 0
    if len(borrowers) * len(trained) > MOST_COSINES:
        logger.warning(
            "%s items without training events are too many to compare with %s others; they get no neighbours",
            f"{len(borrowers):,}", f"{len(trained):,}",
        )  # fmt: skip
        return 0
    lenders, shares = _lenders(states, items.text_index, borrowers, trained)
    size, width = memory.rows.shape
    if model.config.format_version < REGRESSION_FROM:
        itself = torch.ones(size)
        theirs = ours = _lent(memory.rows, memory.similarities, items.item_counts, borrowers, lenders, shares, itself)
    else:
        itself = torch.full((size,), TEXT_WEIGHT / (TEXT_WEIGHT + RIDGE))
        ours = _lent(memory.rows, memory.similarities, items.item_counts, borrowers, lenders, shares, itself)
        itself = TEXT_WEIGHT / (TEXT_WEIGHT + RIDGE + items.user_counts().float())
        sources = torch.arange(size).repeat_interleave(width)
        incoming = strongest(memory.rows.flatten().long(), sources, memory.similarities.flatten(), size, width)
        theirs = _lent(*incoming, items.item_counts, borrowers, lenders, shares, itself)
    lent = strongest(
        torch.cat([ours[0], theirs[1]]), torch.cat([ours[1], theirs[0]]), torch.cat([ours[2], theirs[2]]), size, width
    )
    memory.rows, memory.similarities = united_neighbors(
        torch.cat([memory.rows, lent[0]], 1), torch.cat([memory.similarities, lent[1]], 1), memory.rows.shape[1]
    )
    return len(borrowers)


@torch.no_grad()
def remember_texts(model: XCatForNextItem) -> bool:
    """Fill the neighbour memory of a catalogue that hardly anything was counted of, by its texts alone.

    The weights are those of the regression (`weights_by_regression`) without users, of texts whitened by this very
    catalogue: what sets its items apart is not what set those of the base apart. Pairs that the memory has keep the
    larger weight. As no log says whether users come back to items, those of a history get as much as the best of the
    others (`neighbor_history`), so that the place of the one among the other is what the model learnt elsewhere.

    Args:
        model: A model with its catalogue; one without texts, without a neighbour memory, or of a format version
            before 4, whose memory holds other numbers, is left alone.

    Returns:
        Whether the memory was filled.
    """
    memory, items, config = model.model.neighbors, model.model.items, model.config
    if memory is None or not config.use_text or config.format_version < REGRESSION_FROM:
        return False
    size, width = memory.rows.shape
    if size * size > MOST_COMPARED:
        logger.warning("%s items are too many to compare their texts; they get no neighbours", f"{size:,}")
        return False
    states = items.text_states[:, 0].float().cpu()
    mean, whitening = fit_whitening(states[1:]) if len(states) > 1 else (0.0, torch.eye(states.shape[1]))
    whitened = ((states - mean) @ whitening) * states.any(1, keepdim=True)
    rows, weights = weights_by_regression([], size, width, (whitened, items.text_index.cpu()))
    memory.rows, memory.similarities = united_neighbors(
        torch.cat([memory.rows, rows.to(memory.rows.device)], 1),
        torch.cat([memory.similarities, weights.to(memory.rows.device)], 1),
        width,
    )
    config.neighbor_weight, config.neighbor_history = WEIGHT_OF_TEXTS, True
    return True


def drop_lent(memory: XCatNeighbors, counts: torch.Tensor) -> None:
    """Forget neighbours of items, or that are items, without training events: what was lent, or goes by text alone.

    Args:
        memory: The neighbour memory, changed in place.
        counts: (rows,) training events of every row when it was filled.
    """
    counted = (counts[memory.rows.long()] > 0) & (counts > 0)[:, None]
    memory.similarities *= counted
    memory.rows *= counted


def _lenders(
    states: torch.Tensor, index: torch.Tensor, borrowers: torch.Tensor, trained: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(borrowers, lenders) rows of the trained items nearest in text, and their shares."""
    vectors, count = states[index[trained]], min(LENDERS, len(trained))
    rows, shares = [], []
    for part in borrowers.split(max(1, _COSINES_AT_ONCE // len(trained))):
        best = (states[index[part]] @ vectors.T).topk(count, dim=1)
        rows.append(trained[best.indices])
        shares.append(torch.softmax(SHARPNESS * best.values, dim=1))
    return torch.cat(rows), torch.cat(shares)


def _lent(
    table: torch.Tensor,
    weights: torch.Tensor,
    counts: torch.Tensor,
    borrowers: torch.Tensor,
    lenders: torch.Tensor,
    shares: torch.Tensor,
    itself: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(pairs,) borrowers, items and weights, of (items, neighbours) rows and weights of their lenders; each pair once.

    Args:
        table: (items, neighbours) rows.
        weights: (items, neighbours) their weights.
        counts: (items,) training events.
        borrowers: (borrowers,) rows.
        lenders: (borrowers, lenders) rows.
        shares: (borrowers, lenders) shares.
        itself: (items,) weight between an item as a lender and who borrows from it.
    """
    size, found = len(table), []
    for own, rows, share in zip(borrowers.split(1024), lenders.split(1024), shares.split(1024), strict=True):
        others = torch.cat([rows[..., None], table[rows].long()], 2)
        similarities = torch.cat([itself[rows][..., None], weights[rows]], 2)
        values = (share[..., None] * similarities * (counts[others] > 0)).flatten(1)  # nothing is lent twice
        others = others.flatten(1)
        wanted = values > 0
        keys, inverse = torch.unique((own[:, None] * size + others)[wanted], return_inverse=True)
        found.append((keys, values.new_zeros(len(keys)).index_add_(0, inverse, values[wanted])))
    keys, sums = (torch.cat(parts) for parts in zip(*found, strict=True))
    return keys // size, keys % size, sums


def united_neighbors(
    rows: torch.Tensor, similarities: torch.Tensor, count: int, block: int = 1024
) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest of several lists of neighbours; one that is in more than one has the larger of its similarities.

    Args:
        rows: (items, neighbours) item rows.
        similarities: (items, neighbours), 0 for none.
        count: Neighbours wanted of each item, at most as many as there are.
        block: Items at a time.

    Returns:
        (items, count) rows and similarities, the nearest first.

    Example:
        >>> rows, similarities = torch.tensor([[2, 3, 3, 4]]), torch.tensor([[0.75, 0.125, 0.5, 0.25]])
        >>> [values.tolist() for values in united_neighbors(rows, similarities, 3)]
        [[[2, 3, 4]], [[0.75, 0.5, 0.25]]]
    """
    found = []
    for part_rows, part in zip(rows.split(block), similarities.split(block), strict=True):
        part, order = part.sort(dim=1, descending=True, stable=True)
        part_rows = part_rows.gather(1, order)
        again = (part_rows[:, :, None] == part_rows[:, None, :]).tril(-1).any(2)
        part, order = part.masked_fill(again, 0).sort(dim=1, descending=True, stable=True)
        kept = part[:, :count]
        found.append((part_rows.gather(1, order)[:, :count] * (kept > 0), kept))
    united_rows, united = zip(*found, strict=True)
    return torch.cat(united_rows), torch.cat(united)

"""A cold item gets item-to-item weights, and rates if it was added, from the warm items nearest in text and images."""

from __future__ import annotations

import logging

import torch

from ..modeling_baselines.cooccurrence import strongest
from ..modeling_baselines.regression import MOST_COMPARED, RIDGE, TEXT_WEIGHT, weights_by_regression
from ..modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS, REGRESSION_FROM
from ..modeling_xcat.items_xcat import XCatItemEncoder
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.neighbors_xcat import XCatItemTable
from ..modeling_xcat.segments_xcat import XCatSegments
from ..modeling_xcat.text_xcat import fit_whitening

logger = logging.getLogger(__name__)

NUM_WARM_SOURCES = 10
"""Warm items, nearest in text, that a cold item gets its weights from."""
MIN_WARM_ITEMS = 10
"""Minimum number of warm items in a catalogue. With fewer, even the nearest warm item is too far in text to be of
use."""
SHARPNESS = 10.0
"""A warm item's share is the softmax of its cosine times this."""
MOST_COSINES = 1 << 33
"""Maximum pairs of a cold and a warm item that are compared (about a minute on two cores)."""
TEXT_NEIGHBOR_WEIGHT = 80.0
"""`neighbor_weight` for item-to-item weights from texts alone: the best value on data sets unseen by the base."""

_COSINES_AT_ONCE = 1 << 22


@torch.no_grad()
def add_cold_start_neighbors(model: XCatForNextItem, new: torch.Tensor | None = None) -> int:
    """Give cold items (no training events) item-to-item weights, from the warm items nearest in text and images.

    The weight from a cold item to item i is a weighted sum over its `NUM_WARM_SOURCES` nearest warm items: the softmax
    of the cosines times the weights from those warm items to i. The weight from i to the cold item is computed
    likewise. The weight between the cold item and its warm item is the regression's weight for two items with equal
    texts: a / (a + l + users of the predicting item). Before format version 4 similarities are symmetric and this one
    is 1.

    Each item keeps its strongest weights. A pair that has a weight already keeps the larger one, so calling this twice
    changes nothing. Call it after counts, texts and item-to-item weights are in place.

    Args:
        model: A model with its catalogue. A model without item-to-item weights, or without texts and images, is not
            changed.
        new: (items,) indices of the items to fill; None for all cold items.

    Returns:
        Number of cold items that got neighbours.
    """
    found = None if model.model.neighbors is None else _warm_sources(model, new)
    if found is None:
        return 0
    _add_neighbors(model, *found)
    return len(found[0])


@torch.no_grad()
def complete_added_items(model: XCatForNextItem, new: torch.Tensor) -> None:
    """Give items that were added after training what models count from a log, from the warm items nearest in content.

    These are the item-to-item weights of `add_cold_start_neighbors`, and the rates of first purchases of
    `XCatSegments`: per segment the mean rate of the nearest warm items, with the same shares. Without them an added
    item would be as one that nobody wanted, although nobody could buy it. An item without texts and images keeps its
    rates.

    Args:
        model: A model with its catalogue.
        new: (items,) indices of the added items; those with training events are left out.
    """
    segments = model.model.segments
    found = None if model.model.neighbors is None and segments is None else _warm_sources(model, new)
    if found is None:
        return
    if model.model.neighbors is not None:
        _add_neighbors(model, *found)
    if segments is not None:
        _add_rates(segments, *found)


def added_items(model: XCatForNextItem) -> torch.Tensor:
    """(items,) indices of the cold items that were added after training, in a model with segments.

    They differ from the items of the training catalogue that nobody bought, whose rates are those of row 0.

    Args:
        model: The model.
    """
    segments, counts = model.model.segments, model.model.items.item_counts
    if segments is None:
        return counts.new_zeros(0)
    cold = (counts == 0) & (segments.rates != segments.rates[0]).any(1)
    cold[:NUM_SPECIAL_ROWS] = False
    return cold.nonzero().squeeze(1)


def _warm_sources(
    model: XCatForNextItem, new: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
    """(cold items,) indices, and per cold item the indices of the warm items nearest in content and their shares.

    None if there is no such item, or too few or too many to compare.
    """
    items = model.model.items
    if not (model.config.use_text or model.config.image_dim):
        return None
    states, index = content_states(items)
    described = states.any(1)[index]
    described[:NUM_SPECIAL_ROWS] = False
    cold = (described & (items.item_counts == 0)).nonzero().squeeze(1)
    if new is not None:
        cold = cold[torch.isin(cold, new)]
    warm = (described & (items.item_counts > 0)).nonzero().squeeze(1)
    if not len(cold) or len(warm) < MIN_WARM_ITEMS:
        return None
    if len(cold) * len(warm) > MOST_COSINES:
        logger.warning(
            "%s cold items are too many to compare with %s warm items; the cold items get no neighbours",
            f"{len(cold):,}", f"{len(warm):,}",
        )  # fmt: skip
        return None
    return cold, *_nearest_warm(states, index, cold, warm)


def _add_rates(segments: XCatSegments, cold: torch.Tensor, sources: torch.Tensor, shares: torch.Tensor) -> None:
    """Set the rates of cold items to the mean rates of their sources."""
    for own, rows, share in zip(cold.split(1024), sources.split(1024), shares.split(1024), strict=True):
        rates = (share[..., None] * segments.rates[rows].float().exp()).sum(1)
        segments.rates[own] = rates.log().to(segments.rates.dtype)
        if hasattr(segments, "trends"):
            overall = (share * segments.trends[rows, 0].float().exp()).sum(1)
            segments.trends[own, 0] = overall.log().to(segments.trends.dtype)


def _add_neighbors(model: XCatForNextItem, cold: torch.Tensor, sources: torch.Tensor, shares: torch.Tensor) -> None:
    """Add item-to-item weights between cold items and the neighbours of their sources."""
    memory, items = model.model.neighbors, model.model.items
    assert memory is not None
    size, width = memory.rows.shape
    if model.config.format_version < REGRESSION_FROM:
        itself = torch.ones(size, device=memory.rows.device)
        theirs = ours = _inherited(memory.rows, memory.similarities, items.item_counts, cold, sources, shares, itself)
    else:
        itself = torch.full((size,), TEXT_WEIGHT / (TEXT_WEIGHT + RIDGE), device=memory.rows.device)
        ours = _inherited(memory.rows, memory.similarities, items.item_counts, cold, sources, shares, itself)
        itself = TEXT_WEIGHT / (TEXT_WEIGHT + RIDGE + items.user_counts().float())
        owners = torch.arange(size, device=memory.rows.device).repeat_interleave(width)
        incoming = strongest(memory.rows.flatten().long(), owners, memory.similarities.flatten(), size, width)
        theirs = _inherited(*incoming, items.item_counts, cold, sources, shares, itself)
    found = strongest(
        torch.cat([ours[0], theirs[1]]), torch.cat([ours[1], theirs[0]]), torch.cat([ours[2], theirs[2]]), size, width
    )
    memory.rows, memory.similarities = united_neighbors(
        torch.cat([memory.rows, found[0]], 1), torch.cat([memory.similarities, found[1]], 1), memory.rows.shape[1]
    )


@torch.no_grad()
def fill_neighbors_from_text(model: XCatForNextItem) -> bool:
    """Fill the item-to-item weights from texts alone, for a catalogue that has hardly any training events.

    The weights are those of the regression (`weights_by_regression`) without users. The texts are whitened on this
    catalogue, because its items may differ in other ways than the base's items do. Existing pairs keep the larger
    weight.

    There are no data about repurchases, so items in the history get the maximum weight of the other items
    (`neighbor_history`). Their order against other items then depends on the rest of the model.

    Args:
        model: A model with its catalogue. A model is not changed if it has no texts, no item-to-item weights, or a
            format version before 4 (other weights).

    Returns:
        Whether the weights were filled.
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
    config.neighbor_weight, config.discover_neighbor_weight = TEXT_NEIGHBOR_WEIGHT, None
    config.neighbor_history = True
    return True


def drop_cold_start_neighbors(memory: XCatItemTable, counts: torch.Tensor) -> None:
    """Remove neighbours from and to cold items: their weights come from texts alone.

    Args:
        memory: The item-to-item weights, changed in place.
        counts: (rows,) training events per item when the weights were filled.
    """
    counted = (counts[memory.rows.long()] > 0) & (counts > 0)[:, None]
    memory.similarities *= counted
    memory.rows *= counted


def content_states(items: XCatItemEncoder) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors of the content of items: texts, images, or both.

    Args:
        items: The item table, which has texts or images.

    Returns:
        (contents, width) vectors, zeros for none, and the (rows,) number of each row's.
    """
    if items.images is None:
        return torch.nn.functional.normalize(items.text_states[:, 0].float(), dim=-1), items.text_index
    parts = [items.images.pooled().float()]
    if items.config.use_text:
        parts.append(items.text_states[items.text_index, 0].float())
    states = torch.cat([torch.nn.functional.normalize(part, dim=-1) for part in parts], 1)
    return torch.nn.functional.normalize(states, dim=-1), torch.arange(len(states), device=states.device)


def _nearest_warm(
    states: torch.Tensor, index: torch.Tensor, cold: torch.Tensor, warm: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(cold items, warm items) indices of the warm items nearest in text, and their shares."""
    vectors, count = states[index[warm]], min(NUM_WARM_SOURCES, len(warm))
    rows, shares = [], []
    for part in cold.split(max(1, _COSINES_AT_ONCE // len(warm))):
        best = (states[index[part]] @ vectors.T).topk(count, dim=1)
        rows.append(warm[best.indices])
        shares.append(torch.softmax(SHARPNESS * best.values, dim=1))
    return torch.cat(rows), torch.cat(shares)


def _inherited(
    table: torch.Tensor,
    weights: torch.Tensor,
    counts: torch.Tensor,
    cold: torch.Tensor,
    sources: torch.Tensor,
    shares: torch.Tensor,
    itself: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(pairs,) cold items, other items and weights, summed over the warm items; each pair once.

    Args:
        table: (items, neighbours) neighbours of each item.
        weights: (items, neighbours) their weights.
        counts: (items,) training events.
        cold: (cold items,) indices.
        sources: (cold items, warm items) indices of the warm items nearest in text.
        shares: (cold items, warm items) their shares.
        itself: (items,) weight between a warm item and the cold items that it is a source of.
    """
    size, found = len(table), []
    for own, rows, share in zip(cold.split(1024), sources.split(1024), shares.split(1024), strict=True):
        others = torch.cat([rows[..., None], table[rows].long()], 2)
        similarities = torch.cat([itself[rows][..., None], weights[rows]], 2)
        values = (share[..., None] * similarities * (counts[others] > 0)).flatten(1)  # warm neighbours only
        others = others.flatten(1)
        wanted = values > 0
        keys, inverse = torch.unique((own[:, None] * size + others)[wanted], return_inverse=True)
        found.append((keys, values.new_zeros(len(keys)).index_add_(0, inverse, values[wanted])))
    keys, sums = (torch.cat(parts) for parts in zip(*found, strict=True))
    return keys // size, keys % size, sums


def united_neighbors(
    rows: torch.Tensor, similarities: torch.Tensor, count: int, block: int = 1024
) -> tuple[torch.Tensor, torch.Tensor]:
    """Merge lists of neighbours, strongest first; a neighbour that occurs twice keeps the larger similarity.

    Args:
        rows: (items, neighbours) item indices.
        similarities: (items, neighbours), 0 for none.
        count: Neighbours to keep per item, at most as many as there are.
        block: Items per step.

    Returns:
        (items, count) item indices and similarities, the nearest first.

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

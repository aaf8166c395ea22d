"""Counts of new events, added to those of a trained model in proportion to the events behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.sequences.build import target_histories, target_items
from .cold_start import add_cold_start_neighbors, drop_cold_start_neighbors
from .item_table import add_repurchases, fill_neighbors, fill_transitions, training_counts

if TYPE_CHECKING:
    from datasets import Dataset


@torch.no_grad()
def add_counts(model: XCatForNextItem, train: Dataset) -> None:
    """Add the events of training sequences to the counts of a model, whose catalogue they are of.

    Counts of items and repurchases are added up. Item-to-item weights and item transitions become averages of the
    earlier and the new ones, weighted by the events of the item in both; so few new events change little. Rates of
    first purchases stay, because they are not counts.

    Args:
        model: The model, changed in place.
        train: Training sequences with the item indices of the model.
    """
    memory, items = model.model.neighbors, model.model.items
    before = items.item_counts.clone()
    if memory is not None:
        drop_cold_start_neighbors(memory, before)
    elsewhere = items.user_counts()
    now = training_counts(target_items(train), model.config.num_item_rows).to(before.device)
    items.item_counts += now
    tables = [table for table in (memory, model.model.successors) if table is not None]
    earlier = [(table.rows.clone(), table.similarities.clone()) for table in tables]
    histories = list(target_histories(train))
    add_repurchases(model, histories)
    fill_neighbors(model, histories, elsewhere)
    fill_transitions(model, histories)
    if memory is not None:
        drop_cold_start_neighbors(memory, items.item_counts)
    share = now / (before + now).clamp(min=1)
    for table, (rows, weights) in zip(tables, earlier, strict=True):
        table.rows, table.similarities = blended(rows, weights, table.rows, table.similarities, share)
    add_cold_start_neighbors(model)


def blended(
    rows: torch.Tensor, weights: torch.Tensor, new_rows: torch.Tensor, new_weights: torch.Tensor, share: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Average two tables of the strongest neighbours per item; a neighbour that one of them lacks has weight 0 there.

    Args:
        rows: (items, neighbours) item indices, 0 for none.
        weights: (items, neighbours) their weights.
        new_rows: As `rows`, in the second table.
        new_weights: As `weights`.
        share: (items,) share of the second table, from 0 to 1.

    Returns:
        (items, neighbours) item indices and weights, the strongest first.

    Example:
        >>> numbers = torch.tensor
        >>> found, weights = blended(numbers([[3, 2]]), numbers([[.5, .25]]), numbers([[2, 4]]), numbers([[.75, .5]]),
        ...                          numbers([.5]))
        >>> found.tolist(), weights.tolist()
        ([[2, 3]], [[0.5, 0.25]])
    """
    found = torch.cat([rows, new_rows], 1)
    parts = torch.cat([weights * (1 - share[:, None]), new_weights * share[:, None]], 1)
    found, order = found.sort(dim=1, stable=True)
    parts = parts.gather(1, order)
    again = torch.zeros_like(found, dtype=torch.bool)
    again[:, 1:] = found[:, 1:] == found[:, :-1]
    # An item is in each table at most once, so a repetition directly follows its first place.
    parts[:, :-1] += parts[:, 1:] * again[:, 1:]
    parts = parts.masked_fill(again | (found == 0), 0)
    parts, order = parts.sort(dim=1, descending=True, stable=True)
    kept = parts[:, : rows.shape[1]]
    return (found.gather(1, order)[:, : rows.shape[1]] * (kept > 0)).to(rows.dtype), kept.to(weights.dtype)

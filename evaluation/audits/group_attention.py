"""Attention-weighted exposure of groups of items: brands, categories and price bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from ...tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from ..bootstrap import Interval, confidence_interval
from .exposure import ATTRIBUTES, ExposureAudit, exposure_of_values, flat_lists, value_shares
from .item_exposure import PATIENCE, attention

PRICE, PRICE_BAND, BANDS = "price", "price band", 5


@dataclass(frozen=True)
class GroupExposure:
    """Attention-weighted rank fairness (AWRF) of the groups of an attribute.

    The attention that a list gives to each group is compared with wanted shares: 1 less the Jensen-Shannon divergence
    in bits, averaged over users. 1 is equal shares, 0 is no group in common (Sapiezynski et al., "Quantifying the
    Impact of User Attention on Fair Group Representation in Ranked Lists", 2019; Raj and Ekstrand, "Measuring Fairness
    in Ranked Results", SIGIR 2022). A list of few items cannot have the shares of many groups, so compare models.

    Args:
        shares: Shares of each group in the catalogue, in histories and in the lists, all places alike.
        to_catalogue: AWRF where the wanted shares are those of the items of the catalogue.
        to_histories: AWRF where they are those of the events of all histories.
        to_own_history: AWRF where they are those of the user's own history.
        over: The group with the largest share of lists beyond its share of the same users' histories, and the
            difference of the two shares, averaged over users.
        under: The group with the smallest one.
    """

    shares: ExposureAudit
    to_catalogue: Interval
    to_histories: Interval
    to_own_history: Interval | None
    over: tuple[str, Interval] | None
    under: tuple[str, Interval] | None


def group_exposure(
    lists: np.ndarray,
    histories: Sequence[Sequence[int]],
    vocabulary: ItemVocabulary,
    patience: float = PATIENCE,
) -> tuple[GroupExposure, ...]:
    """Measure the exposure of brands, categories and price bands; an attribute that no item has is left out.

    Items without a value are left out, so shares are among items with one.

    Args:
        lists: (users, k) recommended item indices, best first; special rows are padding.
        histories: Item indices of each user's history.
        vocabulary: The catalogue.
        patience: As in `attention`.

    Returns:
        One result per attribute.
    """
    columns = {name: vocabulary.codes(name) for name in ATTRIBUTES}
    columns[PRICE_BAND] = price_bands(vocabulary)
    found = []
    for name, (codes, names) in columns.items():
        if not len(names) or not (codes[flat_lists(lists, len(codes))[1]] >= 0).any():
            continue
        shares = exposure_of_values(name, codes, names, lists, histories)
        wanted = value_shares(codes[NUM_SPECIAL_ROWS:], len(names))
        events = value_shares(codes[flat_lists(histories, len(codes))[1]], len(names))
        given = awrf_per_user(lists, codes, wanted, patience)
        to_events = awrf_per_user(lists, codes, events, patience)
        own = awrf_per_user(lists, codes, histories, patience)
        found.append(GroupExposure(
            shares, confidence_interval(given), confidence_interval(to_events),
            None if np.isnan(own).all() else confidence_interval(own),
            *_extreme_groups(lists, histories, codes, names),
        ))  # fmt: skip
    return tuple(found)


def _extreme_groups(
    lists: np.ndarray, histories: Sequence[Sequence[int]], codes: np.ndarray, names: Sequence[str]
) -> tuple[tuple[str, Interval] | None, tuple[str, Interval] | None]:
    """The groups that lists have most and least of, relative to the users' own histories; None if nobody has both."""
    parts = []
    for rows in (lists, histories):
        users, items = flat_lists(rows, len(codes))
        users, groups = users[codes[items] >= 0], codes[items][codes[items] >= 0]
        sizes = np.bincount(users, minlength=len(lists))
        parts.append((users, groups, 1 / np.maximum(sizes, 1), sizes > 0))
    both = parts[0][3] & parts[1][3]
    if not both.any():
        return None, None

    def summed(place: int, group: int | None = None) -> np.ndarray:
        users, groups, weights, _ = parts[place]
        kept = both[users] if group is None else groups == group
        where = groups if group is None else users
        return np.bincount(where[kept], weights[users[kept]], len(names) if group is None else len(lists))

    difference = summed(0) - summed(1)
    found = []
    for group in (int(difference.argmax()), int(difference.argmin())):
        values = np.where(both, summed(0, group) - summed(1, group), np.nan)
        found.append((str(names[group]), confidence_interval(values)))
    return found[0], found[1]


def price_bands(vocabulary: ItemVocabulary, bands: int = BANDS) -> tuple[np.ndarray, list[str]]:
    """Bands of prices with about equally many items each, as `ItemVocabulary.codes` gives categories.

    Args:
        vocabulary: The catalogue.
        bands: Number of bands; fewer if many items have one price.

    Returns:
        (rows,) codes, -1 without a price, and the names of the bands, cheap ones first; none without prices.
    """
    codes = np.full(len(vocabulary), -1)
    if PRICE not in vocabulary.table.column_names:
        return codes, []
    prices = pc.cast(vocabulary.table[PRICE], "float64").to_numpy().astype(np.float64)
    known = prices[np.isfinite(prices)]
    if not len(known):
        return codes, []
    edges = np.unique(np.quantile(known, np.arange(1, bands) / bands))
    band = np.searchsorted(edges, prices, side="left")
    used, band[np.isfinite(prices)] = np.unique(band[np.isfinite(prices)], return_inverse=True)
    codes[NUM_SPECIAL_ROWS:] = np.where(np.isfinite(prices), band, -1)
    every = [
        f"up to {edges[0]:g}" if place == 0
        else f"above {edges[-1]:g}" if place == len(edges)
        else f"above {edges[place - 1]:g} to {edges[place]:g}"
        for place in range(len(edges) + 1)
    ]  # fmt: skip
    return codes, [every[place] for place in used]


def awrf_per_user(
    lists: np.ndarray,
    codes: np.ndarray,
    wanted: np.ndarray | Sequence[Sequence[int]],
    patience: float = PATIENCE,
) -> np.ndarray:
    """Attention-weighted rank fairness of each list; see `GroupExposure`.

    Args:
        lists: (users, k) item indices, best first; special rows are padding.
        codes: (rows,) groups of the items, -1 for none.
        wanted: (groups,) wanted shares for all users, or one list of items per user whose shares are wanted.
        patience: As in `attention`.

    Returns:
        (users,) values; NaN for lists without a group, and for wanted items without one.

    Example:
        >>> awrf_per_user(np.array([[2, 3]]), np.array([-1, -1, 0, 1]), np.array([0.0, 1.0]), 0.5).round(4).tolist()
        [0.5409]
    """
    lists = np.asarray(lists)
    weights = attention(lists.shape[1], patience)
    shown = np.where(lists >= NUM_SPECIAL_ROWS, codes[lists], -1)
    values, size = np.full(len(lists), np.nan), int(codes.max()) + 1
    for user, groups in enumerate(shown):
        if isinstance(wanted, np.ndarray):
            shares = wanted
        else:
            shares = value_shares(codes[flat_lists([wanted[user]], len(codes))[1]], size)
        kept = groups >= 0
        if not kept.any() or not shares.any():
            continue
        present, place = np.unique(groups[kept], return_inverse=True)
        given = np.bincount(place, weights[kept]) / weights[kept].sum()
        values[user] = 1 - _divergence(given, shares[present])
    return values


def _divergence(given: np.ndarray, wanted: np.ndarray) -> float:
    """Jensen-Shannon divergence in bits; the wanted shares of groups that are not given are the rest to 1."""
    middle = (given + wanted) / 2
    both = given @ np.log2(given / middle)
    some = wanted > 0
    both += wanted[some] @ np.log2(wanted[some] / middle[some])
    return float((both + (1 - wanted.sum())) / 2)

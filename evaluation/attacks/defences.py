"""Defences of a shop whose tables may be poisoned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from ...tokenization.tables.schema import ShopTables
from .detection import DetectedUsers, ProfileDetector
from .influence import limit_influence
from .profiles import PROFILES
from .text_checks import normalised_items, shortened_titles, suspicious_titles, without_titles

NONE, NORMALISE, DETECT, LIMIT, ROBUST, ALL = "none", "normalise", "detect", "limit", "robust", "all"
DEFENCES = (NONE, NORMALISE, DETECT, LIMIT, ROBUST, ALL)
"""Names of the defences."""


@dataclass(frozen=True)
class Defended:
    """Tables after a defence.

    Args:
        shop: The tables.
        detected: Scores of the users; None if no users were scored.
        removed: Ids of users and items of the events that promote an item, which were removed.
        titles: Items whose titles were removed, with the checks that they failed.
        left_out: Events that were left out by limits.
        weights: Weights of events in training, by the ids of user and item; 1 for all others.
    """

    shop: ShopTables
    detected: DetectedUsers | None = None
    removed: tuple[tuple[str, str], ...] = ()
    titles: Mapping[str, list[str]] = field(default_factory=dict)
    left_out: int = 0
    weights: Mapping[tuple[str, str], float] = field(default_factory=dict)


def defend_shop(shop: ShopTables, defence: str, *, unknown: str | None = None, seed: int = 0) -> Defended:
    """Defend a shop; the defence sees nothing but these tables, which may be poisoned.

    | Defence | Removed or limited events | Removed or changed titles |
    |---|---|---|
    | none | | |
    | normalise | | characters without width, compatibility forms and lookalikes are replaced |
    | detect | events of suspicious users with promoted items (`ProfileDetector`) | titles that fail a check |
    | limit | one user and groups have a limited influence | cut at the length of 95 % of the titles |
    | robust | nothing is removed: an event counts by the probability that it is real (`DetectedUsers.weights`) | |
    | all | detect, then limit | normalise, then detect and limit |

    Args:
        shop: The tables.
        defence: A name in `DEFENCES`.
        unknown: Kind of profiles that the detector does not simulate, so that it meets an attack that it was not made
            for; None to simulate all.
        seed: Seed of all draws.

    Returns:
        The defended tables, and what was removed.

    Raises:
        ValueError: If the defence is unknown.
    """
    if defence not in DEFENCES:
        raise ValueError(f"defence is {defence!r}; give one of {', '.join(DEFENCES)}")
    found, titled = Defended(shop), "title" in shop.items.columns
    if defence == ALL:
        hidden = suspicious_titles(shop) if titled else {}
        found = replace(found, shop=replace(shop, items=normalised_items(shop.items)))
        found = _without_suspects(found, titled, unknown, seed, hidden)
    elif defence == NORMALISE:
        found = replace(found, shop=replace(shop, items=normalised_items(shop.items)))
    elif defence == DETECT:
        found = _without_suspects(found, titled, unknown, seed, {})
    elif defence == ROBUST:
        detected = _detected(shop, unknown, seed)
        found = replace(found, detected=detected, weights=detected.weights)
    if defence in (LIMIT, ALL):
        limited = limit_influence(found.shop, seed)
        left_out = found.shop.events.height - limited.events.height
        found = replace(found, shop=shortened_titles(limited) if titled else limited, left_out=left_out)
    return found


def _detected(shop: ShopTables, unknown: str | None, seed: int) -> DetectedUsers:
    return ProfileDetector([kind for kind in PROFILES if kind != unknown], seed=seed).detect(shop)


def _without_suspects(
    found: Defended, titled: bool, unknown: str | None, seed: int, before: Mapping[str, list[str]]
) -> Defended:
    """Without users and titles that are taken for fake; `before` has titles that failed before they were changed."""
    shop = found.shop
    detected = _detected(shop, unknown, seed)
    titles = {**before, **suspicious_titles(shop)} if titled else {}
    schema = {name: shop.events.schema[name] for name in ("user_id", "item_id")}
    promotions = pl.DataFrame(list(detected.promotions), schema=schema, orient="row")
    events = shop.events.join(promotions, on=["user_id", "item_id"], how="anti", maintain_order="left")
    kept = without_titles(replace(shop, events=events), list(titles))
    return Defended(kept, detected, tuple(detected.promotions), titles)

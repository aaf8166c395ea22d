"""An attack on the tables of a shop, with its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ...modeling_xcat.arguments_xcat import finite_number, whole_number
from ...tokenization.tables.schema import ShopTables
from .item_texts import TEXTS, changed_items
from .profiles import PROFILES, fake_events

ATTACKS = (*PROFILES, *TEXTS)
"""Kinds of attacks: profiles of fake users, then texts of items."""
TARGETS, SHARE = 5, 0.01
"""Default number of targets, and share of fake users."""


@dataclass(frozen=True)
class Attack:
    """An attack on a shop.

    Args:
        kind: A name in `ATTACKS`.
        shop: The tables after the attack, which are all that a defender sees.
        targets: Ids of the promoted items.
        fakes: Ids of the fake users.
        events: Fake events, the cost of an attack by profiles.
        characters: Characters of the changed titles, the cost of an attack by texts.
    """

    kind: str
    shop: ShopTables
    targets: tuple[str, ...]
    fakes: tuple[str, ...] = ()
    events: int = 0
    characters: int = 0

    @property
    def cost(self) -> dict[str, int]:
        """Fake users and events, or changed titles and their characters."""
        if self.kind in PROFILES:
            return {"users": len(self.fakes), "events": self.events}
        return {"titles": len(self.targets), "characters": self.characters}


def choose_targets(shop: ShopTables, count: int = TARGETS, seed: int = 0) -> tuple[str, ...]:
    """Draw unpopular items that somebody could promote.

    They have a title and events, and are of the less popular half of the items with events.

    Args:
        shop: Validated tables.
        count: Number of items.
        seed: Seed of the draw.

    Raises:
        ValueError: If there are fewer such items.
    """
    counted = shop.events.group_by("item_id").len().sort(["len", "item_id"])
    unpopular = counted.head(counted.height // 2)
    if "title" in shop.items.columns:
        unpopular = unpopular.join(shop.items.filter(pl.col("title").str.contains(r"\w")), on="item_id", how="semi")
    known = unpopular["item_id"].sort().to_list()
    if whole_number("targets", count, 1) > len(known):
        raise ValueError(f"targets is {count}, and the shop has {len(known)} unpopular items with events; give fewer")
    chosen = np.random.default_rng(seed).choice(len(known), count, replace=False)
    return tuple(known[place] for place in sorted(chosen.tolist()))


def attack_shop(shop: ShopTables, kind: str, targets: Sequence[str], *, share: float = SHARE, seed: int = 0) -> Attack:
    """Attack the tables of a shop; the given tables are not changed.

    Args:
        shop: Validated tables.
        kind: A name in `ATTACKS`.
        targets: Ids of the promoted items.
        share: Fake users as a share of the real ones; texts need none.
        seed: Seed of all draws.

    Returns:
        The attacked tables and the cost.

    Raises:
        ValueError: If the kind is unknown, a target is not an item, the share is not above 0 and at most 1, or the
            data are prepared sequences.
    """
    if kind not in ATTACKS:
        raise ValueError(f"kind is {kind!r}; give one of {', '.join(ATTACKS)}")
    if not isinstance(shop, ShopTables) or shop.made_split:
        raise ValueError("data is a prepared folder, whose tables cannot be attacked; give the tables it was made of")
    if not 0 < finite_number("share", share) <= 1:
        raise ValueError(f"share is {share}; give a share of the real users above 0 and at most 1, such as {SHARE}")
    unknown = sorted(set(targets) - set(shop.items["item_id"]))
    if unknown:
        raise ValueError(f"targets has {unknown[0]!r}, which is not an item of the shop")
    if kind in PROFILES:
        users = max(1, round(share * shop.events["user_id"].n_unique()))
        made = fake_events(shop.items, shop.events, kind, targets, users, seed)
        fakes = tuple(made["user_id"].unique(maintain_order=True))
        poisoned = replace(shop, events=pl.concat([shop.events, made]))
        return Attack(kind, poisoned, tuple(targets), fakes, events=made.height)
    items = changed_items(shop.items, shop.events, kind, targets, seed)
    changed = items.filter(pl.col("item_id").is_in(list(targets)))["title"]
    return Attack(kind, replace(shop, items=items), tuple(targets), characters=int(changed.str.len_chars().sum()))

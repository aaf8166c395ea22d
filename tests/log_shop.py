"""A shop whose users a model can learn, and logs of its service: real ones and poisoned ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from xcat_rec.ranking.sessions.events import SessionEvent, read_event
from xcat_rec.serving.state.sqlite_log import SQLiteLog
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables

from .tiny_shop import CATEGORIES, DAY

ITEMS, GROUPS, USERS = 60, 4, 400
EARLIER, LATER = 1_700_000_000, 1_720_000_000
"""First seconds of the tables, and of the log."""
POISONS = ("promotion", "campaign", "copies", "shuffled", "renamed")
"""Kinds of poisoned logs; see `poisoned`."""
_DAYS = 60


class Shoppers:
    """Users who stay in a group of 15 items, and often take one of the two items that follow the last one.

    Args:
        seed: Seed of the users; the groups and what follows an item are the same for all seeds.
        changed: Share of the items that are followed by other ones than in the tables.
    """

    def __init__(self, seed: int, changed: float = 0.0) -> None:
        shop, self.draw = np.random.default_rng(7), np.random.default_rng([seed, 1])
        self.groups = np.arange(ITEMS).reshape(-1, GROUPS).T
        self.weights = 1 / (1 + np.arange(ITEMS // GROUPS)) ** 0.5
        self.weights /= self.weights.sum()
        self.next = np.stack([shop.choice(self.groups[item % GROUPS], 2, replace=False) for item in range(ITEMS)])
        for item in self.draw.choice(ITEMS, round(changed * ITEMS), replace=False):
            self.next[item] = self.draw.choice(self.groups[item % GROUPS], 2, replace=False)

    def user(self) -> list[int]:
        """The items of one user, in their order."""
        group = self.groups[int(self.draw.integers(GROUPS))]
        items = [int(self.draw.choice(group, p=self.weights))]
        for _ in range(int(self.draw.integers(4, 9))):
            chance = self.draw.random()
            follows = int(self.draw.choice(self.next[items[-1]]))
            other = int(self.draw.choice(group, p=self.weights)) if chance < 0.95 else int(self.draw.integers(ITEMS))
            items.append(follows if chance < 0.75 else other)
        return items

    def users(self, count: int) -> list[list[int]]:
        """The items of several users."""
        return [self.user() for _ in range(count)]


def poisoned(kind: str, seed: int, share: float = 0.5, users: int = USERS) -> list[list[int]]:
    """Users of a log, a share of whom are not real.

    Args:
        kind: `promotion` (each fake user has five drawn items and one that is the same for all), `campaign` (the
            same with three such items, after items of a real user), `copies` (one real user many times), `shuffled`
            (the items of real users, exchanged among them at random), `renamed` (real users whose items have been
            exchanged for others, one by one).
        seed: Seed.
        share: Share of fake users.
        users: Number of all users.
    """
    shoppers, draw = Shoppers(seed, 0.1), np.random.default_rng([seed, 2])
    fakes = round(share * users)
    real, source = shoppers.users(users - fakes), shoppers.users(fakes)
    wanted = [int(item) for item in draw.choice(ITEMS, 3, replace=False)]
    if kind == "promotion":
        fake = [[int(item) for item in draw.permutation([*draw.choice(ITEMS, 5), wanted[0]])] for _ in source]
    elif kind == "campaign":
        fake = [[*items[:2], *wanted, *items[2:4]] for items in source]
    elif kind == "copies":
        fake = [source[0] for _ in source]
    elif kind == "shuffled":
        mixed = iter(draw.permutation([item for items in source for item in items]))
        fake = [[int(next(mixed)) for _ in items] for items in source]
    else:
        names = draw.permutation(ITEMS)
        fake = [[int(names[item]) for item in items] for items in source]
    return real + fake


def items_table() -> pl.DataFrame:
    """The items; their titles say nothing about their group."""
    return pl.DataFrame({
        "item_id": [f"i{item:02d}" for item in range(ITEMS)],
        "title": [f"{CATEGORIES[item % 3]} number {item % 40}" for item in range(ITEMS)],
        "brand": [f"brand {item % 2}" for item in range(ITEMS)],
        "category": [CATEGORIES[item % 3] for item in range(ITEMS)],
    })  # fmt: skip


def events_table(users: Sequence[Sequence[int]], start: int, seed: int = 0, name: str = "u") -> pl.DataFrame:
    """The events of users, at drawn times within 60 days."""
    draw = np.random.default_rng([seed, 3])
    rows = []
    for number, items in enumerate(users):
        times = np.sort(draw.integers(0, _DAYS * DAY, len(items)))
        rows += [
            (f"{name}{number}", f"i{item:02d}", start + int(time)) for item, time in zip(items, times, strict=True)
        ]
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row").with_columns(
        event_type=pl.lit("purchase")
    )


def shop(users: int = 150) -> ShopTables:
    """The tables that a checkpoint is trained on."""
    return validate_tables(items_table(), events_table(Shoppers(0).users(users), EARLIER), name="log shop")


def write_log(path: Path, events: pl.DataFrame) -> Path:
    """A store of the service with these events, as `SQLiteLog.append` writes them, in one transaction."""
    SQLiteLog(path).close()
    rows = []
    for row in events.sort("timestamp").iter_rows(named=True):
        event, key = read_event(SessionEvent(row["item_id"], row["timestamp"], row["event_type"]), 0)
        rows.append((row["user_id"], key, event.timestamp, event.item_id, event.timestamp, event.event_type))
    base = sqlite3.connect(path)
    with base:
        base.executemany(
            "INSERT OR IGNORE INTO events (user, key, received, item, timestamp, type, text, event_id) "
            "VALUES (?, ?, ?, ?, ?, ?, '', '')",
            rows,
        )
    base.close()
    return path


def log_of(path: Path, users: Sequence[Sequence[int]], seed: int = 0) -> Path:
    """A store of the service with the events of users."""
    return write_log(path, events_table(users, LATER, seed, "c"))

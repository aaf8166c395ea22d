"""Tables full of personal data, and the search for them in outputs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from .tiny_shop import events_table, items_table

USERS = 60
FIRST = ("Ørjan", "Zoë", "Müşerref", "Wilhelmina", "Thaddäus", "Kwabena")
LAST = ("Quistgaard", "Øverland", "Çelikkol", "Fitzwarine", "Oyelowo", "Brzęczyszczyk", "Haverkampf")


def emails() -> list[str]:
    return [f"{LAST[n % 7].lower()}.{n:03d}@kundenpost.example" for n in range(USERS)]


def names() -> list[str]:
    return [f"{FIRST[n % 6]} {LAST[n % 7]}-{n:03d}" for n in range(USERS)]


def phones() -> list[str]:
    return [f"+49 1577 {5_550_000 + 37 * n}" for n in range(USERS)]


def addresses() -> list[str]:
    return [f"Kastanienweg {100 + n}, 99{n:03d} Oberquelle" for n in range(USERS)]


PLANTED = [*emails(), *names(), *phones(), *addresses()]
"""Texts that no shared file may contain: 240 of them."""


def personal_events() -> pl.DataFrame:
    """Events of the tiny data set whose users have personal data in every text column.

    What is wrong with them is wrong in every way that is repaired and told: ids with blanks and control characters,
    users with one event, ratings that are none, repeated events.
    """
    log = events_table(USERS)
    user = log["user_id"].str.slice(5).cast(pl.Int64).to_list()
    mail, name, phone, home = emails(), names(), phones(), addresses()
    reviews = [f"{name[u]} here, write to {mail[u]} or call {phone[u]}: maps number {u % 9}" for u in user]
    ratings = [phone[u] if n % 17 == 0 else "4" for n, u in enumerate(user)]
    log = log.with_columns(
        user_id=pl.Series(
            [f" {mail[u]}" if u % 9 == 1 else f"{mail[u]}\u200b" if u % 9 == 2 else mail[u] for u in user]
        ),
        rating=pl.Series(ratings),
        review_text=pl.Series(reviews),
        query=pl.Series([f"{text}, {home[u]}" for text, u in zip(reviews, user, strict=True)]),
        basket_id=pl.Series([f"{name[u]}, {home[u]}" for u in user]),
        split=pl.Series([name[u] if n % 3 == 0 else None for n, u in enumerate(user)]),
        delivery_address=pl.Series([home[u] for u in user]),
        phone=pl.Series([phone[u] for u in user]),
        customer=pl.Series([name[u] for u in user]),
    )
    single = log.unique("user_id", keep="first", maintain_order=True).head(25).with_columns(
        user_id=pl.format("{}{}", pl.lit("einmal."), pl.col("user_id").str.strip_chars())
    )  # fmt: skip
    return pl.concat([log, log.head(3), single])


def write_personal_shop(folder: Path) -> Path:
    """The tables as csv files, a table of users among them, in which somebody is there twice."""
    folder.mkdir(parents=True)
    items_table().write_csv(folder / "items.csv")
    personal_events().write_csv(folder / "events.csv")
    people = pl.DataFrame({"user_id": emails(), "name": names(), "phone": phones(), "address": addresses()})
    pl.concat([people, people.head(2)]).write_csv(folder / "users.csv")
    return folder


def found_in(text: str) -> list[str]:
    """Planted texts that stand in a text."""
    return [planted for planted in PLANTED if planted in text]


def found_in_file(path: Path, content: bytes | None = None) -> list[str]:
    """Planted texts in a file, as they stand there in UTF-8 or UTF-16, escaped, or compressed in a table."""
    raw = path.read_bytes() if content is None else content
    found = {p for p in PLANTED for code in ("utf-8", "utf-16-le", "utf-16-be") if p.encode(code) in raw}
    for text in _texts(path, raw):
        found |= set(found_in(text))
    return sorted(found)


def _texts(path: Path, raw: bytes) -> Iterator[str]:
    if path.suffix == ".json":
        yield json.dumps(json.loads(raw), ensure_ascii=False)
    elif path.suffix == ".parquet":
        yield str(pq.read_table(io.BytesIO(raw)).to_pydict())
    elif path.suffix == ".arrow":
        yield str(pa.ipc.open_file(io.BytesIO(raw)).read_all().to_pydict())

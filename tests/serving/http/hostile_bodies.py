"""Bodies that clients should not send, by the routes that read them."""

from __future__ import annotations

import json
from typing import Any

LISTS, EVENTS, ITEMS = "/recommend", "/events", "/items"
ANY = (LISTS, "/query", "/recommend/batch", EVENTS, "/explain", "/similar", ITEMS, "/checkpoint")
BOOTS = "item-03"

NOT_JSON = [
    b"", b"{", b"null", b"[]", b'"x"', b"1", b"NaN", b"\xff\xfe", b"\xef\xbb\xbf{}", "{}".encode("utf-16"),
    "{}".encode("utf-32"), '{"user_id": "café"}'.encode("latin-1"), b"[" * 100_000, b'{"a":' * 5_000 + b"1",
    b'{"k":' + b"[" * 5_000 + b"]" * 5_000 + b"}", b'{"user_id": "a\x00b"}', b"\x1f\x8b\x08\x00",
]  # fmt: skip
"""Bodies for every route: no JSON, another encoding, or too deep."""

OPTIONS: list[dict[str, Any]] = [
    {"k": -1}, {"k": 0}, {"k": 2.5}, {"k": True}, {"k": "3"}, {"k": 10**400}, {"k": 201}, {"explore": 2},
    {"history": ["item-03"] * 10_001}, {"history": [""]}, {"history": [None]}, {"user_id": "x" * 100_000},
    {"history": [BOOTS], "timestamps": [10**30]}, {"history": [BOOTS], "timestamps": [-(10**18)]},
    {"history": [BOOTS], "timestamps": ["not a time"]}, {"history": [BOOTS], "timestamps": ["0001-01-01"]},
    {"history": [BOOTS], "timestamps": ["9999-12-31T23:59:59+14:00"]},
    {"history": [BOOTS], "timestamps": ["1" * 4500]},
    {"history": [BOOTS], "event_types": ["x"] * 3}, {"query": "\x00"}, {"query": " "}, {"query": "\u202e\u0300" * 900},
    *({"filters": [one]} for one in (
        "price<", "x" * 5_000, "price<1e999", "price not < nan", "\x00=1", 'item_id in "', "category in a\nb",
        'category in "a\r"', "price in " + "1" * 200_000, "category in " + "," * 5_000)),
    *({"rerank": one} for one in (
        "mmr=nan", "mmr=inf,dpp=1e308", "sample=0", "sample=1e-300", "sample=1:nan", "sample=1:1e300", '"', "a\nb",
        "mmr=0.3\r\n", "max-per=price:1e30", "max-per=nothing:2", "at-least=price>1:1e9:1e9", "freshness=title",
        "popularity-discount=1e300", "calibrate=1:0:0", "unexpected=-1e300", "boost=price<1:nan", "pin=\x00")),
]  # fmt: skip
"""Options of a list."""

EVENT_FIELDS: list[dict[str, Any]] = [
    {"timestamp": 10**17}, {"timestamp": -(10**12)}, {"timestamp": 9.3e18}, {"timestamp": 2**63}, {"timestamp": ""},
    {"timestamp": "2024-13-45"}, {"rating": 1e308}, {"event_type": "t\x00"}, {"text": "\x00"}, {"event_id": "\x00"},
    {"user_id": "u\x00"}, {"item_id": "i\x00"}, {"item_id": "x" * 600}, {"user_id": " "}, {"impression_id": ""},
    {"impression_id": "x"}, {"event_type": "hide", "item_id": "nothing"}, {"timestamp": [1]}, {"rating": "five"},
]  # fmt: skip
"""Fields of an event."""

ITEM_FIELDS: list[dict[str, Any]] = [
    {"item_id": None}, {"item_id": 10**30}, {"item_id": True}, {"item_id": 1.5}, {"item_id": [1]}, {"item_id": ""},
    {"item_id": "  "}, {"item_id": "x" * 5_000}, {"item_id": "n\x00", "title": "\x00"}, {"title": {"a": 1}},
    {"title": ["a"]}, {"title": 5}, {"price": 10**400}, {"price": True}, {"price": {"a": [1]}}, {"price": 9e307},
    {"category": ["x", "y"]}, {"column\x00": 1}, {"": 1}, {"Item_ID": "m"}, {"new": [1, "x", {"a": None}]},
    {"new": {"a": {"": 1}, "": [None]}}, {"new": {"\x00": 1}}, {"new": [[[], [None, False, -2.5]]]},
    {"": {"": {"": 1}}},
    {"text": "t"}, {"description": 5}, {"title": "a" * 100_000},
]  # fmt: skip
"""Fields of an item."""

WRITTEN = [
    (LISTS, b'{"k": 1, "k": 2}'), (LISTS, b'{"k": 1e999}'), (LISTS, b'{"explore": Infinity}'),
    (LISTS, b'{"k": ' + b"9" * 5_000 + b"}"), (LISTS, b'{"user_id": "a\\ud800"}'),
    (LISTS, b'{"history": ["\\ud800"]}'),
    (LISTS, b'{"history": ["item-03"], "timestamps": [1e308]}'), (LISTS, b'{"user_id": "a\\u0000b"}'),
    (EVENTS, b'{"user_id": "a", "user_id": "b", "item_id": "item-03"}'), (EVENTS, b'{"events": {"a": 1}}'),
    (EVENTS, b'{"user_id": "u", "item_id": "item-03", "rating": 1e999}'), (EVENTS, b'{"events": []}'),
    (ITEMS, b'{"items": [{"item_id": "n\\ud800", "title": "a"}]}'), (ITEMS, b'{"items": [{}]}'),
    (ITEMS, b'{"items": [{"item_id": "n", "title": "a\\ud800"}]}'),
    (ITEMS, b'{"items": [{"item_id": "n", "title": "a", "p\\ud800": 1}]}'),
    (ITEMS, b'{"items": [{"item_id": "n", "title": "a"}, {"item_id": 1, "title": "b"}]}'),
    ("/checkpoint", b'{"checkpoint": "a\\u0000b"}'), ("/checkpoint", b'{"checkpoint": "a\\ud800"}'),
    ("/checkpoint", b'{"checkpoint": "/etc/passwd"}'), ("/checkpoint", b'{"checkpoint": " "}'),
    (ITEMS, b'{"items": [{"item_id": "n", "title": "a", "new": {"r": 1, "q": {}}}, {"new": {"r": {"r": []}}}]}'),
    (ITEMS, b'{"items": [{"": {"": {"": 1}}}, {"": {"": [], "a": {"": null}}}]}'), (EVENTS, b'{"user_id": "\\u001f"}'),
    ("/similar", b'{"item_id": "\\u0000"}'), ("/similar", b'{"item_id": "\\u001f"}'),
    ("/explain", b'{"item_id": "item-05", "history": ["\\u0000"]}'),
    ("/explain", b'{"item_id": "item-05", "user_id": "u\\u0000"}'),
]  # fmt: skip
"""Bodies as they are written, by route."""


def hostile_bodies() -> list[tuple[str, bytes]]:
    """All of them, with a route that reads each."""
    found = [(route, body) for route in ANY for body in NOT_JSON] + WRITTEN
    found += [(LISTS, json.dumps(one).encode()) for one in OPTIONS]
    event = {"user_id": "u", "item_id": BOOTS}
    found += [(EVENTS, json.dumps({**event, **one}).encode()) for one in EVENT_FIELDS]
    item = {"item_id": "new", "title": "a tent", "brand": "Nova", "category": "tents"}
    return found + [(ITEMS, json.dumps({"items": [{**item, **one}]}).encode()) for one in ITEM_FIELDS]

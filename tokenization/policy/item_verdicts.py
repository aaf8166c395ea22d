"""Outcomes of the items of a catalogue, as `policy.json` stores them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...counting import counted_of
from ..policy_file import FORMAT
from ..vocabulary import NUM_SPECIAL_ROWS, UNKNOWN_ROW, ItemVocabulary
from .content_policy import ContentPolicy, Match, Verdict, read_policy

_MOSTLY = 0.9


def text_columns(table: pa.Table) -> list[str]:
    """Columns with texts to check: all texts but ids, links and the text that is made of other columns."""
    found = []
    for name in table.column_names:
        if name in ("item_id", "text") or not _is_text(_value_type(table.schema.field(name).type)):
            continue
        values = pc.drop_null(_texts(table, name))
        links = pc.sum(pc.match_substring_regex(values, r"^\s*(?:https?:|data:|[\w./-]+\.(?:jpe?g|png|webp|gif)$)"))
        if (links.as_py() or 0) < _MOSTLY * max(1, len(values)):
            found.append(name)
    return found if found or "text" not in table.column_names else ["text"]


def check_rows(policy: ContentPolicy, table: pa.Table, columns: Sequence[str]) -> list[Verdict]:
    """Outcomes of the rows of a table; a value that many rows have is checked once.

    Args:
        policy: The policy.
        table: Items.
        columns: Columns to check.
    """
    matches: list[list[Match]] = [[] for _ in range(table.num_rows)]
    for name in columns:
        coded = pc.dictionary_encode(_texts(table, name))
        values = [value or "" for value in coded.dictionary.to_pylist()]
        verdicts = policy.check_many(values)
        flagged = [bool(verdict.matches) for verdict in verdicts]
        if not any(flagged):
            continue
        for row, code in enumerate(coded.indices.to_pylist()):
            if code is not None and flagged[code]:
                matches[row] += [
                    Match(one.category, one.rule, one.hidden, one.certain, name) for one in verdicts[code].matches
                ]
    return [policy.verdict(found) for found in matches]


def checked_catalogue(policy: ContentPolicy, catalogue: ItemVocabulary) -> dict[str, Any]:
    """Content of `policy.json` for a catalogue: settings, and the outcomes of the items that are not allowed.

    Args:
        policy: The policy.
        catalogue: The items.
    """
    ids = catalogue.column("item_id").to_pylist()
    columns = text_columns(catalogue.table)
    verdicts = check_rows(policy, catalogue.table, columns)
    flagged = np.flatnonzero([bool(one.matches) for one in verdicts])
    entries = _entries(catalogue.table.take(pa.array(flagged)), columns, [verdicts[row] for row in flagged])
    items = {ids[row]: entry for row, entry in zip(flagged, entries, strict=True)}
    return {"format": FORMAT, "settings": policy.settings(), "items": items, "decisions": {}, "approved_texts": {}}


def text_hashes(table: pa.Table, columns: Sequence[str]) -> list[str]:
    """SHA-256 per row of the names and texts of columns; empty texts are left out, so a new column changes nothing.

    Args:
        table: Items.
        columns: Columns that the policy checks.

    Example:
        >>> one, two = pa.table({"title": ["a"]}), pa.table({"title": ["a"], "brand": [None]})
        >>> text_hashes(one, ["title"]) == text_hashes(two, ["title", "brand"])
        True
    """
    texts = {name: _texts(table, name).to_pylist() for name in columns}
    return [
        hashlib.sha256(
            json.dumps(sorted((name, own[row]) for name, own in texts.items() if own[row])).encode()
        ).hexdigest()
        for row in range(table.num_rows)
    ]


def _entries(table: pa.Table, columns: Sequence[str], verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Outcomes as `policy.json` stores them, with the title and the hash of the texts that the policy has read."""
    titles = _texts(table, "title").to_pylist() if "title" in table.column_names else [None] * table.num_rows
    return [
        {**one.to_dict(), "title": title or "", "text": text}
        for one, title, text in zip(verdicts, titles, text_hashes(table, columns), strict=True)
    ]


def place_policy(processor: Any, policy: str | None) -> list[str]:
    """Give a processor a content policy.

    Args:
        processor: An `XCatProcessor` with its catalogue.
        policy: As `policy` of `PolicyOptions`; None keeps that of the processor.

    Returns:
        Notes about the items that are not allowed.
    """
    if policy is not None:
        chosen = read_policy(policy)
        processor.policy = None if chosen is None else checked_catalogue(chosen, processor.catalogue)
    if processor.policy is None:
        return []
    outcomes = [one["outcome"] for one in processor.policy["items"].values()]
    blocked, sensitive = outcomes.count("blocked"), outcomes.count("sensitive")
    return [
        f"content policy: {counted_of(blocked, processor.catalogue.num_items, 'item', 'are')} blocked; of a sensitive "
        f"category: {sensitive:,}; xcat review lists them"
    ]


def rechecked_catalogue(
    saved: Mapping[str, Any] | None, before: ItemVocabulary, now: ItemVocabulary
) -> dict[str, Any] | None:
    """Content of `policy.json` after a change of the catalogue: new items and changed texts are checked.

    An approval is of a text: it ends when its item has another one. A block stays, and so does a decision about an
    item that this catalogue lacks: another process may have added it.

    Args:
        saved: Content before; None for no policy.
        before: The catalogue before.
        now: The catalogue now.
    """
    if saved is None:
        return None
    columns = text_columns(now.table)
    changed = now.table.take(pa.array(_changed_rows(before, now, columns)))
    ids = changed["item_id"].to_pylist()
    verdicts = check_rows(ContentPolicy(**saved["settings"]), changed, columns)
    known = set(now.column("item_id").to_pylist())
    items = {name: one for name, one in saved["items"].items() if name in known}
    decisions, approved = dict(saved["decisions"]), dict(saved.get("approved_texts", {}))
    for name, verdict, entry in zip(ids, verdicts, _entries(changed, columns, verdicts), strict=True):
        items.pop(name, None)
        if decisions.get(name) == "approved" and approved.get(name) != entry["text"]:
            del decisions[name]
            approved.pop(name, None)
        if verdict.matches:
            items[name] = entry
    return {**saved, "items": items, "decisions": decisions, "approved_texts": approved}


def new_or_changed_items(before: ItemVocabulary, now: ItemVocabulary) -> dict[str, str]:
    """Hash of the texts of new items, and of items of which a text changed, by id.

    Args:
        before: The catalogue before.
        now: The catalogue now.
    """
    columns = text_columns(now.table)
    changed = now.table.take(pa.array(_changed_rows(before, now, columns)))
    return dict(zip(changed["item_id"].to_pylist(), text_hashes(changed, columns), strict=True))


def _changed_rows(before: ItemVocabulary, now: ItemVocabulary, columns: Sequence[str]) -> np.ndarray:
    """Places of new items and of items of which a text changed."""
    rows = before.encode(now.column("item_id"))
    changed = rows == UNKNOWN_ROW
    places = pa.array(rows - NUM_SPECIAL_ROWS, mask=changed)
    for name in columns:
        own = pc.fill_null(_texts(now.table, name), "")
        if name not in before.table.column_names:
            changed |= np.asarray(pc.not_equal(own, ""))
            continue
        earlier = pc.fill_null(_texts(before.table, name).take(places), "")
        changed |= np.asarray(pc.not_equal(own, earlier))
    found: np.ndarray = changed.nonzero()[0]
    return found


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _texts(table: pa.Table, name: str) -> pa.Array:
    """A column as texts; texts of a list are joined."""
    column = table[name].combine_chunks()
    if _value_type(column.type) is not column.type:
        column = pc.binary_join(pc.cast(column, pa.list_(pa.string())), " ")
    return pc.cast(column, pa.string())

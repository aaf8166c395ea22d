"""Outcomes of the items of a catalogue, as `policy.json` stores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
    verdicts = check_rows(policy, catalogue.table, text_columns(catalogue.table))
    items = {name: one.to_dict() for name, one in zip(ids, verdicts, strict=True) if one.matches}
    return {"format": FORMAT, "settings": policy.settings(), "items": items, "decisions": {}}


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
        f"content policy: {blocked:,} of {processor.catalogue.num_items:,} items are blocked and {sensitive:,} are of "
        "a sensitive category; xcat review lists them"
    ]


def rechecked_catalogue(
    saved: Mapping[str, Any] | None, before: ItemVocabulary, now: ItemVocabulary
) -> dict[str, Any] | None:
    """Content of `policy.json` after a change of the catalogue: new items and changed texts are checked.

    An approval ends when a text of its item changes, and when its item is added again. A block stays, and so does a
    decision about an item that this catalogue lacks: another process may have added it.

    Args:
        saved: Content before; None for no policy.
        before: The catalogue before.
        now: The catalogue now.
    """
    if saved is None:
        return None
    columns = text_columns(now.table)
    rows = _changed_rows(before, now, columns)
    ids = now.table["item_id"].take(pa.array(rows)).to_pylist()
    verdicts = check_rows(ContentPolicy(**saved["settings"]), now.table.take(pa.array(rows)), columns)
    known = set(now.column("item_id").to_pylist())
    items = {name: one for name, one in saved["items"].items() if name in known}
    decisions = dict(saved["decisions"])
    for name, verdict in zip(ids, verdicts, strict=True):
        items.pop(name, None)
        if decisions.get(name) == "approved":
            del decisions[name]
        if verdict.matches:
            items[name] = verdict.to_dict()
    return {**saved, "items": items, "decisions": decisions}


def new_or_changed_items(before: ItemVocabulary, now: ItemVocabulary) -> list[str]:
    """Ids of new items, and of items of which a text changed.

    Args:
        before: The catalogue before.
        now: The catalogue now.
    """
    rows = _changed_rows(before, now, text_columns(now.table))
    return [str(name) for name in now.table["item_id"].take(pa.array(rows)).to_pylist()]


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

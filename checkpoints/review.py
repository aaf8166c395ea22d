"""Decisions of people about items that the content policy found: a queue, a log with a hash chain, and its check."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from ..modeling_xcat.arguments_xcat import whole_text
from ..modeling_xcat.item_policy_xcat import APPROVED, BLOCKED, is_decided, outcome_of
from ..tokenization.policy.item_verdicts import text_columns, text_hashes
from ..tokenization.policy_file import POLICY_FILE, read_policy_file, write_policy
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

REVIEW_FILE = "review.jsonl"
"""File of a checkpoint with the decisions, one per line; it has names of people and is not pushed."""
FIRST = "0" * 64
"""Hash before the first line."""
Decision = Literal["approved", "blocked"]
ENDED = "ended"
"""Logged when an approval ends. A person cannot choose it."""
_ORDER = {"blocked": 0, "sensitive": 1}


class ReviewLogError(ValueError):
    """The log of decisions was changed, cut or reordered, or does not agree with `policy.json`."""


@dataclass(frozen=True)
class QueuedItem:
    """An item that waits for a decision.

    Args:
        item_id: Its external id.
        title: Its title; "" for none.
        outcome: "blocked" or "sensitive".
        categories: Categories of the matched rules.
        certain: Whether a match is certain; False for hidden and ambiguous words, and for a classifier.
        matches: The rules that matched, as of `Match.to_dict`.
    """

    item_id: str
    title: str
    outcome: str
    categories: tuple[str, ...]
    certain: bool
    matches: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        return {**asdict(self), "categories": list(self.categories), "matches": [dict(one) for one in self.matches]}


@dataclass(frozen=True)
class ReviewEntry:
    """A line of the log.

    Args:
        number: Number of the line, from 1.
        time: Time in UTC, ISO 8601.
        item_id: The item.
        decision: "approved" or "blocked"; "ended" when an approval ends, because the item has another text.
        by: Name of the person; "xcat-rec" for the end of an approval.
        reason: Reason in words.
        outcome: Outcome before the decision.
        previous: Hash of the line before.
        hash: SHA-256 of this line without it.
        text: Hash of the texts that an approval is of; "" for none, as in lines of older versions.
    """

    number: int
    time: str
    item_id: str
    decision: str
    by: str
    reason: str
    outcome: str
    previous: str
    hash: str = ""
    text: str = ""

    def digest(self) -> str:
        """SHA-256 of all fields but `hash`, and but an empty `text`, which lines of older versions lack."""
        left_out = ("hash",) if self.text else ("hash", "text")
        fields = {name: value for name, value in asdict(self).items() if name not in left_out}
        return hashlib.sha256(json.dumps(fields, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def review_queue(folder: Path) -> list[QueuedItem]:
    """Items of a checkpoint that are not allowed and that nobody has decided on.

    Args:
        folder: The checkpoint.

    Returns:
        Blocked ones first, then uncertain ones.

    Raises:
        ValueError: If the checkpoint has no content policy.
    """
    saved, titles = _policy_of(folder), _titles(folder)
    waiting = [
        QueuedItem(
            name,
            one.get("title") or titles.get(name, ""),
            one["outcome"],
            tuple(one["categories"]),
            one["certain"],
            tuple(one["matches"]),
        )
        for name, one in saved["items"].items()
        if not is_decided(saved, name)
    ]
    return sorted(waiting, key=lambda one: (_ORDER[one.outcome], one.certain))


def decide(folder: Path, decisions: Mapping[str, Decision], *, by: str, reason: str) -> list[ReviewEntry]:
    """Decide on items, on all or after an error on none; the next request of every process follows it.

    Args:
        folder: The checkpoint.
        decisions: By external id of the item: "approved", the item is allowed; "blocked", no list has it.
        by: Name of the person who decides.
        reason: Why, in words.

    Returns:
        The lines of the log, in the order of the items.

    Raises:
        ValueError: If an item is unknown, a text is empty, or the checkpoint has no content policy.
        ReviewLogError: If the log was changed.
    """
    for name, value in (("by", by), ("reason", reason)):
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{name} is empty; a decision needs the name of a person and a reason")
        whole_text(name, value)
    for decision in decisions.values():
        if decision not in (APPROVED, BLOCKED):
            raise ValueError(f"decision is {decision!r}; give {APPROVED} or {BLOCKED}")
    with locked_review(folder):
        saved, catalogue = _policy_of(folder), ItemVocabulary.load(folder)
        known = {*saved["items"], *catalogue.column("item_id").to_pylist()}
        for item in decisions:
            if item not in known:
                raise ValueError(
                    f"item is {item!r}, which is not in the catalogue of {folder}; give the id of an item"
                )
        approved = [item for item, decision in decisions.items() if decision == APPROVED]
        texts = _texts_of(approved, saved, catalogue)
        lines = [
            (item, decision, by.strip(), reason.strip(), outcome_of(saved, item), texts.get(item, ""))
            for item, decision in decisions.items()
        ]
        entries = _append(folder, lines)
        kept = {item: text for item, text in saved.get("approved_texts", {}).items() if item not in decisions}
        decided = {**saved["decisions"], **decisions}
        write_policy(folder, {**saved, "decisions": decided, "approved_texts": {**kept, **texts}})
    return entries


def _texts_of(items: Sequence[str], saved: Mapping[str, Any], catalogue: ItemVocabulary) -> dict[str, str]:
    """Hash of the texts of items that the policy has read: of its entry, and for others of the catalogue."""
    found = {item: text for item in items if (text := saved["items"].get(item, {}).get("text"))}
    places = catalogue.encode(items) - NUM_SPECIAL_ROWS
    own = [int(place) for item, place in zip(items, places, strict=True) if place >= 0 and item not in found]
    table = catalogue.table.take(pa.array(own, pa.int64()))
    hashes = text_hashes(table, text_columns(catalogue.table))
    return {**found, **dict(zip(table["item_id"].to_pylist(), hashes, strict=True))}


def end_approvals(folder: Path, items: Mapping[str, str]) -> list[ReviewEntry]:
    """Log that approvals have ended, because the item has another text than the approved one.

    The caller has `locked_review`.

    Args:
        folder: The checkpoint.
        items: Hash of the texts of new items, and of items whose texts changed, by id. Items that are not approved
            are left out, and so are items with the approved text.

    Raises:
        ReviewLogError: If the log was changed.
    """
    if not items or not (folder / REVIEW_FILE).is_file():
        return []
    last = {entry.item_id: entry for entry in read_review_log(folder)}
    ended = [
        item
        for item, text in items.items()
        if (entry := last.get(item)) is not None and entry.decision == APPROVED and entry.text != text
    ]
    reason = "it has another text than the approved one"
    return _append(folder, [(item, ENDED, "xcat-rec", reason, "allowed", "") for item in ended])


def _append(folder: Path, lines: Sequence[tuple[str, str, str, str, str, str]]) -> list[ReviewEntry]:
    """Add lines of item, decision, person, reason, outcome before and hash of texts to the log, in one write."""
    before = read_review_log(folder)
    previous, now = before[-1].hash if before else FIRST, datetime.now(UTC).isoformat(timespec="seconds")
    entries: list[ReviewEntry] = []
    for number, (item, decision, by, reason, outcome, text) in enumerate(lines, start=len(before) + 1):
        entry = ReviewEntry(number, now, item, decision, by, reason, outcome, previous, text=text)
        entries.append(replace(entry, hash=entry.digest()))
        previous = entries[-1].hash
    if entries:
        with (folder / REVIEW_FILE).open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries))
            file.flush()
            os.fsync(file.fileno())
    return entries


def read_review_log(folder: Path) -> list[ReviewEntry]:
    """The decisions about a checkpoint, oldest first; the hash of every line is checked.

    Args:
        folder: The checkpoint.

    Raises:
        ReviewLogError: If a line was changed, removed, added or moved.
    """
    path, entries, previous = folder / REVIEW_FILE, list[ReviewEntry](), FIRST
    try:
        lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else [""]
    except UnicodeDecodeError as error:
        raise ReviewLogError(f"{path} cannot be read ({error}); restore the file from a copy") from error
    if lines.pop():
        raise ReviewLogError(f"{path}: the last line is cut; restore the file from a copy")
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        try:
            entry = ReviewEntry(**json.loads(line))
            digest = entry.digest()
        except (ValueError, TypeError, RecursionError) as error:
            raise ReviewLogError(f"{where} cannot be read ({error}); restore the file from a copy") from error
        if entry.number != number or entry.previous != previous:
            raise ReviewLogError(f"{where} does not follow the line before it; restore the file from a copy")
        if entry.hash != digest:
            raise ReviewLogError(f"{where} was changed: its hash is another one; restore the file from a copy")
        entries.append(entry)
        previous = entry.hash
    return entries


def verify_review(folder: Path, head: str | None = None) -> list[ReviewEntry]:
    """Check the log of decisions, and that the checkpoint goes by it.

    A chain shows that a line was changed, removed inside, added or moved. That lines are missing at the end shows only
    against a hash that was noted elsewhere, or against the decisions in `policy.json`.

    Args:
        folder: The checkpoint.
        head: Hash of the last line, or of an earlier one, as it was noted; None to compare with none.

    Returns:
        The decisions, oldest first.

    Raises:
        ReviewLogError: If something does not agree.
    """
    entries, saved = read_review_log(folder), _policy_of(folder)
    if head is not None and head not in {FIRST, *(entry.hash for entry in entries)}:
        raise ReviewLogError(f"{folder / REVIEW_FILE} has no line with the hash {head}; lines at its end are missing")
    last = _in_force(entries)
    blocked = [item for item, decision in last.items() if decision == BLOCKED]  # old logs lack ends of approvals
    for item in dict.fromkeys([*saved["decisions"], *blocked]):
        there, logged = (found.get(item, "undecided") for found in (saved["decisions"], last))
        if there != logged:
            raise ReviewLogError(
                f"{folder / POLICY_FILE} has {item!r} as {there} and {REVIEW_FILE} as {logged}; decide on it again"
            )
    return entries


def carry_decisions(before: Path, policy: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A policy with the decisions of a checkpoint that is replaced: they are about items, not about weights.

    Args:
        before: Folder of the checkpoint that is replaced.
        policy: Content of `policy.json` of the new one; None for no policy.

    Raises:
        ReviewLogError: If the log of decisions was changed.
    """
    if policy is None:
        return None
    file, entries = before / POLICY_FILE, read_review_log(before)
    earlier: Mapping[str, Any] = {"decisions": _in_force(entries)}
    if file.is_file():
        earlier = read_policy_file(file)
    else:
        last = {entry.item_id: entry.text for entry in entries}
        earlier = {**earlier, "approved_texts": {item: last[item] for item in earlier["decisions"] if last[item]}}
    parts = ("decisions", "approved_texts")
    return {**policy, **{part: {**earlier.get(part, {}), **policy.get(part, {})} for part in parts}}


def copy_review(source: Path, target: Path) -> None:
    """Copy the log of decisions to a checkpoint that was made of another one and has its decisions.

    Args:
        source: Folder of the other checkpoint.
        target: Folder of the checkpoint; its own log stays if it has one.
    """
    if (source / REVIEW_FILE).is_file() and not (target / REVIEW_FILE).exists():
        shutil.copyfile(source / REVIEW_FILE, target / REVIEW_FILE)


def _in_force(entries: Sequence[ReviewEntry]) -> dict[str, str]:
    """The last decision on each item; none for an approval that has ended."""
    last = {entry.item_id: entry.decision for entry in entries}
    return {item: decision for item, decision in last.items() if decision != ENDED}


def _policy_of(folder: Path) -> dict[str, Any]:
    if not (folder / POLICY_FILE).is_file():
        raise ValueError(f"{folder} has no content policy; apply one first, with policy='standard'")
    return read_policy_file(folder / POLICY_FILE)


def _titles(folder: Path) -> dict[str, str]:
    """Title of every item of a checkpoint's catalogue."""
    table = ItemVocabulary.load(folder).table
    ids = table["item_id"].to_pylist()
    titles = table["title"].to_pylist() if "title" in table.column_names else [None] * len(ids)
    return {name: title or "" for name, title in zip(ids, titles, strict=True)}


@contextmanager
def locked_review(folder: Path) -> Iterator[None]:
    """Let one process at a time decide."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

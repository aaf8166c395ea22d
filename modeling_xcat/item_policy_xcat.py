"""The content policy of a catalogue: items that no list may have, and items of sensitive categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

BLOCKED, SENSITIVE = "blocked", "sensitive"
"""Outcomes of an item; an item without an entry is allowed."""
APPROVED = "approved"
"""Decision of a person: the item is allowed. The other decision is `BLOCKED`."""


def is_decided(saved: Mapping[str, Any], item: str) -> bool:
    """Whether a decision of a person is in force: an approval is of one text, and not of another one.

    Args:
        saved: Content of `policy.json`.
        item: External id of the item.

    Example:
        >>> saved = {"items": {"a": {"text": "1"}}, "decisions": {"a": "approved"}, "approved_texts": {"a": "2"}}
        >>> is_decided(saved, "a")
        False
    """
    decided = saved.get("decisions", {}).get(item)
    if decided != APPROVED:
        return decided is not None
    seen, now = saved.get("approved_texts", {}).get(item), saved["items"].get(item, {}).get("text")
    return not seen or not now or seen == now


def outcome_of(saved: Mapping[str, Any], item: str) -> str:
    """The outcome of an item after the decision of a person: "allowed", "sensitive" or "blocked".

    Args:
        saved: Content of `policy.json`.
        item: Its external id.

    Example:
        >>> saved = {"items": {"a": {"outcome": "blocked"}}, "decisions": {"a": "approved", "b": "blocked"}}
        >>> [outcome_of(saved, item) for item in ("a", "b", "c")]
        ['allowed', 'blocked', 'allowed']
    """
    if is_decided(saved, item):
        return BLOCKED if saved["decisions"][item] == BLOCKED else "allowed"
    return str(saved["items"].get(item, {}).get("outcome", "allowed"))


@dataclass(frozen=True)
class ItemPolicy:
    """Outcomes of the items of a catalogue.

    Args:
        blocked: (rows,) True for items that no list may have.
        sensitive: (rows,) int64, a bit per sensitive category of an item; 0 for none.
        names: Names of the sensitive categories, in the order of their bits.
    """

    blocked: torch.Tensor
    sensitive: torch.Tensor
    names: tuple[str, ...]

    @classmethod
    def read(cls, saved: Mapping[str, Any] | None, vocabulary: Any, device: torch.device) -> ItemPolicy | None:
        """The policy of a catalogue; None without one.

        Args:
            saved: Content of `policy.json`; None for no policy.
            vocabulary: The catalogue, an `ItemVocabulary`.
            device: Device of the scores.
        """
        if saved is None:
            return None
        outcomes = saved["settings"]["outcomes"]
        names = tuple(name for name, outcome in outcomes.items() if outcome == SENSITIVE)
        bit_of = {name: 1 << bit for bit, name in enumerate(names)}
        ids = list(dict.fromkeys([*saved["items"], *saved["decisions"]]))
        rows = vocabulary.encode(ids).tolist() if ids else []
        blocked = torch.zeros(len(vocabulary), dtype=torch.bool)
        sensitive = torch.zeros(len(vocabulary), dtype=torch.long)
        for item, row in zip(ids, rows, strict=True):
            outcome = outcome_of(saved, item)
            if outcome == BLOCKED:
                blocked[row] = True
            elif outcome == SENSITIVE:
                sensitive[row] = sum(bit_of.get(name, 0) for name in saved["items"][item]["categories"])
        blocked[:2], sensitive[:2] = False, 0  # ids that the catalogue does not have
        return cls(blocked.to(device), sensitive.to(device), names)

    def opted(self, allowed: Sequence[str], histories: Sequence[Sequence[int]]) -> torch.Tensor | None:
        """(users,) int64, the bits of the sensitive categories that each user may get; None without sensitive items.

        Args:
            allowed: Names of categories that a request allows.
            histories: Item indices of each user; categories of their items are allowed.
        """
        given = self.bits(allowed)
        if not bool(self.sensitive.any()):
            return None
        found = []
        for history in histories:
            own = given
            for bits in self.sensitive[torch.as_tensor(history, dtype=torch.long)].unique().tolist():
                own |= bits
            found.append(own)
        return torch.tensor(found, dtype=torch.long, device=self.sensitive.device)

    def open_to(self, opted: int) -> torch.Tensor:
        """(rows,) True for items that a user with some bits may get."""
        return (self.sensitive & ~opted) == 0

    def bits(self, allowed: Sequence[str]) -> int:
        """The bits of some categories.

        Raises:
            ValueError: If one is not a sensitive category of the policy.
        """
        unknown = [name for name in allowed if name not in self.names]
        if unknown:
            raise ValueError(
                f"allow_sensitive has {unknown[0]!r}, which is not a sensitive category of the content policy; it has "
                f"{', '.join(self.names) or 'none'}"
            )
        return sum(1 << self.names.index(name) for name in dict.fromkeys(allowed))

    def may_be_named(self, row: int) -> bool:
        """Whether an item may be named as a reason: it is neither blocked nor sensitive."""
        return not bool(self.blocked[row]) and int(self.sensitive[row]) == 0

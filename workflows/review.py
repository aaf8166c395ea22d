"""Review: items that the content policy found, and the decisions of people about them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..checkpoints.review import (
    Decision,
    QueuedItem,
    ReviewEntry,
    carry_decisions,
    decide,
    locked_review,
    read_review_log,
    review_queue,
    verify_review,
)
from ..tokenization.policy.content_policy import ContentPolicy, read_policy
from ..tokenization.policy.item_verdicts import checked_catalogue
from ..tokenization.policy_file import write_policy
from ..tokenization.vocabulary import VOCABULARY_FILE, ItemVocabulary
from .text_lists import list_of_texts


class Review:
    """The review of a checkpoint's items.

    Args:
        checkpoint: Its folder.

    Raises:
        OSError: If the folder is not a checkpoint.
    """

    def __init__(self, checkpoint: str | os.PathLike[str]) -> None:
        self.folder = Path(checkpoint)
        if not (self.folder / VOCABULARY_FILE).is_file():
            raise FileNotFoundError(
                f"checkpoint {self.folder} has no {VOCABULARY_FILE}; give the folder of a checkpoint on this machine"
            )

    def queue(self, *, outcome: str | None = None, category: str | None = None) -> list[QueuedItem]:
        """Items that wait for a decision, blocked ones first, then uncertain ones.

        Args:
            outcome: "blocked" or "sensitive"; None for both.
            category: A category of the matched rules; None for all.

        Raises:
            ValueError: If the checkpoint has no content policy, or there is no such outcome.
        """
        if outcome not in (None, "blocked", "sensitive"):
            raise ValueError(f"outcome is {outcome!r}; give blocked or sensitive")
        return [
            one
            for one in review_queue(self.folder)
            if outcome in (None, one.outcome) and (category is None or category in one.categories)
        ]

    def approve(self, items: str | Sequence[str], *, by: str, reason: str) -> list[ReviewEntry]:
        """Let lists have items; see `decide`."""
        return self.decide(approve=items, by=by, reason=reason)

    def block(self, items: str | Sequence[str], *, by: str, reason: str) -> list[ReviewEntry]:
        """Keep items out of all lists, whatever the policy found; see `decide`."""
        return self.decide(block=items, by=by, reason=reason)

    def decide(
        self, *, approve: str | Sequence[str] = (), block: str | Sequence[str] = (), by: str, reason: str
    ) -> list[ReviewEntry]:
        """Decide on items; if one cannot be decided on, none is.

        Args:
            approve: Ids of items that lists may have.
            block: Ids of items that no list may have.
            by: Name of the person who decides.
            reason: Why, in words.

        Returns:
            The lines of the log.

        Raises:
            ValueError: If an item is unknown or in both, a text is empty, or the checkpoint has no content policy.
            ReviewLogError: If the log was changed.
        """
        approved, blocked = (
            list_of_texts(name, given, "ids") for name, given in (("approve", approve), ("block", block))
        )
        both = [item for item in approved if item in blocked]
        if both:
            raise ValueError(f"item {both[0]!r} is in approve and in block; decide on one of them")
        decisions: dict[str, Decision] = dict.fromkeys(approved, "approved")
        return decide(self.folder, {**decisions, **dict.fromkeys(blocked, "blocked")}, by=by, reason=reason)

    def log(self) -> list[ReviewEntry]:
        """The decisions, oldest first; every line is checked."""
        return read_review_log(self.folder)

    def verify(self, head: str | None = None) -> list[ReviewEntry]:
        """Check the log of decisions; see `verify_review`."""
        return verify_review(self.folder, head)

    def apply(self, policy: str | os.PathLike[str] | Mapping[str, Any] | ContentPolicy | None) -> None:
        """Give the checkpoint a content policy, or another one; decisions stay.

        Args:
            policy: As in `read_policy`; "off" removes it.
        """
        chosen = read_policy(policy)
        found = None if chosen is None else checked_catalogue(chosen, ItemVocabulary.load(self.folder))
        with locked_review(self.folder):
            write_policy(self.folder, carry_decisions(self.folder, found))


def review(checkpoint: str | os.PathLike[str]) -> Review:
    """Review the items that the content policy of a checkpoint found.

    Args:
        checkpoint: Its folder.

    Raises:
        OSError: If the folder is not a checkpoint.

    Example (not run: it needs a checkpoint):
        review("CKPT").approve("1082185", by="Ada", reason="a corkscrew, no wine")
    """
    return Review(checkpoint)

"""The content policy of a recommender that answers requests: applied, changed, and followed in its file."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from ..checkpoints.review import REVIEW_FILE, ReviewLogError, end_approvals, locked_review
from ..modeling_xcat.recommending_xcat import ItemRanker
from ..tokenization.policy.content_policy import ContentPolicy, read_policy
from ..tokenization.policy.item_verdicts import checked_catalogue, new_or_changed_items
from ..tokenization.policy_file import POLICY_FILE, read_policy_file, write_policy
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.vocabulary import ItemVocabulary
from .snapshots import WRITING, Snapshots

logger = logging.getLogger(__name__)


class LivePolicy(Snapshots):
    """The part of a recommender with the content policy.

    A recommender that was loaded from a folder follows the `policy.json` in it: a decision of `xcat review` counts
    from the next request on.
    """

    processor: XCatProcessor
    vocabulary: ItemVocabulary
    ranker: ItemRanker
    _followed: Path | None = None
    _read_at: tuple[int, int] | None = None

    @property
    def policy(self) -> Mapping[str, Any] | None:
        """The content policy, as in `policy.json`; None without one.

        Set it to "standard", "off", a `ContentPolicy`, a mapping or a JSON file, and all items are checked. Decisions
        of people stay.
        """
        return self.processor.policy

    @policy.setter
    def policy(self, policy: str | os.PathLike[str] | Mapping[str, Any] | ContentPolicy | None) -> None:
        chosen = read_policy(policy)
        with WRITING:
            found = None if chosen is None else checked_catalogue(chosen, self.vocabulary)
            if found is not None and self.processor.policy is not None:
                found["decisions"] = dict(self.processor.policy["decisions"])
                found["approved_texts"] = dict(self.processor.policy.get("approved_texts", {}))
            self._followed = None
            self._use_policy(found)

    @property
    def content_policy(self) -> ContentPolicy | None:
        """The rules of the policy, to check texts; None without one."""
        saved = self.processor.policy
        return None if saved is None else _rules(json.dumps(saved["settings"], sort_keys=True))

    def snapshot(self) -> Self:
        """This object as it is now, with the decisions that people have made until now."""
        self.follow()
        same = super().snapshot()
        same._followed = None  # one request reads one state
        return same

    def follow_policy(self, folder: str | os.PathLike[str]) -> None:
        """Read `policy.json` of a folder again when it changes, and write added items that are not allowed into it.

        Args:
            folder: The folder of the checkpoint.
        """
        self._followed = Path(folder) / POLICY_FILE
        self._read_at = _state_of(self._followed)

    def follow(self) -> None:
        """Read the followed `policy.json` again if it has changed; every request does."""
        if self._followed is None or (now := _state_of(self._followed)) == self._read_at:
            return
        with WRITING:
            found = None if now is None else read_policy_file(self._followed)
            if found is not None and self.processor.policy is not None:
                found["items"] = {**self.processor.policy["items"], **found["items"]}
            self._use_policy(found)
            self._read_at = now

    def _use_policy(self, policy: Mapping[str, Any] | None) -> None:
        """Let lists go by another policy from the next request on."""
        processor, ranker = copy(self.processor), copy(self.ranker)
        processor.policy = policy
        ranker.filter = ranker.filter.under(policy)
        self._switch({"processor": processor, "ranker": ranker})

    def _queue_added(self, before: Mapping[str, Any] | None, catalogue: ItemVocabulary) -> None:
        """Write the outcomes of added items into the followed file, so that people can review them.

        Approvals that end with a changed text are logged, also while there is no policy, so that another policy does
        not bring them back.

        Args:
            before: The policy before items were added.
            catalogue: The catalogue before.
        """
        now = self.processor.policy
        if self._followed is None:
            return
        folder = self._followed.parent
        with locked_review(folder):
            if now is not None and before is not None:
                saved = read_policy_file(self._followed) if self._followed.is_file() else before
                changed = {name: one for name, one in now["items"].items() if before["items"].get(name) != one}
                ended = set(before["decisions"]) - set(now["decisions"])
                kept = {
                    part: {name: one for name, one in saved.get(part, {}).items() if name not in ended}
                    for part in ("decisions", "approved_texts")
                }
                if changed or ended:
                    write_policy(folder, {**saved, "items": {**saved["items"], **changed}, **kept})
                    self._read_at = _state_of(self._followed)
            if (folder / REVIEW_FILE).is_file():
                try:
                    end_approvals(folder, new_or_changed_items(catalogue, self.vocabulary))
                except (ReviewLogError, OSError) as error:  # the items are changed all the same
                    logger.error("the end of approvals is not in the log of the review: %s", error)


@lru_cache(maxsize=4)
def _rules(settings: str) -> ContentPolicy:
    """The policy of some settings, which builds its word lists once."""
    return ContentPolicy(**json.loads(settings))


def _state_of(path: Path) -> tuple[int, int] | None:
    """Time and size of a file; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size

"""The option of a preparation that gives its checkpoint a content policy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class PolicyOptions:
    """Content policy of the checkpoint.

    Args:
        policy: Content policy: standard (the package's word lists), off, or a JSON file with fields of
            `ContentPolicy`. None for that of the base or of the prepared folder, else off.
    """

    policy: str | None = None

    def __post_init__(self) -> None:
        from .content_policy import read_policy

        read_policy(self.policy)  # raises before any work is done

"""Errors that a user can mend, as opposed to faults of the program."""

from __future__ import annotations

import errno
from typing import Any

BAD_INPUT = 2
REFUSED = 3
"""Exit code of an update that refused itself."""
TRACEBACK_VARIABLE = "XCAT_TRACEBACK"
_BAD_PATH = (None, errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EEXIST, errno.EPERM, errno.EROFS)


class UpdateRefusedError(ValueError):
    """The log or the new model did not pass a guard, so nothing was written.

    Args:
        message: The guard, and what it found.
        guards: Results of the guards as plain values; the last one was not passed.
    """

    def __init__(self, message: str, guards: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.guards = guards

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        return {"accepted": False, "guards": self.guards}


def exit_code_of(error: Exception) -> int | None:
    """The exit code for an error that a user can mend, or None for a fault of the program, which shows its traceback.

    Args:
        error: The error of a command.
    """
    if isinstance(error, OSError):
        return BAD_INPUT if error.errno in _BAD_PATH else 1
    if isinstance(error, UpdateRefusedError):
        return REFUSED
    if isinstance(error, ImportError):
        from ..tokenization.extras import MissingExtraError

        return BAD_INPUT if isinstance(error, MissingExtraError) else None
    from huggingface_hub.errors import StrictDataclassClassValidationError, StrictDataclassFieldValidationError

    mendable = (ValueError, StrictDataclassClassValidationError, StrictDataclassFieldValidationError)
    return BAD_INPUT if isinstance(error, mendable) else None

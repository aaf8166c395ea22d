"""Errors that a user can mend, as opposed to faults of the program."""

from __future__ import annotations

import errno

BAD_INPUT = 2
TRACEBACK_VARIABLE = "XCAT_TRACEBACK"
_BAD_PATH = (None, errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EEXIST, errno.EPERM, errno.EROFS)


def exit_code_of(error: Exception) -> int | None:
    """The exit code for an error that a user can mend, or None for a fault of the program, which shows its traceback.

    Args:
        error: The error of a command.
    """
    if isinstance(error, OSError):
        return BAD_INPUT if error.errno in _BAD_PATH else 1
    if isinstance(error, ImportError):
        from ..tokenization.extras import MissingExtraError

        return BAD_INPUT if isinstance(error, MissingExtraError) else None
    from huggingface_hub.errors import StrictDataclassClassValidationError, StrictDataclassFieldValidationError

    mendable = (ValueError, StrictDataclassClassValidationError, StrictDataclassFieldValidationError)
    return BAD_INPUT if isinstance(error, mendable) else None

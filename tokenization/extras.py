"""Packages of an extra that are not installed, and the command that installs them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).parent.parent


class MissingExtraError(ImportError):
    """A package of an extra is not installed.

    Args:
        subject: Feature that needs the package, with its verb and object: "adapters need peft".
        extra: The extra that has the package.

    Example:
        >>> "adapters need peft; pip install" in str(MissingExtraError("adapters need peft", "peft"))
        True
    """

    def __init__(self, subject: str, extra: str) -> None:
        super().__init__(f"{subject}; {install_command(extra)}")


def check_packages(subject: str, packages: Iterable[str], extra: str) -> None:
    """Refuse a feature before any work, if a package is not installed.

    Args:
        subject: Name of the feature.
        packages: Names of modules, as they are imported.
        extra: The extra that has them.

    Raises:
        MissingExtraError: If one is missing.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"{subject} needs {' and '.join(missing)}", extra)


def install_command(extra: str) -> str:
    """Command that installs an extra: from the clone of the running package, or from the package index."""
    if (_ROOT / "pyproject.toml").is_file():
        return f"pip install -e {shlex.quote(f'{_ROOT.resolve()}[{extra}]')}"
    return f"pip install {shlex.quote(f'xcat-rec[{extra}]')}"

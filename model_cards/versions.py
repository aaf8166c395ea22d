"""Versions of the packages that a figure depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("xcat-rec", "transformers", "torch", "accelerate", "datasets", "tokenizers", "peft")


def package_versions() -> dict[str, str]:
    """Name to version of what is installed, Python first."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

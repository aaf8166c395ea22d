"""Names of adapter methods and of the parts of a model that they are put on, checked without torch."""

from __future__ import annotations

from collections.abc import Sequence

METHODS = ("lora", "dora", "loha")
GROUPS = {
    "behavior": "model.encoder.",
    "fusion": "model.fusion.",
    "items": "model.items.adaptor.",
    "text": "model.text.encoder.",
}
"""Parts of the model that can get an adapter, and the prefix of their modules' names."""
DEFAULT_GROUPS = ("behavior", "fusion", "items")


def check_method(method: str) -> None:
    """Refuse an unknown method.

    Raises:
        ValueError: If it is not in `METHODS`.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is not an adapter method; give one of {', '.join(METHODS)}")


def check_groups(groups: Sequence[str]) -> None:
    """Refuse an unknown part of the model.

    Raises:
        ValueError: If it is not in `GROUPS`.
    """
    for group in groups:
        if group not in GROUPS:
            raise ValueError(
                f"groups=[{group!r}] is not a part of the model; give some of {', '.join(GROUPS)}, separated by commas"
            )

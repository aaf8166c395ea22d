"""The padding keywords of a processor, for histories of events.

Self-contained, because it travels with a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

LAYOUTS = ("left", "right", "packed")
_PADDING = {True: "longest", "longest": "longest", "max_length": "max_length", False: "no", "do_not_pad": "no"}
_TRUNCATION = {True: True, "longest_first": True, False: False, "do_not_truncate": False}
_TEXT_OPTIONS = ("max_length", "truncation", "padding", "pad_to_multiple_of")


@dataclass(frozen=True)
class Padding:
    """Padding and truncation of histories to rows of one width.

    Args:
        layout: "left" or "right" for the padded side, or "packed".
        padding: "longest", "max_length" or "no".
        truncation: Whether longer histories are cut to their latest events; otherwise they are refused.
        max_length: Maximum events per row.
        multiple: Number that the row width is a multiple of, up to `max_length`.
    """

    layout: str
    padding: str
    truncation: bool
    max_length: int
    multiple: int = 1

    @classmethod
    def of_keywords(
        cls,
        max_history: int,
        *,
        layout: str | None = None,
        padding: bool | str = True,
        truncation: bool | str | None = True,
        max_length: int | None = None,
        padding_side: str | None = None,
        pad_to_multiple_of: int | None = None,
    ) -> Padding:
        """Check the keywords of `XCatProcessor.__call__`.

        Args:
            max_history: Events that the model reads.
            layout: As in `XCatProcessor.__call__`, like the following arguments.
            padding: As there.
            truncation: As there.
            max_length: As there.
            padding_side: As there.
            pad_to_multiple_of: As there.

        Raises:
            ValueError: If a value is unknown, or two keywords contradict each other.
        """
        padding, truncation = getattr(padding, "value", padding), getattr(truncation, "value", truncation)
        if padding_side not in (None, "left", "right"):
            raise ValueError(f"padding_side is {padding_side!r}; give left or right")
        if layout is not None and padding_side is not None and layout != padding_side:
            raise ValueError(f"layout is {layout!r} and padding_side {padding_side!r}; give one of them")
        side = layout or padding_side or "left"
        if side not in LAYOUTS:
            raise ValueError(f"layout is {side!r}; give one of {', '.join(LAYOUTS)}")
        if padding not in _PADDING:
            raise ValueError(f"padding is {padding!r}; give True, 'longest', 'max_length' or False")
        truncation = True if truncation is None else truncation
        if truncation not in _TRUNCATION:
            raise ValueError(f"truncation is {truncation!r}; give True, which keeps the latest events, or False")
        for name, number in (("max_length", max_length), ("pad_to_multiple_of", pad_to_multiple_of)):
            if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
                raise ValueError(f"{name} is {number!r}; give a whole number of at least 1")
        if max_length is not None and max_length > max_history:
            raise ValueError(
                f"max_length is {max_length}, and the model reads {max_history} events; give {max_history} or less "
                "(text_kwargs={'max_length': ...} is for texts)"
            )
        if side == "packed" and (_PADDING[padding] != "longest" or pad_to_multiple_of is not None):
            raise ValueError("packed rows have no padding; leave padding and pad_to_multiple_of out")
        return cls(
            side, _PADDING[padding], _TRUNCATION[truncation], max_length or max_history, pad_to_multiple_of or 1
        )

    def width(self, lengths: Sequence[int]) -> int:
        """Width of the rows for histories of these lengths.

        Raises:
            ValueError: If histories are too long or differ in length, and the keywords do not allow it.
        """
        longer = [length for length in lengths if length > self.max_length]
        if longer and not self.truncation:
            raise ValueError(
                f"{len(longer)} of {len(lengths)} histories have more than {self.max_length} events, the longest "
                f"{max(longer)}; give truncation=True to keep the latest events"
            )
        kept = [min(length, self.max_length) for length in lengths]
        if self.padding == "no" and len(set(kept)) > 1:
            raise ValueError(
                f"padding is False, and the histories have {min(kept)} to {max(kept)} events; give padding=True"
            )
        widest = self.max_length if self.padding == "max_length" else max(kept, default=1)
        return min(-(-widest // self.multiple) * self.multiple, max(widest, self.max_length))


def text_options(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Options of the tokenizer for texts of users.

    Raises:
        TypeError: If an option is not available for users' texts.
    """
    unknown = sorted(set(given or ()) - set(_TEXT_OPTIONS))
    if unknown:
        raise TypeError(f"text_kwargs has {unknown[0]!r}; it may have {', '.join(_TEXT_OPTIONS)}")
    return dict(given or {})


def in_format(batch: dict[str, torch.Tensor], return_tensors: Any) -> dict[str, Any]:
    """Convert tensors: "pt" keeps them, "np" gives numpy arrays, None gives lists.

    Raises:
        ValueError: If the value is unknown.
    """
    wanted = getattr(return_tensors, "value", return_tensors)
    if wanted == "pt":
        return dict(batch)
    if wanted == "np":
        return {name: value.numpy() for name, value in batch.items()}
    if wanted is None:
        return {name: value.tolist() for name, value in batch.items()}
    raise ValueError(f"return_tensors is {wanted!r}; give 'pt', 'np' or None for lists")

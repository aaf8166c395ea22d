"""Types of the settings of a processor, which `processor_config.json` may have wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..modeling_xcat.arguments_xcat import finite_number, kind_of, listed, truth, whole_number

_MOST = 2**31
_LISTS, _MAPPINGS = ("event_types", "text_fields"), ("interest_settings", "event_settings", "image_settings")
_NUMBERS = {"max_history": 1, "num_rating_buckets": 0, "num_time_gap_buckets": 0, "max_text_length": 1}
"""Whole numbers with the least value of each."""


def check_processor_settings(settings: Mapping[str, Any], where: str) -> None:
    """Refuse settings of the wrong type, before a processor is made of them.

    Args:
        settings: Content of `processor_config.json`.
        where: Name of the checkpoint and the file, for errors.

    Raises:
        ValueError: If a value has the wrong type or size.

    Example:
        >>> check_processor_settings({"max_history": 50, "rating_range": [1.0, 5.0]}, "CKPT: processor_config.json")
        >>> check_processor_settings({"max_history": 1e308}, "CKPT: processor_config.json")
        Traceback (most recent call last):
        ...
        ValueError: CKPT: processor_config.json: max_history is larger than 2,147,483,648; copy the checkpoint again
    """
    try:
        for name in _LISTS:
            _check_texts(name, settings.get(name, []))
        for name, least in _NUMBERS.items():
            if whole_number(name, settings.get(name, least), least) > _MOST:
                raise ValueError(f"{name} is larger than {_MOST:,}")
        for name in _MAPPINGS:
            value = settings.get(name)
            if value is not None and not isinstance(value, Mapping):
                raise ValueError(f"{name} is {kind_of(value)}")
        targets = (settings.get("event_settings") or {}).get("target_event_types")
        _check_texts("event_settings['target_event_types']", [] if targets is None else targets)
        for name in ("item_prompt", "query_prompt"):
            _check_texts(name, [settings.get(name, "")])
        truth("reads_texts", settings.get("reads_texts", True))
        _check_range(settings.get("rating_range"))
    except ValueError as error:
        raise ValueError(f"{where}: {error}; copy the checkpoint again") from error


def _check_texts(name: str, values: Any) -> None:
    for value in listed(name, values, "texts"):
        if not isinstance(value, str):
            raise ValueError(f"{name} has {kind_of(value)}")


def _check_range(given: Any) -> None:
    if given is None:
        return
    ends = listed("rating_range", given, "two numbers")
    if len(ends) != 2 or not finite_number("rating_range", ends[0]) < finite_number("rating_range", ends[1]):
        raise ValueError("rating_range is not a lower and a higher number")

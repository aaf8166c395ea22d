"""Names of the training tables that a checkpoint stores: they must not be personal data of users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .masking import looks_personal, mask


def check_saved_names(event_settings: Mapping[str, Any] | None) -> None:
    """Refuse to share settings with personal data in them. Checkpoints of earlier versions may have some.

    Args:
        event_settings: Event settings of a processor: column names, event types and options; None for none.

    Raises:
        ValueError: If a name looks like an e-mail address or a number of a person; the message masks it.
    """
    found = [(place, name) for place, name in _texts(event_settings or {}, "event_settings") if looks_personal(name)]
    if found:
        place, name = found[0]
        raise ValueError(
            f"{place} in processor_config.json: {len(found)} stored names look like an e-mail address or a number of "
            f"a person, for example {mask(name)!r} (masked); rename the column or event type in your tables and train "
            "again, or remove the name from the file, then share the checkpoint"
        )


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every text in nested settings, keys included, with its place."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield place, str(key)
            yield from _texts(inner, place if looks_personal(str(key)) else f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, place)

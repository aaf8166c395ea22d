"""Notes and errors of the library in the words of the service: fields of JSON and requests, not Python."""

from __future__ import annotations

import re

from ...modeling_xcat.queries_xcat import EXCLUSION_REMEDY, PRICE_REMEDY

_TEXTS = {
    PRICE_REMEDY: 'POST /chat reads price limits, and filters such as ["price<20"] keep them',
    EXCLUSION_REMEDY: "POST /chat reads exclusions, and exclude_categories leaves out categories",
    "with xcat catalogue": "with POST /items",
    "with add_items": "with POST /items",
    ", such as text.encode('utf-8', 'replace').decode()": "",
}
_VALUES = {"True": "true", "False": "false", "None": "null"}
_LIMITS_OF_CHAT = {r"\bonly_items keeps?\b": "the limits of the dialogue keep", r"\bonly_items\b": "a limit"}


def with_fields(message: str) -> str:
    """A message of the library that names the fields of a body.

    Example:
        >>> with_fields("give exclude_seen=False, or timestamps= for all events")
        'give exclude_seen: false, or timestamps for all events'
        >>> with_fields("give explore='balanced', or leave brand=Acme out of filters=['brand=Acme']")
        'give explore: "balanced", or leave brand=Acme out of filters: ["brand=Acme"]'
    """
    for python, fields in _TEXTS.items():
        message = message.replace(python, fields)
    message = re.sub(r"\b([a-z_]+)=(True|False|None)\b", lambda found: f"{found[1]}: {_VALUES[found[2]]}", message)
    message = re.sub(r"\b([a-z_]+)=(?=[\s,;.)]|$)", r"\1", message)
    return re.sub(r"\b([a-z_]+)=('[^']*'|\[[^\]]*\])", lambda f: f"{f[1]}: {f[2]}".replace("'", '"'), message)


def with_limits(note: str) -> str:
    """A note about the list of a chat: what the customer wants and does not want are limits, not a field.

    Example:
        >>> with_limits("no items: the catalogue has 9 items, only_items keeps 0 of them; loosen only_items")
        'no items: the catalogue has 9 items, the limits of the dialogue keep 0 of them; loosen a limit'
    """
    for pattern, words in _LIMITS_OF_CHAT.items():
        note = re.sub(pattern, words, note)
    return with_fields(note)

"""URLs of indexes in a collection of a Qdrant server."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

_SCHEMES = {"qdrant": "http", "qdrants": "https"}
_EXAMPLE = "qdrant://localhost:6333/items"


def is_qdrant_url(index: str | os.PathLike[str] | None) -> bool:
    """Whether an index is named by the URL of a Qdrant collection, and not by its folder.

    Example:
        >>> is_qdrant_url("qdrant://localhost:6333/items"), is_qdrant_url("INDEX")
        (True, False)
    """
    return isinstance(index, str) and index.partition("://")[0] in _SCHEMES and "://" in index


def collection_of(url: str) -> tuple[str, str]:
    """Address of the server, and name of the collection.

    Args:
        url: "qdrant://HOST:PORT/COLLECTION", or "qdrants:" with TLS. The key is in `QDRANT_API_KEY`, not in the URL.

    Raises:
        ValueError: If it is no such URL.

    Example:
        >>> collection_of("qdrant://localhost:6333/items")
        ('http://localhost:6333', 'items')
    """
    found = urlsplit(url)
    name = found.path.strip("/")
    if found.scheme not in _SCHEMES or not found.hostname or not name or "/" in name or "@" in found.netloc:
        raise ValueError(f"index is not the URL of a Qdrant collection; give, for example, {_EXAMPLE!r}")
    return f"{_SCHEMES[found.scheme]}://{found.netloc}", name

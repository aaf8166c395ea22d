"""Removes local paths and secrets from text that will be published."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

LOCAL_PATH = "local-path"
SECRET = "secret-removed"

_SECRETS = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}"  # Hugging Face
    r"|\bapi_org_[A-Za-z0-9]{16,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bsk-[A-Za-z0-9_-]{16,}"
    r"|\bxox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|\bglpat-[\w-]{16,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JSON web token
)
_SECRET_WORD = r"(?:token|password|passwd|secret|(?:api|access|secret|private)[_-]?key|credentials?)"
_NAMED_SECRETS = re.compile(
    rf"(?i)(\b(?:[\w-]*[_-])?{_SECRET_WORD}['\"]?\s*[=:]\s*['\"`]?|--(?:[\w-]*-)?{_SECRET_WORD}\s+|\bbearer\s+)"
    r"([^\s'\"`,|)}]{6,})"
)
_LEAST_SECRET = 8
"""Minimum length of a secret environment variable's value to search for; shorter values are common words."""
_URL_CREDENTIALS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@'\"`]+@", re.IGNORECASE)

_ROOT = r"(?:~[\w.-]*/|/(?!/)|[A-Za-z]:[\\/](?!/)|\\\\\w)"
_QUOTED_PATH = re.compile(rf"(?P<quote>['\"`]){_ROOT}[^'\"`\n]*(?P=quote)")
_PATHS = re.compile(
    r"\bfile://[^\s'\"`|)>]+"
    r"|(?P<url>\b[a-z][a-z0-9+.-]*://[^\s'\"`|)>]+)"  # kept
    r"|(?<![\w~])~[\w.-]*/[^\s'\"`|,;)>]*"
    r"|(?<![\w/<.:~\]])/+[\w.@+~-][^\s'\"`|,;)>]*"  # an absolute POSIX path; not and/or, https://, ./x or </tag>
    r"|(?<=:)/(?!/)[\w.@+~-][^\s'\"`|,;)>]*"
    r"|(?<!\w)[A-Za-z]:[\\/](?!/)[^\s'\"`|,;)>]*"
    r"|(?<![\w\\])\\\\\w[^\s'\"`|,;)>]*"
)


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name holds a secret.

    >>> is_secret_name("hub_token"), is_secret_name("text_tokens_per_item")
    (True, False)
    """
    return re.search(rf"(?:^|[_-]){_SECRET_WORD}$", name.lower()) is not None


def scrub(text: str) -> str:
    """Replace absolute local paths, likely secrets and the values of secret environment variables.

    Args:
        text: Any text.

    Returns:
        The text with `local-path` for paths and `secret-removed` for secrets; URLs and relative paths stay.

    >>> scrub("trained from /home/jo/shop/events.csv with hf_abcdefghijklmnopqrst, see https://example.org/a/b")
    'trained from local-path with secret-removed, see https://example.org/a/b'
    """
    text = _URL_CREDENTIALS.sub(r"\1", text)
    for name, value in os.environ.items():
        if len(value) >= _LEAST_SECRET and is_secret_name(name):
            text = text.replace(value, SECRET)
    text = _SECRETS.sub(SECRET, text)
    text = _NAMED_SECRETS.sub(rf"\1{SECRET}", text)
    for root in (Path.cwd(), Path.home(), Path(tempfile.gettempdir())):
        if " " in str(root):  # the patterns stop an unquoted path at a blank
            text = text.replace(str(root), "/local")
    text = _QUOTED_PATH.sub(rf"\g<quote>{LOCAL_PATH}\g<quote>", text)
    return _PATHS.sub(_without_path, text)


def _without_path(found: re.Match[str]) -> str:
    """Keep a URL; remove a path, but not a full stop after it."""
    whole = found[0]
    return whole if found["url"] else LOCAL_PATH + whole[len(whole.rstrip(".:!?")) :]

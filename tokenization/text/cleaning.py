"""Cleaning of texts: markup, entities, Unicode forms, control characters, white space."""

from __future__ import annotations

import html
import re
import unicodedata

from selectolax.lexbor import LexborHTMLParser

_TAG = re.compile(r"<(?:[a-zA-Z/!][^<>]*>|!--)")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\u00ad\ufffe\uffff\ud800-\udfff]")
_UNREAD = ["script", "style", "template", "noscript"]


def clean_text(text: str | None) -> str:
    r"""Unescape HTML, drop markup, normalise Unicode (NFKC), fold white space, drop control and invisible characters.

    Example:
        >>> clean_text("Caf\u00e9&nbsp;&amp; <b>Bar</b>\n 5\uff05")
        'Café & Bar 5%'
    """
    if not text:
        return ""
    plain = html.unescape(text) if "&" in text else text
    plain = unicodedata.normalize("NFKC", _without_markup(plain))
    return _SPACE.sub(" ", _INVISIBLE.sub("", plain)).strip()


def _without_markup(text: str) -> str:
    """Text outside tags, comments, scripts and styles; tags become spaces."""
    if "<" not in text or not _TAG.search(text):
        return text
    # The parser would read "a <b" as the start of a tag and lose the rest, so it only gets the "<" of complete tags.
    # Entities were resolved above, so an ampersand is one. It drops cells without a table, hence spaces before tags.
    text = _SPACE.sub(" ", _INVISIBLE.sub("", text))
    starts = {match.start() for match in _TAG.finditer(text)}
    escaped = {"<": "&lt;", "&": "&amp;"}
    marked = "".join(
        " <" if place in starts else escaped.get(character, character) for place, character in enumerate(text)
    )
    parser = LexborHTMLParser(marked)
    parser.strip_tags(_UNREAD)
    body = parser.body
    return body.text(separator=" ") if body is not None else ""

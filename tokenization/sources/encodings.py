"""Detect the encoding of a text file, by its byte order mark or by trial."""

from __future__ import annotations

import codecs
import re

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",  # before UTF-16, whose mark is a part of theirs
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_SAMPLE = 1 << 16
_BLOCK = 1 << 24
_HIGH = re.compile(rb"[\x80-\xff]+")
_CHINESE = re.compile(rb"(?:[\xa1-\xfe][\xa1-\xfe])+")


def mark_of(head: bytes) -> tuple[bytes, str] | None:
    """Byte order mark at the start of a file, and its encoding; None without one."""
    return next(((mark, name) for mark, name in _MARKS.items() if head.startswith(mark)), None)


def wide_without_mark(head: bytes) -> str | None:
    """Detect UTF-16 without a byte order mark: in a table with an ASCII header every other byte is zero.

    Example:
        >>> wide_without_mark("item_id,title".encode("utf-16-le")), wide_without_mark(b"item_id,title")
        ('utf-16-le', None)
    """
    sample = head[: _SAMPLE - _SAMPLE % 2]
    half = len(sample) // 2
    for name, zeros, letters in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        if half and zeros.count(0) > half // 2 and letters.count(0) <= half // 10:
            return name
    return None


def utf8_fault(content: bytes | memoryview) -> int | None:
    """Position of the first byte that is not UTF-8; None if there is none."""
    view = memoryview(content)
    begin = 0
    while begin < len(view):
        block = view[begin : begin + _BLOCK]
        last = begin + len(block) == len(view)
        try:
            # A character split between two blocks belongs to the next block.
            begin += codecs.utf_8_decode(block, "strict", last)[1]
        except UnicodeDecodeError as error:
            return begin + error.start
    return None


def guess_encoding(content: bytes) -> str | None:
    """Guess the encoding of a text that is not UTF-8: Windows' cp1252 or gb18030; None if neither is likely.

    In Western texts letters beyond ASCII are isolated; in Chinese texts high bytes come in pairs.

    Example:
        >>> guess_encoding("Bottes d'été".encode("cp1252")), guess_encoding("帐篷，登山".encode("gb18030"))
        ('cp1252', 'gb18030')
        >>> guess_encoding("Приветствие".encode("cp1251"))
    """
    runs = _HIGH.findall(content)
    if not runs or _broken_utf8(content):
        return None
    total = sum(map(len, runs))
    paired = sum(len(match[0]) for run in runs for match in [_CHINESE.match(run)] if match)
    if paired >= 0.8 * total and _decodes(content, "gb18030"):
        return "gb18030"
    alone = sum(len(run) for run in runs if len(run) <= 2)
    return "cp1252" if alone >= 0.8 * total and _decodes(content, "cp1252") else None


def _broken_utf8(content: bytes) -> bool:
    """Whether most bytes beyond ASCII are UTF-8, so that the rest is damage rather than another encoding."""
    text = content.decode("utf-8", errors="replace")
    lost = text.count("\ufffd")
    return sum(map(len, re.findall(r"[^\x00-\x7f]+", text))) - lost >= lost


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True

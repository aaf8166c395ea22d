"""Characters that hide words: characters without width, letters that look like Latin ones, and boxed letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Ranges of Han characters, for a pattern."""
WORD = re.compile(rf"[^\W_{HAN}]+")
"""Letters and digits that are not Han characters."""
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef]"
)
"""Characters without width: joiners, direction marks, selectors and tags."""
OTHER_SCRIPTS = {
    **dict(zip("абвгдеёзіїјкмнорсттухѕԁԛԝһьӏ", "abbrdeeзiijkmhopcttyxsdqwhbl", strict=True)),
    **dict(zip("αβγδεηικλμνοπρστυχω", "abydenikamvonpotuxw", strict=True)),
    **dict(zip("օոսցրհվզյ", "onugphuqj", strict=True)),
    **dict(zip("ɑɡȷʟɴʀʏᴀʙᴄᴅᴇғɢʜɪᴊᴋᴍᴏᴘꜱᴛᴜᴠᴡᴢ", "agjlnryabcdefghijkmopstuvwz", strict=True)),
}
"""Letters that look like Latin ones: Cyrillic, Greek, Armenian, phonetic and small capitals."""
OTHER_SCRIPTS = {
    **dict(zip("абвгдеёзіїјкмнорсттухѕԁԛԝһьӏ", "abbrdeeзiijkmhopcttyxsdqwhbl", strict=True)),
    **dict(zip("αβγδεηικλμνοπρστυχω", "abydenikamvonpotuxw", strict=True)),
    **dict(zip("օոսցրհվզյ", "onugphuqj", strict=True)),
    **dict(zip("ɑɡȷʟɴʀʏᴀʙᴄᴅᴇғɢʜɪᴊᴋᴍᴏᴘꜱᴛᴜᴠᴡᴢ", "agjlnryabcdefghijkmopstuvwz", strict=True)),
}
"""Letters that look like Latin ones: Cyrillic, Greek, Armenian, phonetic and small capitals."""
LOOKALIKES = {**OTHER_SCRIPTS, **dict(zip("ıøłđħŧæœßþ", "ioldhtaobp", strict=True))}
"""The same, and Latin letters of some languages, such as crossed ones."""
_LEAST_LETTERS = 4
"""Letters of a word that is read as Latin in a text for people; a shorter one may be a unit, such as μm."""
_BOXES = (0x1F130, 0x1F150, 0x1F170, 0x1F1E6)
"""First letters of four alphabets in squares, circles and flags."""


def without_invisible(text: str) -> str:
    """A text without characters that have no width.

    Example:
        >>> without_invisible("vod\u200bka")
        'vodka'
    """
    return text if text.isascii() else INVISIBLE.sub("", text)


def unboxed(text: str) -> str:
    """A text with letters in squares, circles and flags as letters.

    Example:
        >>> unboxed("\U0001f130\U0001f131 1")
        'ab 1'
    """
    if text.isascii():
        return text
    found = []
    for one in text:
        code = ord(one)
        for start in _BOXES:
            if start <= code < start + 26:
                one = chr(ord("a") + code - start)
        found.append(one)
    return "".join(found)


def latin_letters(text: str) -> str:
    """A text whose words with a Latin letter, or of lookalikes only, have their lookalikes as Latin letters.

    Example:
        >>> latin_letters("v\u043edka \u0440\u043e\u0442")
        'vodka pot'
    """
    return _as_latin(text, LOOKALIKES, whole_words=True)


def _as_latin(text: str, lookalikes: Mapping[str, str], *, whole_words: bool, least: int = 1) -> str:
    """A text with lookalikes as Latin letters.

    Args:
        text: The text.
        lookalikes: Small letters and the Latin letters that they look like.
        whole_words: Whether words of lookalikes only are read as Latin, too; in Russian they are words of their own.
        least: Letters of a word, at least.
    """
    if text.isascii():
        return text

    def read(found: re.Match[str]) -> str:
        word = found[0]
        mixed = any(one.isascii() and one.isalpha() for one in word)
        only = whole_words and all(one.lower() in lookalikes or one.isdigit() for one in word)
        if not (mixed or only) or sum(map(str.isalpha, word)) < least:
            return word
        return "".join(_latin_letter(one, lookalikes) for one in word)

    return WORD.sub(read, text)


def _latin_letter(one: str, lookalikes: Mapping[str, str]) -> str:
    latin = lookalikes.get(one.lower(), one)
    return latin.upper() if latin != one and one.isupper() else latin


def visible_text(text: str) -> str:
    """A text as people read it: without characters that have no width, compatibility forms (NFKC) and lookalikes.

    Case and accents stay. Words of lookalikes only are read as Latin if most letters of the text are.

    Example:
        >>> visible_text("S\u200bony \u0421am\u0435ra"), visible_text("5 \u03bcm Stra\u00dfe")
        ('Sony Camera', '5 μm Straße')
    """
    if text.isascii():
        return text
    plain = unboxed(unicodedata.normalize("NFKC", without_invisible(text)))
    latin = _as_latin(plain, OTHER_SCRIPTS, whole_words=False, least=_LEAST_LETTERS)
    letters = [one for one in latin if one.isalpha()]
    mostly = 2 * sum(one.isascii() for one in letters) > len(letters)
    return _as_latin(latin, OTHER_SCRIPTS, whole_words=True, least=_LEAST_LETTERS) if mostly else latin

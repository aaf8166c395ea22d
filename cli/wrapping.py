"""Text wrapped to the terminal: also Chinese, which has no spaces, without a break inside of a number or a word."""

from __future__ import annotations

import re

from rich.cells import cell_len

_OPENING, _CLOSING = "（“‘《【(\\[", "，。；：！？、）”’》】),.;:!?\\]"
_PIECE = re.compile(
    rf"[{_OPENING}]*(?:[^\s\u2e80-\u9fff\uff00-\uffef{_OPENING}{_CLOSING}“”]+(?:[.,:'’-](?=\w)"
    rf"[^\s\u2e80-\u9fff\uff00-\uffef{_OPENING}{_CLOSING}“”]+)*|[^\s])[{_CLOSING}]*\s*"
)
"""A word, a number or a single wide character, with the marks that may not be parted from it."""


def wrapped(text: str, width: int) -> str:
    """A text in lines of at most some columns; only a piece that is wider than a line is wider.

    Args:
        text: The text; its own line breaks are kept.
        width: Columns of a line. A Chinese character takes two.

    Example:
        >>> print(wrapped("共有 3 件商品（1,299.00）。", 18))
        共有 3 件商品
        （1,299.00）。
    """
    return "\n".join(_wrapped(line, width) for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    lines, used = [""], 0
    for piece in _PIECE.findall(line):
        size = cell_len(piece.rstrip())
        if used and used + size > width:
            lines.append("")
            used = 0
        lines[-1] += piece
        used += cell_len(piece)
    return "\n".join(one.rstrip() for one in lines)

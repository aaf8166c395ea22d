"""Tables that fit the terminal: one line per row, truncated and never wrapped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions
from rich.text import Text

GAP = 2
"""Blanks between columns."""
NARROWEST = 6
"""Minimum width of a truncated column."""
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\u2028-\u202e\u2066-\u2069]+")
"""Blanks and control characters (cursor, colour, text direction)."""


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        heading: Its heading; empty for none.
        right: Whether its cells are aligned right, as numbers are.
        cut: Whether its cells may be truncated if the table is too wide; numbers may not.
    """

    heading: str = ""
    right: bool = False
    cut: bool = False


@dataclass(frozen=True)
class PlainTable:
    """A table for `Console.print`.

    Args:
        title: Line above it.
        columns: Its columns.
        rows: A sequence of cells per row, or a text for a whole line; an empty text is a blank line.
        below: Sentences below it, wrapped at blanks.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str] | str]
    below: Sequence[str] = field(default=())

    def lines(self, width: int) -> list[str]:
        """Headings and rows.

        Args:
            width: Width of the terminal in cells; a Chinese character takes two.
        """
        headings = [column.heading for column in self.columns]
        rows = [row if isinstance(row, str) else [one_line(cell) for cell in row] for row in self.rows]
        if any(headings) and rows:
            rows.insert(0, headings)
        cells = [row for row in rows if not isinstance(row, str)]
        widths = [max((cell_len(row[place]) for row in cells), default=0) for place in range(len(headings))]
        too_wide = sum(widths) + GAP * (len(widths) - 1) - width
        while too_wide > 0:
            cut = [place for place, column in enumerate(self.columns) if column.cut and widths[place] > NARROWEST]
            if not cut:
                break
            widths[max(cut, key=lambda place: widths[place])] -= 1
            too_wide -= 1
        return [clipped(row if isinstance(row, str) else self._line(row, widths), width) for row in rows]

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        parts = []
        for column, cell, width in zip(self.columns, cells, widths, strict=True):
            shown = clipped(cell, width)
            blanks = " " * (width - cell_len(shown))
            parts.append(blanks + shown if column.right else shown + blanks)
        return (" " * GAP).join(parts).rstrip()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines, at most as wide as the console."""
        if self.title:
            yield Text(clipped(one_line(self.title), options.max_width), style="bold")
        lines = self.lines(options.max_width)
        yield from (Text(line, no_wrap=True) for line in lines)
        if self.below and lines:
            yield Text()
        for sentence in self.below:
            yield Text(one_line(sentence))


def one_line(text: str) -> str:
    r"""Put a text on one line: runs of blanks and control characters become one blank.

    >>> one_line(" Cups\n and\x1b[31m mugs ")
    'Cups and [31m mugs'
    """
    return _UNSEEN.sub(" ", text).strip()


def clipped(text: str, width: int) -> str:
    """Truncate a text to a width in terminal cells, with an ellipsis.

    >>> clipped("stoneware mug", 9), clipped("陶瓷马克杯", 7), clipped("mug", 3)
    ('stonewar…', '陶瓷马…', 'mug')
    """
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(width - 1, 0)).rstrip() + "…"

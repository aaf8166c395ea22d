"""Lists as text: Markdown tables, as Python prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MOST_CHARACTERS = 60
"""Longest cell of a printed list."""


def markdown_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table.

    Args:
        columns: Headings.
        rows: Cells of each row, as many as headings.

    Example:
        >>> print(markdown_rows(["model", "ndcg@10"], [["XCat", "0.1103"]]))
        | model | ndcg@10 |
        |---|---|
        | XCat | 0.1103 |
    """
    return "\n".join(f"| {' | '.join(row)} |" if row else "|---" * len(columns) + "|" for row in (columns, [], *rows))


def printed_list(columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    r"""A list with ranks as a Markdown table, and its notes below.

    Args:
        columns: Headings of the cells.
        rows: Cells of each row, best first; long ones are cut.
        notes: Sentences about the list.

    Example:
        >>> print(printed_list(["item", "title"], [["A", "Tent | for two"]], ["popular items"]))
        | rank | item | title |
        |---|---|---|
        | 1 | A | Tent \| for two |
        <BLANKLINE>
        note: popular items
    """
    ranked = [[str(rank), *map(_cell, row)] for rank, row in enumerate(rows, 1)]
    table = markdown_rows(["rank", *columns], ranked) if ranked else "an empty list"
    return "\n\n".join([table, *(f"note: {note}" for note in notes)])


def printed_items(items: Sequence[Any], notes: Sequence[str]) -> str:
    """Recommended items as `printed_list`: id, title, score, and the titles of the reasons.

    Args:
        items: Items as `Recommendation` has them, best first.
        notes: Sentences about the list.
    """
    rows = [
        [one.item_id, one.title, f"{one.score:.3f}", ", ".join(reason.title for reason in one.because)]
        for one in items
    ]
    return printed_list(["item", "title", "score", "because"], rows, notes)


def _cell(text: str) -> str:
    """A text in one cell."""
    line = " ".join(text.split())
    cut = line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 4]} ..."
    return cut.replace("|", "\\|")

"""Recommendations as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from ..modeling_xcat.recommending_xcat import Recommendation


def recommendation_table(found: Sequence[Recommendation], title: str) -> Table:
    """One line a recommendation: rank, title, category, score and the events it rests on."""
    table = Table(title=title)
    table.add_column("", justify="right")
    for name in ("item", "title", "category"):
        table.add_column(name, overflow="fold")
    table.add_column("score", justify="right")
    table.add_column("because of", overflow="fold")
    for rank, item in enumerate(found, start=1):
        because = "; ".join(f"{reason.title} ({reason.weight:.0%})" for reason in item.because[:2])
        table.add_row(str(rank), item.item_id, item.title, item.category or "-", f"{item.score:.2f}", because)
    return table

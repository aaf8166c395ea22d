"""Card of a dataset: description, licence, citation and content."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from ...counting import counted


@dataclass(frozen=True)
class DataCard:
    """Description of a dataset; printed as text, or written as README.md of a folder of tables.

    Args:
        name: Name of the dataset.
        summary: One or two sentences about its content.
        licence: Name of the licence; empty if the owner names none.
        citation: Citation; empty if there is none.
        homepage: Address of its source.
        rows: Rows of each table, without tables of unknown size (lazy ones).
        columns: Column names of each table.
        users: Users with events.
        first_event: Time of the first event, seconds since 1970 (UTC); None without times.
        last_event: Time of the last event.
    """

    name: str
    summary: str = ""
    licence: str = ""
    citation: str = ""
    homepage: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    users: int = 0
    first_event: int | None = None
    last_event: int | None = None

    def counted(
        self,
        items: pl.DataFrame,
        events: pl.DataFrame,
        users: pl.DataFrame | None = None,
        promotions: pl.LazyFrame | None = None,
    ) -> DataCard:
        """The card completed with the content of tables; promotions are not read for it."""
        tables = {"items": items, "events": events} | ({} if users is None else {"users": users})
        columns = {label: tuple(table.columns) for label, table in tables.items()}
        if promotions is not None:
            columns["promotions"] = tuple(promotions.collect_schema().names())
        times = events["timestamp"].drop_nulls()
        return replace(
            self,
            rows={label: table.height for label, table in tables.items()},
            columns=columns,
            users=events["user_id"].n_unique(),
            first_event=int(times[times.arg_min() or 0]) if len(times) else None,
            last_event=int(times[times.arg_max() or 0]) if len(times) else None,
        )

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.summary}" if self.summary else self.name, *self._facts()]
        if self.citation:
            lines.append(f"citation: {self.citation}")
        return "\n".join(lines)

    def to_markdown(self) -> str:
        """The card as README.md of a dataset on the hub.

        Example:
            >>> print(DataCard("camping", licence="CC0-1.0", rows={"items": 3}).to_markdown())
            ---
            pretty_name: "camping"
            tags: [recommendation]
            ---
            # camping
            <BLANKLINE>
            - licence: CC0-1.0
            - items: 3 rows
            <BLANKLINE>
        """
        # Free text is written as JSON strings, which YAML reads unchanged. The licence is not in the YAML header,
        # because the hub accepts only its own identifiers there.
        parts = [f"---\npretty_name: {json.dumps(self.name, ensure_ascii=False)}\ntags: [recommendation]\n---"]
        parts[0] += f"\n# {self.name}"
        parts += [self.summary] if self.summary else []
        parts += ["\n".join(f"- {fact}" for fact in self._facts())]
        for label, names in self.columns.items():
            parts.append(f"Columns of {label}: " + ", ".join(f"`{name}`" for name in names))
        parts += [f"## Citation\n\n{self.citation}"] if self.citation else []
        return "\n\n".join(part for part in parts if part) + "\n"

    def write(self, folder: str | Path) -> Path:
        """Write the card as README.md in a folder, which is created if missing; returns the file."""
        path = Path(folder) / "README.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_markdown(), encoding="utf-8")
        return path

    def _facts(self) -> list[str]:
        facts = [f"licence: {self.licence}"] if self.licence else []
        facts += [f"source: {self.homepage}"] if self.homepage else []
        facts += [f"{label}: {counted(count, 'row')}" for label, count in self.rows.items()]
        facts += [f"users with events: {self.users:,}"] if self.users else []
        if self.first_event is not None and self.last_event is not None:
            facts.append(f"time range: {_day(self.first_event)} to {_day(self.last_event)} (UTC)")
        return facts


def _day(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d")

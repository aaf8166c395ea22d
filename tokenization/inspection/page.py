"""The data-quality report as one HTML file with plots, and as a dataset card."""

from __future__ import annotations

import datetime
import html
import io
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..tables.data_card import DataCard
from ..tables.problems import TableProblem, without_advice
from .inspect import Inspection

SHOWN_CATEGORIES = 20
_TO_DECIDE = "Decisions before training"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left}"
    "td+td{text-align:right}svg{max-width:100%;height:auto}"
    # These fonts take precedence over matplotlib's single font; a browser falls back to others for missing glyphs.
    "svg text{font-family:system-ui,sans-serif!important}"
)
_SHOWN_CELLS = 40
_CELL_POINTS = 6.2
"""Width of a narrow character in points, a little above the mean of fonts at matplotlib's size of 10 points."""


def inspection_page(report: Inspection, show_values: bool = False) -> str:
    """The report as one self-contained HTML document. Without matplotlib it has no plots.

    Args:
        report: The report.
        show_values: Whether the report shows values of users unmasked, if it has them.
    """
    name = html.escape(report.name)
    parts = [
        "<!doctype html>", f'<html lang="en"><head><meta charset="utf-8"><title>{name}</title>',
        f"<style>{_STYLE}</style></head><body>", f"<h1>{name}</h1>",
    ]  # fmt: skip
    if report.warnings:
        told = "".join(f"<li>{html.escape(line)}</li>" for line in report.warnings)
        parts.append(f"<h2>{_TO_DECIDE}</h2><ul>{told}</ul>")
    parts += [_table(title, rows) for title, rows in inspection_tables(report).items() if rows]
    if can_plot():
        parts += [f"<h2>{html.escape(title)}</h2>{svg}" for title, svg in _plots(report)]
    else:
        parts.append("<p>Plots are left out: matplotlib (the extra <code>inspect</code>) is not installed.</p>")
    if report.problems:
        lines = [TableProblem(**problem).describe(show_values) for problem in report.problems]
        notes = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        parts.append(f"<h2>Repairs and warnings</h2><ul>{notes}</ul>")
    return "\n".join([*parts, "</body></html>", ""])


def inspection_card(report: Inspection, card: DataCard) -> str:
    """The report as a dataset card (README.md); each table of the dataset is one configuration."""
    configs = "".join(
        f"\n- config_name: {name}\n  data_files: {name}.parquet" + ("\n  default: true" if name == "events" else "")
        for name in card.columns
    )
    parts = [card.to_markdown().rstrip().replace("\n---\n", f"\nconfigs:{configs}\n---\n", 1)]
    if report.warnings:
        told = "\n".join(f"- {_cell(line)}" for line in report.warnings)
        parts.append(f"## {_TO_DECIDE}\n\n{told}")
    for title, rows in inspection_tables(report).items():
        if rows:
            lines = "\n".join(f"| {_cell(label)} | {_cell(value)} |" for label, value in rows)
            parts.append(f"## {title}\n\n| | |\n|---|---:|\n{lines}")
    if report.problems:
        notes = "\n".join(f"- {_cell(without_advice(str(TableProblem(**problem))))}" for problem in report.problems)
        parts.append(f"## Repairs and warnings\n\n{notes}")
    return "\n\n".join(parts) + "\n"


def inspection_tables(report: Inspection) -> dict[str, list[tuple[str, str]]]:
    """Tables of the report with readable titles and row labels."""
    items = report.rows.get("items", 0)
    ends = (("first event", report.first_event), ("last event", report.last_event))
    times = [(label, _day(value)) for label, value in ends if value is not None]
    shares = [
        (f"share of events of the {name.replace('_', ' ')}", f"{s:.1%}") for name, s in report.top_shares.items()
    ]
    sizes = [(label, f"{count:,}") for label, count in report.rows.items()]
    rates = [("share of events whose item is earlier in the history", f"{report.repeat_rate:.1%}")]
    if report.switch_rate is not None:
        rates.append(("share of steps into another category", f"{report.switch_rate:.1%}"))
    return {
        "Sizes": [*sizes, ("users with events", f"{report.users:,}"), *times],
        "Events per user": [(_quantile(name), f"{value:,.1f}") for name, value in report.lengths.items()],
        "Behaviour": [*rates, *(
                (f"events: {kind} ({report.event_roles.get(kind, 'target')})", f"{count:,}")
                for kind, count in report.event_types.items()
            )],
        "Popularity": [
            *shares,
            ("items without events", f"{report.items_without_events:,}"),
        ],
        "Largest categories (events)": [
            (row["category"], f"{row['events']:,}") for row in report.categories[:SHOWN_CATEGORIES]
        ],
        "Missing": [(name, f"{count:,} of {items:,}") for name, count in report.missing.items()],
        "Languages of titles": [(code, f"{count:,}") for code, count in (report.languages or {}).items()],
        "Text encoder": [
            ("encoder for their language", report.text_encoder),
            *((f"unknown tokens: {name}", f"{share:.1%}") for name, share in report.unknown_tokens.items()),
        ],
        "Duplicates": [(name.replace("_", " "), f"{count:,}") for name, count in report.duplicates.items()],
        f"Split {report.split}": [
            *((name, f"{count:,}") for name, count in report.split_rows.items()),
            *((f"leak: {name.replace('_', ' ')}", f"{count:,}") for name, count in report.leaks.items()),
        ],
    }  # fmt: skip


def can_plot() -> bool:
    """Whether matplotlib is installed; it draws the plots of the page."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


def _plots(report: Inspection) -> list[tuple[str, str]]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    def draw(plot: Callable[[Any], None]) -> str:
        figure = Figure(figsize=(8, 3), layout="constrained")
        axes = figure.subplots()
        plot(axes)
        target = io.StringIO()
        # SVG text stays text. A browser has the glyphs that matplotlib's font lacks, so the warning can be ignored.
        with rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure.savefig(target, format="svg", metadata={"Date": None})
        drawn = target.getvalue()
        return drawn[drawn.index("<svg") :]

    def lengths(axes: Any) -> None:
        axes.bar([str(start) for start, _ in report.length_histogram], [users for _, users in report.length_histogram])
        axes.set(xlabel="events, from", ylabel="users")

    def popularity(axes: Any) -> None:
        axes.plot(*zip(*report.popularity, strict=True))
        axes.set(xlabel="share of the items, most popular first", ylabel="share of the events", xscale="log")

    def categories(axes: Any) -> None:
        shown = report.categories[:SHOWN_CATEGORIES][::-1]
        labels, height = [_short(row["category"]) for row in shown], 1 + 0.25 * len(shown)
        axes.figure.set_layout_engine("none")  # it would reserve space for the glyphs of matplotlib's font
        axes.figure.set_size_inches(8, height)
        left = (10 + _CELL_POINTS * max(map(_cells, labels))) / (8 * 72)
        axes.set_position((left, 0.55 / height, 0.98 - left, 1 - 0.65 / height))
        axes.barh(range(len(shown)), [row["events"] for row in shown])
        axes.set_yticks(range(len(shown)), labels)
        axes.set(xlabel="events")

    def months(axes: Any) -> None:
        places = range(len(report.by_month))
        axes.bar(places, list(report.by_month.values()))
        step = max(1, len(report.by_month) // 12)
        axes.set_xticks(places[::step], list(report.by_month)[::step], rotation=45)
        axes.set(ylabel="events")

    plots: Sequence[tuple[str, object, Callable[[Any], None]]] = [
        ("Users by events", report.length_histogram, lengths), ("Popularity curve", report.popularity, popularity),
        ("Categories", report.categories, categories), ("Events by month", report.by_month, months),
    ]  # fmt: skip
    return [(title, draw(plot)) for title, content, plot in plots if content]


def _table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{html.escape(label)}</td><td>{html.escape(value)}</td></tr>" for label, value in rows)
    return f"<h2>{html.escape(title)}</h2><table>{cells}</table>"


def _quantile(name: str) -> str:
    words: Mapping[str, str] = {"q0": "least", "q50": "median", "q100": "most", "mean": "mean"}
    return words.get(name, f"{name[1:]} % have at most")


def _cells(text: str) -> int:
    """Width of a text, in narrow characters; Chinese, Japanese and Korean characters count two."""
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)


def _short(text: str) -> str:
    if _cells(text) > _SHOWN_CELLS:
        while _cells(text) >= _SHOWN_CELLS:
            text = text[:-1]
        text += "…"
    # A dollar sign would start a formula.
    return text.replace("$", r"\$")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _day(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d")

"""Prints files of `xcat bench` as Markdown tables.

Run as `python benchmarks/tables.py FILE.json [...]`; a table of the next item and one of discovery per file.
`--by-history` shows slices by length of history in place of the others. Files of `--asks` get a table of queries, and
one of ratios with 95 % intervals over users. `--against MODEL` adds the difference of that model's NDCG@10 to each
other model's, with the 95 % interval of a paired bootstrap over users.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xcat_rec.evaluation.bootstrap import paired_bootstrap, relative_bootstrap
from xcat_rec.evaluation.purposes import DISCOVER, NEXT, PURPOSE_MEANINGS, PURPOSES
from xcat_rec.evaluation.ranker_evaluation import LOST
from xcat_rec.evaluation.slices import HISTORY_SLICES, TARGET_SLICES
from xcat_rec.workflows.bench_results import (
    ask_kinds_of,
    ask_values,
    measured,
    ratio_text,
    read_rows,
    spread,
    values_of,
)
from xcat_rec.workflows.results import ASK_INPUTS, by_model, compare_asks, user_key

METRICS = ("recall@10", "ndcg@10")


def markdown_table(
    rows: Sequence[dict[str, Any]], names: Sequence[str] = TARGET_SLICES, purpose: str = NEXT
) -> Iterator[str]:
    """Lines of a table of one purpose: models as rows, all targets and non-empty slices as columns."""
    parts = _parts(rows, names, purpose)
    figures = [(part, metric) for part in parts for metric in METRICS]
    if "cold" in parts and purpose == NEXT:
        figures.append((LOST, METRICS[1]))
    titles = [
        f"{part} {metric.replace('recall', 'Recall').replace('ndcg', 'NDCG')}".strip() for part, metric in figures
    ]
    yield "| " + " | ".join(("model", "seeds", *titles, "fit, s", "peak, MB")) + " |"
    yield "|---|" + "---:|" * (len(titles) + 3)
    for model, group in by_model(rows).items():
        cells = [spread(values_of(group, part, metric, purpose)) for part, metric in figures]
        seconds = spread([float(row["fit_seconds"]) for row in group], digits=1)
        peak = max(row["peak_memory_mb"] for row in group)
        yield "| " + " | ".join((model, str(len(group)), *cells, seconds, f"{peak:,.0f}")) + " |"


def differences(
    rows: Sequence[dict[str, Any]], users: dict[str, np.ndarray], model: str, purpose: str = NEXT
) -> Iterator[str]:
    """Lines of a table of one purpose: differences of one model to each other model, for all targets and slices."""
    parts = _parts(rows, TARGET_SLICES, purpose)
    start = "" if purpose == NEXT else f"{purpose}."
    yield f"| {model} above | " + " | ".join(part or "all" for part in parts) + " |"
    yield "|---|" + "---:|" * len(parts)
    groups = by_model(rows)
    for other in groups:
        if other == model:
            continue
        cells = []
        for part in parts:
            metric = start + (f"slices.{part}.{METRICS[1]}" if part else METRICS[1])
            ours, theirs = (
                np.mean([users[user_key(name, row["seed"], metric)] for row in groups[name]], axis=0)
                for name in (model, other)
            )
            found = paired_bootstrap(ours, theirs)
            cells.append(f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f}){_share(ours, theirs)}")
        yield f"| {other} | " + " | ".join(cells) + " |"


def _share(ours: np.ndarray, theirs: np.ndarray) -> str:
    """The relative difference to the other model's mean, if it is not 0."""
    try:
        found = relative_bootstrap(ours, theirs)
    except ValueError:  # a mean of 0
        return ""
    return f" = {found.mean:+.1%} ({found.low:+.1%} to {found.high:+.1%})"


def _parts(rows: Sequence[dict[str, Any]], names: Sequence[str], purpose: str) -> list[str]:
    """All targets, as an empty name, and the non-empty slices."""
    slices = [measured(row, purpose).get("slices", {}) for row in rows]
    return ["", *(name for name in names if any(found.get(name, {}).get("num_targets") for found in slices))]


def tables_of(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> Iterator[str]:
    """Lines of the tables of both purposes; files of older versions have no discovery."""
    yield from markdown_table(rows, names)
    new = [row for row in rows if row.get(DISCOVER)]
    if new:
        first = new[0][DISCOVER]
        yield from ("", f"Discovery, {first['num_targets']:,} targets of {first['num_users']:,} users:", "")
        yield from markdown_table(new, names, DISCOVER)


def asks_table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Lines of a table: kinds of queries and models as rows, NDCG@10 and median rank as columns."""
    inputs = [(name, key, METRICS[1]) for name, (key, _, _) in ASK_INPUTS.items()]
    columns = [*inputs, ("median rank", "median_rank", "")]
    yield f"Queries, {NEXT}: {PURPOSE_MEANINGS[NEXT]}:"
    yield ""
    yield "| query | model | seeds | users | " + " | ".join(name for name, _, _ in columns) + " |"
    yield "|---|---|" + "---:|" * (len(columns) + 2)
    for kind in ask_kinds_of(rows):
        for model, group in by_model(rows).items():
            users = max(ask_values(group, kind, "num_users"), default=0)
            cells = [
                spread(ask_values(group, kind, key, metric), digits=4 if metric else 1) for _, key, metric in columns
            ]
            yield f"| {kind} | {model} | {len(group)} | {users:,.0f} | " + " | ".join(cells) + " |"


def ask_ratios(rows: Sequence[dict[str, Any]], users: dict[str, np.ndarray]) -> Iterator[str]:
    """Lines of a table: NDCG@10 for history and query relative to others, kinds of queries as columns."""
    compared, kinds = compare_asks(rows, users), ask_kinds_of(rows)
    yield f"Ratio of NDCG@10 with history and query, {NEXT}:"
    yield ""
    yield "| model | relative to | " + " | ".join(kinds) + " |"
    yield "|---|---|" + "---:|" * len(kinds)
    cells = {(one["model"], one["against"], one["kind"]): ratio_text(one) for one in compared}
    for model, against in dict.fromkeys((one["model"], one["against"]) for one in compared):
        yield f"| {model} | {against} | " + " | ".join(cells.get((model, against, kind), "-") for kind in kinds) + " |"


def heading(row: dict[str, Any]) -> str:
    """Data, machine and commit of the results."""
    data, machine = row["data"], row["machine"]
    cold = f", {data['cold_items']:.0%} of the items cold ({data['cold_policy']})" if data["cold_items"] else ""
    commit, dirty, _ = (row["commit"] or "unknown").partition("-dirty")
    return (
        f"**{data['name']}**, {data['split']}{cold}: {data['users']:,} users, {data['items']:,} items, "
        f"{data['events']:,} events; {machine['cpu']}, {machine['threads']} threads, {machine['precision']}; "
        f"commit {commit[:12]}{dirty and ', files changed'}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of the given files."""
    parser = argparse.ArgumentParser(description="Print files of xcat bench as Markdown tables.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    parser.add_argument(
        "--by-history", action="store_true", help="slices by length of history, in place of the others"
    )
    parser.add_argument("--against", metavar="MODEL", help="compare this model with each other one, user by user")
    given = parser.parse_args(arguments)
    for number, path in enumerate(given.files):
        rows = read_rows(path)
        if not rows:
            parser.error(f"{path} has no runs; give a file that xcat bench --output wrote")
        print("\n" * bool(number) + heading(rows[-1]) + "\n")
        print("\n".join(tables_of(rows, HISTORY_SLICES if given.by_history else TARGET_SLICES)))
        users = path.with_suffix(".users.npz")
        if ask_kinds_of(rows):
            print("\n" + "\n".join(asks_table(rows)))
            if users.is_file():
                with np.load(users) as arrays:
                    print("\n" + "\n".join(ask_ratios(rows, dict(arrays))))
        if given.against:
            if given.against not in by_model(rows):
                parser.error(f"{path} has no runs of {given.against!r}; it has {', '.join(by_model(rows))}")
            with np.load(users) as arrays:
                values = dict(arrays)
            for purpose in PURPOSES:
                if all(measured(row, purpose) for row in rows):
                    print(f"\n{purpose}:\n\n" + "\n".join(differences(rows, values, given.against, purpose)))


if __name__ == "__main__":
    main()

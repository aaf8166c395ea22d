"""Tables of metrics: one block per metric with one line per model, best first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from ..counting import counted
from ..evaluation.bootstrap import SAMPLES
from ..evaluation.categories import METRICS, CategoryMetrics
from ..evaluation.purposes import DISCOVER, NEW_TARGETS, NEXT, NO_DISCOVERY, PURPOSE_MEANINGS, discover_reports
from ..evaluation.ranker_evaluation import LOST, RankingReport
from ..evaluation.slices import HISTORY_SLICES, SLICE_MEANINGS, TARGET_SLICES
from ..tokenization.progress import stage
from .plain_tables import Column, PlainTable

LISTS = f"{NEXT}: the lists of xcat recommend --include-seen; {DISCOVER}: the lists of xcat recommend"
"""The option that gives the lists of each purpose."""
PAIRS_SHOWN = 40
"""Category pairs shown in a table; the JSON has all."""
NO_VALUE = "-"
HEADINGS = {"": "all", "new_category": "new cat.", LOST: "lost"} | {
    name: name.replace("history_", "hist ").replace("_up", "+").replace("_", "-") for name in HISTORY_SLICES
}
"""Short slice names; other slices keep their name."""

Block = tuple[str, str]
"""A slice (empty for all targets, or `LOST`) and a metric."""


def shown_blocks(reports: Mapping[str, RankingReport], k: int = 10, by_history: bool = False) -> list[Block]:
    """Blocks of an evaluation's table: all targets, then each slice with targets.

    Args:
        reports: Reports by name of the model.
        k: Cut-off.
        by_history: Whether to show slices by history length too.
    """
    first = next(iter(reports.values()))
    shown = (*TARGET_SLICES, *(HISTORY_SLICES if by_history else ()))
    slices = [name for name, part in first.slices.items() if name in shown and part["num_targets"]]
    names = [f"{name}@{k}" for name in ("recall", "ndcg", *first.requested)]
    blocks = [("", name) for name in (*names, f"coverage@{k}")]
    blocks += [(part, name) for part in slices for name in names]
    if "cold" in slices and all(report.lost_to_untrained for report in reports.values()):
        blocks += [(LOST, name) for name in names]
    return blocks


def metrics_table(
    reports: Mapping[str, RankingReport],
    blocks: Sequence[Block],
    title: str = "",
    deviation: Callable[[str, Block, str], str] | None = None,
    target: str | None = None,
) -> PlainTable:
    """Table with one line per slice, metric and model, with a 95 % interval; models are sorted by value, best first.

    The blocks of the next item come first, then those of discovery.

    Args:
        reports: Reports by name of the model.
        blocks: Slices and metrics, in their order.
        title: Line above the table.
        deviation: Text next to the value of a model in a block, for a purpose; None for no such column.
        target: What is ranked instead of items, such as "brand"; its slices are of its own values.
    """
    new = discover_reports(reports)
    parts = [(NEXT, reports, blocks), *([(DISCOVER, new, _discover_blocks(new, blocks))] if new else [])]
    rows: list[Sequence[str] | str] = []
    with stage("bootstrap intervals", sum(len(shown) for _, _, shown in parts), "metrics") as running:
        for purpose, found, shown in parts:
            rows.append(f"{purpose}: {PURPOSE_MEANINGS[purpose]}")
            for block in shown:
                rows += [*_block(found, block, purpose, deviation), ""]
                running.advance()
    spread = () if deviation is None else (Column("over seeds", right=True),)
    columns = (
        Column("targets"), Column("metric"), Column("model", cut=True), Column("value", right=True), *spread,
        Column("95 % interval", right=True),
    )  # fmt: skip
    below = _explanations(reports, new, blocks, target)
    if any(not isinstance(row, str) and row[3] == NO_VALUE for row in rows):
        below.append(f"{NO_VALUE}: not defined, because there is no such target, or the metric itself is 0")
    return PlainTable(title, columns, rows[:-1], below)


def _discover_blocks(reports: Mapping[str, RankingReport], blocks: Sequence[Block]) -> list[Block]:
    """The blocks that discovery has, too: all targets, and its slices with targets."""
    first = next(iter(reports.values()))
    return [block for block in blocks if not block[0] or first.slices.get(block[0], {}).get("num_targets")]


def _block(
    reports: Mapping[str, RankingReport],
    block: Block,
    purpose: str,
    deviation: Callable[[str, Block, str], str] | None,
) -> list[Sequence[str]]:
    part, metric = block
    lost = part == LOST
    values = {
        model: report.lost_to_untrained.get(metric, math.nan) if lost else report.value(metric, part or None)
        for model, report in reports.items()
    }
    found = [value for value in values.values() if math.isfinite(value)]
    best = max(found, default=0.0)
    rows: list[Sequence[str]] = []
    # Missing numbers come last; equal numbers keep the order of the models.
    for model in sorted(values, key=lambda name: _order(values[name], lost)):
        value = values[model]
        interval = None if lost else reports[model].interval(metric, part or None)
        marked = not lost and value == best and len(set(found)) > 1
        shown = (f"{100 * value:.1f} %" if lost else f"{value:.4f}") if math.isfinite(value) else NO_VALUE
        beside = () if deviation is None else (deviation(model, block, purpose),)
        ends = "" if interval is None else f"{interval.low:.4f}-{interval.high:.4f}"
        rows.append((HEADINGS.get(part, part), metric, model, ("* " if marked else "") + shown, *beside, ends))
    return rows


def _order(value: float, ascending: bool) -> float:
    if not math.isfinite(value):
        return math.inf
    return value if ascending else -value


def _explanations(
    reports: Mapping[str, RankingReport], new: Mapping[str, RankingReport], blocks: Sequence[Block],
    target: str | None,
) -> list[str]:  # fmt: skip
    """Lines below a table that explain its slices, the interval and the mark."""
    first = next(iter(reports.values()))
    lines = [f"all: {counted(first.num_targets, 'target')} of {counted(first.num_users, 'user')}"]
    for part in dict.fromkeys(part for part, _ in blocks):
        if part in SLICE_MEANINGS:
            count = int(first.slices[part]["num_targets"])
            meaning = SLICE_MEANINGS[part]
            if target is not None:
                meaning = meaning.replace("the category", f"the {target}").replace("the item", f"the {target}")
            lines.append(f"{HEADINGS.get(part, part)}: {counted(count, 'target')} where {meaning}")
        elif part == LOST:
            lines.append(
                "lost: share of the metric lost because cold items are ranked above targets with training "
                "events; lower is better"
            )
    lines.append(_about_discovery(new, blocks))
    if new:
        lines.append(LISTS)
    if len(reports) > 1:
        lines.append("*: best of the block")
    lines.append(f"95 % interval: {SAMPLES:,} bootstrap samples of the users")
    return lines


def _about_discovery(new: Mapping[str, RankingReport], blocks: Sequence[Block]) -> str:
    """The numbers of targets of discovery, or why it was not measured."""
    if not new:
        return f"{DISCOVER}: not measured, because {NO_DISCOVERY}"
    first = next(iter(new.values()))
    parts = dict.fromkeys(part for part, _ in _discover_blocks(new, blocks) if part)
    counts = [f"{HEADINGS.get(part, part)} {int(first.slices[part]['num_targets']):,}" for part in parts]
    same = f", those of {NEW_TARGETS}" if any(part == NEW_TARGETS for part, _ in blocks) else ""
    return (
        f"{DISCOVER}: the items of the history are left out of every ranking; {counted(first.num_targets, 'target')} "
        f"of {counted(first.num_users, 'user')}{same}" + (f" ({', '.join(counts)})" if counts else "")
    )


def category_table(metrics: CategoryMetrics) -> PlainTable:
    """Metrics by target category, then by the (last event, target) pairs with most targets."""
    alone = [row for row in metrics.rows if row["source"] is None]
    pairs = sorted((row for row in metrics.rows if row["source"] is not None), key=lambda row: -row["num_targets"])
    rows: list[Sequence[str] | str] = []
    for part in (alone, pairs[:PAIRS_SHOWN]):
        for row in part:
            source = "any" if row["source"] is None else row["source"]
            values = ["-" if math.isnan(row[metric]) else f"{row[metric]:.4f}" for metric in METRICS]
            rows.append((source, row["target"], f"{row['num_targets']:,}", *values))
        rows.append("")
    notes = [f"joined as other: {counted(metrics.joined, 'category', 'categories')}"] if metrics.joined else []
    if len(pairs) > PAIRS_SHOWN:
        notes.append(f"in --json: {counted(len(pairs) - PAIRS_SHOWN, 'pair')} with fewer targets")
    numbers = [Column(name, right=True) for name in ("targets", *METRICS)]
    columns = (Column("last event", cut=True), Column("target", cut=True), *numbers)
    while rows and rows[-1] == "":
        rows.pop()
    return PlainTable(f"by {metrics.column} of the last event and of the target", columns, rows, notes)

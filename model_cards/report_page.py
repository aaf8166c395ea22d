"""The report of an evaluation as one self-contained HTML file."""

from __future__ import annotations

import datetime
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..counting import counted
from ..evaluation.bootstrap import SAMPLES
from ..evaluation.more_metrics import about_metric
from ..evaluation.purposes import DISCOVER, NEW_TARGETS, NEXT, NO_DISCOVERY, PURPOSE_CALLS, discover_reports
from ..evaluation.ranker_evaluation import RankingReport
from ..evaluation.slices import SLICE_MEANINGS
from ..ranking.recommender import XCatRecommender
from ..training.provenance import package_versions
from .charts import interval_chart, line_chart
from .markdown import metric_label, plain_setting
from .page_lists import CustomerLists, clean, customer_lists, escaped, ordered, title_or_id
from .page_style import STYLE
from .results import verdict
from .run_cards import example_histories
from .scrubbing import is_secret_name, scrub
from .training_section import command_text, logged_steps

SHOWN = 5
"""Recommendations per example."""


@dataclass(frozen=True)
class ReportContext:
    """Optional parts of a report besides the metrics.

    Args:
        facts: Name to value of facts about the evaluation: data, split, users, machine.
        curves: Model name to its `learning_curve`.
        recommender: Computes a few example recommendations with their reasons.
        lists: Recommendations for a few customers whose purchases are public.
        findings: Sentences on significant differences, instead of the comparison with the best baseline.
        settings: Heading to settings by name; secrets are left out.
        notes: Warnings about the data, without user values.
        command: Command that computes these metrics again.
    """

    facts: Mapping[str, object] | None = None
    curves: Mapping[str, Sequence[Mapping[str, Any]]] | None = None
    recommender: XCatRecommender | None = None
    lists: Sequence[CustomerLists] = ()
    findings: Sequence[str] = ()
    settings: Mapping[str, Mapping[str, Any]] | None = None
    notes: Sequence[str] = ()
    command: str | None = None


def write_report(
    path: str | os.PathLike[str],
    reports: Mapping[str, RankingReport],
    *,
    title: str = "Evaluation",
    own: str | None = None,
    context: ReportContext | None = None,
) -> Path:
    """Write metrics per model with bootstrap intervals, and optional parts, as one HTML file.

    The file loads nothing from the network. Every text in it is escaped; local paths and secrets are removed. It has
    no user ids, histories or values per user.

    Args:
        path: The file; its folder must exist.
        reports: Reports by model name, for example from `evaluate_checkpoint` or `compare_with_baselines`.
        title: Heading of the page.
        own: Name of the model to compare with the best baseline; None for no comparison.
        context: Optional parts of the report.

    Returns:
        The file.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If there is no report, or `own` is not a name of a report.

    Example (not run: it needs a checkpoint):
        found = xcat_rec.evaluate_checkpoint("CKPT", "my-shop/")
        write_report("page.html", {"XCat": found.report, **found.baselines}, own="XCat")
    """
    if not reports or (own is not None and own not in reports):
        raise ValueError(f"own is {own!r}, but the reports are of {list(reports)}; give one of these names, or None")
    target = Path(path)
    page = report_page(reports, title=title, own=own, context=context or ReportContext())
    target.write_text(page, encoding="utf-8", errors="replace")
    return target


def report_page(reports: Mapping[str, RankingReport], *, title: str, own: str | None, context: ReportContext) -> str:
    """The page as text; arguments as in `write_report`."""
    sections = {
        "Results": _about_results(reports) + _results(reports, own, context.findings),
        "Recommendations": customer_lists(context.lists),
        "Results by slice": _slices(reports, own),
        **_discovery(discover_reports(reports), own),
        "Learning curve": _curves(context.curves or {}),
        "Example recommendations": _examples(context.recommender) if context.recommender is not None else "",
        "Data warnings": _list(context.notes),
        "Settings": _settings(context.settings or {}),
        "Command": _command(context.command) if context.command else "",
        "Versions": _facts(package_versions()),
    }
    return html_page(title, context.facts or {}, sections)


def html_page(title: str, facts: Mapping[str, object], sections: Mapping[str, str]) -> str:
    """A page that loads nothing from the network.

    Args:
        title: Heading, as plain text.
        facts: Facts below it, as plain texts by name; the date is added.
        sections: HTML by plain heading; empty sections are left out.
    """
    name = _text(title)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{name}</title><style>{STYLE}</style></head><body><main>",
        f"<h1>{name}</h1>",
        _facts({**facts, "Written": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"}),
        *(f"<h2>{heading}</h2>\n{content}" for heading, content in sections.items() if content),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def learning_curve(log: Sequence[Mapping[str, Any]], best_step: int | None = None) -> list[dict[str, Any]]:
    """Training loss, validation loss and NDCG by epoch.

    Args:
        log: The trainer's history of logs, `trainer.state.log_history`.
        best_step: Step of the checkpoint's weights; None for the last.

    Returns:
        Points with `epoch`, the logged values of `training loss`, `validation loss` and one `ndcg@k`, and `kept` at
        the step of the checkpoint.

    >>> learning_curve([{"loss": 4.0, "epoch": 1.0, "step": 9}, {"eval_ndcg@10": 0.2, "epoch": 1.0, "step": 9}], 9)
    [{'epoch': 1.0, 'training loss': 4.0, 'ndcg@10': 0.2, 'kept': True}]
    """
    rows = logged_steps(log)
    cutoffs = sorted({int(name[5:]) for row in rows.values() for name in row if re.fullmatch(r"ndcg@\d+", name)})
    metric = f"ndcg@{_cutoff(cutoffs)}" if cutoffs else ""
    names = {"loss": "training loss", "validation loss": "validation loss"}
    names |= {name: name for name in (metric, f"{DISCOVER}_{metric}") if metric}
    points = []
    for step, row in sorted(rows.items()):
        found = {label: float(row[name]) for name, label in names.items() if _is_number(row.get(name))}
        if found:
            kept = {"kept": True} if step == best_step else {}
            points.append({"epoch": round(float(row.get("epoch") or 0), 3), **found, **kept})
    return points


def _discovery(reports: Mapping[str, RankingReport], own: str | None) -> dict[str, str]:
    """The sections of discovery; one sentence where it was not measured."""
    if not reports:
        return {"Discovery": f"<p>Discovery was not measured: {NO_DISCOVERY}.</p>"}
    first = next(iter(reports.values()))
    about = (
        "<p>Lists of new items: the items of a user's history are left out of the ranking of every model, and the "
        f"targets are not in the history: {counted(first.num_targets, 'target')} of "
        f"{counted(first.num_users, 'user')}. The slice {NEW_TARGETS} has the same targets, ranked otherwise. "
        f"<code>{PURPOSE_CALLS[DISCOVER]}</code> gives these lists, and <code>{PURPOSE_CALLS[NEXT]}</code> the lists "
        "of the tables above.</p>\n"
    )
    return {
        "Discovery": about + _results(reports, own, ()),
        "Discovery by slice": _slices(reports, own, "discovery: "),
    }


def _about_results(reports: Mapping[str, RankingReport]) -> str:
    first = next(iter(reports.values()))
    return (
        f"<p>Each model ranks the whole catalogue for {counted(first.num_users, 'user')} with "
        f"{counted(first.num_targets, 'held-out target')}. Higher is better; the maximum is 1. The best value of a "
        "column is bold.</p>\n"
        '<ul class="muted"><li>Recall: share of the targets that are in the list.</li>'
        "<li>NDCG: like recall, but targets higher in the list count more.</li>"
        "<li>MRR: one divided by the rank of the first target.</li>"
        "<li>Coverage: share of the catalogue that is in the list of at least one user.</li>"
        + "".join(f"<li>{_text(f'{metric_label(name)}: {about_metric(name)}')}</li>" for name in first.requested)
        + "<li>The number after @ is the length of the list.</li>"
        f"<li>Small numbers: 95 % interval of {SAMPLES:,} bootstrap samples of the users. If the intervals of two "
        "models overlap widely, neither is shown to be better.</li></ul>\n"
    )


def _results(reports: Mapping[str, RankingReport], own: str | None, findings: Sequence[str]) -> str:
    first = next(iter(reports.values()))
    cutoffs = sorted({int(name.rpartition("@")[2]) for report in reports.values() for name in report.metrics})
    deciding = f"ndcg@{_cutoff(cutoffs)}"
    drawn = {clean(scrub(n)): (r.value(deciding), r.interval(deciding)) for n, r in reports.items()}
    sentences = [*findings, *([verdict(reports, own)] if own is not None else [])]
    tables = [_table(reports, own, [f"{name}@{k}" for name in first.names]) for k in cutoffs]
    return "\n".join([
        *tables,
        *(f"<p>{_text(sentence)}</p>" for sentence in sentences if sentence),
        interval_chart(metric_label(deciding), drawn),
    ])  # fmt: skip


def _slices(reports: Mapping[str, RankingReport], own: str | None, begin: str = "") -> str:
    first = next(iter(reports.values()))
    k = _cutoff([int(name.rpartition("@")[2]) for name in first.metrics])
    parts, empty = [], []
    for name, values in first.slices.items():
        heading, count = begin + _slice_heading(name), int(values.get("num_targets", 0))
        if not count:
            empty.append(heading)
            continue
        meaning = f"Targets where {SLICE_MEANINGS[name]}: " if name in SLICE_MEANINGS else "Targets: "
        share = count / first.num_targets
        parts.append(f"<h3>{_text(heading)}</h3><p>{_text(meaning)} {count:,} of {first.num_targets:,} ({share:.0%}).")
        parts[-1] += "</p>"
        parts.append(_table(reports, own, [f"{metric}@{k}" for metric in first.names], name))
        if own is not None and (sentence := verdict(reports, own, name)):
            parts.append(f"<p>{_text(sentence)}</p>")
    if not parts:
        return ""
    if empty:
        parts.append(f'<p class="muted">No target is in these slices: {_text(", ".join(empty))}.</p>')
    return "\n".join([_displacement(reports, k), *parts])


def _slice_heading(name: str) -> str:
    """Readable name of a slice.

    >>> _slice_heading("new_category"), _slice_heading("history_6_10")
    ('new category', 'history 6-10')
    """
    return re.sub(r"(?<=\d)_(?=\d)", "-", name).replace("_", " ")


def _displacement(reports: Mapping[str, RankingReport], k: int) -> str:
    """Displacement of warm items by cold items."""
    shares = {name: report.lost_to_untrained.get(f"ndcg@{k}", math.nan) for name, report in reports.items()}
    shown = {name: f"{share:.1%}" for name, share in shares.items() if math.isfinite(share)}
    if not shown:
        return ""
    meaning = f"Displacement: share of NDCG@{k} lost because cold items are ranked above targets with training events."
    return f"<p>{meaning}</p>{_facts(shown)}"


def _table(
    reports: Mapping[str, RankingReport], own: str | None, metrics: Sequence[str], part: str | None = None
) -> str:
    """Models by metrics, `own` first; metrics that no model has are left out."""
    metrics = [name for name in metrics if any(math.isfinite(r.value(name, part)) for r in reports.values())]
    best = {name: max(v for r in reports.values() if math.isfinite(v := r.value(name, part))) for name in metrics}
    head = "".join(f'<th scope="col">{_text(metric_label(name)).replace("@", "<wbr>@")}</th>' for name in metrics)
    rows = []
    for model in sorted(reports, key=lambda name: name != own):
        cells = [f'<th scope="row">{_text(model)}</th>']
        for name in metrics:
            value, found = reports[model].value(name, part), reports[model].interval(name, part)
            number = f"{value:.4f}" if math.isfinite(value) else "n/a"
            mark = ' class="best"' if value == best[name] and value > 0 else ""
            interval = "" if found is None else f' <span class="i">{found.low:.4f} to {found.high:.4f}</span>'
            cells.append(f"<td><span{mark}>{number}</span>{interval}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table><tr><th scope="col">model</th>{head}</tr>{"".join(rows)}</table></div>'


def _curves(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    parts = []
    for model, points in curves.items():
        names = list(dict.fromkeys(name for point in points for name in point if name not in ("epoch", "kept")))
        if not names:
            continue
        kept = next((float(point["epoch"]) for point in points if point.get("kept")), None)
        lines = {name: [(float(p["epoch"]), float(p[name])) for p in points if name in p] for name in names}
        losses = {name: found for name, found in lines.items() if name.endswith("loss")}
        ranks = {metric_label(name): found for name, found in lines.items() if name not in losses}
        head = "".join(
            f'<th scope="col">{_text(name if name in losses else metric_label(name))}</th>' for name in names
        )
        rows = [
            f"<tr><td>{point['epoch']:g}</td>"
            + "".join(f"<td>{f'{point[name]:.4f}' if name in point else ''}</td>" for name in names)
            + "</tr>"
            for point in points
        ]
        parts += [
            f"<h3>{_text(model)}</h3>",
            line_chart("Loss", losses, kept),
            line_chart("Validation metric", ranks, kept),
            "" if kept is None else f'<p class="muted">The dashed line is the checkpoint: epoch {kept:g}.</p>',
            f'<details><summary>Numbers</summary><div class="scroll"><table><tr><th scope="col">epoch</th>{head}</tr>',
            f"{''.join(rows)}</table></div></details>",
        ]
    about = "Lower loss is better. NDCG is computed on the validation targets; higher is better."
    return f"<p>{about}</p>\n" + "\n".join(parts) if parts else ""


def _examples(recommender: XCatRecommender) -> str:
    """Recommendations for histories of popular items, with reasons."""
    catalogue = recommender.processor.catalogue
    titles = dict(zip(catalogue.column("item_id").to_pylist(), _titles(recommender), strict=True))
    parts = [
        "<p>The histories below consist of popular items, oldest first. They are not histories of customers. "
        "A percentage says by how much the odds of the recommendation fall without that item of the history.</p>"
    ]
    for number, history in enumerate(example_histories(recommender.model, catalogue), start=1):
        had = "".join(f"<li>{title_or_id(titles[item], item)}</li>" for item in history)
        parts.append(f"<h3>Example {number}</h3><p>History:</p><ul>{had}</ul><p>Recommended:</p>")
        parts.append(ordered(recommender.recommend(history, k=SHOWN)))
    return "\n".join(parts)


def _titles(recommender: XCatRecommender) -> list[str | None]:
    table = recommender.processor.catalogue.table
    return table["title"].to_pylist() if "title" in table.column_names else [None] * table.num_rows


def _settings(settings: Mapping[str, Mapping[str, Any]]) -> str:
    parts = []
    for heading, values in settings.items():
        shown = {name: plain_setting(value) for name, value in values.items() if not is_secret_name(name)}
        if shown:
            parts.append(f"<h3>{_text(heading)}</h3>{_facts(shown)}")
    return "<p>Non-default settings.</p>" + "\n".join(parts) if parts else ""


def _command(command: str) -> str:
    places = command_text(command).rpartition("```")[2].replace("`", "").strip()
    return f"<pre><code>{_text(command)}</code></pre>" + (f"<p>{_text(places)}</p>" if places else "")


def _facts(rows: Mapping[str, object]) -> str:
    cells = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td>{_text(value)}</td></tr>' for name, value in rows.items()
    )
    return f'<table class="facts">{cells}</table>'


def _list(lines: Iterable[str]) -> str:
    entries = "".join(f"<li>{_text(sentence)}</li>" for sentence in lines)
    return f"<ul>{entries}</ul>" if entries else ""


def _text(value: object) -> str:
    """An escaped text without local paths and secrets."""
    return escaped(scrub(str(value)))


def _cutoff(cutoffs: Sequence[int]) -> int:
    """The cut-off for single values: 10, or the smallest."""
    return 10 if 10 in cutoffs else min(cutoffs)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)

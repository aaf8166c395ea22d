"""The measured sections of a card: evaluation, audit, and the limitations that follow from them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..counting import counted
from ..evaluation.audits.exposure import HEAD, HISTORIES, Audit, ExposureAudit, PopularityAudit
from ..evaluation.bootstrap import SAMPLES
from ..evaluation.purposes import DISCOVER, NEW_TARGETS, NEXT, NO_DISCOVERY, PURPOSE_CALLS, discover_reports
from ..evaluation.ranker_evaluation import RankingReport
from ..evaluation.slices import SLICE_MEANINGS
from .card_data import XCatModelCardData
from .click_section import click_limits, click_section
from .markdown import cell, line, table
from .modality_section import modality_section
from .results import card_slices, comparison, measured_limits, verdict

VALUES_SHOWN = 8
NOT_MEASURED = "The model was not evaluated on test targets."


def evaluation_section(data: XCatModelCardData) -> str:
    """Metrics of clicks, if the model predicts them, and of ranked lists."""
    clicks = click_section(data.clicks, data.own_name)
    if clicks and not data.results:
        return clicks
    pictured = data.training.config is not None and data.training.config.image_dim > 0
    modalities = modality_section(None if data.modalities is None else data.modalities(), pictured)
    return "\n\n".join(part for part in (clicks, _ranking_section(data), modalities) if part)


def _ranking_section(data: XCatModelCardData) -> str:
    """Metrics on all test targets and on each slice, beside the baselines."""
    report = data.results.get(data.own_name)
    if report is None:
        if data.results:
            have = ", ".join(data.results)
            raise ValueError(f"results has {have}, but not own_name {data.own_name!r}; set own_name to one of them")
        return NOT_MEASURED
    parts = [
        "Evaluated on the held-out test targets. Every item of the catalogue is ranked; none is sampled. An item with "
        "the same score as the target counts as ranked before it. Values are means over users. Brackets: 95 % "
        f"percentile interval of {SAMPLES:,} bootstrap samples of the users. Bold: best value of a column.",
        *_measured(data, data.results, ("All targets", "Targets in")),
    ]
    if report.discover is None:
        return "\n\n".join([*parts, f"Discovery was not measured: {NO_DISCOVERY}."])
    parts.append(
        "Discovery: items of the user's history are left out of the ranking of every model, and the targets are items "
        f"that are not in the history: those of the slice `{NEW_TARGETS}`. `{PURPOSE_CALLS[DISCOVER]}` gives these "
        f"lists, and `{PURPOSE_CALLS[NEXT]}` the lists of the tables before."
    )
    parts += _measured(data, discover_reports(data.results), ("Discovery: all targets", "Discovery: targets in"))
    return "\n\n".join(parts)


def _measured(data: XCatModelCardData, reports: Mapping[str, RankingReport], headings: tuple[str, str]) -> list[str]:
    """Headings and tables of one purpose: all targets, then each slice."""
    report = reports[data.own_name]
    measured = f"{report.num_targets:,} of {counted(report.num_users, 'user')}"
    parts = [f"### {headings[0]} ({measured})", _compared(data, reports, None)]
    for name in card_slices(report):
        count = int(report.slices[name].get("num_targets", 0))
        meaning = f"{SLICE_MEANINGS[name]}; " if name in SLICE_MEANINGS else ""
        parts.append(f"### {headings[1]} `{line(name)}` ({meaning}{counted(count, 'target')})")
        parts.append(_compared(data, reports, name) if count else "No targets in this slice.")
    return parts


def audit_section(data: XCatModelCardData) -> str:
    """Popularity of the recommendations, and their shares by category and brand."""
    if data.audit is None:
        return "No recommendations were audited."
    audit = data.audit()
    parts = [
        f"Audit of the {audit.k} recommendations to each test user. They may include items of the history.",
        "### Popularity",
        popularity_table(audit, data.own_name),
        "Training events: mean number per item of a list, then mean over lists. Popular items: share of the "
        f"{HEAD:.0%} of the catalogue with most training events. Cold items: share of items without training events. "
        "Gini: inequality of exposure over the catalogue, from 0 (equal) to 1.",
    ]
    for exposure in audit.exposure:
        parts += [f"### Exposure by {line(exposure.attribute)}", exposure_table(exposure), exposure_sentence(exposure)]
    return "\n\n".join(parts)


def popularity_table(audit: Audit, own: str) -> str:
    """One row per model, this model first, and one row for the users' histories."""
    order = sorted(audit.popularity, key=lambda name: (name != own, name == HISTORIES))
    rows = []
    for name in order:
        found: PopularityAudit = audit.popularity[name]
        shown = "users' histories" if name == HISTORIES else cell(name)
        if math.isnan(found.average):
            rows.append([shown, *["n/a"] * 4])
            continue
        rows.append([shown, f"{found.average:,.1f}", f"{found.head:.1%}", f"{found.cold:.1%}", f"{found.gini:.3f}"])
    return table(["model", "training events", "popular items", "cold items", "Gini"], rows)


def exposure_table(exposure: ExposureAudit) -> str:
    """Shares of the most frequent values in the histories, and of all others together."""
    columns = (exposure.catalogue, exposure.history, exposure.recommended)
    rows = [[cell(name), *(f"{c[i]:.1%}" for c in columns)] for i, name in enumerate(exposure.names[:VALUES_SHOWN])]
    if len(exposure.names) > VALUES_SHOWN:
        others = f"{len(exposure.names) - VALUES_SHOWN:,} others"
        rows.append([others, *(f"{c[VALUES_SHOWN:].sum():.1%}" for c in columns)])
    return table([cell(exposure.attribute), "catalogue", "histories", "recommendations"], rows)


def exposure_sentence(exposure: ExposureAudit) -> str:
    """Distance of the recommendations from catalogue and histories."""
    return (
        f"To match the shares in the histories, {exposure.distance_to_history:.1%} of the recommendations would have "
        f"to change; to match the catalogue, {exposure.distance_to_catalogue:.1%}. "
        f"{exposure.never_recommended:,} of {len(exposure.names):,} values are never recommended."
    )


def limits_section(data: XCatModelCardData) -> str:
    """Limitations; those found by the evaluation come first."""
    clicks = data.clicks
    of_clicks = () if clicks is None else (clicks.words.limit, *click_limits(clicks.reports, data.own_name))
    limits = [*measured_limits(data.results, data.own_name), *of_clicks, *data.limits]
    return "\n".join(f"- {line(limit)}" for limit in limits)


def _compared(data: XCatModelCardData, reports: Mapping[str, RankingReport], part: str | None) -> str:
    shown = comparison(reports, data.own_name, data.card_metrics, part)
    sentence = verdict(reports, data.own_name, part)
    return f"{shown}\n\n{sentence}" if sentence else shown

"""The sections of a card that were measured: figures, audit, and the limits that follow from them."""

from __future__ import annotations

import math

from ..evaluation.audits.exposure import HEAD, HISTORIES, Audit, ExposureAudit, PopularityAudit
from ..evaluation.bootstrap import SAMPLES
from ..evaluation.slices import SLICE_MEANINGS
from .card_data import XCatModelCardData
from .markdown import cell, line, table
from .results import comparison, measured_limits, told_slices, verdict

VALUES_SHOWN = 8
NOT_MEASURED = "No test targets were ranked, so there are no figures."


def figures_section(data: XCatModelCardData) -> str:
    """Figures on all test targets and on each slice, beside the baselines."""
    report = data.results.get(data.own_name)
    if report is None:
        if data.results:
            have = ", ".join(data.results)
            raise ValueError(f"results are of {have}, and none is of own_name {data.own_name!r}; set own_name")
        return NOT_MEASURED
    parts = [
        "Measured on the held-out test targets. Every item of the catalogue is ranked, none is sampled; an item whose "
        "score equals the target's counts as ranked before it. Means over users; in brackets the 95 % percentile "
        f"interval of {SAMPLES:,} bootstrap samples of the users. The best of a column is bold.",
        f"### All targets ({report.num_targets:,} of {report.num_users:,} users)",
        _compared(data, None),
    ]
    for name in told_slices(report):
        count = int(report.slices[name].get("num_targets", 0))
        meaning = f"{SLICE_MEANINGS[name]}; " if name in SLICE_MEANINGS else ""
        parts.append(f"### Targets in `{line(name)}` ({meaning}{count:,} targets)")
        parts.append(_compared(data, name) if count else "There were none, so nothing was measured.")
    return "\n\n".join(parts)


def audit_section(data: XCatModelCardData) -> str:
    """How popular the recommendations are, and what share of them each category and brand has."""
    if data.audit is None:
        return "No recommendations were audited."
    audit = data.audit()
    parts = [
        f"Of the {audit.k} recommendations to each test user, items of the history included where the model proposes "
        "them again.",
        "### Popularity",
        popularity_table(audit, data.own_name),
        f"Training events of an item: mean over a list, then over lists. Popular: the {HEAD:.0%} of the catalogue "
        "with most training events. Gini: how unequally the catalogue's items are shown, from 0 to 1.",
    ]
    for exposure in audit.exposure:
        parts += [f"### Exposure by {line(exposure.attribute)}", exposure_table(exposure), exposure_sentence(exposure)]
    return "\n\n".join(parts)


def popularity_table(audit: Audit, own: str) -> str:
    """One row a model, this one first, and one for what users took themselves."""
    order = sorted(audit.popularity, key=lambda name: (name != own, name == HISTORIES))
    rows = []
    for name in order:
        found: PopularityAudit = audit.popularity[name]
        shown = "what users took before" if name == HISTORIES else cell(name)
        if math.isnan(found.average):
            rows.append([shown, *["n/a"] * 4])
            continue
        rows.append([shown, f"{found.average:,.1f}", f"{found.head:.1%}", f"{found.cold:.1%}", f"{found.gini:.3f}"])
    return table(["lists of", "training events", "popular", "without training events", "Gini"], rows)


def exposure_table(exposure: ExposureAudit) -> str:
    """Shares of the values with most of the histories' events, and of all others together."""
    columns = (exposure.catalogue, exposure.history, exposure.recommended)
    rows = [[cell(name), *(f"{c[i]:.1%}" for c in columns)] for i, name in enumerate(exposure.names[:VALUES_SHOWN])]
    if len(exposure.names) > VALUES_SHOWN:
        others = f"{len(exposure.names) - VALUES_SHOWN:,} others"
        rows.append([others, *(f"{c[VALUES_SHOWN:].sum():.1%}" for c in columns)])
    return table([cell(exposure.attribute), "of the catalogue", "of the histories", "of the recommendations"], rows)


def exposure_sentence(exposure: ExposureAudit) -> str:
    """How far the recommendations are from catalogue and histories."""
    return (
        f"{exposure.distance_to_history:.1%} of the recommendations would have to change to have the shares of the "
        f"histories, {exposure.distance_to_catalogue:.1%} to have those of the catalogue; "
        f"{exposure.never_recommended:,} of {len(exposure.names):,} values are never recommended."
    )


def limits_section(data: XCatModelCardData) -> str:
    """What to know before relying on the model; what its own figures say against it comes first."""
    limits = [*measured_limits(data.results, data.own_name), *data.limits]
    return "\n".join(f"- {line(limit)}" for limit in limits)


def _compared(data: XCatModelCardData, part: str | None) -> str:
    shown = comparison(data.results, data.own_name, data.card_metrics, part)
    sentence = verdict(data.results, data.own_name, part)
    return f"{shown}\n\n{sentence}" if sentence else shown

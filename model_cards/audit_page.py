"""The report of an audit as one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..counting import counted
from ..evaluation.audits.changed_histories import HistoryImportance
from ..evaluation.audits.group_attention import GroupExposure
from ..evaluation.audits.model_audit import ModelAudit, PurposeAudit
from ..evaluation.audits.popularity import SHORT_HEAD
from ..evaluation.audits.promotions import PromotionEffects
from ..evaluation.bootstrap import SAMPLES
from ..evaluation.purposes import PURPOSE_CALLS, PURPOSE_MEANINGS
from .audit_parts import bullets, interval_cell, plain_text, table
from .causal_section import history_section, promotions_section
from .charts import interval_chart
from .report_page import html_page

MOST_VALUES = 10
"""Values per attribute in a table."""


def audit_page(
    purposes: Mapping[str, PurposeAudit],
    k: int,
    *,
    own: str,
    title: str,
    facts: Mapping[str, object],
    findings: Sequence[str],
    checked: Sequence[str] = (),
    notes: Sequence[str] = (),
    history: HistoryImportance | None = None,
    promotions: PromotionEffects | None = None,
) -> str:
    """The page as text. It loads nothing from the network and has no user ids.

    Args:
        purposes: Audits by purpose.
        k: Length of the lists.
        own: Name of the audited model.
        title: Heading.
        facts: Facts about the audit by name.
        findings: Sentences.
        checked: Sentences on what was examined without a finding.
        notes: Notes about the data.
        history: Importance of the history; None if it was not measured.
        promotions: Effects of promotions; None if they were not measured.
    """
    none = "No difference is larger than its interval and large enough to act on."
    sections = {"Findings": bullets([*(findings or [none]), *checked]), "How to read it": _legend(k)}
    for purpose, found in purposes.items():
        audit, begin = found.models[own], f"{purpose.capitalize()}: "
        about = (
            f"<p>Lists of {plain_text(PURPOSE_MEANINGS[purpose])}, as of <code>{plain_text(PURPOSE_CALLS[purpose])}"
            f"</code>, for {counted(found.num_users, 'user')}. In their histories an item has "
            f"{found.history_events.mean:,.1f} training events on average, and {found.history_tail.mean:.1%} of the "
            "items are long-tail items.</p>"
        )
        sections |= {
            f"{begin}popularity": about + _popularity(found, k),
            f"{begin}expected exposure": _exposure(found),
            f"{begin}groups of items": _calibration(found) + "\n".join(_group(group) for group in audit.groups),
            f"{begin}groups of users": _users(audit, k),
        }
    if history is not None:
        sections["Next: importance of the history"] = history_section(history, k)
    if promotions is not None:
        sections["Effects of promotions"] = promotions_section(promotions)
    return html_page(title, facts, {**sections, "Data warnings": bullets(notes) if notes else ""})


def _legend(k: int) -> str:
    lines = [
        f"Long tail: all items but the most popular ones with {SHORT_HEAD:.0%} of the training events.",
        "ARP: average number of training events of a listed item.",
        "APLT: share of long-tail items per list. ACLT: their number per list.",
        f"Balanced: NDCG@{k} with each target weighted by the inverse of its item's training events, as if targets "
        "were drawn from all items alike.",
        "Gini: inequality of the items' frequencies in all lists, 0 if equal. Entropy: 1 if equal. Coverage: share of "
        "the catalogue in at least one list.",
        "EE-L: distance of each item's exposure from the ideal, where a user's targets share the first places; lower "
        "is better. EE-D: inequality of exposure; lower is more varied. EE-R: exposure of targets; higher is better.",
        "AWRF: agreement of the attention to groups with wanted shares, from 0 to 1. A short list cannot have many "
        "groups at once, so compare models.",
        f"Small numbers: 95 % interval of {SAMPLES:,} bootstrap samples of the users. Lists have {k} items.",
    ]
    return bullets(lines)


def _popularity(found: PurposeAudit, k: int) -> str:
    quality, lists = [], []
    for name, audit in found.models.items():
        bias, shown = audit.popularity, plain_text(name)
        quality.append([shown, *map(interval_cell, (audit.quality, audit.balanced.ndcg))])
        lists.append([
            shown, interval_cell(bias.arp, ".1f"), interval_cell(bias.aplt), interval_cell(bias.aclt, ".2f"),
        ])  # fmt: skip
    even = [
        [plain_text(name), *(f"{value:.3f}" for value in (bias.gini, bias.entropy, bias.coverage))]
        for name, bias in ((name, audit.popularity) for name, audit in found.models.items())
    ]
    tables = "\n".join((
        table(("model", f"NDCG@{k}", "balanced"), quality), table(("model", "ARP", "APLT", "ACLT"), lists),
        table(("model", "Gini", "entropy", "coverage"), even),
    ))  # fmt: skip
    charts = [interval_chart("Share of long-tail items", {
        **{name: (audit.popularity.aplt.mean, audit.popularity.aplt) for name, audit in found.models.items()},
        "histories": (found.history_tail.mean, found.history_tail),
    })]  # fmt: skip
    for name, audit in found.models.items():
        bias = audit.popularity
        drawn = {
            f"tenth {place}{' (most popular)' if place == 1 else ''}, {size:,} targets": (recall.mean, recall)
            for place, (recall, size) in enumerate(zip(bias.recall, bias.targets, strict=True), start=1)
            if recall is not None
        }
        charts.append(f"<h3>Recall by popularity of the target: {plain_text(name)}</h3>")
        charts.append(interval_chart("Recall", drawn, "tenth of the catalogue") or "<p>No target was found.</p>")
    return tables + "\n<h3>Share of long-tail items</h3>" + "\n".join(charts)


def _exposure(found: PurposeAudit) -> str:
    rows = []
    for name, audit in found.models.items():
        for kind, exposure in (("fixed", audit.exposure), ("drawn", audit.drawn)):
            if exposure is not None:
                shown = f"{name}, {kind} lists" if kind == "fixed" else f"{name}, {exposure.draws} drawn lists"
                cells = [interval_cell(part) for part in (exposure.loss, exposure.disparity, exposure.relevance)]
                rows.append([plain_text(shown), *cells])
    return table(("lists", "EE-L", "EE-D", "EE-R"), rows)


def _calibration(found: PurposeAudit) -> str:
    rows = [
        [plain_text(name), interval_cell(one.divergence), "" if one.lost_second is None else
         interval_cell(one.lost_second, ".1%")]
        for name, audit in found.models.items() if (one := audit.calibration) is not None
    ]  # fmt: skip
    if not rows:
        return ""
    about = (
        "<p>Calibration: divergence of a list's categories from those of the user's own history, in nats, and the "
        "share of users whose second most frequent category is not in the list.</p>"
    )
    return "<h3>Calibration</h3>" + about + table(("model", "divergence", "second category lost"), rows)


def _group(group: GroupExposure) -> str:
    shares = group.shares
    rows = [
        [plain_text(name), *(f"{part[place]:.1%}" for part in (shares.catalogue, shares.history, shares.recommended))]
        for place, name in enumerate(shares.names[:MOST_VALUES])
    ]
    wanted = {
        "catalogue": group.to_catalogue,
        "all histories": group.to_histories,
        "own history": group.to_own_history,
    }
    chart = interval_chart("AWRF", {name: (w.mean, w) for name, w in wanted.items() if w is not None}, "wanted shares")
    more = len(shares.names) - MOST_VALUES
    note = f'<p class="muted">{more:,} more values are in audit.json.</p>' if more > 0 else ""
    heading = f"<h3>{plain_text(shares.attribute.capitalize())}</h3>"
    values = table((shares.attribute, "catalogue", "histories", "lists"), rows)
    return f"{heading}{values}{note}<p>AWRF by wanted shares:</p>{chart}"


def _users(audit: ModelAudit, k: int) -> str:
    if not audit.users:
        return "<p>There are too few users to compare groups of them.</p>"
    rows = [
        [
            plain_text(one.attribute),
            plain_text(one.group),
            f"{one.num_users:,}",
            interval_cell(one.value),
            interval_cell(one.gap, "+.3f"),
        ]
        for one in audit.users
    ]
    return table(("grouped by", "group", "users", f"NDCG@{k}", "less all others"), rows) + _paths(audit)


def _paths(audit: ModelAudit) -> str:
    if not audit.paths:
        return ""
    about = (
        "<p>Paths from the category of the latest event to another category of the list in which groups differ most: "
        "the difference in percentage points to all other users with the same latest category, in lists and in the "
        "users' targets. Many paths are compared, so some differ by chance.</p>"
    )
    rows = [
        [plain_text(f"{one.listed.attribute} {one.listed.group}"), plain_text(f"{one.source} to {one.target}"),
         *(f'{100 * gap.mean:+.1f} <span class="i">{100 * gap.low:+.1f} to {100 * gap.high:+.1f}</span>'
           for gap in (one.listed.gap, one.bought))]
        for one in audit.paths
    ]  # fmt: skip
    return "<h3>Cross-category paths</h3>" + about + table(("group", "path", "lists", "targets"), rows)

"""The report of an audit as one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..evaluation.audits.group_attention import GroupExposure
from ..evaluation.audits.model_audit import ModelAudit, PurposeAudit
from ..evaluation.audits.popularity import SHORT_HEAD
from ..evaluation.bootstrap import SAMPLES, Interval
from ..evaluation.purposes import PURPOSE_CALLS, PURPOSE_MEANINGS
from .charts import interval_chart
from .page_lists import escaped
from .report_page import html_page
from .scrubbing import scrub

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
    notes: Sequence[str] = (),
) -> str:
    """The page as text. It loads nothing from the network and has no user ids.

    Args:
        purposes: Audits by purpose.
        k: Length of the lists.
        own: Name of the audited model.
        title: Heading.
        facts: Facts about the audit by name.
        findings: Sentences.
        notes: Notes about the data.
    """
    none = "No difference is larger than its interval and large enough to act on."
    sections = {"Findings": _list(findings or [none]), "How to read it": _legend(k)}
    for purpose, found in purposes.items():
        audit, begin = found.models[own], f"{purpose.capitalize()}: "
        about = (
            f"<p>Lists of {_text(PURPOSE_MEANINGS[purpose])}, as of <code>{_text(PURPOSE_CALLS[purpose])}</code>, for "
            f"{found.num_users:,} users. In their histories an item has {found.history_events.mean:,.1f} training "
            f"events on average, and {found.history_tail.mean:.1%} of the items are long-tail items.</p>"
        )
        sections |= {
            f"{begin}popularity": about + _popularity(found, k),
            f"{begin}expected exposure": _exposure(found),
            f"{begin}groups of items": "\n".join(_group(group) for group in audit.groups),
            f"{begin}groups of users": _users(audit, k),
        }
    return html_page(title, facts, {**sections, "Data warnings": _list(notes) if notes else ""})


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
    return _list(lines)


def _popularity(found: PurposeAudit, k: int) -> str:
    head = ("model", f"NDCG@{k}", "balanced", "ARP", "APLT", "ACLT", "Gini", "entropy", "coverage")
    rows = []
    for name, audit in found.models.items():
        bias = audit.popularity
        rows.append([
            _text(name), _cell(audit.quality), _cell(audit.balanced.ndcg), _cell(bias.arp, ".1f"),
            _cell(bias.aplt), _cell(bias.aclt, ".2f"), f"{bias.gini:.3f}",
            f"{bias.entropy:.3f}", f"{bias.coverage:.3f}",
        ])  # fmt: skip
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
        charts.append(f"<h3>Recall by popularity of the target: {_text(name)}</h3>")
        charts.append(interval_chart("Recall", drawn, "tenth of the catalogue") or "<p>No target was found.</p>")
    return _table(head, rows) + "\n<h3>Share of long-tail items</h3>" + "\n".join(charts)


def _exposure(found: PurposeAudit) -> str:
    rows = []
    for name, audit in found.models.items():
        for kind, exposure in (("fixed", audit.exposure), ("drawn", audit.drawn)):
            if exposure is not None:
                shown = f"{name}, {kind} lists" if kind == "fixed" else f"{name}, {exposure.draws} drawn lists"
                cells = [_cell(part) for part in (exposure.loss, exposure.disparity, exposure.relevance)]
                rows.append([_text(shown), *cells])
    return _table(("lists", "EE-L", "EE-D", "EE-R"), rows)


def _group(group: GroupExposure) -> str:
    shares = group.shares
    rows = [
        [_text(name), *(f"{part[place]:.1%}" for part in (shares.catalogue, shares.history, shares.recommended))]
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
    heading = f"<h3>{_text(shares.attribute.capitalize())}</h3>"
    table = _table((shares.attribute, "catalogue", "histories", "lists"), rows)
    return f"{heading}{table}{note}<p>AWRF by wanted shares:</p>{chart}"


def _users(audit: ModelAudit, k: int) -> str:
    if not audit.users:
        return "<p>There are too few users to compare groups of them.</p>"
    rows = [
        [_text(one.attribute), _text(one.group), f"{one.num_users:,}", _cell(one.value), _cell(one.gap, "+.3f")]
        for one in audit.users
    ]
    return _table(("grouped by", "group", "users", f"NDCG@{k}", "less all others"), rows)


def _cell(interval: Interval, form: str = ".3f") -> str:
    ends = f"{interval.low:{form}} to {interval.high:{form}}"
    return f'{interval.mean:{form}} <span class="i">{ends}</span>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of headings as plain text and cells as HTML."""
    top = "".join(f'<th scope="col">{_text(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>'


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_text(one)}</li>' for one in lines)}</ul>"


def _text(value: object) -> str:
    return escaped(scrub(str(value)))

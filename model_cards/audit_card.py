"""The section that an audit writes into a card: what it measured, and its findings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..counting import counted
from ..evaluation.audits.model_audit import PurposeAudit
from ..evaluation.bootstrap import Interval
from ..modeling_xcat.saving_xcat import CARD_FILE
from .markdown import cell, line, table
from .scrubbing import scrub

BEGIN, END = "<!-- xcat audit: begin -->", "<!-- xcat audit: end -->"
_SECTION = re.compile(rf"\n*{re.escape(BEGIN)}.*?{re.escape(END)}\n*", re.DOTALL)
_AUDIT = re.compile(r"^## Audit\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def audit_card_section(
    purposes: Mapping[str, PurposeAudit],
    k: int,
    facts: Mapping[str, object],
    findings: Sequence[str],
    checked: Sequence[str] = (),
) -> str:
    """The section as Markdown, between marks by which a later audit replaces it.

    Args:
        purposes: Audits by purpose.
        k: Length of the lists.
        facts: Facts about the audit, such as the data and the re-ranking rules.
        findings: Sentences.
        checked: Sentences on what was examined without a finding.
    """
    head = ["model", f"NDCG@{k}", "balanced NDCG", "training events", "long-tail share", "Gini", "coverage"]
    parts = [
        "### Lists in detail",
        f"{'; '.join(f'{line(name)}: {line(value)}' for name, value in facts.items())}. Written by `xcat audit`; the "
        "tables above are of the lists that training evaluated.",
    ]
    for purpose, found in purposes.items():
        rows = [
            [cell(name), _ends(one.quality, ".4f"), _ends(one.balanced.ndcg, ".4f"),
             _ends(one.popularity.arp, ",.1f"), _ends(one.popularity.aplt, ".1%"), f"{one.popularity.gini:.3f}",
             f"{one.popularity.coverage:.1%}"]
            for name, one in found.models.items()
        ]  # fmt: skip
        parts += [f"Purpose {line(purpose)}, {counted(found.num_users, 'user')}, 95 % intervals:", table(head, rows)]
    parts.append(
        "Balanced NDCG: each target is weighted by the inverse of its item's training events. Long-tail share: share "
        "of items that are not among the most popular ones with 80 % of the training events."
    )
    sentences = [*(findings or ["No difference is large enough to act on."]), *checked]
    parts.append("\n".join(f"- {line(one)}" for one in sentences))
    return scrub("\n\n".join([BEGIN, *parts, END]))


def write_audit_section(folder: Path, section: str) -> Path:
    """Put the section at the end of the card's audit, in place of that of an earlier audit.

    Args:
        folder: The checkpoint, with a card.
        section: Result of `audit_card_section`.

    Returns:
        The card's file.

    Raises:
        ValueError: If there is no card with a heading "Audit".
    """
    path = check_audit_card(folder)
    text = _SECTION.sub("\n\n", path.read_text(encoding="utf-8"))
    path.write_text(_AUDIT.sub(lambda found: f"{found[0].rstrip()}\n\n{section}\n\n", text, count=1), encoding="utf-8")
    return path


def check_audit_card(folder: Path) -> Path:
    """The file of a card that an audit can write to.

    Raises:
        ValueError: If there is no card with a heading "Audit".
    """
    path = folder / CARD_FILE
    if not path.is_file() or not _AUDIT.search(path.read_text(encoding="utf-8")):
        raise ValueError(
            f"card is True, and {str(folder)!r} has no {CARD_FILE} with a heading Audit; give the folder of a "
            "checkpoint with its card, or leave card= out"
        )
    return path


def _ends(interval: Interval, form: str) -> str:
    return f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]"

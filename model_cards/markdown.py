"""Markdown lines, cells and tables that no value can break."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..evaluation.purposes import DISCOVER
from .scrubbing import is_secret_name, scrub


def line(text: object) -> str:
    """Put a text on one line: a newline would end its heading, list entry or sentence."""
    return " ".join(str(text).split())


def cell(text: object) -> str:
    r"""One cell of a table.

    >>> cell("a | b")
    'a \\| b'
    """
    return line(text).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of finished cells.

    >>> print(table(["a", "b"], [["1", "2"]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def section_first(text: str, section: str) -> str:
    r"""The text of a card with a section before all others, below the title.

    >>> section_first("# Shop\n\n## Data\n", "## Update\n\nFine-tuned.")
    '# Shop\n\n## Update\n\nFine-tuned.\n\n## Data\n'
    """
    title, line_end, rest = text.lstrip().partition("\n")
    heading = f"{title}\n\n" if title.startswith("# ") else ""
    body = rest if heading else title + line_end + rest
    return f"{heading}{section}\n\n{body.lstrip()}"


def facts_table(rows: Iterable[Sequence[str]]) -> str:
    """A table of names and values, without a header."""
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def settings_table(settings: Mapping[str, Any]) -> str:
    """Settings by name; settings with the name of a secret are left out."""
    shown = {name: value for name, value in settings.items() if not is_secret_name(name)}
    if not shown:
        return "All at their defaults."
    return table(
        ["setting", "value"], [[f"`{cell(name)}`", f"`{cell(plain_setting(v))}`"] for name, v in shown.items()]
    )


def plain_setting(value: Any) -> str:
    """Value of a setting as JSON, without secrets."""
    if isinstance(value, Mapping):
        value = {name: entry for name, entry in value.items() if not is_secret_name(str(name))}
    return json.dumps(value, ensure_ascii=False, default=str).replace("`", "'")


def is_hub_id(name: object) -> bool:
    """Whether a name can be the id of a repository on the hub.

    >>> is_hub_id("acme/xcat"), is_hub_id("bert-base-uncased"), is_hub_id("/home/jo/xcat"), is_hub_id("../xcat")
    (True, True, False, False)
    """
    known = isinstance(name, str) and re.fullmatch(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*", name) is not None
    return known and scrub(str(name)) == name


def usable_id(model_id: str | None) -> str:
    """The id, or a placeholder."""
    return str(model_id) if is_hub_id(model_id) else "path/to/this/folder"


def metric_label(name: str) -> str:
    """The usual spelling of a metric.

    >>> metric_label("ndcg@10"), metric_label("recall@5"), metric_label("coverage@10")
    ('NDCG@10', 'Recall@5', 'Coverage@10')
    >>> metric_label("discover_ndcg@10")
    'NDCG@10 (discover)'
    """
    if name.startswith(f"{DISCOVER}_"):
        return f"{metric_label(name.removeprefix(f'{DISCOVER}_'))} ({DISCOVER})"
    metric, at, cutoff = name.partition("@")
    label = metric.upper() if metric in {"ndcg", "mrr", "map", "auc"} else metric.capitalize()
    return cell(f"{label}{at}{cutoff}")


def duration(seconds: float | None) -> str:
    """A length of time.

    >>> duration(75.4), duration(3700), duration(0.6), duration(None)
    ('1 min 15 s', '1 h 1 min', '1 s', 'not recorded')
    """
    if seconds is None:
        return "not recorded"
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def slug(name: str) -> str:
    """A name for files and metadata.

    >>> slug("The Complete Journey")
    'the-complete-journey'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "data"

"""Parts of the page of an audit: tables, lists and intervals as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from ..evaluation.bootstrap import Interval
from .page_lists import escaped
from .scrubbing import scrub


def interval_cell(interval: Interval, form: str = ".3f") -> str:
    """A mean with its interval in small numbers."""
    ends = f"{interval.low:{form}} to {interval.high:{form}}"
    return f'{interval.mean:{form}} <span class="i">{ends}</span>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of headings as plain text and cells as HTML."""
    top = "".join(f'<th scope="col">{plain_text(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>'


def bullets(lines: Sequence[str]) -> str:
    """Lines of plain text as a list."""
    return f"<ul>{''.join(f'<li>{plain_text(one)}</li>' for one in lines)}</ul>"


def plain_text(value: object) -> str:
    """Text for HTML, without secrets and local paths."""
    return escaped(scrub(str(value)))

"""Lists of recommendations in a report page."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..counting import counted
from ..modeling_xcat.recommending_xcat import Recommendation, Recommendations
from ..serving.space_catalogue import reason_name
from .markdown import line

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class CustomerLists:
    """Lists for one customer, such as items to buy again and new items.

    Args:
        name: Heading, without a customer id.
        events: Number of events of the history.
        lists: Name to list.
    """

    name: str
    events: int
    lists: Mapping[str, Recommendations]


def customer_lists(customers: Sequence[CustomerLists]) -> str:
    """The lists as HTML; empty without customers."""
    if not customers:
        return ""
    parts = [
        "<p>A percentage says by how much the odds of a recommendation fall without that purchase. An item without a "
        "reason does not depend on any single purchase more than the rest of its list does.</p>"
    ]
    for one in customers:
        after = counted(one.events, "purchase")
        parts.append(f'<h3>{escaped(one.name)}, after {after}</h3><div class="lists">')
        parts += [f"<div><h4>{escaped(name)}</h4>{ordered(found)}</div>" for name, found in one.lists.items()]
        parts.append("</div>")
    return "\n".join(parts)


def ordered(found: Sequence[Recommendation]) -> str:
    """Recommendations with their reasons as a numbered list."""
    entries = []
    for one in found:
        category = f' <span class="muted">in <bdi>{escaped(one.category)}</bdi></span>' if one.category else ""
        named = ((reason_name(why.title, why.item_id, one.item_id), why) for why in one.because)
        because = ", ".join(f"{title_or_id(title, why.item_id)} ({why.weight:.0%})" for title, why in named)
        reasons = f'<br><span class="muted">because of {because}</span>' if because else ""
        entries.append(f"<li>{title_or_id(one.title, one.item_id)}{category}{reasons}</li>")
    return f"<ol>{''.join(entries)}</ol>"


def title_or_id(title: str | None, item_id: str) -> str:
    """A title as in the catalogue, or the id if there is none."""
    return f"<bdi>{escaped(title or item_id)}</bdi>"


def escaped(text: object) -> str:
    """One line without control characters, escaped for HTML."""
    return html.escape(clean(text))


def clean(text: object) -> str:
    """One line without control characters."""
    return line(_CONTROL.sub("", str(text)))

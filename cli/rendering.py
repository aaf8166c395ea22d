"""Recommendations, interest profiles and facts about tables as terminal tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..counting import counted
from ..rounded_shares import percentages
from ..serving.space_catalogue import price_text, reason_name
from .plain_tables import Column, PlainTable, one_line

if TYPE_CHECKING:
    from ..modeling_xcat.recommending_xcat import Reason, Recommendation
    from ..ranking.explanation.explanation import Explanation
    from ..ranking.target_recommendations import TargetRecommendation
    from ..tokenization.interests.profiles import InterestProfile

_INDENT = " " * 4


def recommendation_table(found: Sequence[Recommendation], title: str, reasons: bool = False) -> PlainTable:
    """One line per recommendation: rank, id, title, category, price and query if there are any, and score.

    The column "query" has the words of the query that raise the item's score, or "(meaning)".

    Args:
        found: The recommendations, best first.
        title: Line above them.
        reasons: Whether to print its reasons below each item that has any.
    """
    prices = [price_text({"price": item.price, "currency": item.currency}) for item in found]
    asked = [" ".join(item.words) or "(meaning)" * item.by_meaning or "-" for item in found]
    categories, by_query = any(item.category for item in found), any(one != "-" for one in asked)
    columns = [
        Column(right=True), Column("item", cut=True), Column("title", cut=True),
        *([Column("category", cut=True)] if categories else []),
        *([Column("query", cut=True)] if by_query else []),
        *([Column("price", right=True)] if any(prices) else []), Column("score", right=True),
    ]  # fmt: skip
    rows: list[Sequence[str] | str] = []
    for rank, (item, price, words) in enumerate(zip(found, prices, asked, strict=True), start=1):
        known = [
            *([item.category or "-"] if categories else []), *([words] if by_query else []),
            *([price] if any(prices) else []),
        ]  # fmt: skip
        rows.append((str(rank), item.item_id, item.title, *known, f"{item.score:.2f}"))
        if reasons and item.because:
            rows.append(_because(item.because, item.item_id))
    return PlainTable(title, columns, rows)


def _because(reasons: Sequence[Reason], item_id: str) -> str:
    """The line below a recommendation with its reasons."""
    named = ((reason_name(one.title, one.item_id, item_id), one.weight) for one in reasons)
    return f"{_INDENT}because of {'; '.join(f'{one_line(title)} ({weight:.0%})' for title, weight in named)}"


def event_table(found: Explanation) -> PlainTable:
    """One line per item of the history: influence, share of the odds, and the place of the explained item without it.

    Args:
        found: The explanation.
    """
    from ..ranking.explanation.explanation import signed

    ranks = {one.item_id: f"{one.rank:,}" for one in found.counterfactuals if one.rank is not None}
    columns = [
        Column("item", cut=True), Column("title", cut=True), Column("influence", right=True),
        Column("odds lost", right=True), *([Column("rank without", right=True)] if ranks else []),
    ]  # fmt: skip
    rows: list[Sequence[str] | str] = [
        (one.item_id, one.title, signed(one.influence), f"{one.weight:.0%}",
         *([ranks.get(one.item_id, "-")] if ranks else []))
        for one in found.events
    ]  # fmt: skip
    return PlainTable(f"Items of the history ({found.method}), the latest first", columns, rows)


def target_table(found: Sequence[TargetRecommendation], title: str, reasons: bool = False) -> PlainTable:
    """One line per recommended brand, category or campaign: rank, name and probability.

    Args:
        found: The recommendations, best first.
        title: Line above them.
        reasons: Whether to print below each its most probable items, and the reasons of the first of them.
    """
    columns = [Column(right=True), Column("name", cut=True), Column("probability", right=True)]
    rows: list[Sequence[str] | str] = []
    for rank, one in enumerate(found, start=1):
        rows.append((str(rank), one.name, f"{one.probability:.2%}"))
        if reasons and one.items:
            rows.append(f"{_INDENT}such as {'; '.join(one_line(item.title) for item in one.items)}")
            if one.because:
                rows.append(_because(one.because, one.items[0].item_id))
    return PlainTable(title, columns, rows)


def profile_tables(name: str, profile: InterestProfile) -> list[PlainTable]:
    """The interests of a user: categories, interest clusters, and names and phrases from the user's texts.

    Args:
        name: The user.
        profile: The user's interests.
    """
    if not profile.opinions:
        return [PlainTable(name, (Column(),), ["No interests are known for this user."])]
    categories = [
        (one.category or "(no category)", f"{one.liking:.2f}", f"{one.disliking:.2f}", str(one.opinions))
        for one in profile.categories
    ]
    shares = percentages([one.weight for one in profile.centres])
    centres = [
        (str(number), share, str(one.opinions), "; ".join(one.examples))
        for number, (one, share) in enumerate(zip(profile.centres, shares, strict=True), start=1)
    ]
    names = [(name, kind, str(times), f"{liked:+.2f}") for kind, name, times, liked in profile.entities]
    liking = [Column(heading, right=True) for heading in ("liking", "disliking", "opinions")]
    share = [Column(heading, right=True) for heading in ("interest", "share", "opinions")]
    times = [Column(heading, right=True) for heading in ("times", "liked")]
    tables = [
        PlainTable(
            f"{name}: {counted(profile.opinions, 'opinion')}", (Column("category", cut=True), *liking), categories
        ),
        PlainTable("", (*share, Column("about", cut=True)), centres),
        PlainTable("", (Column("name", cut=True), Column("kind", cut=True), *times), names),
    ]
    found = [table for table in tables if table.rows]
    if profile.keyphrases:
        found.append(PlainTable("", (Column(),), (), ("phrases: " + ", ".join(profile.keyphrases),)))
    return found


def inspection_table(title: str, rows: Sequence[tuple[str, str]]) -> PlainTable:
    """One line per fact about the tables."""
    return PlainTable(title, (Column(cut=True), Column(right=True)), rows)

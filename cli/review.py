"""`xcat review`: decide on items that the content policy found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..counting import counted
from .options import Policy

if TYPE_CHECKING:
    from ..checkpoints.review import QueuedItem
    from ..workflows.review import Review


def review(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a checkpoint.")],
    approve: Annotated[list[str] | None, typer.Option(help="Id of an item that is allowed; may be repeated.")] = None,
    block: Annotated[list[str] | None, typer.Option(help="Id of an item to block; may be repeated.")] = None,
    by: Annotated[str, typer.Option(help="Name of the person who decides.")] = "",
    reason: Annotated[str, typer.Option(help="Why, in words.")] = "",
    policy: Policy = None,
    outcome: Annotated[
        Literal["blocked", "sensitive"] | None, typer.Option(help="List only items with this outcome.")
    ] = None,
    category: Annotated[str | None, typer.Option(help="List only items of this category, such as hate.")] = None,
    limit: Annotated[int, typer.Option(help="Items to print; --json has all.")] = 20,
    log: Annotated[bool, typer.Option("--log", help="List the decisions instead.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Check the log of decisions.")] = False,
    head: Annotated[
        str | None, typer.Option(help="With --verify: hash of a line that was noted elsewhere, such as of the last.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """List items that the content policy found, and approve or block them.

    A decision counts in the next request of every process that has the checkpoint. If one of several ids is wrong,
    nothing is decided. A rule with a question mark is not certain: a hidden word, a word that has other meanings, or
    a find of a classifier.

    Examples:

        xcat review my-checkpoint --outcome blocked

        xcat review my-checkpoint --approve 1082185 --by Ada --reason "a corkscrew, no wine"

        xcat review my-checkpoint --policy standard

        xcat review my-checkpoint --verify
    """
    from .usage import check_at_least

    check_at_least("--limit", limit, 1)
    if head is not None and not verify:
        raise ValueError("--head is compared by --verify; add it, or leave --head out")

    from ..workflows.review import Review
    from .console import messages, print_json

    found = Review(checkpoint)
    if policy is not None:
        found.apply(policy)
    given = {"approve": approve or [], "block": block or []}
    decided = found.decide(**given, by=by, reason=reason) if approve or block else []
    for entry in decided:
        messages.print(f"{entry.item_id}: {entry.decision}, line {entry.number} {entry.hash}", markup=False)
    if policy == "off":
        messages.print("the checkpoint has no content policy now")
        return
    if verify or log:
        entries = found.verify(head) if verify else found.log()
        for entry in entries if log else ():
            line = f"{entry.time} {entry.item_id} {entry.decision} by {entry.by}: {entry.reason}"
            messages.print(line, markup=False, highlight=False)
        if verify:
            last = f", the last one {entries[-1].hash}" if entries else ""
            messages.print(f"{len(entries):,} decisions, unchanged{last}")
        if json_output:
            print_json({"decisions": [vars(entry) for entry in entries]})
        return
    waiting = found.queue(outcome=outcome, category=category)
    if not decided:
        _show(waiting, limit, found)
    if json_output:
        print_json({"decided": [vars(one) for one in decided], "queue": [one.to_dict() for one in waiting]})


def _show(waiting: list[QueuedItem], limit: int, found: Review) -> None:
    """Print the queue."""
    from .console import results
    from .plain_tables import Column, PlainTable

    rows = [(one.item_id, one.outcome, ", ".join(one.categories), _rules(one), one.title) for one in waiting[:limit]]
    columns = [Column("item"), Column("outcome"), Column("category"), Column("rule"), Column("title", cut=True)]
    title = f"waiting for a decision: {counted(len(waiting), 'item')}; decisions so far: {len(found.log()):,}"
    below = ["?: a hidden word, a word with other meanings, or a find of a classifier"]
    doubted = any("?" in rules for _, _, _, rules, _ in rows)
    results.print(PlainTable(title, columns, rows, below if doubted else []), "", highlight=False)


def _rules(one: QueuedItem) -> str:
    """The matched rules; a hidden or ambiguous word has a question mark."""
    doubted = ((match["rule"], match.get("hidden") or not match["certain"]) for match in one.matches)
    return ", ".join(dict.fromkeys(f"{rule}?" if doubt else str(rule) for rule, doubt in doubted))

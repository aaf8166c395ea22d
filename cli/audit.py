"""`xcat audit`: popularity bias, exposure and quality for groups of users."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Columns, Data, Encoding, Events, Explore, Items, MissingUsers, Rerank, TimeFormat, UnknownItems

if TYPE_CHECKING:
    from ..workflows.audit import AuditResult


def audit(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    output: Annotated[Path, typer.Option(help="Folder for audit.json and report.html.")],
    data: Data = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    items: Items = None,
    events: Events = None,
    columns: Columns = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    unknown_items: UnknownItems = "drop",
    missing_users: MissingUsers = "drop",
    split: Annotated[str | None, typer.Option(help="Split of the events; by default as in training.")] = None,
    k: Annotated[int, typer.Option("-k", help="Length of the lists, such as 10.")] = 10,
    draws: Annotated[
        int, typer.Option(help="Lists drawn at random per user, for the exposure of lists that vary; 0 for none.")
    ] = 5,
    temperature: Annotated[float, typer.Option(help="Temperature of the draws: .01 nearly fixed, 1 random.")] = 0.1,
    explore: Explore = None,
    rerank: Rerank = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Audit a checkpoint's lists, beside popularity: popularity bias, exposure, and quality for groups of users.

    The test split is ranked as by xcat evaluate, for both purposes. Give --rerank to audit lists with its rules.

    Examples:

        xcat audit my-checkpoint my-shop/ --output audit

        xcat audit my-checkpoint my-shop/ --output audit-2 --rerank logit-adjustment=0.2:2 --json
    """
    from ..workflows.input_checks import check_checkpoint, check_split
    from .usage import check_tables

    check_split(split, None)
    check_checkpoint(checkpoint, revision)
    check_tables(data, items, events, columns)

    from ..workflows.audit import audit as audit_of
    from .console import print_json

    found = audit_of(
        checkpoint, data, output, items=items, events=events, columns=columns, time_format=time_format,
        encoding=encoding, unknown_items=unknown_items, missing_users=missing_users, k=k, draws=draws,
        temperature=temperature, revision=revision, rerank=rerank, explore=explore, split=split,
    )  # fmt: skip
    _show(found)
    if json_output:
        print_json(found.to_dict())


def _show(found: AuditResult) -> None:
    """Print a short table, the findings, and where the report is."""
    from .console import messages, say
    from .plain_tables import Column, PlainTable

    for note in found.data.notes:
        say(f"note: {note}")
    names = (f"NDCG@{found.k}", "balanced", "ARP", "APLT", "Gini", "coverage", "EE-L")
    columns = [Column("", cut=True), *(Column(name, right=True) for name in names)]
    for purpose, audit in found.purposes.items():
        rows = [
            (name, f"{one.quality.mean:.4f}", f"{one.balanced.ndcg.mean:.4f}", f"{one.popularity.arp.mean:.1f}",
             f"{one.popularity.aplt.mean:.3f}", f"{one.popularity.gini:.3f}", f"{one.popularity.coverage:.3f}",
             f"{one.exposure.loss.mean:.3f}")
            for name, one in audit.models.items()
        ]  # fmt: skip
        messages.print(PlainTable(f"{purpose}, {audit.num_users:,} users", columns, rows), "", highlight=False)
    for one in found.findings:
        say(f"{one.purpose}: {one.text}")
        say(f"  {one.remedy}")
    say(f"report: {found.output}/report.html" if found.output is not None else "")

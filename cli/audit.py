"""`xcat audit`: popularity bias, exposure and quality for groups of users."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..counting import counted
from .options import (
    Columns,
    Data,
    Encoding,
    Events,
    Explore,
    Items,
    MissingUsers,
    Overwrite,
    Rerank,
    TimeFormat,
    UnknownItems,
)

if TYPE_CHECKING:
    from ..workflows.audit import AuditResult
    from ..workflows.causal_audit import CausalAudit

MEANINGS = (
    "balanced: NDCG with rare targets weighted up; ARP: training events of a listed item; APLT: share of long-tail "
    "items per list; Gini: concentration of the lists on few items, 0 to 1; coverage: share of the catalogue that "
    "some list has; EE-L: loss of expected exposure. The report has ARP and APLT of the users' histories.",
)
"""Sentences below the last table."""


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
    temperature: Annotated[
        float, typer.Option(help="Temperature of the draws: near 0 for almost fixed lists, 1 for random ones.")
    ] = 0.1,
    explore: Explore = None,
    rerank: Rerank = None,
    membership: Annotated[
        bool,
        typer.Option("--membership", help="Also measure whether losses tell users of the training."),
    ] = False,
    text_probes: Annotated[
        bool, typer.Option("--text-probes", help="Also measure lists with words about gender and origin exchanged.")
    ] = False,
    causal: Annotated[
        bool, typer.Option("--causal", help="Also measure lists of changed histories, and effects of promotions.")
    ] = False,
    card: Annotated[bool, typer.Option("--card", help="Also write the results into the checkpoint's card.")] = False,
    overwrite: Overwrite = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Audit a checkpoint's lists, beside popularity: popularity bias, exposure, and quality for groups of users.

    The test split is ranked as by xcat evaluate, for both purposes. Give --rerank to audit lists with its rules.

    Examples:

        xcat audit my-checkpoint my-shop/ --output audit

        xcat audit CKPT complete-journey --output audit-3 --causal

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
        temperature=temperature, revision=revision, rerank=rerank, explore=explore, causal=causal, card=card,
        membership=membership, text_probes=text_probes, split=split, overwrite=overwrite,
    )  # fmt: skip
    _show(found)
    if json_output:
        print_json(found.to_dict())


def _show(found: AuditResult) -> None:
    """Print a short table, the findings, and where the report is."""
    from .console import measurements, say
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
        title = f"{purpose}, {counted(audit.num_users, 'user')}"
        below = MEANINGS if purpose == list(found.purposes)[-1] else ()
        measurements().print(PlainTable(title, columns, rows, below), "", highlight=False)
    for one in found.findings:
        say(f"{one.purpose}: {one.text}")
        say(f"  {one.remedy}")
    for sentence in found.checked:
        say(sentence)
    if found.membership is not None:
        say(str(found.membership))
    for probe in found.text_probes or ():
        say(str(probe))
    if found.causal is not None:
        _show_causes(found.causal)
    say(f"report: {found.output}/report.html" if found.output is not None else "")


def _show_causes(found: CausalAudit) -> None:
    """Print the changes of histories and the effects of promotions, with their checks."""
    from .console import say

    for one in found.history.changes:
        difference = one.difference
        say(f"history {one.change}: NDCG {difference.mean:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}), "
            f"{one.replaced.mean:.0%} of the items replaced")  # fmt: skip
    if found.promotions is None:
        say(f"note: {found.note}")
        return
    for effect in found.promotions.effects:
        own, anyway = effect.effect.treated_only, effect.effect.anyway
        say(f"{effect.kind}: {own.value:+.4f} purchases per visit ({own.low:+.4f} to {own.high:+.4f})")
        if anyway is not None:
            say(f"  bought anyway: {anyway.value:.0%} ({anyway.low:.0%} to {anyway.high:.0%})")
        for check in effect.checks:
            say(f"  check, {check.name}: {check.estimate.value:+.4f}, {'passed' if check.passed else 'failed'}")
        if not effect.trusted:
            say("  do not rely on this effect: a check failed, or the groups are not comparable (see the report)")
    for kind, reason in found.promotions.skipped.items():
        say(f"no effect of {kind}: {reason}")
    for sentence in found.promotions.assumptions:
        say(f"assumption: {sentence}")

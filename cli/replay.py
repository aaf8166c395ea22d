"""`xcat replay`: what other rankings would have earned on logged lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..counting import counted

if TYPE_CHECKING:
    from ..workflows.replay import ReplayResult


def replay(
    log: Annotated[
        str, typer.Argument(help="Store of xcat serve: a SQLite file such as state.db, or redis://HOST:PORT/0.")
    ],
    checkpoints: Annotated[list[str], typer.Argument(help="Checkpoints; the first two are compared.")],
    reactions: Annotated[
        str | None, typer.Option(help="Types of reactions that count: click,purchase; all but hide by default.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Of the draw of the checkpoints, 0 for their best lists; as logged by default."),
    ] = None,
    clip: Annotated[float | None, typer.Option(help="Largest weight of a list; no limit by default.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Estimate the reactions per list that checkpoints would have got, from lists that were shown.

    It uses the lists that were drawn at random (rule sample), with the propensities in the log. A log that says too
    little about a checkpoint is refused.

    Examples:

        xcat replay state.db old-model new-model --json

        xcat replay state.db new-model --reactions click,purchase --temperature 0
    """
    from ..serving.feedback.opening import sqlite_file
    from ..serving.state.redis_server import is_redis
    from ..workflows.input_checks import check_checkpoint
    from .usage import check_file_to_read

    if not is_redis(log):
        check_file_to_read("LOG", sqlite_file(log))
    for checkpoint in checkpoints:
        check_checkpoint(checkpoint, None)

    from ..workflows.replay import replay as run
    from .console import print_json

    counted = [one.strip() for one in (reactions or "").split(",") if one.strip()]
    found = run(log, checkpoints, reactions=counted, temperature=temperature, clip=clip)
    _show(found)
    if json_output:
        print_json(found.to_dict())


def _show(found: ReplayResult) -> None:
    from .console import measurements
    from .plain_tables import Column, PlainTable

    rows = [
        (name, kind, str(interval))
        for name, one in found.estimates.items()
        for kind, interval in one.estimates.items()
    ]
    rows += [("difference", kind, str(interval)) for kind, interval in found.differences.items()]
    columns = [Column("checkpoint"), Column("estimate"), Column("per list [95 % interval]", right=True)]
    value = next(iter(found.estimates.values())).logged_value
    effective = ", ".join(f"{one.effective_rounds:,.0f} of {name}" for name, one in found.estimates.items())
    below = [
        f"drawn at random and used: {counted(found.num_lists, 'list')}; others: {found.left_out:,}",
        f"effective lists: {effective}",
        f"reactions per list as shown: {value:.4f} ({', '.join(found.reactions) or 'none'})",
    ]
    measurements().print(PlainTable("reactions per list", columns, rows, below), highlight=False)

"""`xcat attack`: attacks on a checkpoint's training data, and defences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .options import Columns, Data, Encoding, Events, Items, MissingUsers, Overwrite, TimeFormat, UnknownItems


def attack(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    output: Annotated[Path, typer.Option(help="Folder for attack.json and table.md.")],
    data: Data = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    items: Items = None,
    events: Events = None,
    columns: Columns = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    unknown_items: UnknownItems = "drop",
    missing_users: MissingUsers = "drop",
    kind: Annotated[
        str,
        typer.Option(
            help="Attacks: random, popular, bandwagon or segment (fake users); keyword-stuffing, copied-title, "
            "zero-width, homoglyphs, prompt or token-swap (titles); several with commas."
        ),
    ] = "bandwagon",
    share: Annotated[float, typer.Option(help="Fake users as a share of the real ones, such as 0.01.")] = 0.01,
    defend: Annotated[
        str, typer.Option(help="Defences: none, normalise, detect, limit, robust or all; several with commas.")
    ] = "none,all",
    targets: Annotated[int, typer.Option(help="Number of unpopular items that are promoted, drawn at random.")] = 5,
    promote: Annotated[str | None, typer.Option(help="Ids of the promoted items instead, such as A,B.")] = None,
    k: Annotated[int, typer.Option("-k", help="Length of the lists, such as 10.")] = 10,
    start: Annotated[
        Literal["checkpoint", "new"], typer.Option(help="Weights to start from: checkpoint (fine-tuning) or new.")
    ] = "checkpoint",
    epochs: Annotated[
        float, typer.Option(help="Epochs of each training; 0 computes counts and item-to-item weights only.")
    ] = 1.0,
    most_users: Annotated[int, typer.Option(help="Real users whose lists are measured.")] = 2000,
    loss_weight: Annotated[
        float, typer.Option(help="Points of gain that a loss of one per cent of NDCG is worth in the equilibrium.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the attack, of its defence and of the training.")] = 0,
    overwrite: Overwrite = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Attack the data of a checkpoint, defend it, train it again on each result, and measure what promoted items gain.

    The defences see the attacked tables only. Lists and NDCG are those of real users of the test split. Needs the
    extra attack.

    Examples:

        xcat attack my-checkpoint my-shop/ --kind bandwagon --share 0.01 --output attack

        xcat attack CKPT my-shop/ --kind copied-title,homoglyphs --defend normalise,detect,all --output attack --json
    """
    from ..workflows.input_checks import check_checkpoint
    from .usage import check_tables

    check_checkpoint(checkpoint, revision)
    check_tables(data, items, events, columns)

    from ..workflows.attack import attack as attack_of
    from .console import measurements, print_json, say

    found = attack_of(
        checkpoint, data, output, items=items, events=events, columns=columns, time_format=time_format,
        encoding=encoding, unknown_items=unknown_items, missing_users=missing_users, kind=_names(kind), share=share,
        defend=_names(defend), targets=targets, promote=None if promote is None else _names(promote), k=k,
        start=start, epochs=epochs, most_users=most_users, loss_weight=loss_weight, seed=seed, revision=revision,
        overwrite=overwrite, tell=say,
    )  # fmt: skip
    measurements().print(found.table(), markup=False, highlight=False)
    if json_output:
        print_json(found.to_dict())


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]

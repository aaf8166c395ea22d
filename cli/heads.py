"""`xcat heads`: fit heads of columns on a checkpoint that is trained already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Columns, Data, Encoding, Events, Items, MissingUsers, TimeFormat, UnknownItems


def heads(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    target_heads: Annotated[
        str, typer.Option(help="Columns of the items, such as category; several with commas: category,brand.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the checkpoint with the heads.")],
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
    quick: Annotated[bool, typer.Option("--quick", help="Use fewer training events per user.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of initial weights and batches.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace a checkpoint in the output folder.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Fit heads of columns, such as the next category, on a trained checkpoint, for xcat recommend --target.

    The model and its lists of items stay as they are. Events are filtered and split as in the training, whose tables
    are needed. The heads replace earlier ones, so name all columns.

    Examples:

        xcat heads my-checkpoint my-shop/ --target-heads category --output with-heads

        xcat heads my-checkpoint my-shop/ --target-heads category,brand --output with-heads --overwrite --json
    """
    from ..workflows.input_checks import check_checkpoint, check_split
    from ..workflows.output_folders import check_other_folder, check_output
    from .usage import check_tables

    check_other_folder(checkpoint, output)
    check_output(output, overwrite=overwrite)
    check_split(split, None)
    check_checkpoint(checkpoint, revision)
    check_tables(data, items, events, columns)

    from ..workflows.add_heads import add_target_heads
    from .console import messages, print_json, say

    found = add_target_heads(
        checkpoint, data, output, target_heads=target_heads, items=items, events=events, columns=columns,
        time_format=time_format, encoding=encoding, unknown_items=unknown_items, missing_users=missing_users,
        seed=seed, quick=quick, overwrite=overwrite, revision=revision, tell=say, split=split,
    )  # fmt: skip
    messages.print(f"{found}\ncheckpoint: {output}", markup=False, highlight=False)
    if json_output:
        print_json(found.to_dict())

"""`xcat update`: fine-tune a checkpoint from the log of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def update(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    log: Annotated[
        str, typer.Argument(help="SQLite file of the store of xcat serve: state.db, or sqlite:///state.db.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the new checkpoint.")],
    data: Annotated[
        str | None, typer.Option(help="Tables of the earlier training, to train on again and to compare on.")
    ] = None,
    index: Annotated[
        Path | None, typer.Option(help="Folder of the index of the service, whose added items are kept.")
    ] = None,
    ignore_types: Annotated[
        str | None,
        typer.Option(help="Event types that are left out, besides untrained ones, such as click,view."),
    ] = None,
    growth: Annotated[
        float | None,
        typer.Option(help="Largest growth of an item's share of users and of lists that passes; 0.1 by default."),
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate; 0.0005 by default.")] = None,
    num_train_epochs: Annotated[float | None, typer.Option(help="Maximum number of epochs; 3 by default.")] = None,
    pull: Annotated[
        float | None, typer.Option(help="Strength of the pull towards the old weights; 20 by default, 0 for none.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of training and of draws.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace a checkpoint in the output folder.")] = False,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Fine-tune a checkpoint from the service's log, and write a new one unless it is worse.

    The latest part of the log is held out. If the log or the new model does not pass a guard, nothing is written and
    the exit code is 3. The checkpoint itself is never changed.

    Examples:

        xcat update my-checkpoint state.db --output new-checkpoint

        xcat update my-checkpoint state.db --output new-checkpoint --data my-shop/ --ignore-types click
    """
    from ..serving.feedback.opening import sqlite_file
    from ..workflows.input_checks import check_checkpoint
    from ..workflows.output_folders import check_other_folder, check_output
    from .usage import check_file_to_read

    check_other_folder(checkpoint, output)
    check_output(output, overwrite=overwrite)
    check_file_to_read("LOG", sqlite_file(log))
    check_checkpoint(checkpoint, revision)

    from ..workflows.errors import UpdateRefusedError
    from ..workflows.update import update as run
    from .console import messages, print_json, say

    given = {
        "growth": growth, "learning_rate": learning_rate, "num_train_epochs": num_train_epochs, "pull": pull,
    }  # fmt: skip
    try:
        found = run(
            checkpoint, log, output, data=data, index=index, seed=seed, overwrite=overwrite, revision=revision,
            ignore_types=[one.strip() for one in (ignore_types or "").split(",") if one.strip()], tell=say,
            **{name: value for name, value in given.items() if value is not None},
        )  # fmt: skip
    except UpdateRefusedError as error:
        if json_output:
            print_json(error.to_dict())
        raise
    messages.print(f"{found.log}; checkpoint: {output}", markup=False)
    if json_output:
        print_json(found.to_dict())

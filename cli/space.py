"""`xcat space`: write a Space (a web page on the hub) that recommends from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def space(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    output: Annotated[Path, typer.Argument(help="Folder for the Space; created, or must be empty.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page, such as 'Gift finder'.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Write a Space: the page of `xcat web`, its requirements and the README with the settings the hub reads.

    A folder is copied into the Space. A repository is loaded by its id at its current commit. The Space has a copy of
    the part of xcat-rec that the page needs, so it does not run the code of the repository.

    Examples:

        xcat space me/my-shop my-space/

        cd my-space && pip install -r requirements.txt && python app.py

        hf upload me/my-space my-space . --repo-type space
    """
    from ..workflows.input_checks import check_checkpoint as check_there
    from ..workflows.output_folders import check_folder_to_write

    check_folder_to_write(output, str(output))
    if output.exists() and any(output.iterdir()):
        raise ValueError(f"{output} is not empty; give another folder")
    check_there(checkpoint, revision)

    from ..checkpoints.check import check_checkpoint
    from ..modeling_xcat.hub_xcat import locate_checkpoint
    from ..serving.space import INTERESTS, SpaceFiles, reads_interests, write_space
    from .console import messages, print_json

    folder = locate_checkpoint(checkpoint, revision=revision)
    check_checkpoint(folder, checkpoint)
    copied = Path(checkpoint).is_dir()
    # The folder of a downloaded repository is named after its commit.
    files = SpaceFiles(folder, None if copied else checkpoint, None if copied else folder.name, title)
    names = write_space(files, output)
    messages.print(f"Space: {output}; start it with `python app.py` there", markup=False)
    if reads_interests(folder):
        messages.print(f"note: {INTERESTS}", markup=False)
    if json_output:
        print_json({"output": str(output), "files": names})

"""`xcat catalogue`: add items to a checkpoint that it was not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Columns, Encoding


def catalogue(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    items: Annotated[str, typer.Argument(help="Items table, or an events table with the columns of its items.")],
    output: Annotated[Path, typer.Option(help="Folder for the checkpoint with these items.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    columns: Columns = None,
    encoding: Encoding = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Drop the checkpoint's items that the table lacks.")
    ] = False,
    cold_boost: Annotated[
        float | None,
        typer.Option(
            help="Score added to cold items (no training events) from now on, such as 0.25: 0.7 doubles their odds."
        ),
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="Column with images of the items; by default the one of the training.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a checkpoint in the output folder.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Add items to a checkpoint by their texts and images; nothing is trained.

    New items can be recommended at once. A catalogue without interactions can start from the checkpoint of another
    data set. Items of the checkpoint keep their values of columns that the table lacks, and of empty cells.

    Examples:

        xcat catalogue my-checkpoint new-items.parquet --output grown

        xcat catalogue them/their-model my-items.csv --replace --output mine --columns item_id=sku,title=name
    """
    from ..workflows.fields import parse_columns
    from ..workflows.input_checks import check_checkpoint
    from ..workflows.output_folders import check_other_folder, check_output
    from .usage import check_file_to_read, check_finite

    check_other_folder(checkpoint, output)
    check_output(output, resume=False, overwrite=overwrite)
    parse_columns(columns)
    check_finite("--cold-boost", cold_boost)
    check_checkpoint(checkpoint, revision)
    check_file_to_read("ITEMS", items)

    from ..workflows.add_items import add_items
    from .console import messages, print_json, say

    grown = add_items(
        checkpoint, items, output, columns=parse_columns(columns) if columns else None, encoding=encoding,
        replace=replace, cold_boost=cold_boost, images=images, overwrite=overwrite, revision=revision,
    )  # fmt: skip
    added, report = grown.added, grown.tables
    say(str(report))
    for line in (*added.notes, *grown.images):
        say(f"note: {line}")
    messages.print(f"{added}; checkpoint: {output}", markup=False)
    if added.new:
        boost = grown.cold_boost
        say(
            f"note: new items are scored by their texts and images, plus {boost:g}; a higher cold_boost= here, or in "
            "xcat recommend, shows them more often"
        )
    if json_output:
        print_json({
            "output": str(output), "num_items": added.items, "num_new": added.new,
            "num_named_again": added.named_again, "num_changed": added.changed, "num_kept": added.kept,
            "num_dropped": added.dropped, "num_untitled": added.untitled, "num_pictured": added.pictured,
            "tables": report.to_dict(),
        })  # fmt: skip

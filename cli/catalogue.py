"""`xcat catalogue`: a checkpoint with items that it was not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Encoding

if TYPE_CHECKING:
    from ..training.added_items import AddedItems


def catalogue(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    items: Annotated[str, typer.Argument(help="Table of the items, with the columns of an items table.")],
    output: Annotated[Path, typer.Option(help="Folder the checkpoint with them is written to.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    columns: Annotated[str | None, typer.Option(help="Names of your columns: item_id=sku,title=name.")] = None,
    encoding: Encoding = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Drop the checkpoint's items that the table lacks.")
    ] = False,
    cold_boost: Annotated[
        float | None,
        typer.Option(help="Score added to cold items (no training events) from now on, such as 0.25."),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a checkpoint in the output folder.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Add items to a checkpoint by their texts alone; nothing is trained.

    What is new today can be recommended today, and a shop without a log begins with the checkpoint of another one.

    Examples:

        xcat catalogue my-checkpoint new-items.parquet --output grown

        xcat catalogue them/their-shop my-items.csv --replace --output mine --columns item_id=sku,title=name
    """
    from ..workflows.fields import parse_columns
    from ..workflows.output_folders import check_output
    from .usage import check_checkpoint, check_file_to_read, check_finite

    if output.exists() and Path(checkpoint).exists() and output.samefile(checkpoint):
        raise ValueError(f"--output {output} is the checkpoint itself; give another folder")
    check_output(output, resume=False, overwrite=overwrite)
    parse_columns(columns)
    check_finite("--cold-boost", cold_boost)
    check_checkpoint(checkpoint, revision)
    check_file_to_read("ITEMS", items)

    from ..modeling_xcat.hub_xcat import SHARED, locate_checkpoint
    from ..modeling_xcat.origin_xcat import CARD_FILE
    from ..modeling_xcat.saving_xcat import written_whole
    from ..tokenization.schema import validate_items
    from ..tokenization.sources.generic import load_table
    from ..tokenization.table_columns import saved_columns, table_formats
    from ..training.adapters import is_adapter
    from ..training.added_items import add_items
    from ..training.base_checkpoint import load_base
    from ..training.hub_pushes import note_catalogue
    from .console import messages, print_json, say

    folder = locate_checkpoint(checkpoint, files=SHARED, revision=revision)
    if not (folder / "config.json").is_file() and is_adapter(folder):
        raise ValueError(
            f"{checkpoint} is an adapter; merge it with its base first (load_adapted, merge_and_unload) and save that"
        )
    model, processor = load_base(folder)
    formats = table_formats(processor.event_settings, encoding=encoding)
    table, found = load_table(items, "items", encoding=formats["encoding"])
    names = parse_columns(columns) if columns else saved_columns(processor.event_settings)
    table, report = validate_items(table, names, Path(items).name, found)
    say(str(report))
    processor, added = add_items(model, processor, table, replace=replace, cold_boost=cold_boost)
    note_catalogue(model, processor)
    with written_whole(output, replaced=(CARD_FILE,)) as unfinished:
        model.save_pretrained(unfinished)
        processor.save_pretrained(unfinished)
        _write_card(folder / CARD_FILE, unfinished / CARD_FILE, added)
    messages.print(f"{added}; checkpoint: {output}", markup=False)
    if added.new:
        boost = model.config.untrained_bonus
        say(
            f"note: new items are scored by their texts alone, plus {boost:g}; a higher cold_boost= here, or in "
            "xcat recommend, shows them more often"
        )
    if json_output:
        print_json({
            "output": str(output), "num_items": added.items, "num_new": added.new,
            "num_named_again": added.named_again, "num_dropped": added.dropped, "tables": report.to_dict(),
        })  # fmt: skip


def _write_card(source: Path, target: Path, added: AddedItems) -> None:
    """The card of before, which says first that its figures are of another catalogue, and gives none to the hub."""
    if not source.is_file():
        return
    from huggingface_hub import ModelCard

    card = ModelCard.load(source, ignore_metadata_errors=True)
    card.data.eval_results = None
    card.text = (
        f"> **With other items than it was trained on.** `xcat catalogue` gave this checkpoint {added}. The new ones "
        "are known by their texts alone, and nothing was trained: figures below are those of the catalogue before.\n\n"
        f"{card.text.lstrip()}"
    )
    target.write_text(str(card), encoding="utf-8")

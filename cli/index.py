"""`xcat index`: the index of a checkpoint's items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..counting import counted
from .options import Columns, Encoding


def index(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    output: Annotated[Path, typer.Option(help="Folder of the index; an index in it is changed.")],
    kind: Annotated[
        Literal["exact", "hnsw", "ivfpq", "int8", "qdrant"] | None,
        typer.Option(
            help="exact (default), or approximate: hnsw, ivfpq, int8 (extra faiss), qdrant (a server, extra qdrant)."
        ),
    ] = None,
    add: Annotated[
        str | None, typer.Option(help="Items table with items to add or to change by their texts: new-items.csv.")
    ] = None,
    delete: Annotated[str | None, typer.Option(help='Ids of items to delete: A,B or A,"B, large".')] = None,
    recall: Annotated[
        float, typer.Option(help="Wanted recall at 100 of an approximate index, such as 0.95; sets its effort.")
    ] = 0.95,
    url: Annotated[str | None, typer.Option(help="Address of a Qdrant server, such as http://localhost:6333.")] = None,
    collection: Annotated[str, typer.Option(help="Collection on the server; it is replaced.")] = "xcat-items",
    columns: Columns = None,
    encoding: Encoding = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Write the index of a checkpoint's items, with its recall against the exact lists; or add and delete items.

    Nothing is trained. A damaged index is built again. xcat recommend --index uses it.

    Examples:

        xcat index my-checkpoint --kind int8 --output my-index

        xcat index my-checkpoint --output my-index --add new-items.csv --delete B004756YJA,B004ZT0SSG

        xcat recommend my-checkpoint --index my-index --history B004ZT0SSG
    """
    from ..workflows.fields import parse_columns
    from ..workflows.input_checks import check_checkpoint
    from ..workflows.output_folders import check_folder_to_write, check_other_folder
    from .recommend import entries_of
    from .usage import check_file_to_read

    check_other_folder(checkpoint, output)
    check_folder_to_write(output, f"output={str(output)!r}")
    check_checkpoint(checkpoint, revision)
    check_file_to_read("--add", add)

    from ..workflows.item_index import index_items
    from .console import messages, print_json, say

    written = index_items(
        checkpoint, output, kind=kind, add=add, delete=entries_of(delete or "", "--delete"), recall=recall, url=url,
        columns=parse_columns(columns) if columns else None, encoding=encoding, collection=collection,
        revision=revision,
    )  # fmt: skip
    for note in written.notes:
        say(f"note: {note}")
    if written.added is not None:
        say(str(written.added))
    if delete is not None:
        say(f"{counted(written.deleted, 'item')} deleted")
    messages.print(f"{written.report}; {written.bytes / 1e6:,.1f} MB: {output}", markup=False)
    if json_output:
        print_json(written.to_dict())

"""`xcat export`: ONNX graphs of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Overwrite


def export(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    data: Annotated[
        str | None,
        typer.Argument(
            help="Tables of the training, to measure the loss of NDCG; int8 needs them.", show_default=False
        ),
    ] = None,
    *,
    onnx: Annotated[Path, typer.Option(help="Folder for the ONNX graphs, such as my-checkpoint/onnx.")],
    dtype: Annotated[
        str, typer.Option(help="fp32; fp16 or bf16: weights of 16 bits; int8: text encoder in 8 bits.")
    ] = "fp32",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    overwrite: Overwrite = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Export text encoder, behaviour model and scoring steps as ONNX graphs (extra onnx).

    Every graph is compared with torch. Nothing is written if a score or a list differs, or if the loss of NDCG@10 on
    the validation split is above 1 %.

    Examples:

        xcat export my-checkpoint --onnx my-checkpoint/onnx

        xcat export my-checkpoint my-shop --onnx graphs --dtype int8
    """
    from ..workflows.input_checks import check_checkpoint as check_there

    check_there(checkpoint, revision)

    from ..workflows.export import export as export_checkpoint
    from .console import messages, print_json

    result = export_checkpoint(checkpoint, onnx, dtype=dtype, data=data, revision=revision, overwrite=overwrite)
    told = result.to_dict()
    for name, difference in told["max_difference"].items():
        messages.print(f"{name}: largest difference from torch {difference:.1e}", markup=False)
    messages.print(f"{told['bytes'] / 1e6:.1f} MB: {onnx}", markup=False)
    if json_output:
        print_json(told)

"""Export: ONNX graphs of a checkpoint, verified against torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checkpoints.adapters import is_adapter
from ..exporting.graph_export import PACKAGES, ExportResult
from ..exporting.manifest import MANIFEST_FILE
from ..modeling_xcat.hub_xcat import locate_checkpoint
from ..ranking.recommender import XCatRecommender
from ..tokenization.extras import check_packages
from ..training.evaluation_loop import VALIDATION
from .checkpoint_evaluation import evaluation_data
from .output_folders import check_folder_to_write, refuse_earlier
from .read_shop import read_shop

if TYPE_CHECKING:
    from .read_shop import ShopSource


def export(
    checkpoint: str | os.PathLike[str] | XCatRecommender,
    onnx: str | os.PathLike[str],
    *,
    dtype: str = "fp32",
    data: ShopSource | None = None,
    revision: str | None = None,
    overwrite: bool = False,
    **options: Any,
) -> ExportResult:
    """Export a checkpoint as ONNX graphs: text encoder, behaviour model, and both scoring steps.

    The graphs are compared with torch before they are written; see `write_graphs`. `xcat export` uses this module.

    Args:
        checkpoint: A folder, NAMESPACE/NAME on the hub, or a recommender.
        onnx: Folder for the graphs, such as `CKPT/onnx`.
        dtype: "fp32"; "fp16" or "bf16" for weights with 16 bits per number; "int8" for a text encoder in 8 bits.
        data: Tables of the training, to measure the loss of NDCG@10 on the validation split; "int8" needs them.
        revision: Branch, tag or commit of a hub repository.
        overwrite: Whether earlier graphs in the folder may be replaced.
        **options: Fields of `PreparationOptions` about events, as in `evaluate`.

    Returns:
        The files and the measured differences.

    Raises:
        MissingExtraError: If the extra onnx is not installed.
        OSError: If there is no such checkpoint.
        ValueError: If the checkpoint is an adapter or cannot be exported, a graph is wrong or loses too
            much, or the folder has earlier graphs.

    Example (not run: it needs a checkpoint):
        export("CKPT", "CKPT/onnx").manifest.graphs["scores"]["max_difference"]
    """
    check_folder_to_write(Path(onnx), f"onnx={str(onnx)!r}")
    refuse_earlier(Path(onnx), f"onnx={str(onnx)!r}", overwrite, (MANIFEST_FILE,))
    check_packages("ONNX export", PACKAGES, "onnx")
    if not isinstance(checkpoint, XCatRecommender):
        folder = locate_checkpoint(checkpoint, revision=revision)
        if not (folder / "config.json").is_file() and is_adapter(folder):
            raise ValueError(
                f"{checkpoint} is an adapter, which has no graphs of its own; load it onto its base, save model and "
                "processor after merge_and_unload(), and export this checkpoint"
            )
        checkpoint = XCatRecommender.from_pretrained(checkpoint, revision=revision)
    rows = None
    if data is not None:
        shop = read_shop(data, saved=checkpoint.processor.event_settings)
        rows = evaluation_data(checkpoint, shop, part=VALIDATION, **options).splits[VALIDATION]
    return checkpoint.export(onnx, dtype=dtype, rows=rows)

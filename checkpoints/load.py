"""Load a checked checkpoint: its model, its processor, and their catalogue."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from ..modeling_xcat.hub_xcat import HUB_ARGUMENTS, locate_checkpoint
from ..modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.pretrained_xcat import OWN_CLASSES
from ..tokenization.digests import catalogue_digest
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.progress import quiet_transformers
from .check import check_checkpoint
from .click_settings import check_calibration
from .indices import check_indices
from .json_files import COPY_AGAIN, read_json


def load_model(
    folder: Path, name: str, model_class: type[XCatForNextItem] = XCatForNextItem, **kwargs: Any
) -> XCatForNextItem:
    """Check a whole checkpoint, then load its model.

    Args:
        folder: The checkpoint.
        name: Name of the checkpoint in messages.
        model_class: Class of the saved model, if it is a subclass of your own.
        **kwargs: Arguments of `from_pretrained`; weights are read from safetensors, as float32 if no `dtype` is given.

    Raises:
        OSError: If a file is missing.
        ValueError: As `check_checkpoint`, `check_indices` and `check_calibration`, or if it was saved as another class
            than `model_class`.
    """
    check_checkpoint(folder, name)
    saved = set(read_json(folder, "config.json", name).get("architectures") or ())
    model_class = own_class(saved, model_class)
    others = sorted(saved - OWN_CLASSES - {model_class.__name__})
    if others:
        raise ValueError(
            f"{name} was saved as {others[0]}; as {model_class.__name__} it would be another model; "
            f"give model_class={others[0]}, the class itself"
        )
    with quiet_transformers():
        model: XCatForNextItem = model_class.from_pretrained(
            folder, **{"dtype": torch.float32, **kwargs, "use_safetensors": True}
        )
    check_indices(model, name)
    check_calibration(model, name)
    return model


def own_class(saved: Collection[str], wanted: type[XCatForNextItem] = XCatForNextItem) -> type[XCatForNextItem]:
    """The class of a checkpoint, so that nothing of it is lost.

    Args:
        saved: Names of the classes in its configuration.
        wanted: The class that a caller gives.

    Returns:
        `XCatForClickPrediction` for its checkpoints if the caller gives no class of its own, else `wanted`.
    """
    clicks = wanted is XCatForNextItem and XCatForClickPrediction.__name__ in saved
    return XCatForClickPrediction if clicks else wanted


def load_base(
    name_or_path: str | os.PathLike[str], model_class: type[XCatForNextItem] = XCatForNextItem, **kwargs: Any
) -> tuple[XCatForNextItem, XCatProcessor]:
    """Load model and processor of a whole checkpoint.

    Args:
        name_or_path: A folder, or NAMESPACE/NAME on the hub.
        model_class: Class of the saved model, if it is a subclass.
        **kwargs: Arguments of `locate_checkpoint`, and of the model's `from_pretrained`.

    Raises:
        OSError: If there is no such checkpoint.
        ValueError: If it is not a checkpoint of `xcat fit`, was saved as another class, is damaged, or was made to do
            harm.
    """
    place = {name: kwargs.pop(name) for name in HUB_ARGUMENTS if name in kwargs}
    folder = locate_checkpoint(name_or_path, **place)
    model = load_model(folder, str(name_or_path), model_class, **kwargs)
    return model, load_processor(folder, str(name_or_path))


def load_processor(folder: Path, name: str) -> XCatProcessor:
    """Load the processor of a checked checkpoint.

    Args:
        folder: The checkpoint.
        name: Name of the checkpoint in messages.

    Raises:
        OSError: If a file is missing.
        ValueError: If a file is damaged. For a damaged tokenizer, libraries raise errors of many types.
    """
    try:
        return XCatProcessor.from_pretrained(folder)
    except (OSError, ImportError):
        raise
    except Exception as error:
        if isinstance(error, ValueError) and str(folder) in str(error):
            raise
        told = " ".join(str(error).split())
        raise ValueError(f"{name}: its tokenizer or processor is damaged ({told}); {COPY_AGAIN}") from error


def bare_model(model: Any) -> XCatForNextItem:
    """The `XCatForNextItem` within a `PeftModel`, or the model itself."""
    unwrap = getattr(model, "get_base_model", None)
    bare: XCatForNextItem = model if unwrap is None else unwrap()
    return bare


def note_catalogue(model: Any, processor: Any) -> None:
    """Store a fingerprint of the catalogue in the model's configuration; see `check_digests`.

    Args:
        model: The model, or an adapter on it; other models are not changed.
        processor: Its processor.
    """
    if isinstance(processor, XCatProcessor) and isinstance(bare := bare_model(model), XCatForNextItem):
        bare.config.catalogue_digest = catalogue_digest(processor.catalogue)

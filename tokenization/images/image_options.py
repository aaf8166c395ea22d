"""Options of the images of items."""

from __future__ import annotations

from dataclasses import dataclass, fields

MOST_FRAMES = 64
"""Largest number of images per item."""


@dataclass
class ImageOptions:
    """Images of items, and the encoder that reads them.

    Args:
        images: Column of the items table with images: files (relative to the folder of the table), http(s) addresses,
            lists of them, bytes, or vectors; None for no images.
        image_encoder: Hub id or folder of the vision encoder; None or "auto" for the packaged efficientnet-lite0.
        image_frames: Images read per item, such as views of a product or frames of a video; of more, evenly spread
            ones.
        image_timeout: Seconds allowed for one download.
        image_megabytes: Largest file or download, in megabytes.
    """

    images: str | None = None
    image_encoder: str | None = None
    image_frames: int = 4
    image_timeout: float = 10.0
    image_megabytes: float = 20.0

    def __post_init__(self) -> None:
        check_image_options(self)


FIELDS = tuple(field.name for field in fields(ImageOptions))
"""Names of the options."""


def check_image_options(options: ImageOptions) -> None:
    """Refuse numbers that are out of range.

    Args:
        options: The options, or any object with these fields.

    Raises:
        ValueError: If one is.
    """
    if not 1 <= options.image_frames <= MOST_FRAMES:
        raise ValueError(f"image_frames is {options.image_frames}; give 1 to {MOST_FRAMES}")
    for name in ("image_timeout", "image_megabytes"):
        value = getattr(options, name)
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} is {value}; give a positive number")

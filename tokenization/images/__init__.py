"""Images of items: read from files, addresses and bytes, and encoded to vectors."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .image_encoder import ImageEncoder as ImageEncoder
    from .image_options import ImageOptions as ImageOptions
    from .item_images import ItemImages as ItemImages
    from .item_images import read_item_images as read_item_images

_EXPORTS = {
    "ImageOptions": ".image_options",  # column, encoder and limits
    "ImageEncoder": ".image_encoder",  # images to vectors
    "ItemImages": ".item_images",  # vectors of the items' images, and what could not be read
    "read_item_images": ".item_images",  # makes them from a column of the items table
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

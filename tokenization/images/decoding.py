"""Bytes of an image to pixels, with limits of type and size."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from ..extras import check_packages
from .fetching import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 50_000_000
"""Pixels of an image above which it is refused before it is decoded: a small file can unpack to gigabytes."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Formats that are read; others, such as PostScript, can start programs."""
_LONG_SIDE = 1024


def decode_image(content: bytes) -> Image:
    """The first frame of an image, as RGB on white, at most about 1,024 pixels wide for JPEG.

    Args:
        content: The bytes of a file.

    Raises:
        ImageError: If they are not an image of a known format, are damaged, or have too many pixels.
        MissingExtraError: If pillow is not installed.
    """
    check_packages("reading images", ["PIL"], "images")
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pillow warns at sizes that are refused below, and of broken metadata
            picture: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise ImageError(f"has {width:,} x {height:,} pixels, more than {MOST_PIXELS:,}")
            picture.draft("RGB", (_LONG_SIDE, _LONG_SIDE))  # decodes a large JPEG at a fraction of its size
            picture = ImageOps.exif_transpose(picture)
            if picture.mode in ("RGBA", "LA", "P", "PA"):
                picture = picture.convert("RGBA")
                white = Image.new("RGBA", picture.size, "white")
                picture = Image.alpha_composite(white, picture)
            return picture.convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        bomb = isinstance(error, Image.DecompressionBombError)
        raise ImageError("has too many pixels" if bomb else f"is not an image ({', '.join(FORMATS)})") from error
    except (OSError, ValueError, SyntaxError, EOFError, ArithmeticError, LookupError) as error:
        raise ImageError("is damaged") from error

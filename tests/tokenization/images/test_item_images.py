"""Vectors of item images: numbering, failures, cache, encoders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from xcat_rec.tokenization import extras
from xcat_rec.tokenization.images import item_images
from xcat_rec.tokenization.images.image_encoder import check_image_encoder, load_image_encoder
from xcat_rec.tokenization.images.image_options import ImageOptions
from xcat_rec.tokenization.images.item_images import read_item_images
from xcat_rec.tokenization.images.lite0 import lite0_folder

from ...picture_shop import BROKEN, NO_PICTURE, picture, pictured_items, save_vision_encoder

EXPECTED_PLACES = [0, 1, 2, 500, 455, 626, 1127]
EXPECTED = [0.14425, 0.0, 2.00093, 0.00077, 5.6292, 4.7988, 4.3078]


@pytest.fixture(scope="module")
def vision(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_vision_encoder(tmp_path_factory.mktemp("vision")))


def options(vision: str, column: str = "picture", **more: int) -> ImageOptions:
    return ImageOptions(column, vision, **more)


def test_images_are_numbered_and_failures_are_counted_and_named(tmp_path: Path, vision: str) -> None:
    items = pictured_items(tmp_path)
    found = read_item_images(items, options(vision), tmp_path, cache_dir=tmp_path / "cache")
    assert found.index[:6].tolist() == [[1, 2], [2, 0], [3, 0], [0, 0], [0, 0], [4, 0]]
    assert (found.num_items, found.vectors.shape) == (38, (38, 24))
    assert [(one.row, one.value) for one in found.unread] == [(BROKEN + 1, "pictures/04.png")]
    told = found.describe()
    assert told[0] == "38 of 40 items have an image in the column picture (38 distinct images)"
    assert told[1].startswith("1 image could not be read and left out: row 5 (item-04) 'pictures/04.png': is not an")
    encoder = load_image_encoder(vision)
    assert np.allclose(found.vectors[2], encoder.vectors([picture(2)])[0], atol=1e-5)
    assert items["picture"][NO_PICTURE] is None and not found.index[NO_PICTURE].any()


def test_equal_content_is_encoded_once_and_a_second_run_decodes_nothing(
    tmp_path: Path, vision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = pictured_items(tmp_path).with_columns(picture=pl.lit("pictures/07.png"))
    (tmp_path / "pictures" / "copy.png").write_bytes((tmp_path / "pictures" / "07.png").read_bytes())
    items[5, "picture"] = "pictures/copy.png"
    decoded: list[bytes] = []
    real = item_images.decode_image
    monkeypatch.setattr(item_images, "decode_image", lambda content: decoded.append(content) or real(content))
    first = read_item_images(items, options(vision), tmp_path, cache_dir=tmp_path / "cache")
    again = read_item_images(items, options(vision), tmp_path, cache_dir=tmp_path / "cache")
    assert len(decoded) == 1
    assert np.array_equal(first.vectors, again.vectors) and len(first.vectors) == 2
    (tmp_path / "pictures" / "07.png").write_bytes((tmp_path / "pictures" / "08.png").read_bytes())
    read_item_images(items, options(vision), tmp_path, cache_dir=tmp_path / "cache")
    assert len(decoded) == 2


def test_failed_images_are_tried_again(tmp_path: Path, vision: str) -> None:
    items = pictured_items(tmp_path)
    assert len(read_item_images(items, options(vision), tmp_path, cache_dir=tmp_path / "cache").unread) == 1
    picture(BROKEN).save(tmp_path / "pictures" / "04.png")
    assert not read_item_images(items, options(vision), tmp_path, cache_dir=tmp_path / "cache").unread


def test_frames_are_spread(tmp_path: Path, vision: str) -> None:
    items = pictured_items(tmp_path)
    names = [f"pictures/{n:02d}.png" for n in (7, 8, 9, 10, 11)]
    items = items.head(1).with_columns(picture=pl.lit(json.dumps(names)))
    found = read_item_images(items, options(vision, image_frames=3), tmp_path, cache_dir=tmp_path / "cache")
    encoder = load_image_encoder(vision)
    assert np.allclose(found.vectors, encoder.vectors([picture(n) for n in (7, 9, 11)]), atol=1e-5)
    assert found.rows_of(["other", "item-00"], 2).tolist() == [[0, 0], [1, 3]]


def test_vectors_need_no_encoder_and_bytes_no_files(tmp_path: Path, vision: str) -> None:
    items = pictured_items(tmp_path)
    vectors = [[float(n), 1.0] if n != NO_PICTURE else None for n in range(items.height)]
    found = read_item_images(items.with_columns(vector=pl.Series(vectors)), ImageOptions("vector"))
    assert found.encoder is None and found.vectors[:3].tolist() == [[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]
    content = [(tmp_path / "pictures" / f"{n:02d}.png").read_bytes() for n in (7, 8)]
    of_bytes = read_item_images(
        items.head(2).with_columns(picture=pl.Series(content)), options(vision), cache_dir=tmp_path / "cache"
    )
    encoder = load_image_encoder(vision)
    assert np.allclose(of_bytes.vectors, encoder.vectors([picture(7), picture(8)]), atol=1e-5)


def test_a_column_without_readable_images_is_refused(tmp_path: Path, vision: str) -> None:
    items = pictured_items(tmp_path).head(2)
    for column, message in (
        ("photo", "images is 'photo', which is not a column of the items table; it has item_id, (?!.*lacking)"),
        ("empty", "images is 'empty', and no row of this column has an image"),
        ("title", r"images is 'title', and none of its 2 images could be read: row 1 \(item-00\) .*no such file"),
    ):
        table = items.with_columns(empty=pl.lit(""), lacking=pl.lit(None, pl.String))
        with pytest.raises(ValueError, match=message):
            read_item_images(table, options(vision, column), tmp_path, cache_dir=tmp_path / "cache")


def test_options_out_of_range() -> None:
    for name, value in (("image_frames", 0), ("image_timeout", 0), ("image_megabytes", float("inf"))):
        with pytest.raises(ValueError, match=name):
            ImageOptions(**{name: value})


def test_the_packaged_encoder_has_the_features_of_the_original_code() -> None:
    """The values are those of efficientnet-lite-pytorch 0.1.0: its features, averaged over the picture."""
    encoder = load_image_encoder(None)
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randn(1, 3, 224, 224, generator=generator)
    vector = encoder.encode(pixels)[0]
    assert vector.shape == (1280,) and encoder.config.name_or_path == "efficientnet-lite0"
    assert vector[EXPECTED_PLACES].tolist() == pytest.approx(EXPECTED, abs=1e-4)


def test_the_image_part_of_a_model_of_texts_and_images_is_read(tmp_path: Path, vision: str) -> None:
    torch.manual_seed(1)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    both = CLIPModel(CLIPConfig(
        text_config={**small, "vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
        vision_config={**small, "image_size": 16, "patch_size": 8},
    )).eval()  # fmt: skip
    both.save_pretrained(tmp_path / "both")
    settings = (Path(vision) / "preprocessor_config.json").read_text()
    (tmp_path / "both" / "preprocessor_config.json").write_text(settings)
    encoder = load_image_encoder(str(tmp_path / "both"))
    pixels = torch.randn(2, 3, 16, 16)
    assert torch.allclose(encoder.encode(pixels), both.vision_model(pixel_values=pixels).pooler_output, atol=1e-5)
    (tmp_path / "both" / "preprocessor_config.json").unlink()
    with pytest.raises(OSError, match="has no image processor"):
        load_image_encoder(str(tmp_path / "both"))


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"reading images needs PIL; pip install .*images"):
        check_image_encoder(None)
    with pytest.raises(ImportError, match=r"the image encoder efficientnet-lite0 needs .*images"):
        lite0_folder()


def test_an_encoder_that_is_nowhere_is_refused() -> None:
    with pytest.raises(OSError, match=r"image_encoder='me/none' is neither a folder nor cached.*efficientnet-lite0"):
        check_image_encoder("me/none")

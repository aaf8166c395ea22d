"""Images of items from tables to checkpoints: fit, load, add items, a base, prepared folders, cards."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from transformers import AutoModel

import xcat_rec
from xcat_rec.checkpoints.load import load_base
from xcat_rec.evaluation.modalities import ModalityReport
from xcat_rec.model_cards.modality_section import modality_section
from xcat_rec.training.preparation.from_base import prepare_from_base
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.workflows.modalities import measure_modalities

from ..cli.commands import run
from ..picture_shop import BROKEN, NO_PICTURE, picture, write_picture_shop
from ..tiny_shop import QUICK, SMALL, items_table, shop

FIELDS: dict[str, Any] = {
    **SMALL, **QUICK, "num_train_epochs": 1, "split": "leave-one-out", "image_frames": 2, "num_candidates": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_picture_shop(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def encoders(places: Path) -> dict[str, Any]:
    return {"text_encoder": str(places / "encoder"), "image_encoder": str(places / "vision")}


@pytest.fixture(scope="module")
def fitted(places: Path, encoders: dict[str, Any]) -> xcat_rec.FitResult:
    told: list[str] = []
    result = xcat_rec.fit(places / "shop", places / "out", images="picture", tell=told.append, **FIELDS, **encoders)
    assert "note: 38 of 40 items have an image in the column picture (38 distinct images)" in told
    assert any(line.startswith("note: 1 image could not be read and left out: row 5 (item-04)") for line in told)
    return result


def rows_of(recommender: xcat_rec.XCatRecommender, *names: str) -> list[int]:
    return [int(row) for row in recommender.vocabulary.encode(list(names))]


def test_a_loaded_checkpoint_has_the_images_and_the_lists(fitted: xcat_rec.FitResult, places: Path) -> None:
    config = fitted.model.config
    assert (config.image_encoder_dim, config.image_dim, config.images_per_item) == (24, 24, 2)
    assert config.memory_sources == ["item_text", "item_image"] and config.modality_dropout > 0
    loaded = xcat_rec.load(places / "out")
    images = loaded.model.model.items.images
    assert torch.equal(images.states, fitted.model.model.items.images.states)
    without = rows_of(loaded, f"item-{NO_PICTURE:02d}", f"item-{BROKEN:02d}")
    assert [row for row in range(2, 42) if not images.has_image()[row]] == without
    mine, again = (one.recommend(["item-01", "item-08"], k=5) for one in (fitted.recommender, loaded))
    assert [(one.item_id, one.score) for one in mine] == [(one.item_id, pytest.approx(one.score)) for one in again]
    plain = AutoModel.from_pretrained(places / "out", trust_remote_code=True, dtype=torch.float32)
    inputs = loaded.processor([["item-01", "item-08"]])
    found, wanted = (one.score_catalogue(**inputs) for one in (plain.eval(), loaded.model))
    assert torch.allclose(found, wanted, atol=1e-5)
    evaluated = xcat_rec.evaluate(loaded, places / "shop").report.metrics["ndcg@10"]
    assert evaluated == pytest.approx(fitted.reports["XCat"].metrics["ndcg@10"])


def test_no_folder_of_this_machine_is_saved(fitted: xcat_rec.FitResult, places: Path) -> None:
    for name in ("config.json", "processor_config.json", "README.md"):
        assert str(places) not in (places / "out" / name).read_text()


def test_a_new_item_with_an_image_alone_is_known_by_it(
    fitted: xcat_rec.FitResult, places: Path, tmp_path: Path
) -> None:
    """Its picture is that of item 10, so its content is nearest to that of item 10."""
    content = io.BytesIO()
    picture(10).save(content, "PNG")
    (tmp_path / "new.png").write_bytes(content.getvalue())
    new = pl.DataFrame({
        "item_id": ["new", "bare", "item-12"], "title": [None, None, "maps number 1"],
        "brand": None, "category": None, "picture": ["new.png", "gone.png", "new.png"],
    })  # fmt: skip
    new.write_csv(tmp_path / "new.csv")
    grown = xcat_rec.add_items(places / "out", tmp_path / "new.csv", tmp_path / "grown")
    assert (grown.added.new, grown.added.pictured, grown.added.untitled) == (2, 2, 2)
    assert "gone.png" in grown.images[1] and "there is no such file" in grown.images[1]
    loaded = xcat_rec.load(tmp_path / "grown")
    images, before = loaded.model.model.items.images, fitted.model.model.items.images
    row, twin, changed, bare = rows_of(loaded, "new", "item-10", "item-12", "bare")
    assert torch.allclose(images.pooled()[row], images.pooled()[twin], atol=1e-5)
    assert torch.allclose(images.pooled()[changed], images.pooled()[twin], atol=1e-5)
    assert not images.has_image()[bare]
    kept = [row for row in range(2, 42) if row != changed]
    assert torch.allclose(images.pooled()[kept], before.pooled()[kept])
    assert loaded.model.model.neighbors.similarities[row].any()
    assert not loaded.model.model.neighbors.similarities[bare].any()
    side = loaded.ranker.items
    assert not torch.allclose(side[row], side[bare], atol=1e-3)


def test_the_command_line_adds_items_and_says_what_it_read(
    fitted: xcat_rec.FitResult, places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(11).save(tmp_path / "a.png")
    pl.DataFrame({"item_id": ["n"], "title": "boots", "brand": "", "category": "", "photo": "a.png"}).write_csv(
        tmp_path / "new.csv"
    )
    given = ["catalogue", str(places / "out"), str(tmp_path / "new.csv"), "--output", str(tmp_path / "grown")]
    assert run([*given, "--images", "photo", "--json"], capsys)["num_pictured"] == 1


def test_a_base_keeps_its_encoder_and_reads_the_images_of_other_items(
    fitted: xcat_rec.FitResult, places: Path, encoders: dict[str, Any]
) -> None:
    data = xcat_rec.load_shop(places / "shop")
    prepared, changed = prepare_from_base(data, PreparationOptions(split="leave-one-out"), str(places / "out"))
    assert changed
    before, now = fitted.model.model.items.images, prepared.model.model.items.images
    assert torch.allclose(before.pooled(), now.pooled(), atol=1e-4)
    with pytest.raises(ValueError, match=r"image_encoder='other': the base .* has its own"):
        prepare_from_base(data, PreparationOptions(image_encoder="other"), str(places / "out"))


def test_a_model_without_images_refuses_them(places: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    fields = {**FIELDS, "max_steps": 1, "text_encoder": str(places / "encoder")}
    xcat_rec.fit(shop(), plain, card=None, **{k: v for k, v in fields.items() if k != "image_frames"})
    data = xcat_rec.load_shop(places / "shop")
    with pytest.raises(ValueError, match="was trained without images; leave it out"):
        prepare_from_base(data, PreparationOptions(images="picture"), str(plain))
    with pytest.raises(ValueError, match="this model was trained without images"):
        xcat_rec.add_items(plain, places / "shop" / "items.csv", tmp_path / "grown", images="picture")


def test_prepared_images_are_those_of_the_tables(
    fitted: xcat_rec.FitResult,
    places: Path,
    encoders: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["--images", "picture", "--image-encoder", encoders["image_encoder"], "--image-frames", "2"]
    command = ["prepare", str(places / "shop"), "--output", str(tmp_path / "made"), "--split", "leave-one-out", *given]
    assert "1 image could not be read" in run([*command, "--json"], capsys)["images"]["notes"][1]
    options = PreparationOptions(text_encoder=encoders["text_encoder"], config=SMALL)
    prepared = xcat_rec.prepare_training(xcat_rec.load_shop(tmp_path / "made"), options)
    assert prepared.processor.image_settings == fitted.prepared.processor.image_settings
    images, wanted = prepared.model.model.items.images, fitted.model.model.items.images
    assert torch.allclose(images.pooled(), wanted.pooled(), atol=1e-4)
    assert prepared.model.model.image is not None and prepared.model.model.image.encoder is not None
    assert "38 of 40 items have an image in the column picture (38 distinct images)" in prepared.notes
    with pytest.raises(ValueError, match=r"images is 'photo', and the data were prepared with 'picture'"):
        xcat_rec.prepare_training(xcat_rec.load_shop(tmp_path / "made"), PreparationOptions(images="photo"))
    xcat_rec.prepare(shop(), tmp_path / "plain", split="leave-one-out")
    with pytest.raises(ValueError, match=r"prepared without images; prepare the original tables again"):
        xcat_rec.prepare_training(xcat_rec.load_shop(tmp_path / "plain"), PreparationOptions(images="picture"))


def test_vectors_are_stored_in_the_model_and_not_in_the_catalogue(encoders: dict[str, Any], tmp_path: Path) -> None:
    vectors = pl.Series("look", [[float(n % 3), float(n % 5), 1.0] for n in range(40)])
    tables = shop()
    tables.items = tables.items.with_columns(vectors)
    options = PreparationOptions(text_encoder=encoders["text_encoder"], config=SMALL, images="look")
    prepared = xcat_rec.prepare_training(tables, options)
    assert "look" not in prepared.processor.catalogue.table.column_names and "look" in tables.items.columns
    assert prepared.processor.image_settings == {"column": "look", "preprocessor": None}
    assert prepared.model.model.image.encoder is None and prepared.model.config.image_config is None
    prepared.model.save_pretrained(tmp_path / "out")
    prepared.processor.save_pretrained(tmp_path / "out")
    model, _ = load_base(tmp_path / "out")
    assert torch.equal(model.model.items.images.index, prepared.model.model.items.images.index)
    new = items_table().head(1).with_columns(pl.lit("new").alias("item_id"), pl.Series("look", [[2.0, 4.0, 1.0]]))
    grown = xcat_rec.add_items(tmp_path / "out", new, tmp_path / "grown")
    loaded = xcat_rec.load(tmp_path / "grown")
    images = loaded.model.model.items.images
    assert grown.added.pictured == 1
    assert torch.allclose(images.pooled()[42], images.pooled()[2 + 14])  # 14 % 3 and 14 % 5
    wide = new.with_columns(pl.Series("look", [[1.0, 2.0]]))
    with pytest.raises(ValueError, match=r"items, column look: vectors of 2 numbers, .* have 3"):
        xcat_rec.add_items(tmp_path / "out", wide, tmp_path / "other")


def test_the_card_says_what_was_measured(fitted: xcat_rec.FitResult, places: Path) -> None:
    card = (places / "out" / "README.md").read_text()
    section = card.partition("### Texts and images (60 of 60 users)")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-z ]+) \| (\d\.\d{4}) \| (\d\.\d{4}) \|", section, re.MULTILINE)
    assert [name for name, *_ in rows] == [
        "all", "without images", "without texts", "without both", "images of other items",
    ]  # fmt: skip
    found = measure_modalities(fitted.model, fitted.prepared.processor, fitted.prepared.splits["test"])
    assert [ndcg for *_, ndcg in rows] == [f"{report.value('ndcg@10'):.4f}" for report in found.reports.values()]
    informs = "so the images carry information" in section
    assert informs == found.images_inform
    assert ("carry no measured information" in section) == (not informs)
    assert found.whole.metrics["ndcg@10"] == pytest.approx(fitted.reports["XCat"].metrics["ndcg@10"])
    assert "was not measured" in modality_section(None, has_images=True)
    assert modality_section(None, has_images=False) == ""


def test_fewer_users_are_a_sample(fitted: xcat_rec.FitResult) -> None:
    test = fitted.prepared.splits["test"]
    found: ModalityReport = measure_modalities(fitted.model, fitted.prepared.processor, test, most_users=7)
    assert (found.whole.num_users, found.num_all_users) == (7, 60)
    assert set(found.to_dict()["conditions"]) == set(found.reports)


def test_an_evaluation_measures_texts_and_images_when_asked(
    fitted: xcat_rec.FitResult, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = xcat_rec.evaluate(places / "out", places / "shop", modalities=True)
    assert xcat_rec.evaluate(places / "out", places / "shop").modalities is None
    assert found.modalities.whole.value("ndcg@10") == pytest.approx(found.report.value("ndcg@10"))
    shown = run(["evaluate", str(places / "out"), str(places / "shop"), "--modalities", "--json"], capsys)
    assert shown["modalities"] == json.loads(json.dumps(found.modalities.to_dict()))
    with pytest.raises(ValueError, match="leave target out, or modalities"):
        xcat_rec.evaluate(places / "out", places / "shop", modalities=True, target="brand")

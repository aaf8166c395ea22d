"""No file that is shared names a folder of this machine: a home folder names its owner."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from transformers import AutoModel

import xcat_rec
from xcat_rec.cli.app import main
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.tokenization.text.default_encoder import DEFAULT_TEXT_ENCODER, packaged_copy, shared_name

from ..tiny_shop import SMALL, save_text_encoder, shop, write_shop


def texts_of(folder: Path) -> dict[str, str]:
    """Contents of the files that are text, by name; the adapter's settings have to name its base."""
    left = ("adapter_config.json", ".safetensors", ".arrow", ".parquet", ".npz")
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(left)]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_checkpoints_cards_and_reports_name_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, out = tmp_path / "home" / "anna.berg", tmp_path / "out"
    data, encoder = write_shop(home / "shop"), str(save_text_encoder(home / "encoder"))
    tables = ["--items", str(data / "items.csv"), "--events", str(data / "events.csv")]
    out.mkdir()
    commands = (
        ["fit", *tables, "--output", str(out / "model"), "--text-encoder", encoder, "--report", str(out / "fit.html"),
         "--max-steps", "1", "--hidden-size", "32", "--num-attention-heads", "2", "--max-history", "8", "--use-cpu"],
        ["prepare", str(data), "--output", str(out / "prepared"), "--json"],
        ["space", str(out / "model"), str(out / "space")],
        ["inspect", str(data), "--output", str(out / "inspection"), "--json"],
    )  # fmt: skip
    for command in commands:
        with pytest.raises(SystemExit) as stop:
            main(command)
        assert not stop.value.code, capsys.readouterr().err
    file = out / "model" / "config.json"
    made = file.read_text()
    settings = json.loads(made)
    assert settings["text_config"]["model_type"] == "bert" and "_name_or_path" not in settings["text_config"]
    for kind in ("_name_or_path", "name_or_path"):  # as older versions wrote it
        settings["text_config"][kind] = encoder
    file.write_text(json.dumps(settings))
    xcat_rec.load(out / "model").model.save_pretrained(out / "saved")
    AutoModel.from_pretrained(out / "model").config.save_pretrained(out / "settings")
    xcat_rec.fit(data, out / "adapter", base=str(out / "model"), peft="lora", max_steps=1)
    new = pl.DataFrame({"item_id": ["new"], "title": ["tents number 3"], "brand": ["brand 1"], "category": ["tents"]})
    xcat_rec.add_items(out / "model", new, out / "grown")
    file.write_text(made)
    found = texts_of(out)
    assert len(found) > 150 and {"model/README.md", "adapter/README.md", "space/app.py", "fit.html"} <= set(found)
    for name, content in found.items():
        assert str(home) not in content and "anna.berg" not in content, name
        assert str(tmp_path) not in content, name
    assert xcat_rec.load(out / "grown").recommend(["item-01"], k=3)
    assert xcat_rec.load(out / "adapter").recommend(["item-01"], k=3)


def test_the_default_encoder_has_its_name_on_the_hub_wherever_it_was_read(tmp_path: Path) -> None:
    copy = packaged_copy()
    assert copy is not None, "install the extra demo, as make test does"
    assert shared_name() == shared_name(copy) == shared_name(f"{copy}/../model") == DEFAULT_TEXT_ENCODER
    assert shared_name("me/encoder") == "me/encoder" and shared_name(str(tmp_path)) == str(tmp_path)
    for encoder in (None, copy):
        options = xcat_rec.PreparationOptions(text_encoder=encoder, config={**SMALL, "freeze_text_encoder": True})
        start = xcat_rec.prepare_training(shop(12), options)
        start.model.save_pretrained(tmp_path / "saved")
        saved = json.loads((tmp_path / "saved" / "config.json").read_text())
        assert saved["text_config"]["_name_or_path"] == DEFAULT_TEXT_ENCODER == start.text_encoder


def test_settings_of_every_depth_lose_their_folders_and_keep_their_names() -> None:
    inside = {"model_type": "bert", "_name_or_path": "me/encoder", "own": {"name_or_path": "/home/anna/x", "size": 3}}
    config = XCatConfig(text_config=inside, num_item_rows=12)
    for told in (config.to_dict(), config.to_diff_dict(), json.loads(config.to_json_string())):
        assert told["text_config"]["_name_or_path"] == "me/encoder" and told["text_config"]["own"] == {"size": 3}
    assert "anna" not in repr(config)

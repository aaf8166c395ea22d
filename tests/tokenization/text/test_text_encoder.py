"""Encoders from folders: pooling, batches, several states per text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny_shop import save_text_encoder, tiny_tokenizer
from xcat_rec.tokenization.text import text_encoder as encoder_module
from xcat_rec.tokenization.text.pooling import PoolingSettings, read_pooling
from xcat_rec.tokenization.text.text_encoder import TextEncoder

TEXTS = ["tents number 1", "maps", "boots brand 2 number 3", "", "maps number 30 brand 1 tents"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_text_encoder(tmp_path_factory.mktemp("encoder"))


def token_states(encoder: TextEncoder, text: str) -> torch.Tensor:
    tokens = tiny_tokenizer()(text, return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        states: torch.Tensor = encoder.model(**tokens).last_hidden_state[0]
    return states


@pytest.mark.parametrize("mode", ["mean", "cls", "max", "lasttoken"])
def test_each_pooling_matches_its_definition(folder: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "_BATCH_TOKENS", 12)
    encoder = TextEncoder.from_pretrained(folder, pooling=PoolingSettings(mode, normalize=True))
    found = encoder.encode_batch(TEXTS)[:, 0]
    pool = {
        "mean": lambda s: s.mean(0),
        "cls": lambda s: s[0],
        "max": lambda s: s.amax(0),
        "lasttoken": lambda s: s[-1],
    }
    wanted = torch.stack([torch.nn.functional.normalize(pool[mode](token_states(encoder, t)), dim=0) for t in TEXTS])
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


def test_several_states_are_means_over_spans(folder: Path) -> None:
    encoder = TextEncoder.from_pretrained(folder, tokens=3)
    found = encoder.encode_batch(["tents number"])[0]
    states = token_states(encoder, "tents number").numpy()  # four tokens: two spans of two
    np.testing.assert_allclose(found, [states.mean(0), states[:2].mean(0), states[2:].mean(0)], atol=1e-5)


def test_texts_are_truncated_at_the_limit_of_the_encoder(folder: Path) -> None:
    short = TextEncoder.from_pretrained(folder, max_tokens=3)
    np.testing.assert_allclose(short.encode_batch(["maps number 3"]), short.encode_batch(["maps"]), atol=1e-6)
    assert TextEncoder.from_pretrained(folder).max_tokens == 64


def test_the_cache_key_depends_on_the_settings(folder: Path, tmp_path: Path) -> None:
    encoder = TextEncoder.from_pretrained(folder)
    keys = {
        other.cache_key
        for other in (
            encoder,
            TextEncoder.from_pretrained(folder, tokens=2),
            TextEncoder.from_pretrained(folder, max_tokens=5),
            TextEncoder.from_pretrained(folder, bf16=True),
            TextEncoder.from_pretrained(folder, pooling=PoolingSettings("cls")),
        )
    }
    assert len(keys) == 5
    assert encoder.cache_key == TextEncoder.from_pretrained(folder).cache_key
    states = encoder.encode(TEXTS, tmp_path, progress=False)
    encoder.encode_batch = None  # type: ignore[method-assign,assignment]
    assert np.array_equal(encoder.encode(TEXTS[::-1], tmp_path, progress=False), states[::-1])


def write_modules(folder: Path, pooling: dict[str, object], *more: str) -> Path:
    kinds = ["Transformer", "Pooling", *more]
    modules = [
        {
            "idx": i,
            "name": str(i),
            "path": "" if not i else f"{i}_{kind}",
            "type": f"sentence_transformers.models.{kind}",
        }
        for i, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 7}))
    settings = {"prompts": {"query": "maps "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return folder


def test_a_sentence_transformers_folder_defines_its_pooling(tmp_path: Path) -> None:
    assert read_pooling(tmp_path) == PoolingSettings()
    write_modules(tmp_path, {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "Normalize")
    assert read_pooling(tmp_path) == PoolingSettings("cls", True, 7, "maps ")


def test_states_match_sentence_transformers(tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    folder = write_modules(
        save_text_encoder(tmp_path), {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    )
    peer = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    found = TextEncoder.from_pretrained(folder).encode_batch(TEXTS)[:, 0]
    np.testing.assert_allclose(found, peer.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "more", "message"),
    [
        ({"pooling_mode_weightedmean": True}, (), "pooling none is not supported"),
        ({"pooling_mode": "weightedmean"}, (), "pooling weightedmean is not supported"),
        ({"pooling_mode_mean_tokens": True}, ("Dense",), "module Dense is not supported"),
    ],
)
def test_unknown_modules_and_poolings_are_refused(
    tmp_path: Path, pooling: dict[str, object], more: tuple[str, ...], message: str
) -> None:
    write_modules(tmp_path, pooling, *more)
    with pytest.raises(ValueError, match=message):
        read_pooling(tmp_path)


def test_settings_out_of_range_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="tokens is 0"):
        TextEncoder.from_pretrained(folder, tokens=0)
    with pytest.raises(ValueError, match="pooling is 'sum'"):
        TextEncoder.from_pretrained(folder, pooling=PoolingSettings("sum"))

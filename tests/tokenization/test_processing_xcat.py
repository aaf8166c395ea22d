"""External ids and texts to model inputs; and the saved folder of the processor."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoProcessor

from xcat_rec.modeling_baselines.reading import NUM_SPECIAL_ROWS as ROWS_OF_THE_BASELINES
from xcat_rec.modeling_xcat.configuration_xcat import NUM_SPECIAL_ROWS as ROWS_OF_THE_MODEL
from xcat_rec.tokenization.digests import catalogue_digest
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

from ..tiny_shop import items_table, tiny_tokenizer


def make(**changes: Any) -> XCatProcessor:
    values: dict[str, Any] = {
        "event_types": ["buy", "view"], "max_history": 5, "num_rating_buckets": 6, "num_time_gap_buckets": 8,
        "max_text_length": 6, "text_fields": ["title", "category"],
    }  # fmt: skip
    vocabulary = ItemVocabulary(pa.table({n: items_table()[n].to_list() for n in ("item_id", "title", "category")}))
    return XCatProcessor(tiny_tokenizer(), vocabulary, **{**values, **changes})


def test_both_rooms_have_the_same_special_rows() -> None:
    assert NUM_SPECIAL_ROWS == ROWS_OF_THE_MODEL == ROWS_OF_THE_BASELINES


def same_inputs(one: XCatProcessor, other: XCatProcessor) -> None:
    arguments: dict[str, Any] = {
        "histories": [["item-03", "item-10"], ["item-39"]], "texts": ["boots number 3", None],
        "event_types": [["view", "buy"], ["view"]], "ratings": [[None, 4.0], [1.0]], "timestamps": [[5, 500], [7]],
    }  # fmt: skip
    expected, got = one(**arguments), other(**arguments)
    assert expected.keys() == got.keys() and len(expected) == 11
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_histories_become_rows_and_codes() -> None:
    batch = make()(
        [["item-00", "item-39", "item-05"], ["item-07"]],
        event_types=[["view", "buy", "swap"], ["buy"]],
        ratings=[[5, None, 2.2], [None]],
        timestamps=[[1000, 1060, None], [3]],
    )
    assert {name: batch[name].tolist() for name in batch} == {
        "item_ids": [[2, 41, 7], [0, 0, 9]],
        "attention_mask": [[1, 1, 1], [0, 0, 1]],
        "position_ids": [[0, 1, 2], [0, 0, 0]],
        "event_type_ids": [[2, 1, 0], [0, 0, 1]],
        "rating_ids": [[5, 0, 2], [0, 0, 0]],
        "time_gap_ids": [[0, 2, 0], [0, 0, 0]],
        "query_positions": [2, 5],
    }


def test_layouts_place_events_as_documented() -> None:
    histories = [["item-00"], ["item-01", "item-02"]]
    assert make()(histories, layout="left")["item_ids"].tolist() == [[0, 2], [3, 4]]
    assert make()(histories, layout="right")["item_ids"].tolist() == [[2, 0], [3, 4]]
    packed = make()([*histories, ["item-03"]], layout="packed")
    assert packed["item_ids"].tolist() == [[3, 4], [2, 5]]
    assert packed["query_positions"].tolist() == [2, 1, 3]


def test_the_latest_events_are_read() -> None:
    ids = [f"item-{i:02d}" for i in range(9)]
    assert make()([ids])["item_ids"].tolist() == [[6, 7, 8, 9, 10]]
    assert make(max_history=2)([ids])["item_ids"].tolist() == [[9, 10]]


@pytest.mark.parametrize("kinds", [[], ["buy"]])
def test_features_without_an_embedding_are_not_computed(kinds: list[str]) -> None:
    processor = make(event_types=kinds, num_rating_buckets=0, num_time_gap_buckets=0)
    batch = processor([["item-01"]], event_types=[["buy"]], ratings=[[3.0]], timestamps=[[5]])
    assert set(batch) == {"item_ids", "attention_mask", "position_ids", "query_positions"}


def test_unknown_items_keep_their_position_and_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="xcat_rec"):
        batch = make()([["item-01", "gone", "item-02"], ["lost", "item-03"]])
    assert batch["item_ids"].tolist() == [[3, 1, 4], [0, 1, 5]]
    assert [record.getMessage() for record in caplog.records] == [
        "events with an item that is not in the catalogue: 2 of 5; read as the unknown item"
    ]
    caplog.clear()
    make()([["item-01"]])
    assert not caplog.records


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"histories": "item-01"}, "got a plain string"),
        ({"histories": ["item-01", "item-02"]}, "got a plain string"),
        ({"histories": [["item-01"], []]}, "history 1 is empty"),
        ({"histories": [["item-01"]], "ratings": [[1.0, 2.0]]}, "ratings of history 0 has 2 entries for 1 events"),
        ({"histories": [["item-01"]], "ratings": [[10**400]]}, "ratings of history 0 holds a value of type int"),
        ({"histories": [["item-01"]] * 2, "timestamps": [[1]]}, "timestamps must have one list per history: 2, got 1"),
        ({"histories": [["item-01"]], "event_types": [["buy"], ["buy"]]}, "event_types must have .* 1, got 2"),
        ({"histories": [["item-01"]], "texts": "boots"}, "texts must have one entry per history: 1"),
        ({"histories": [["item-01"]], "texts": ["boots", "maps"]}, "texts must have one entry per history: 1, got 2"),
        ({"histories": [["item-01"]], "layout": "middle"}, "layout is 'middle'; give one of"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()(**arguments)


def test_a_processor_without_catalogue_raises_an_error() -> None:
    with pytest.raises(ValueError, match="no item vocabulary; pass vocabulary="):
        make(event_types=[]).__class__(tiny_tokenizer())([["item-01"]])


@pytest.mark.parametrize("layout", ["packed", "left", "right"])
def test_texts_stay_with_their_user_in_every_layout(layout: str) -> None:
    histories = [["item-00"], ["item-01", "item-02", "item-03"], ["item-04", "item-05"], ["item-06"]]
    batch = make()(histories, [["tents 1", "maps"], None, "boots number 7", []], layout=layout)
    ids, mask = batch["user_text_input_ids"], batch["user_text_attention_mask"]
    documents, width = batch["user_text_document_ids"], batch["item_ids"].shape[1]
    assert not batch["user_text_positions"].any()
    starts = (batch["attention_mask"].bool() & batch["position_ids"].eq(0)).long().cumsum(1) - 1
    found = {}
    for user, query in enumerate(batch["query_positions"].tolist()):
        row, document = query // width, int(starts.flatten()[query])
        own = (documents[row] == document).nonzero().flatten()
        found[user] = [tiny_tokenizer().decode(ids[row, i][mask[row, i].bool()]) for i in own]
    assert found == {
        0: ["[CLS] tents 1 [SEP]", "[CLS] maps [SEP]"], 1: [], 2: ["[CLS] boots number 7 [SEP]"], 3: [],
    }  # fmt: skip
    assert int(documents.ge(0).sum()) == 3
    assert not mask[documents < 0].any()


def test_long_texts_are_truncated_and_missing_texts_give_no_inputs() -> None:
    batch = make()([["item-00"]], ["tents " * 30])
    assert batch["user_text_input_ids"].shape == (1, 1, 6)
    assert "user_text_input_ids" not in make()([["item-00"], ["item-01"]], [None, []])


def test_save_and_load_keep_settings_and_catalogue(tmp_path: Path) -> None:
    processor = make()
    processor.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "processor_config.json").read_text())
    assert "vocabulary" not in saved and "tokenizer" not in saved
    assert (tmp_path / "items.arrow").is_file() and (tmp_path / "tokenizer.json").is_file()
    loaded = XCatProcessor.from_pretrained(tmp_path)
    for name in (
        "event_types", "max_history", "num_rating_buckets", "num_time_gap_buckets", "max_text_length", "text_fields",
    ):  # fmt: skip
        assert getattr(loaded, name) == getattr(processor, name) != getattr(XCatProcessor(tiny_tokenizer()), name)
    assert loaded.catalogue.table.equals(processor.catalogue.table)
    same_inputs(processor, loaded)


def test_auto_processor_loads_it_with_the_code_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    processor = make()
    processor.save_pretrained(tmp_path / "saved")
    loaded = AutoProcessor.from_pretrained(tmp_path / "saved", trust_remote_code=True)
    assert type(loaded).__name__ == "XCatProcessor"
    same_inputs(processor, loaded)


def test_a_folder_without_catalogue_is_refused(tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    (tmp_path / "items.arrow").unlink()
    with pytest.raises(OSError, match=r"items\.arrow"):
        XCatProcessor.from_pretrained(tmp_path)


def expected_digest(ids: list[str]) -> str:
    lengths = b"".join(len(i.encode()).to_bytes(4, "little") for i in ids)
    return hashlib.sha256(lengths + "".join(ids).encode()).hexdigest()


@given(st.lists(st.text(max_size=4), unique=True, max_size=6), st.data())
def test_the_fingerprint_depends_on_the_ids_and_their_order(ids: list[str], data: st.DataObject) -> None:
    """The same for any chunks and offsets of the Arrow column."""
    start = data.draw(st.integers(0, len(ids)))
    padded = pa.table({"item_id": pa.chunked_array([["before", *ids, "after"]], pa.string())}).slice(1, len(ids))
    parts = pa.concat_tables([padded.slice(0, start), padded.slice(start)])
    assert catalogue_digest(ItemVocabulary(parts)) == expected_digest(ids)
    assert catalogue_digest(ItemVocabulary(padded)) == expected_digest(ids)
    other = data.draw(st.permutations(ids))
    digest = catalogue_digest(ItemVocabulary(pa.table({"item_id": pa.array(other, pa.string())})))
    assert (digest == expected_digest(ids)) == (other == ids)


LONG = [["item-00", "item-01", "item-02"], ["item-03"], [f"item-0{i}" for i in range(7)]]


def test_the_usual_keywords_of_a_processor_work() -> None:
    using = make()
    plain = using(LONG)
    assert plain["item_ids"].shape == (3, 5) and plain["attention_mask"].sum(1).tolist() == [3, 1, 5]
    assert type(plain).__name__ == "BatchFeature" and using(LONG).to("meta")["item_ids"].is_meta
    arrays = using(LONG, return_tensors="np")
    assert all(type(value) is np.ndarray and value.tolist() == plain[name].tolist() for name, value in arrays.items())
    assert using(LONG, return_tensors=None)["item_ids"] == plain["item_ids"].tolist()
    assert using(LONG, common_kwargs={"return_tensors": "np"})["item_ids"].tolist() == plain["item_ids"].tolist()
    right = using(LONG, padding_side="right")
    assert right["item_ids"][1].tolist() == [5, 0, 0, 0, 0] and plain["item_ids"][1].tolist() == [0, 0, 0, 0, 5]
    assert all(right[name].equal(value) for name, value in using(LONG, layout="right").items())
    cut = using(LONG, max_length=2, truncation=True)
    assert cut["item_ids"].tolist() == [[3, 4], [0, 5], [7, 8]]  # the latest events
    assert using(LONG[:2], padding="max_length")["item_ids"].shape == (2, 5)
    assert using(LONG[:2], padding="max_length", max_length=4)["item_ids"].shape == (2, 4)
    assert using(LONG[:2], pad_to_multiple_of=2)["item_ids"].shape == (2, 4)
    assert using(LONG, pad_to_multiple_of=4)["item_ids"].shape == (3, 5)  # the model reads no more
    assert using([LONG[0]] * 2, padding=False, truncation=False)["item_ids"].shape == (2, 3)
    assert "attention_mask" not in using(LONG, return_attention_mask=False)
    wide = using(LONG[:1], ["boots number 3"], text_kwargs={"max_length": 3, "padding": "max_length"})
    assert wide["user_text_input_ids"].shape == (1, 1, 3)
    assert ["items", *plain] == [*using.model_input_names, "query_positions"]


def test_query_positions_depend_on_the_width() -> None:
    for keywords in ({"padding": "max_length"}, {"padding": "max_length", "padding_side": "right"}):
        batch = make()(LONG[:2], **keywords)
        assert batch["item_ids"].flatten()[batch["query_positions"]].tolist() == [4, 5]


@pytest.mark.parametrize(
    ("keywords", "error", "words"),
    [
        ({"return_tensors": "tf"}, ValueError, "return_tensors is 'tf'; give 'pt', 'np' or None"),
        ({"padding": "most"}, ValueError, "padding is 'most'"),
        ({"padding": False}, ValueError, "padding is False, and the histories have 1 to 5 events"),
        ({"truncation": False}, ValueError, "1 of 3 histories have more than 5 events, the longest 7"),
        ({"truncation": "only_second"}, ValueError, "truncation is 'only_second'"),
        ({"max_length": 6}, ValueError, "max_length is 6, and the model reads 5 events"),
        ({"max_length": 0}, ValueError, "max_length is 0"),
        ({"padding_side": "middle"}, ValueError, "padding_side is 'middle'"),
        ({"padding_side": "left", "layout": "right"}, ValueError, "layout is 'right' and padding_side 'left'"),
        ({"layout": "up"}, ValueError, "layout is 'up'"),
        ({"layout": "packed", "padding": "max_length"}, ValueError, "packed rows have no padding"),
        ({"text": ["boots"]}, TypeError, "no keyword 'text'; for texts of users use texts="),
        ({"return_offsets_mapping": True}, TypeError, "no keyword 'return_offsets_mapping'"),
        ({"text_kwargs": {"stride": 1}}, TypeError, "text_kwargs has 'stride'"),
        ({"common_kwargs": {"device": "cpu"}}, TypeError, "no keyword 'device'"),
    ],
)
def test_unsupported_keywords_are_refused_by_name(
    keywords: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make()(LONG, **keywords)

"""External ids to item indices and back, and the catalogue file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.tokenization.vocabulary import VOCABULARY_FILE, ItemVocabulary

TABLE = pa.table({
    "item_id": ["tent", "boots", "stove", "kite"],
    "title": ["A tent", "Boots", "", "Kite"],
    "category": ["camping", "shoes", "camping", None],
    "price": [10.0, None, 3.5, 1.0],
    "size": [3, 1, 3, 2],
})  # fmt: skip


@given(st.lists(st.text(max_size=5), unique=True, min_size=1, max_size=20), st.lists(st.text(max_size=5), max_size=20))
def test_ids_go_to_rows_and_back(ids: list[str], asked: list[str]) -> None:
    vocabulary = ItemVocabulary(pa.table({"item_id": pa.array(ids, pa.string())}))
    assert len(vocabulary) == len(ids) + 2 and vocabulary.num_items == len(ids)
    assert vocabulary.encode(ids).tolist() == list(range(2, len(ids) + 2))
    assert vocabulary.decode(vocabulary.encode(ids)) == ids
    assert vocabulary.encode(asked).tolist() == [ids.index(a) + 2 if a in ids else 1 for a in asked]
    assert vocabulary.encode(asked).dtype == np.int64


@pytest.mark.parametrize(
    "ids",
    [
        ["kite", "sail", "tent"],
        pa.array(["kite", "sail", "tent"]),
        pa.array(["kite", None, "tent"], pa.large_string()),
        pa.chunked_array([["kite", "sail"], ["tent"]]),
        pa.chunked_array([pa.array(["kite", "sail", "tent"], pa.string_view())]),
    ],
    ids=["list", "array", "large with null", "chunks", "view"],
)
def test_every_kind_of_ids_is_encoded(ids: object) -> None:
    rows = ItemVocabulary(TABLE).encode(ids)  # type: ignore[arg-type]
    assert isinstance(rows, np.ndarray)
    assert rows.tolist() == [5, 1, 2]


def test_numbers_as_ids_are_read_as_text() -> None:
    vocabulary = ItemVocabulary(pa.table({"item_id": [70, 7]}))
    assert vocabulary.encode(["7", "70", "007"]).tolist() == [3, 2, 1]
    assert vocabulary.encode([7]).tolist() == [3]  # type: ignore[list-item]


def test_special_rows_have_names() -> None:
    vocabulary = ItemVocabulary(TABLE)
    assert vocabulary.decode([0, 1, 5, 2]) == ["[PAD]", "[UNK]", "kite", "tent"]
    assert vocabulary.decode([]) == []
    with pytest.raises(IndexError):
        vocabulary.decode([6])


@pytest.mark.parametrize("row", [-1, 0, 1, 6])
def test_other_rows_than_items_are_refused(row: int) -> None:
    with pytest.raises(IndexError, match="items have rows 2 to 5"):
        ItemVocabulary(TABLE).item(row)


def test_columns_follow_the_items() -> None:
    vocabulary = ItemVocabulary(TABLE)
    assert vocabulary.item(4) == {"item_id": "stove", "title": "", "category": "camping", "price": 3.5, "size": 3}
    assert vocabulary.column("price").to_pylist() == [10.0, None, 3.5, 1.0]
    with pytest.raises(KeyError, match="no column 'colour'"):
        vocabulary.column("colour")


@pytest.mark.parametrize("chunks", [1, 2, 4])
def test_codes_are_dense_and_minus_one_where_missing(chunks: int) -> None:
    parts = [TABLE.slice(i * 4 // chunks, 4 // chunks) for i in range(chunks)]
    vocabulary = ItemVocabulary(pa.concat_tables(parts))
    assert vocabulary.category_codes.tolist() == [-1, -1, 0, 1, 0, -1]
    assert vocabulary.category_codes.dtype == np.int32
    assert vocabulary.categories == ["camping", "shoes"]
    codes, values = vocabulary.codes("size")
    assert codes.tolist() == [-1, -1, 0, 1, 0, 2] and values == ["3", "1", "2"]
    codes, values = vocabulary.codes("colour")
    assert codes.tolist() == [-1] * 6 and values == []


def test_a_column_without_any_value_has_no_codes() -> None:
    table = pa.table({"item_id": ["a", "b"], "category": pa.nulls(2, pa.string()), "brand": pa.nulls(2)})
    vocabulary = ItemVocabulary(table)
    assert vocabulary.category_codes.tolist() == [-1] * 4 and vocabulary.categories == []
    assert vocabulary.codes("brand")[0].tolist() == [-1] * 4


def test_a_vocabulary_without_items_still_works() -> None:
    vocabulary = ItemVocabulary(
        pa.table({"item_id": pa.array([], pa.string()), "category": pa.array([], pa.string())})
    )
    assert len(vocabulary) == 2
    assert vocabulary.encode(["x"]).tolist() == [1]
    assert vocabulary.category_codes.tolist() == [-1, -1]
    assert vocabulary.decode([0, 1]) == ["[PAD]", "[UNK]"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"sku": ["a"]}), "no column item_id; it has sku"),
        (pa.table({"item_id": ["a", None, None]}), "2 nulls in 3 rows"),
        (pa.table({"item_id": ["a", "b", "a", "a"]}), "repeats 2 ids, for example 'a'"),
    ],
)
def test_invalid_catalogue_tables_are_refused(table: pa.Table, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ItemVocabulary(table)


def test_the_file_gives_back_the_same_catalogue(tmp_path: Path) -> None:
    saved = ItemVocabulary(pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])).save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [VOCABULARY_FILE]
    for source in (tmp_path, saved, str(saved)):
        loaded = ItemVocabulary.load(source)
        assert loaded.table.equals(TABLE)
        assert loaded.encode(["stove"]).tolist() == [4]


def test_the_file_is_memory_mapped_and_can_be_replaced_while_it_is_read(tmp_path: Path) -> None:
    many = 200_000
    ItemVocabulary(pa.table({"item_id": [f"item {i}" for i in range(many)]})).save(tmp_path)
    before = pa.total_allocated_bytes()
    loaded = ItemVocabulary.load(tmp_path)
    assert pa.total_allocated_bytes() - before < (tmp_path / VOCABULARY_FILE).stat().st_size / 10
    ItemVocabulary(TABLE).save(tmp_path)
    assert loaded.decode([2, many + 1]) == ["item 0", f"item {many - 1}"]
    assert ItemVocabulary.load(tmp_path).num_items == 4


def test_more_items_go_to_the_end() -> None:
    longer = ItemVocabulary(TABLE).extended(pa.table({"item_id": ["sail"], "colour": ["red"]}))
    assert longer.encode(["tent", "kite", "sail"]).tolist() == [2, 5, 6]
    assert longer.item(6) == {
        "item_id": "sail", "title": None, "category": None, "price": None, "size": None, "colour": "red",
    }  # fmt: skip
    assert longer.column("colour").to_pylist() == [None, None, None, None, "red"]
    with pytest.raises(ValueError, match="repeats 1 ids, for example 'boots'"):
        longer.extended(pa.table({"item_id": ["boots"]}))


def test_some_columns_of_an_item_are_those_of_the_whole_item() -> None:
    table = pa.table({"item_id": ["a", "b", "c"], "price": [1.5, None, 3.0], "title": ["A", "B", "C"]})
    for chunks in (table, pa.concat_tables([table.slice(0, 1), table.slice(1)])):
        vocabulary = ItemVocabulary(chunks)
        for row, name in ((2, "a"), (3, "b"), (4, "c")):
            whole = vocabulary.table.slice(row - 2, 1).to_pylist()[0]
            assert vocabulary.item(row) == whole and whole["item_id"] == name
            assert vocabulary.values(row, ["price", "colour"]) == {"price": whole["price"]}
        for row in (0, 1, 5):
            with pytest.raises(IndexError, match="is not an item"):
                vocabulary.values(row, ["price"])

"""Reading tables from every format and object, and the demo data."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.feather
import pytest

from xcat_rec.tokenization.sources import SOURCES, load_shop, read_table, split_data
from xcat_rec.tokenization.sources.generic import load_table
from xcat_rec.tokenization.tables.schema import EVENT_SCHEMA, ITEM_SCHEMA, PROMOTION_SCHEMA, TableColumns, TableError

from .layouts import LAYOUTS, write_amazon_2023, write_tables

DATA_VARIABLE = "XCAT_TEST_DATA"
"""Environment variable with a folder of real datasets; optional."""

TABLE = pl.DataFrame({"item_id": ["007", "B12", "\u7eb8"], "title": ['A "tall", tent', "Boots\nwarm", None]})


def write_lines(path: Path) -> None:
    path.write_text(TABLE.write_ndjson(), encoding="utf-8")


def write_gz(writer: Callable[[Path], object]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        plain = path.with_suffix("")
        writer(plain)
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()

    return write


WRITERS: dict[str, Callable[[Path], object]] = {
    "items.parquet": TABLE.write_parquet,
    "items.csv": TABLE.write_csv,
    "items.tsv": lambda path: TABLE.write_csv(path, separator="\t"),
    "items.jsonl": write_lines,
    "items.ndjson": write_lines,
    "items.json": lambda path: path.write_text(TABLE.write_json(), encoding="utf-8"),
    "items.arrow": TABLE.write_ipc,
    "items.feather": lambda path: pyarrow.feather.write_feather(TABLE.to_arrow(), str(path)),
    "items.stream.arrow": TABLE.write_ipc_stream,
    "items.csv.gz": write_gz(TABLE.write_csv),
    "items.jsonl.gz": write_gz(write_lines),
    "items.parquet.gz": write_gz(TABLE.write_parquet),
    "items.arrow.gz": write_gz(TABLE.write_ipc_stream),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same_table(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    assert read_table(tmp_path / name).equals(TABLE)
    assert read_table(str(tmp_path / name)).equals(TABLE)


FRAMES: dict[str, Callable[[], object]] = {
    "polars": lambda: TABLE,
    "polars lazy": TABLE.lazy,
    "pandas": TABLE.to_pandas,
    "pandas with an index": lambda: TABLE.to_pandas().set_index(pd.Index([5, 6, 7])),
    "arrow": TABLE.to_arrow,
    "dataset": lambda: datasets.Dataset.from_dict(TABLE.to_dict(as_series=False)),
    "dataset with its rows picked": lambda: datasets.Dataset.from_dict(
        TABLE.reverse().to_dict(as_series=False)
    ).select([2, 1, 0]),
    "dict of one dataset": lambda: datasets.DatasetDict(
        {"train": datasets.Dataset.from_dict(TABLE.to_dict(as_series=False))}
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_frame_gives_the_same_table(kind: str) -> None:
    assert read_table(FRAMES[kind]()).equals(TABLE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "separator", "called"),
    [
        ("items.csv", ";", "semicolons"), ("items.csv", "\t", "tabs"), ("items.csv", "|", "bars"),
        ("items.tsv", ",", "commas"), ("items.csv.gz", ";", "semicolons"),
    ],
)  # fmt: skip
def test_another_separator_is_found_in_the_header(name: str, separator: str, called: str, tmp_path: Path) -> None:
    content = f'item_id{separator}title\r\n1{separator}"a, b; c"\r\n2{separator}d\r\n'.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    table, problems = load_table(tmp_path / name, "items")
    assert table.to_dict(as_series=False) == {"item_id": ["1", "2"], "title": ["a, b; c", "d"]}
    assert str(problems[-1]) == (
        f"items: 3 lines have {called} between their fields, which does not match the suffix; they were read so"
    )


@pytest.mark.parametrize("header", ["item_id", '"item;id"', "item_id,title;price"])
def test_no_other_separator_is_used_if_the_header_has_the_usual_one_or_none(header: str, tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(f"{header}\n1\n", encoding="utf-8")
    table, problems = load_table(tmp_path / "items.csv", "items")
    assert table.columns == [name.strip('"') for name in header.split(",")]
    assert "separator" not in {problem.kind for problem in problems}


def test_a_byte_order_mark_is_not_part_of_a_column_name(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\n1,x\n", encoding="utf-8-sig")
    assert read_table(tmp_path / "items.csv").to_dict(as_series=False) == {"item_id": ["1"], "title": ["x"]}


def test_line_ends_of_windows_are_read_without_a_note(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes(b'item_id,title\r\n1,x\r\n2,"two\r\nlines"\r\n')
    table, problems = load_table(tmp_path / "items.csv", "items")
    assert table.height == 2 and table["item_id"].to_list() == ["1", "2"] and not problems


def test_a_gap_of_pandas_is_a_gap() -> None:
    read = read_table(pd.DataFrame({"price": [1.5, None], "title": ["x", None]}))
    assert read.null_count().row(0) == (1, 1)


@pytest.mark.parametrize(
    ("values", "texts", "kind", "count"),
    [
        ([["a", 1], ["b"], None], ["['a', 1]", "['b']", None], "no_type", 2),
        ([{"size": 1}, {"size": "XL"}, {}], ["{'size': 1}", "{'size': 'XL'}", "{}"], "no_type", 3),
        ([np.eye(2, dtype=int)] * 3, ["[[1 0]\n [0 1]]"] * 3, "no_type", 3),
        ([10**20, 1, None], ["100000000000000000000", "1", None], "no_type", 2),
        ([1j, 2j, None], ["1j", "2j", None], "no_type", 2),
        ([1, ["a"], 3], ["1", "['a']", "3"], "mixed_types", 1),
        ([10**20, 1, "a"], ["100000000000000000000", "1", "a"], "mixed_types", 1),
    ],
)
def test_values_of_mixed_types_become_texts(
    values: list[object], texts: list[str | None], kind: str, count: int
) -> None:
    shop = load_shop(
        items=pd.DataFrame({"item_id": list("abc"), "title": list("abc"), "more": pd.Series(values, dtype=object)}),
        events=pd.DataFrame(
            {"user_id": ["u"] * 3, "item_id": list("abc"), "timestamp": [10**9, 10**9 + 1, 10**9 + 2]}
        ),
    )
    assert shop.items["more"].to_list() == texts
    found = {problem.kind: problem for problem in shop.problems}[kind]
    assert (found.table, found.column, found.count, found.fatal) == ("items", "more", count, False)


@pytest.mark.parametrize("names", [["item_id", "size", "size"], ["item_id", "1", 1]])
def test_a_repeated_column_of_pandas(names: list[object]) -> None:
    frame = pd.DataFrame([["a", 1.0, 1.0], ["b", None, None]], columns=pd.Index(names, dtype=object))
    table, problems = load_table(frame, "items")
    assert table.to_dict(as_series=False) == {"item_id": ["a", "b"], str(names[1]): [1.0, None]}
    assert [str(problem) for problem in problems] == [
        f"items, column {names[1]}: 2 columns repeat a name; the first was kept, they are equal"
    ]
    frame.iloc[1, 2] = 2.0
    with pytest.raises(TableError, match=r"2 columns repeat a name; they differ; keep one of them"):
        read_table(frame)


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(
    ("values", "texts", "kind", "count"),
    [
        ([["a"], {"b": 1}, ["c"]], ['["a"]', '{"b": 1}', '["c"]'], "mixed_types", 1),
        ([["a"], 5, None], ['["a"]', "5", None], "mixed_types", 1),
        ([{"b": 1}, 5, {"b": 2}], ['{"b": 1}', "5", '{"b": 2}'], "mixed_types", 1),  # 5 was lost before
        ([{"b": [1]}, {"b": {"c": 1}}, {}], ['{"b": [1]}', '{"b": {"c": 1}}', "{}"], "no_type", 3),
    ],
)
def test_json_of_several_types_in_a_field_becomes_text(
    values: list[object], texts: list[str | None], kind: str, count: int, listed: bool, tmp_path: Path
) -> None:
    rows = [json.dumps({"item_id": name, "more": value}) for name, value in zip("abc", values, strict=True)]
    (tmp_path / "items.json").write_text(f"[{','.join(rows)}]" if listed else "\n".join(rows), encoding="utf-8")
    table, problems = load_table(tmp_path / "items.json", "items")
    assert table.to_dict(as_series=False) == {"item_id": ["a", "b", "c"], "more": texts}
    assert [(p.table, p.column, p.kind, p.count, p.fatal) for p in problems] == [("items", "more", kind, count, False)]


def test_complex_and_sparse_columns_of_pandas() -> None:
    frame = pd.DataFrame({"waves": np.array([1j, 2]), "zeros": pd.arrays.SparseArray([0, 0])})
    assert read_table(frame).to_dict(as_series=False) == {"waves": ["1j", "(2+0j)"], "zeros": [0, 0]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "items.parquet",
            b"item_id,title\n",
            r"items.parquet cannot be read by its suffix: .*; check that it is complete",
        ),
        ("items.jsonl", b'{"item_id": 1', r"items.jsonl cannot be read by its suffix: "),
        (
            "items.json",
            b'[{"item_id": 1}, 2]',
            r"items.json cannot be read by its suffix: its list contains a JSON int, not an object",
        ),
        ("items.csv", b"a,b\n1,2,3\n", r"items.csv cannot be read by its suffix: "),
        ("items.csv", b"x" * 200_000 + b',y\n"', r"items.csv cannot be read by its suffix: "),
        ("items.csv", b"item_id\ncaf\xe9\xe8\xe7\n", r"items.csv cannot be read by its suffix: "),
        ("items.csv.gz", b"item_id\n1\n", r"items.csv.gz cannot be read by its suffix: "),
        ("items.docx", b"", r"items.docx has no known suffix; name it one of .parquet, .csv"),
    ],
)
def test_a_file_that_does_not_match_its_suffix_is_refused(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / name)


def test_an_empty_file_is_an_empty_table(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes(b"")
    assert read_table(tmp_path / "items.csv").is_empty()


def test_other_objects_than_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"a builtins\.list is not a table; give a file"):
        read_table([1])  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv does not exist"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match="is a folder; give a file"):
        read_table(tmp_path)
    two = datasets.DatasetDict({name: datasets.Dataset.from_dict({"a": [1]}) for name in ("train", "test")})
    with pytest.raises(ValueError, match="the dataset has the splits train, test; give one of them"):
        read_table(two)


def test_a_hub_id_is_loaded_from_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def load(name: str) -> datasets.DatasetDict:
        asked.append(name)
        return datasets.DatasetDict({"train": datasets.Dataset.from_dict({"item_id": ["a"]})})

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert read_table("somebody/items")["item_id"].to_list() == ["a"]
    assert asked == ["somebody/items"]


def test_the_error_for_an_unknown_name_mentions_files_and_the_hub() -> None:
    with pytest.raises(FileNotFoundError, match=r"somebody/nothing is not a file here, and no dataset with this name"):
        read_table("somebody/nothing")


EVENTS = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["007", "B12"], "timestamp": ["2024-01-31", "2024-02-01"]})


def test_a_folder_is_loaded_in_any_file_format(tmp_path: Path) -> None:
    TABLE.write_csv(tmp_path / "items.csv")
    EVENTS.write_parquet(tmp_path / "events.parquet")
    (tmp_path / "README.md").write_text("# items")
    shop = load_shop(tmp_path)
    assert shop.name == tmp_path.name
    assert shop.items["item_id"].to_list() == ["007", "B12", "\u7eb8"]
    assert shop.events["item_id"].to_list() == ["007", "B12"]


def test_two_tables_are_loaded() -> None:
    shop = load_shop(items=TABLE.rename({"item_id": "sku"}), events=EVENTS.rename({"item_id": "sku"}).to_pandas(),
                     columns=TableColumns(item_id="sku"))  # fmt: skip
    assert shop.events["item_id"].to_list() == ["007", "B12"]


def test_options_reach_the_validation() -> None:
    events = EVENTS.vstack(pl.DataFrame({"user_id": ["u"], "item_id": ["kite"], "timestamp": ["2024-02-02"]}))
    with pytest.raises(TableError, match="'kite'"):
        load_shop(items=TABLE, events=events)
    assert load_shop(items=TABLE, events=events, on_unknown_items="drop").events.height == 2


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"does not exist; give a file .*known sources: tables, complete-journey"
    ):
        load_shop(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="has no events table; it holds nothing"):
        load_shop(tmp_path)
    TABLE.write_csv(tmp_path / "items.csv")
    with pytest.raises(FileNotFoundError, match=r"has no events table; it holds items\.csv"):
        load_shop(tmp_path)
    EVENTS.write_csv(tmp_path / "events.csv")
    TABLE.write_parquet(tmp_path / "items.parquet")
    with pytest.raises(ValueError, match=r"has 2 items tables: items.csv, items.parquet; keep one"):
        load_shop(tmp_path)
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(FileNotFoundError, match=r"has no suffix of a table \(\.parquet"):
        load_shop(tmp_path / "notes.txt")


def test_a_single_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no events table was given"):
        load_shop(items=TABLE)
    with pytest.raises(ValueError, match="no events table was given"):
        load_shop()
    with pytest.raises(ValueError, match="give either data= or the tables items= and events="):
        load_shop("complete-journey", items=TABLE)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_recognised_and_gives_typed_tables(layout: str, tmp_path: Path) -> None:
    source, write = LAYOUTS[layout]
    write(tmp_path)
    shop = load_shop(tmp_path)
    named = load_shop(f"{source}:{tmp_path}")
    assert named.events.equals(shop.events) and named.items.equals(shop.items)
    assert dict(list(shop.items.schema.items())[: len(ITEM_SCHEMA)]) == ITEM_SCHEMA
    assert dict(list(shop.events.schema.items())[: len(EVENT_SCHEMA)]) == EVENT_SCHEMA
    assert shop.users is None or shop.users.schema["user_id"] == pl.String
    assert shop.promotions is None or shop.promotions.collect_schema() == pl.Schema(PROMOTION_SCHEMA)
    assert shop.events["timestamp"].min() == 1_700_000_000
    assert shop.card.rows["events"] == shop.events.height
    assert shop.card.users == 15 == shop.events["user_id"].n_unique()
    assert shop.card.first_event == 1_700_000_000
    assert source in ("tables", "recbole") or (shop.card.licence and shop.card.citation)


def test_every_source_has_a_layout_that_is_tested() -> None:
    of_clicks = {"fuxictr", "complete-journey-coupons", "complete-journey-exposures"}  # in test_click_sources.py
    assert {source for source, _ in LAYOUTS.values()} | of_clicks == set(SOURCES)


def test_a_folder_of_users_and_promotions_is_read_too(tmp_path: Path) -> None:
    write_tables(tmp_path)
    (tmp_path / "promotions.csv").write_text("kind,item_id,start,end\nmailer,item-01,2023-11-14,2023-11-15\n,,x,\n")
    with pytest.raises(
        TableError, match="promotions, column start: 1 row holds no time that can be read, for example"
    ):
        load_shop(tmp_path)
    (tmp_path / "promotions.csv").write_text("kind,item_id,start,end\nmailer,item-01,2023-11-14,2023-11-15\n")
    shop = load_shop(tmp_path)
    assert shop.users.rows() == [("user-00", "31"), ("user-01", "47")]
    assert shop.promotions.collect().row(0) == (
        "mailer", "item-01", None, None, None, None, None, 1_699_920_000, 1_700_006_400,
    )  # fmt: skip
    assert shop.report.rows == {"items": 40, "events": 115, "users": 2}


def test_a_dataset_dict_is_loaded() -> None:
    tables = {"items": TABLE, "events": EVENTS, "users": pl.DataFrame({"user_id": ["u", "u"], "age": [3, 4]})}
    shop = load_shop(
        datasets.DatasetDict({name: datasets.Dataset(table.to_arrow()) for name, table in tables.items()})
    )
    assert shop.items["item_id"].to_list() == TABLE["item_id"].to_list()
    assert shop.users.rows() == [("u", 3)]
    assert [problem.kind for problem in shop.problems if problem.table == "users"] == ["duplicate_user"]
    with pytest.raises(ValueError, match="no events table was given"):
        load_shop(datasets.DatasetDict({"items": datasets.Dataset(TABLE.to_arrow())}))


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        ("recbole:C:\\data", ("recbole", "C:\\data", ())),
        ("amazon-2018:here:Outdoor", ("amazon-2018", "here", ("Outdoor",))),
        ("C:\\data", (None, "C:\\data", ())),
        ("complete-journey", ("complete-journey", None, ())),
        ("elsewhere:here", (None, "elsewhere:here", ())),
    ],
)
def test_data_is_a_source_a_path_and_parts(data: str, parts: tuple[object, ...]) -> None:
    assert split_data(data) == parts


def test_unsupported_arguments_of_a_source_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="data='amazon-2018' needs a path: amazon-2018:FOLDER"):
        load_shop("amazon-2018")
    with pytest.raises(FileNotFoundError, match=r"has no reviews: no raw_review_\*\.jsonl"):
        load_shop(f"amazon-2023:{tmp_path}")
    with pytest.raises(FileNotFoundError, match=r"has no ratings\.csv; it holds nothing"):
        load_shop(f"movielens:{tmp_path}")
    with pytest.raises(FileNotFoundError, match=r"has no \.inter file"):
        load_shop(f"recbole:{tmp_path}")
    write_amazon_2023(tmp_path)
    with pytest.raises(ValueError, match="data='amazon-2023' has its own column names"):
        load_shop(tmp_path, columns=TableColumns(title="name"))
    with pytest.raises(FileNotFoundError, match="or SOURCE:FOLDER with one of the known sources: tables, complete-jo"):
        load_shop("recbole:elsewhere")


@pytest.mark.skipif(DATA_VARIABLE not in os.environ, reason=f"needs a folder of real tables in {DATA_VARIABLE}")
def test_real_tables_are_read() -> None:
    folders = [path for path in Path(os.environ[DATA_VARIABLE]).iterdir() if (path / "events.parquet").is_file()]
    assert folders
    for folder in folders:
        shop = load_shop(folder, on_unknown_items="drop")
        assert shop.events.height > 1000 and shop.card.rows["items"] == shop.items.height

"""Dirty input, case by case: each is repaired and counted in the report, or refused with one clear error."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.tables.schema import ShopTables, TableError
from xcat_rec.tokenization.tables.values import MAX_TEXT

ITEMS = "item_id,title,category,price\nA,A tent,tents,10\nB,Boots,boots,20\nC,Stove,stoves,30\n"
EVENTS = (
    "user_id,item_id,timestamp,rating\nann,A,1600000000,5\nann,B,1600000100,4\nbob,B,1600000050,3\n"
    "bob,C,1600000060,2\n"
)


@dataclass(frozen=True)
class Dirt:
    """One kind of dirt.

    Args:
        write: Writes the two tables into a folder, or returns the tables.
        repaired: Expected (kind, count) in the report; None if the tables must be refused.
        check: Condition on the repaired tables.
        error: Expected error, if they are refused.
    """

    write: Callable[[Path], dict | None]
    repaired: tuple[str, int] | None = None
    check: Callable[[ShopTables], bool] | None = None
    error: str = ""


def files(items: str | bytes = ITEMS, events: str | bytes = EVENTS, suffix: str = "csv") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name, content in (("items", items), ("events", events)):
            kind = suffix if name == "items" else "csv"
            content = content if isinstance(content, bytes) else content.encode()
            (folder / f"{name}.{kind}").write_bytes(content)

    return write


def lines(*rows: str) -> Callable[[Path], None]:
    return files("\n".join(rows) + "\n", suffix="jsonl")


def tables(items: object = None, events: object = None) -> Callable[[Path], dict]:
    plain = {"items": pd.DataFrame({"item_id": list("ABC"), "title": list("abc")}), "events": read(EVENTS)}
    given = {"items": items, "events": events}
    return lambda folder: plain | {name: table for name, table in given.items() if table is not None}


def read(text: str) -> pl.DataFrame:
    return pl.read_csv(text.encode(), infer_schema=False)


def in_days(*times: str) -> Callable[[Path], dict]:
    return lambda folder: tables(events=read(timed(*times)))(folder) | {"time_format": "excel"}


def titles(shop: ShopTables) -> list[str]:
    return shop.items["title"].to_list()


def ids(shop: ShopTables) -> list[str]:
    return shop.events["item_id"].to_list()


def times(shop: ShopTables) -> list[int]:
    return shop.events["timestamp"].to_list()


TIMES = "1600000000", "1600000100", "1600000050", "1600000060"


def timed(*new: str) -> str:
    text = EVENTS
    for old, time in zip(TIMES, new, strict=True):
        text = text.replace(old, time)
    return text


IN_MS = [f"{time}000" for time in TIMES]
LIST_ROW = json.dumps({"item_id": "A", "title": "A tent", "category": [["Camping", "Tents"], ["Sale"]]})
REST = ('{"item_id": "B", "title": "Boots"}', '{"item_id": "C", "title": "Stove"}')

CASES: dict[str, Dirt] = {
    "a byte order mark": Dirt(
        files("\ufeff" + ITEMS), ("byte_order_mark", 1), lambda shop: shop.items.columns[0] == "item_id"
    ),
    "utf-16": Dirt(
        files(ITEMS.replace("A tent", "Zelt für 2").encode("utf-16")), ("encoding", 3),
        lambda shop: titles(shop)[0] == "Zelt für 2",
    ),
    "latin-1": Dirt(
        files(ITEMS.replace("Boots", "Bottes d'été – 20 €").encode("cp1252")), ("encoding", 3),
        lambda shop: titles(shop)[1] == "Bottes d'été – 20 €",
    ),
    "gb18030": Dirt(
        files(ITEMS.replace("Boots", "登山靴，防水").encode("gb18030")), ("encoding", 3),
        lambda shop: titles(shop)[1] == "登山靴，防水",
    ),
    "utf-16 without a byte order mark": Dirt(
        files(ITEMS.replace("A tent", "Zelt für 2").encode("utf-16-be")), ("encoding", 3),
        lambda shop: titles(shop)[0] == "Zelt für 2",
    ),
    "an encoding that is not found": Dirt(
        files(ITEMS.replace("Boots", "Ботинки").encode("cp1251")),
        error=r"items\.csv cannot be read by its suffix: line 3 has the byte 0xc1, which is not UTF-8; give its",
    ),
    "one bad byte among letters in UTF-8": Dirt(
        files(ITEMS.replace("A tent", "Zelt für 2").encode().replace(b"Stove", b"Stov\xe9")),
        error=r"line 4 has the byte 0xe9, which is not UTF-8",
    ),
    "dates with the day first": Dirt(
        files(events=timed("13/09/2020 12:26", "13/09/2020", "01/10/2020", "2/10/2020 1:05 pm")), ("date_order", 4),
        lambda shop: times(shop) == [1_599_999_960, 1_599_955_200, 1_601_510_400, 1_601_643_900],
    ),
    "dates that can be read in two ways": Dirt(
        files(events=timed("01/12/2009 07:45", "02/12/2009 07:45", "03/12/2009", "05/05/2009")),
        error=r"events, column timestamp: 4 rows hold dates that can be read in two ways; is '01/12/2009 07:45' 1 "
        r"December 2009 \(time_format='day-first'\) or 12 January 2009 \(time_format='month-first'\)\? Give the",
    ),
    "days of a spreadsheet": Dirt(
        in_days("40148.3229166667", "40149", "40150.5", "40151"),
        ("timestamp_unit", 4),
        lambda shop: times(shop) == [1_259_653_500, 1_259_712_000, 1_259_841_600, 1_259_884_800],
    ),
    "numbers that may be days of a spreadsheet": Dirt(
        files(events=timed("40148.5", "40149", "40150", "40151")), ("early_timestamp", 4),
        lambda shop: times(shop) == [40_148, 40_149, 40_150, 40_151],
    ),
    "old line ends": Dirt(files(ITEMS.replace("\n", "\r")), ("line_ends", 4), lambda shop: titles(shop)[2] == "Stove"),
    "a gz file that was cut off": Dirt(
        files(gzip.compress(ITEMS.encode())[:-12], EVENTS, "csv.gz"),
        error=r"items\.csv\.gz cannot be read by its suffix: .*; check that it is complete",
    ),
    "a quote that does not close": Dirt(
        files(ITEMS.replace("Boots", '"Boots')),
        error=r"items\.csv cannot be read by its suffix: line 3 has quotes that do not close",
    ),
    "a line with too many fields": Dirt(
        files(ITEMS.replace("Boots", "Boots, brown")), error="line 3 has 5 fields and the header 4"
    ),
    "lines with too few fields": Dirt(
        files(ITEMS.replace("B,Boots,boots,20", "B,Boots,boots").replace("C,Stove,stoves,30", "C,Stove")),
        ("short_line", 2),
        lambda shop: shop.items["price"].to_list() == [10, None, None] and shop.items["category"][2] is None,
    ),
    "a short line after one with a line break": Dirt(
        files(ITEMS.replace("Boots", '"Boots,\nbrown"').replace(",stoves,30", "")),
        ("short_line", 1),
        lambda shop: titles(shop) == ["A tent", "Boots,\nbrown", "Stove"],
    ),
    "a blank line": Dirt(
        files(ITEMS.replace("B,", "\nB,")), error="items, column item_id: 1 row has no value; fill them"
    ),
    "quotes and line breaks in a title": Dirt(
        files(ITEMS.replace("Boots", '"The ""best"",\nboots\x07"')), ("control_characters", 1),
        lambda shop: titles(shop)[1] == 'The "best",\nboots',
    ),
    "blanks in the header": Dirt(files(ITEMS.replace("title", " title ")), ("padded_header", 1)),
    "a column twice and equal": Dirt(
        files("\n".join(f"{line},{line.split(',')[1]}" for line in ITEMS.splitlines())), ("repeated_header", 2),
        lambda shop: shop.items.columns.count("title") == 1 and shop.items.width == 6,
    ),
    "a column twice and different": Dirt(
        files("\n".join(line + (",title" if line.startswith("item") else ",x") for line in ITEMS.splitlines())),
        error="items, column title: 2 columns repeat a name; they differ; keep one of them",
    ),
    "a file of nothing": Dirt(files(b""), error="items: the table has no rows; give a table with at least one row"),
    "only a header": Dirt(
        files(events=EVENTS.splitlines()[0]), error="events: the table has no rows; give a table with at least one row"
    ),
    "null ids": Dirt(
        files(events=EVENTS + ",A,1600000000,1\n"), error="events, column user_id: 1 row has no value; fill them"
    ),
    "repeated item ids": Dirt(
        files(ITEMS + "A,Another,x,1\n"), error="items, column item_id: 1 row repeats an id, for example 'A'; keep one"
    ),
    "blanks around ids": Dirt(
        files(events=EVENTS.replace("ann,A", " ann ,\u3000A")), ("padded_key", 1), lambda shop: ids(shop)[0] == "A"
    ),
    "ids with separators": Dirt(
        files(ITEMS.replace("\nA,", '\n"A,1\t>",'), EVENTS.replace(",A,", ',"A,1\t>",')), ("separator_key", 1),
        lambda shop: ids(shop)[0] == "A,1\t>",
    ),
    "numbers here and texts there": Dirt(
        tables(pl.DataFrame({"item_id": [1, 2, 3], "title": list("abc")}),
               read(EVENTS.replace(",A,", ",1.0,").replace(",B,", ",2.0,").replace(",C,", ",3.0,"))),
        ("float_key", 4), lambda shop: ids(shop) == ["1", "2", "2", "3"],
    ),
    "types mixed in a column": Dirt(
        tables(pd.DataFrame({"item_id": [1, "B", 3], "title": list("abc")}),
               read(EVENTS.replace(",A,", ",1,").replace(",C,", ",3,"))),
        ("mixed_types", 1), lambda shop: ids(shop) == ["1", "B", "B", "3"],
    ),
    "no title": Dirt(files(ITEMS.replace("Boots", "  ")), ("no_title", 1), lambda shop: titles(shop)[1] == ""),
    "emoji, and half of one": Dirt(
        lines('{"item_id": "A", "title": "\\ud83d tent \\ud83c\\udfd5"}', *REST), ("control_characters", 1),
        lambda shop: titles(shop)[0] == "tent 🏕",
    ),
    "a title of a megabyte": Dirt(
        files(ITEMS.replace("Boots", "B" * 2**20)), ("long_text", 1), lambda shop: len(titles(shop)[1]) == MAX_TEXT
    ),
    "lists in lists": Dirt(
        lines(LIST_ROW, *REST), ("nested_list", 1), lambda shop: shop.items["category"][0] == "Camping > Tents"
    ),
    "lists written as text": Dirt(
        files(ITEMS.replace("tents", "\"['Camping', 'Tents']\"")), ("listed_text", 1),
        lambda shop: shop.items["category"].to_list() == ["Camping > Tents", "boots", "stoves"],
    ),
    "json with NaN": Dirt(
        lines('{"item_id": "A", "title": "a", "price": NaN}', *REST), ("nan_number", 1),
        lambda shop: shop.items["price"].null_count() == 3,
    ),
    "json with a broken line": Dirt(
        lines('{"item_id": "A", "title": "a"}', '{"item_id": "B", "tit', REST[1]),
        error=r"items\.jsonl cannot be read by its suffix: line 2 is not JSON: ",
    ),
    "ratings that are NaN": Dirt(
        files(events=EVENTS.replace(",5\n", ",NaN\n")), ("nan_number", 1),
        lambda shop: shop.events["rating"][0] is None,
    ),
    "ratings that are words": Dirt(
        files(events=EVENTS.replace(",5\n", ",good\n")), ("not_numeric", 1),
        lambda shop: shop.events["rating"].to_list() == [None, 4, 3, 2],
    ),
    "times in milliseconds": Dirt(
        files(events=timed(*IN_MS)), ("timestamp_unit", 4), lambda shop: shop.events["timestamp"][0] == 1_600_000_000
    ),
    "times in days": Dirt(
        files(events=timed("1", "2", "2", "700")), ("early_timestamp", 4),
        lambda shop: shop.events["timestamp"].to_list() == [1, 2, 2, 700],
    ),
    "seconds and milliseconds": Dirt(
        files(events=timed(TIMES[0], IN_MS[1], *TIMES[2:])),
        error="events, column timestamp: 1 row is in another unit than the rest, .* '9999999999999' .masked, row 2.",
    ),
    "times before 1970": Dirt(
        files(events=timed("-5", *TIMES[1:])),
        error="events, column timestamp: 1 row holds no time that can be read, .* '-9' .masked, row 1.; write",
    ),
    "times to come": Dirt(
        files(events=timed("32503680000", *TIMES[1:])),
        error="events, column timestamp: 1 row is in the future, .* '99999999999' .masked, row 1.; events",
    ),
    "events of unknown items": Dirt(
        files(events=EVENTS.replace("ann,A", "ann,Z")),
        error="events, column item_id: 1 row has an item that the items table lacks, for example 'Z'; add the items",
    ),
    "repeated events": Dirt(
        files(events=EVENTS + EVENTS.splitlines()[1] + "\n"), ("repeated_event", 1),
        lambda shop: shop.events.height == 5,
    ),
}  # fmt: skip


def test_there_are_at_least_thirty() -> None:
    assert len(CASES) >= 30
    assert all((case.repaired is None) == bool(case.error) for case in CASES.values())


@pytest.mark.parametrize("name", CASES)
def test_dirty_input_is_repaired_and_counted_or_refused_with_one_error(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    given = case.write(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    if case.repaired is None:
        with pytest.raises(ValueError, match=case.error) as caught:
            load_shop(**given) if given else load_shop(tmp_path)
        if isinstance(caught.value, TableError):
            fatal = [problem for problem in caught.value.problems if problem.fatal]
            assert len({problem.table for problem in fatal}) == 1
        assert len(str(caught.value)) < 2_000
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        return
    shop = load_shop(**given) if given else load_shop(tmp_path)
    kind, count = case.repaired
    found = {problem.kind: problem.count for problem in shop.report.problems}
    assert found.get(kind) == count, f"the report has {found}"
    assert case.check is None or case.check(shop)
    told = next(problem for problem in shop.report.to_dict()["problems"] if problem["kind"] == kind)
    assert told["count"] == count and told["remedy"]
    assert f"note: {next(p for p in shop.report.problems if p.kind == kind)}" in str(shop.report).splitlines()
    assert len(str(shop.report)) < 2_000
    json.dumps(shop.report.to_dict())


def test_the_first_short_line_is_named_and_empty_fields_do_not_count(tmp_path: Path) -> None:
    files(ITEMS.replace(",stoves,30", "").replace("boots,20", "boots,"))(tmp_path)
    (problem,) = load_shop(tmp_path).report.problems
    assert str(problem) == (
        "items: 1 line had too few fields, for example 'line 4 with 2 of 4 fields'; missing fields were left empty"
    )
    quoted = ITEMS.replace("Boots", '"Boots, brown"').replace(",20", ",").replace(",30", ",")
    (tmp_path / "items.csv").write_text(quoted)
    assert load_shop(tmp_path).report.problems == ()


def test_clean_tables_have_nothing_to_report(tmp_path: Path) -> None:
    files()(tmp_path)
    shop = load_shop(tmp_path)
    assert shop.report.problems == ()
    assert str(shop.report) == f"tables of {tmp_path.name}: 3 items, 4 events"
    assert shop.report.to_dict() == {"name": tmp_path.name, "rows": {"items": 3, "events": 4}, "problems": []}

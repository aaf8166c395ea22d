"""Values of customers in errors and reports are masked, unless unmasked ones are requested."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from xcat_rec.cli.app import main
from xcat_rec.tokenization.inspection.inspect import inspect_shop
from xcat_rec.tokenization.inspection.page import inspection_card
from xcat_rec.tokenization.interests.opinions import read_statements
from xcat_rec.tokenization.masking import holds_values, is_moment, looks_personal, mask
from xcat_rec.tokenization.out_of_core.chunks import EventFacts
from xcat_rec.tokenization.sequences.build import build_splits
from xcat_rec.tokenization.sources import load_shop
from xcat_rec.tokenization.tables.problems import TableError, TableProblem, values_shown
from xcat_rec.tokenization.tables.schema import ShopTables, TableColumns, validate_tables
from xcat_rec.tokenization.vocabulary import ItemVocabulary

from ..personal_shop import PLANTED, emails, found_in, personal_events, phones, write_personal_shop
from ..tiny_shop import events_table, items_table

PERSON = "Zoë Øverland-001 <zoë.001@post.example>, +49 1577 5550037"


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("a.b@c.de", "x.x@x.xx"), ("Müşerref Çelikkol", "Xxxxxxxx Xxxxxxxx"), ("张伟", "xx"), (None, "Xxxx"),
        (1577555, "9999999"), ("٣٤", "99"), ("🎂", "x"), ("\u200bab", "\u200bxx"), ("a\x00", "x\x00"),
        ("x" * 41, "x" * 40 + "... (41 characters)"), ([1, "b"], "[9, 'x']"),
    ],
)  # fmt: skip
def test_a_shape_has_no_letter_and_no_digit(value: object, shape: str) -> None:
    assert mask(value) == shape


def test_shapes_of_planted_texts_reveal_nothing() -> None:
    for text in PLANTED:
        kept = set(mask(text)) - set("xX9 .,+-@")
        assert not kept and not is_moment(text)


@pytest.mark.parametrize("column", ["timestamp", "order", "is_target", "user_id"])
def test_errors_about_columns_of_users_show_shapes_and_rows(column: str) -> None:
    plain = {"timestamp": "2024-01-31", "order": "3", "is_target": "true"}
    values: list[Any] = [plain.get(column)] * 4
    if column == "user_id":
        log = pl.DataFrame({"user_id": [[PERSON]] * 4, "item_id": ["a"] * 4, "order": range(4)})
    else:
        values[2] = PERSON
        log = pl.DataFrame({"user_id": ["u"] * 4, "item_id": ["a"] * 4, "order": range(4), column: values})
    with pytest.raises(TableError) as caught:
        validate_tables(pl.DataFrame({"item_id": ["a"]}), log)
    told = str(caught.value)
    assert "Zoë" not in told and "5550037" not in told and PERSON not in repr(caught.value.problems)
    if column != "user_id":
        assert f"'{mask(PERSON)}' (masked, row 3)" in told
        assert PERSON in str(caught.value.with_values())
        with pytest.raises(TableError, match=r"Zoë"), values_shown():
            validate_tables(pl.DataFrame({"item_id": ["a"]}), log)


def shop() -> ShopTables:
    people = pl.DataFrame({"user_id": [*emails(), *emails()[:2]], "phone": [*phones(), *phones()[:2]]})
    return validate_tables(items_table(), personal_events(), users=people)


def test_repairs_are_reported_without_values() -> None:
    report = shop().report
    kinds = {problem.kind for problem in report.problems if problem.private}
    assert kinds >= {"control_characters", "padded_key", "not_numeric", "single_event_user", "duplicate_user"}
    assert not found_in(str(report)) and not found_in(str(report.problems))
    assert not found_in(json.dumps(report.to_dict(), ensure_ascii=False))
    assert found_in(report.describe(show_values=True)) and found_in(str(report.to_dict(show_values=True)))
    log = personal_events()
    for problem in report.problems:
        if problem.kind in ("control_characters", "padded_key", "not_numeric"):
            assert problem.row is not None and log[problem.column][problem.row - 1] == problem.example
    single = next(problem for problem in report.problems if problem.kind == "single_event_user")
    assert single.row is not None and log["user_id"][single.row - 1].strip("\u200b ") == single.example


def test_examples_of_items_are_not_masked() -> None:
    items = pl.concat([items_table(), items_table().head(1)])
    with pytest.raises(TableError, match="column item_id: 1 row repeats an id, for example 'item-00'; keep"):
        validate_tables(items, events_table())
    log = events_table().with_columns(item_id=pl.col("item_id").replace({"item-03": "kite"}))
    with pytest.raises(TableError, match="have an item that the items table lacks, for example 'kite'; add"):
        validate_tables(items_table(), log)


def test_a_masked_issue_stays_masked() -> None:
    problem = TableProblem("users", "mail", "not_numeric", 1, PERSON, "write numbers", False, row=7)
    again = TableProblem(**problem.to_dict())
    assert str(again) == str(problem) and PERSON not in again.describe(show_values=True)
    open_again = TableProblem(**problem.to_dict(show_values=True))
    assert str(open_again) == str(problem) and PERSON in open_again.describe(show_values=True)
    facts = EventFacts.from_dict(EventFacts(problems=[problem]).to_dict())
    assert facts.problems == [problem]


def test_inspection_shows_values_on_request_and_the_card_never() -> None:
    tables = shop()
    assert not found_in(str(inspect_shop(tables)))
    report = inspect_shop(tables, show_values=True)
    assert found_in(str(report.to_dict()))
    assert not found_in(inspection_card(report, tables.card))


def test_splits_times_and_kinds_are_masked() -> None:
    tables = validate_tables(items_table(), events_table().with_columns(split=pl.lit(PERSON)))
    vocabulary = ItemVocabulary(items_table().select("item_id").to_arrow())
    with pytest.raises(ValueError, match=r"360|rows have a value that is not a split") as caught:
        build_splits(tables, vocabulary, tables.event_type_names(), split="column")
    assert "Zoë" not in str(caught.value) and "(masked)" in str(caught.value)
    log = events_table().with_columns(timestamp=pl.lit("2024-01-31"), review_text=pl.lit(PERSON))
    log = log.with_columns(timestamp=pl.when(pl.int_range(pl.len()) == 4).then(pl.lit(PERSON)).otherwise("timestamp"))
    with pytest.raises(ValueError, match=r"1 of \d+ rows hold no time .* \(masked, row 5\)") as caught:
        read_statements(log)
    assert "Zoë" not in str(caught.value)


def test_a_column_of_people_is_refused_as_event_types() -> None:
    log = pl.concat([events_table()] * 2).with_columns(
        event_type=pl.format("anna.{}@post.example", pl.int_range(pl.len()))
    )
    with pytest.raises(
        TableError, match=r"event_type: \d+ different values, .*'xxxx.9@xxxx.xxxxxxx' \(masked, row 1\)"
    ):
        validate_tables(items_table(), log)


def test_objects_of_pandas_and_json_are_masked(tmp_path: Path) -> None:
    log = events_table().to_pandas()
    log["note"] = pd.Series([PERSON if n % 2 else n for n in range(len(log))], dtype=object)
    told = str(load_shop(items=items_table().to_pandas(), events=log).report)
    assert "column note" in told and "Zoë" not in told
    items_table().write_csv(tmp_path / "items.csv")
    (tmp_path / "events.json").write_text(json.dumps([PERSON, {"user_id": "u"}]))
    with pytest.raises(ValueError, match="its list contains a JSON str, not an object") as caught:
        load_shop(tmp_path)
    assert "Zoë" not in str(caught.value)


@pytest.mark.parametrize("command", ["inspect", "prepare", "fit"])
def test_commands_show_values_on_request(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_personal_shop(tmp_path / "shop")
    log = personal_events().with_columns(timestamp=pl.col("customer"))
    log.write_csv(folder / "events.csv")
    for shown in (False, True):
        option = ["--show-values"] if shown else []
        with pytest.raises(SystemExit) as stop:
            main([command, str(folder), "--output", str(tmp_path / "out"), *option])
        told = capsys.readouterr()
        assert stop.value.code == 2 and "hold no time that can be read" in told.err
        assert bool(found_in(told.err)) == shown and not found_in(told.out)


def test_prepare_prints_values_on_request_and_writes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_personal_shop(tmp_path / "shop")
    with pytest.raises(SystemExit):
        main(["prepare", str(folder), "--output", str(tmp_path / "out"), "--show-values"])
    assert found_in(" ".join(capsys.readouterr().err.split()))
    manifest = (tmp_path / "out" / "preparation.json").read_text()
    assert not found_in(manifest) and '"masked": true' in manifest


def test_a_file_without_a_header_does_not_name_its_first_customer(tmp_path: Path) -> None:
    items_table().write_csv(tmp_path / "items.csv")
    (tmp_path / "events.csv").write_text(f"{PERSON.replace(',', '')},item-01,1600000000\nb@c.de,item-02,1600000001\n")
    with pytest.raises(TableError, match="its first line seems to hold values; write column names") as caught:
        load_shop(tmp_path)
    assert "Zoë" not in str(caught.value) and "5550037" not in str(caught.value)
    with pytest.raises(ValueError, match="with ids such as 'xxxx-99'") as caught:
        read_statements(events_table()).of_user("nobody")
    assert "user-0" not in str(caught.value) and "nobody" not in str(caught.value)


def test_a_damaged_file_is_reported_with_its_line(tmp_path: Path) -> None:
    items_table().write_csv(tmp_path / "items.csv")
    head = "user_id,item_id,timestamp,review\n"
    mail = emails()[3]
    for content in (
        f"{head}{mail},item-01,1,text,more,{mail}\n", f'{head}"{mail},item-01,1\nx,item-02,2\n',
        f'{head}u,item-01,1,"he "{mail}" said\nx,item-02,2,"q"\n',
    ):  # fmt: skip
        (tmp_path / "events.csv").write_text(content)
        with pytest.raises(ValueError, match="line 2 has") as caught:
            load_shop(tmp_path)
        assert not found_in(str(caught.value)) and "kundenpost" not in str(caught.value)


PERSONAL = [
    *emails()[:3], *phones()[:3], "anna@example.com", "anna.berg+shop@post.example.co.uk", "李雷@例子.中国",
    "Anna <a@b.de>", "+49 1577 5550037", "0170-555-1234", "(555) 123-4567", "555-123-4567", "555.123.4567",
    "13812345678", "call 138 1234 5678", "Anna, +33 1 23 45 67 89", "1577555", "1600000000",
]  # fmt: skip
NAMES = [
    "user_id", "Customer ID", "客户编号", "@timestamp", "@version", "2024-01-31", "31.01.2024", "2024-01-31 12:00:00",
    "sales_20240131", "20240131", "sales 20240131", "2023/2024", "2023-2024", "ndcg@10", "price in 2024 (EUR)", "1",
    "123456", "unit_price_1000000", "Q1 2024", "a/b", "sku:12345", "0-17", "2024-01-01 - 2024-01-31", "",
    "col_0170555123",
]  # fmt: skip


def test_names_that_look_personal_and_names_that_do_not() -> None:
    assert [name for name in PERSONAL if not looks_personal(name)] == []
    assert [name for name in NAMES if looks_personal(name)] == []
    assert holds_values(["sku", PERSONAL[0]]) and not holds_values(["@timestamp", "user_id"])


@pytest.mark.parametrize("table", ["items", "events", "users", "promotions"])
def test_a_table_with_a_personal_name_of_a_column_is_refused(table: str) -> None:
    for name in (emails()[0], phones()[0]):
        tables = {"items": items_table(), "events": events_table(), "users": pl.DataFrame({"user_id": emails()})}
        tables["promotions"] = pl.DataFrame({"item_id": ["item-01"], "start": [1_600_000_000]})
        tables[table] = tables[table].with_columns(pl.lit(1).alias(name))
        with pytest.raises(TableError) as caught:
            validate_tables(**tables)
        told = str(caught.value)
        shape = mask(name)
        assert f"{table}, column {shape}: 1 name of columns looks like an e-mail address or a number of" in told
        assert "rename it, or write a line with names" in told
        assert not found_in(told) and not found_in(repr(caught.value.problems))


def test_a_mapping_to_a_personal_name_is_not_repeated() -> None:
    columns = TableColumns(user_id=emails()[0])
    for log in (events_table(), events_table().rename({"user_id": emails()[0]})):
        with pytest.raises(TableError) as caught:
            validate_tables(items_table(), log, columns)
        assert not found_in(str(caught.value)) and mask(emails()[0]) in str(caught.value)


def test_an_event_type_that_looks_personal_is_refused() -> None:
    log = events_table().with_columns(event_type=pl.lit("buy"))
    log = log.with_columns(
        event_type=pl.when(pl.int_range(pl.len()) == 2).then(pl.lit(emails()[0])).otherwise("event_type")
    )
    with pytest.raises(TableError, match=r"event_type: 1 of its values looks like .*\(masked, row 3\)") as caught:
        validate_tables(items_table(), log)
    assert not found_in(str(caught.value))


COMMANDS: dict[str, list[str]] = {
    "fit": ["--output"], "inspect": ["--output"], "prepare": ["--output"], "guess": [],
    "bench": ["--models", "popularity", "--output"],
}  # fmt: skip


# A bench starts a process, which loads the libraries again, so two of its three cases are slow.
BY_HEADER = [
    pytest.param(command, header, marks=[pytest.mark.slow] if command == "bench" and header != "extra" else [])
    for header in ("extra", "mapped", "none")
    for command in COMMANDS
]


@pytest.mark.parametrize(("command", "header"), BY_HEADER)
def test_commands_write_nothing_of_a_table_with_a_personal_name(
    command: str, header: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, mail = tmp_path / "shop", emails()[0]
    folder.mkdir()
    items_table().write_csv(folder / "items.csv")
    log = events_table()
    names = ["--columns", f"user_id={mail}"] if header == "mapped" else []
    if header == "extra":
        log = log.with_columns(pl.lit("x").alias(mail))
    elif header == "mapped":
        log = log.rename({"user_id": mail})
    else:
        log = log.with_columns(user_id=pl.lit(mail), phone=pl.lit(phones()[0]))
    log.write_csv(folder / "events.csv", include_header=header != "none")
    out = [str(tmp_path / "out.json")] if COMMANDS[command] else []
    given = ["--guess-columns"] if command == "guess" else names
    with pytest.raises(SystemExit) as stop:
        main(["inspect" if command == "guess" else command, str(folder), *COMMANDS[command], *out, *given])
    told = capsys.readouterr()
    assert stop.value.code == 2
    assert re.search("names? of columns looks? like an e-mail address", " ".join(told.err.split()))
    assert not found_in(told.err) and not found_in(told.out)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent != folder]
    assert not [path for path in written if found_in(path.read_bytes().decode(errors="ignore"))]

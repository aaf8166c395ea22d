"""The data-quality report: its numbers by hand, its page and its card."""

from __future__ import annotations

import json
import re
import sys

import datasets
import polars as pl
import pytest
import yaml

from xcat_rec.cli.app import main
from xcat_rec.tokenization.inspection.inspect import count_leaks, inspect_shop
from xcat_rec.tokenization.inspection.page import inspection_card, inspection_page
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.workflows.inspect import inspect

from ...tiny_shop import write_shop

DAY, YEAR_2000 = 86_400, 946_684_800


@pytest.fixture
def shop() -> ShopTables:
    """Two users: ann has categories x, x, y, x and a repeated item, bob has one event; one item has no events."""
    items = pl.DataFrame({
        "item_id": ["a", "b", "c", "d"], "title": ["Tent", "Tent", None, "Map <1:50>"],
        "category": ["x", "x", "y|z", None], "price": [1.0, None, 2.0, 3.0],
    })  # fmt: skip
    events = pl.DataFrame({
        "user_id": ["ann", "bob", "ann", "ann", "ann"], "item_id": ["a", "a", "b", "c", "a"],
        "event_type": ["buy", "view", "buy", "buy", "buy"],
        "timestamp": [YEAR_2000 + n * DAY for n in (1, 5, 2, 40, 41)],
    })  # fmt: skip
    return validate_tables(items, events, name="corner $hop")


def test_numbers(shop):
    found = inspect_shop(shop)
    assert found.rows == {"items": 4, "events": 5} and found.users == 2
    assert found.lengths["q0"] == 1 and found.lengths["q100"] == 4 and found.lengths["mean"] == 2.5
    assert found.length_histogram == [[1, 1], [2, 0], [4, 1]]
    assert found.items_without_events == 1
    assert found.popularity[-1] == [0.75, 1.0] and found.popularity[0] == [0.25, 0.6]
    assert found.top_shares == {"top_1%": 0.6, "top_10%": 0.6, "top_50%": 0.8}
    assert found.categories == [
        {"category": "x", "items": 2, "events": 4}, {"category": "y|z", "items": 1, "events": 1},
    ]  # fmt: skip
    assert found.uncategorised == 1
    assert found.switch_rate == pytest.approx(2 / 3)
    assert found.repeat_rate == pytest.approx(1 / 5)
    assert found.event_types == {"buy": 4, "view": 1}
    assert found.missing == {"title": 1, "description": 4, "category": 1, "brand": 4, "price": 1}
    assert found.duplicates == {"repeated_events": 0, "items_sharing_a_title": 2, "distinct_titles": 2}
    assert (found.first_event, found.last_event) == (YEAR_2000 + DAY, YEAR_2000 + 41 * DAY)
    assert found.by_month == {"2000-01": 3, "2000-02": 2}
    assert found.split == "leave-one-out" and found.split_rows == {"train": 1, "validation": 1, "test": 1}
    assert set(found.leaks.values()) == {0}
    assert {problem["kind"] for problem in found.problems} == {"no_title", "single_event_user"}
    json.dumps(found.to_dict(), allow_nan=False)


def test_leaks_are_found():
    def part(user: str, items: list[int], targets: list[int] | None = None) -> datasets.Dataset:
        row = {"user_id": [user], "items": [items], "timestamps": [list(range(len(items)))]}
        return datasets.Dataset.from_dict(row if targets is None else {**row, "targets": [targets]})

    clean = {"train": part("u", [2, 3]), "validation": part("u", [2, 3], [4]), "test": part("u", [2, 3, 4], [5])}
    assert set(count_leaks(datasets.DatasetDict(clean)).values()) == {0}
    late = {**clean, "train": part("u", [2, 3, 4, 5])}
    assert count_leaks(datasets.DatasetDict(late))["late_training_events"] == 3
    twice = {**clean, "test": clean["validation"]}
    assert count_leaks(datasets.DatasetDict(twice))["rows_in_both"] == 1
    doubled = {**clean, "train": datasets.concatenate_datasets([clean["train"]] * 2)}
    assert count_leaks(datasets.DatasetDict(doubled))["repeated_users"] == 1


def test_page_is_one_file_and_safe(shop):
    report = inspect_shop(shop)
    report.name = "<script>alert(1)</script>"
    page = inspection_page(report)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert page.count("<svg") == 4 and page.endswith("</html>\n")
    # Names of XML schemas are the only addresses, and nothing is loaded.
    loaded = re.findall(r"(?:src|href)=\"(?!#)[^\"]*\"", page)
    assert all(address.startswith('xlink:href="#') or 'href="#' in address for address in loaded)
    assert re.search(r"\d users? ha(?:s|ve) one event only", page)


def test_page_lists_decisions(shop):
    page = inspection_page(inspect_shop(shop))
    assert "<h2>Decisions before training</h2><ul><li>1 of 5 events has a type that is not predicted" in page
    assert "buy (predicted); view (context only)" in page
    together = shop.events.with_columns(pl.lit(YEAR_2000).alias("timestamp"), pl.lit("buy").alias("event_type"))
    baskets = validate_tables(shop.items, together.select("user_id", "item_id", "event_type", "timestamp"))
    assert "give split=&#x27;last-basket&#x27;" in inspection_page(inspect_shop(baskets, "leave-one-out"))


def test_roles_can_be_given(shop):
    found = inspect_shop(shop, target_event_types=["buy"], negative_event_types=["view"])
    assert found.event_roles == {"buy": "target", "view": "negative"}
    with pytest.raises(ValueError, match="target_event_types has 'sale', which is not an event type of the events"):
        inspect_shop(shop, target_event_types=["sale"])


def test_card_can_be_read_by_the_hub(shop):
    card = inspection_card(inspect_shop(shop), shop.card)
    _, head, body = card.split("---\n", 2)
    told = yaml.safe_load(head)
    assert told["pretty_name"] == "corner $hop"
    assert told["configs"] == [
        {"config_name": "items", "data_files": "items.parquet"},
        {"config_name": "events", "data_files": "events.parquet", "default": True},
    ]
    assert "## Decisions before training\n\n- 1 of 5 events has a type that is not predicted" in body
    assert "| y\\|z | 1 |" in body and "| train | 1 |" in body


def test_command(tmp_path, capsys):
    data = write_shop(tmp_path / "shop")
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(data), "--output", str(tmp_path / "report"), "--json"])
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    told = json.loads(shown.out.splitlines()[-1])
    assert told["users"] == 60 and told["rows"]["items"] == 40 and told["url"] is None
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["README.md", "report.html"]
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(data), "--output", str(tmp_path / "report")])
    assert not stop.value.code and "boots" in capsys.readouterr().out


def test_command_takes_roles(tmp_path, capsys):
    data = write_shop(tmp_path / "shop")
    events = pl.read_csv(data / "events.csv")
    kinds = pl.Series("event_type", ["buy", "buy", "call", "view"]).gather(pl.arange(events.height, eager=True) % 4)
    events.with_columns(kinds).write_csv(data / "events.csv")
    given = ["--target-event-types", "buy,call", "--negative-event-types", "view"]
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(data), "--output", str(tmp_path / "report"), *given, "--json"])
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    told = json.loads(shown.out.splitlines()[-1])
    assert told["event_roles"] == {"buy": "target", "call": "target", "view": "negative"}
    assert "buy, call (predicted); view (negative, context only)" in (tmp_path / "report" / "report.html").read_text()


def test_bad_input(tmp_path, capsys):
    data = write_shop(tmp_path / "shop")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "README.md").write_text("mine")
    for arguments, message in (
        ([str(data), "--output", str(tmp_path / "own")], "a README.md that is not from a report"),
        ([str(data), "--output", str(data / "items.csv")], "is a file; give a folder"),
        ([str(data), "--output", str(tmp_path / "new"), "--push", "me"], "give NAMESPACE/NAME"),
        ([str(tmp_path / "none"), "--output", str(tmp_path / "new")], "does not exist"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["inspect", *arguments])
        assert stop.value.code == 2 and message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "new").exists()


TITLES = ["手工绘制陶瓷马克杯礼盒装" * 5, "厨房用品 > 陶瓷", "اكسسوارات", "かばん", "🎂 $5 & <up>"]


@pytest.mark.filterwarnings("error")
def test_texts_of_any_script_stay_texts_in_the_plots(shop):
    items = shop.items.with_columns(category=pl.Series(TITLES[:4]))
    events = pl.concat([shop.events, shop.events.tail(1).with_columns(item_id=pl.lit("d"))])
    for category in (TITLES[3], TITLES[4]):
        last = pl.when(pl.col("item_id") == "d").then(pl.lit(category)).otherwise("category")
        tables = validate_tables(items.with_columns(category=last), events.select(shop.card.columns["events"]))
        page = inspection_page(inspect_shop(tables))
        drawn = page[page.index("<h2>Categories</h2>") :]
        assert "手工绘制陶瓷马克杯礼盒装手工绘制陶瓷马…</text>" in drawn
        for shown in (*TITLES[1:3], category):
            assert f">{shown.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}</text>" in drawn
        assert "svg text{font-family:system-ui,sans-serif!important}" in page


def test_wide_characters_have_room_left_of_the_bars(shop):
    def left_of_bars(category: str) -> float:
        items = shop.items.with_columns(category=pl.lit(category))
        page = inspection_page(inspect_shop(validate_tables(items, shop.events)))
        drawn = page[page.index("<h2>Categories</h2>") :]
        return float(re.search(r"<path d=\"M ([\d.]+) ", drawn[drawn.index('id="patch_2"') :]).group(1))

    # 20 characters of 10 points, and the left edge of the picture is 0
    assert left_of_bars("杯" * 30) > 20 * 10 > left_of_bars("mugs")


def test_command_and_function_name_the_split_by_their_own_names(tmp_path, capsys):
    data = write_shop(tmp_path / "shop")
    events = pl.read_csv(data / "events.csv")
    events.with_columns(timestamp=pl.lit(YEAR_2000)).write_csv(data / "events.csv")
    given = [str(data), "--output", str(tmp_path / "report"), "--split", "leave-one-out"]
    with pytest.raises(SystemExit) as stop:
        main(["inspect", *given])
    shown = " ".join(capsys.readouterr().err.split())
    assert not stop.value.code and "give --split last-basket, and map" in shown
    assert "give --split last-basket, and map" in (tmp_path / "report" / "report.html").read_text()
    assert any("give split='last-basket', and map" in told for told in inspect(data, split="leave-one-out").warnings)


def test_without_matplotlib_tables_are_printed_and_the_extra_is_named(tmp_path, monkeypatch, capsys, caplog):
    data = write_shop(tmp_path / "shop")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SystemExit) as stop:
        main(["inspect", str(data), "--output", str(tmp_path / "report")])
    shown = capsys.readouterr()
    assert not stop.value.code and "boots" in shown.out, shown.err
    assert re.search(r"report.html has no plots, which need matplotlib; pip install .*\[inspect\]", caplog.text)
    page = (tmp_path / "report" / "report.html").read_text()
    assert "<svg" not in page and "boots" in page and "Plots are left out: matplotlib" in page
    assert "pip" not in page, "the command names the folder of the clone, and pages are shared"
    caplog.clear()
    assert inspect(data, tmp_path / "again").users == 60 and "pip install" in caplog.text
    assert (tmp_path / "again" / "README.md").exists()

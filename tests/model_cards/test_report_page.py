"""The page of a report: its numbers equal the reports, and no text can break out of it."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from xcat_rec.model_cards.charts import COLOURS
from xcat_rec.model_cards.page_lists import CustomerLists
from xcat_rec.model_cards.page_style import STYLE
from xcat_rec.model_cards.report_page import ReportContext, learning_curve, write_report
from xcat_rec.modeling_xcat.recommending_xcat import Reason, Recommendation, Recommendations

from .example_card import example_card, example_results

LOG = [
    {"loss": 4.0, "epoch": 1.0, "step": 10},
    {"eval_loss": 4.25, "eval_ndcg@10": 0.125, "epoch": 1.0, "step": 10},
    {"loss": 3.5, "epoch": 2.0, "step": 20},
    {"eval_loss": 3.75, "eval_ndcg@10": 0.375, "epoch": 2.0, "step": 20},
    {"train_runtime": 3.0, "epoch": 2.0, "step": 20},
    {"eval_ndcg@10": 0.9, "epoch": 2.0, "step": 20},
]
VOID = {"meta", "br", "wbr", "line", "circle", "polyline"}


class Page(HTMLParser):
    """Tags that are balanced, and the cells of tables by the heading above them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.heading = ""
        self.cells: dict[str, list[list[str]]] = {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.heading = ""
        if tag == "tr":
            self.cells.setdefault(self.heading, []).append([])
        if tag in ("td", "th"):
            self.cells[self.heading][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.heading += data
        if "td" in self.open or "th" in self.open:
            self.cells[self.heading][-1][-1] += data


def test_every_number_of_the_tables_is_that_of_the_report(tmp_path: Path) -> None:
    reports = example_results()
    context = ReportContext(curves={"XCat": learning_curve(LOG, 20)})
    path = write_report(tmp_path / "page.html", reports, own="XCat", context=context)
    page = Page(path.read_text(encoding="utf-8"))
    parts = {"Results": None} | {
        name.replace("_6_10", "_6-10").replace("_0_5", "_0-5").replace("_", " "): name
        for name, m in reports["XCat"].slices.items()
        if m["num_targets"]
    }
    assert "cold" not in parts and len(parts) == 5
    new = {"Discovery": None} | {f"discovery: {heading}": part for heading, part in parts.items() if part}
    assert new.pop("discovery: unseen") == "unseen" and "discovery: unseen" not in page.cells
    for heading, part in (parts | new).items():
        head, *rows = page.cells[heading]
        assert [row[0] for row in rows] == ["XCat", "popularity"]
        for row in rows:
            report = reports[row[0]].discover if heading in new else reports[row[0]]
            assert report is not None
            for label, shown in zip(head[1:], row[1:], strict=True):
                metric = label.lower()
                value = report.metrics[metric] if part is None else report.slices[part][metric]
                found = report.interval(metric, part)
                expected = [value, *((found.low, found.high) if found else ())]
                assert re.findall(r"\d\.\d{4}", shown) == [f"{number:.4f}" for number in expected], (heading, metric)
                assert (found is None) == (metric == "coverage@10")
    assert page.cells["XCat"] == [
        ["epoch", "training loss", "validation loss", "NDCG@10"],
        ["1", "4.0000", "4.2500", "0.1250"],
        ["2", "3.5000", "3.7500", "0.3750"],
    ]


def test_no_text_breaks_out_and_nothing_is_loaded(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=y>\x00\ud800"
    reports = {f"XCat{evil}": example_results()["XCat"], evil: example_results()["popularity"]}
    context = ReportContext(
        facts={evil: evil},
        curves={evil: learning_curve(LOG)},
        findings=[evil],
        settings={evil: {evil: evil, "hub_token": "hf_abcdefghijklmnopqrstuv", "folder": "/home/jo/shop"}},
        notes=[evil],
        command=f"xcat fit DATA --brand '{evil}'",
    )
    path = write_report(tmp_path / "page.html", reports, title=evil, own=f"XCat{evil}", context=context)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not page.tags & {"script", "img", "link", "iframe", "a"} and "\x00" not in text
    assert not page.attributes & {"src", "href", "onerror", "style"}
    assert "http" not in text.replace("http-equiv", "") and "hf_abc" not in text and "/home/jo" not in text
    assert "&lt;script&gt;alert(1)" in text and "the data file or folder" in text


def test_a_report_without_users_values_or_training_has_no_intervals_and_no_curve(tmp_path: Path) -> None:
    report = example_results()["XCat"]
    assert report.discover is not None
    for part in (report, report.discover):
        part.per_user.clear()
    report.metrics["mrr@10"] = math.nan
    text = write_report(tmp_path / "page.html", {"XCat": report}).read_text(encoding="utf-8")
    assert Page(text).cells["Results"][0] == ["model", "Recall@10", "NDCG@10", "Coverage@10"]
    assert 'class="i"' not in text and "Learning curve" not in text
    for wrong, own in ((example_results(), "other"), ({}, None)):
        with pytest.raises(ValueError, match="give one of these names"):
            write_report(tmp_path / "page.html", wrong, own=own)


def test_the_curve_is_that_of_the_log_of_the_card(tmp_path: Path) -> None:
    points = learning_curve(example_card(tmp_path).training.log)
    assert [(point["epoch"], point["training loss"]) for point in points] == [(1.0, 4.0), (2.0, 3.5)]


def test_lists_of_customers_are_escaped_and_have_their_reasons(tmp_path: Path) -> None:
    why = Reason("b", "<b>Milk</b>", 0.4)
    again = Recommendations([Recommendation("a", 2.0, "<script>x", "dairy & co", (why, Reason("a", "x", 0.2)))])
    new = Recommendations([Recommendation("c", 1.0, "Bread", None)])
    context = ReportContext(lists=[CustomerLists("Household 1", 1200, {"Buy again": again, "New for you": new})])
    text = write_report(tmp_path / "page.html", example_results(), context=context).read_text(encoding="utf-8")
    page = Page(text)
    assert not page.tags & {"script", "link", "img", "iframe", "b"} and not page.attributes & {"src", "href", "onload"}
    assert "url(" not in text and "@import" not in text and "@font-face" not in text
    assert "<h3>Household 1, after 1,200 purchases</h3>" in text
    assert (
        "because of <bdi>&lt;b&gt;Milk&lt;/b&gt;</bdi> (40%), <bdi>itself</bdi> (20%)" in text
        and text.count("because of") == 1
    )
    assert "&lt;script&gt;x" in text and "dairy &amp; co" in text and "prefers-color-scheme:dark" in text


def test_a_dark_screen_has_a_colour_for_each_colour_of_the_charts() -> None:
    for colour in COLOURS:
        assert f'[stroke="{colour}"]' in STYLE and f'[fill="{colour}"]' in STYLE

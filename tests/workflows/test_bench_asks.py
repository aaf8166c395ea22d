"""Rankings for queries: measured on the asked target, with the history and without."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from datasets import Dataset

from xcat_rec import bench
from xcat_rec.cli.bench_tables import ask_ratios_table, asks_table
from xcat_rec.cli.console import CommandConsole
from xcat_rec.tokenization import extras
from xcat_rec.tokenization.extras import MissingExtraError
from xcat_rec.tokenization.tables.schema import ShopTables, validate_tables
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.workflows.baseline_registry import BASELINES
from xcat_rec.workflows.bench_asks import MEASURED_KINDS, MOST_USERS, ask_kinds, check_asks, measure_asks
from xcat_rec.workflows.bench_request import BenchRun
from xcat_rec.workflows.bench_results import BenchResults, ask_lines, mean_reports, ratio_text
from xcat_rec.workflows.results import compare_asks, user_key

from ..cli.commands import refused
from ..cli.widths import check_width
from ..tiny_shop import SMALL, events_table, items_table, save_text_encoder


class Asked:
    """Ranks the item whose title is asked for first, or with a history the latest item of it."""

    def __init__(self, vocabulary: ItemVocabulary) -> None:
        self.titles = vocabulary.column("title").to_pylist()
        self.seen: list[dict[str, Any]] = []

    def score_rows(self, rows: list[dict[str, Any]]) -> torch.Tensor:
        self.seen += rows
        scores = torch.zeros(len(rows), len(self.titles) + 2)
        scores[:, :2] = -torch.inf
        for number, row in enumerate(rows):
            if len(row["items"]) > 1:
                scores[number, row["items"][-1]] = 2.0
            if row["ask"] in self.titles:
                scores[number, self.titles.index(row["ask"]) + 2] = 1.0
        return scores


def test_what_is_measured() -> None:
    table = pl.DataFrame({"item_id": list("abc"), "title": ["x y", "z", None], "text": ["x y", "z", ""]})
    vocabulary = ItemVocabulary(table.to_arrow())
    rows = [
        {"items": [2, 3], "targets": [2], "event_types": [1, 1]},
        {"items": [2, 4], "targets": [3, 2], "event_types": [1, 1]},
        {"items": [3, 2], "targets": [4], "event_types": [1, 1]},  # without a title
        {"items": [3, 2], "targets": [1, 1], "event_types": [1, 1]},  # not in the catalogue
    ]
    ranker = Asked(vocabulary)
    found, per_user = measure_asks(ranker, Dataset.from_list(rows), vocabulary, np.ones(5, dtype=bool), ["own-title"])
    part = found["own-title"]
    assert part["num_users"] == 2 and part["median_rank"] == 2 and part["median_rank_alone"] == 1
    assert part["query_alone"]["recall@10"] == part["metrics"]["recall@10"] == 1
    assert part["metrics"]["ndcg@10"] == pytest.approx(1 / np.log2(3)) and part["query_alone"]["ndcg@10"] == 1
    assert per_user["asks.own-title.ndcg@10"].shape == (2,)
    assert [row["items"] for row in ranker.seen] == [[2, 4], [2, 3], [1], [1], [2, 4], [2, 3]], "short ones first"
    assert [row["targets"] for row in ranker.seen[:2]] == [[3], [2]]
    assert part["median_rank_history"] == 3 and part["history_alone"]["ndcg@10"] < part["metrics"]["ndcg@10"]
    assert [row["ask"] for row in ranker.seen[4:]] == ["", ""] and ranker.seen[4]["items"] == [2, 4]
    for name, key in (("", "metrics"), ("query_alone.", "query_alone"), ("history_alone.", "history_alone")):
        assert per_user[f"asks.own-title.{name}ndcg@10"].mean() == pytest.approx(part[key]["ndcg@10"])
    nothing, _ = measure_asks(ranker, Dataset.from_list(rows), vocabulary, np.ones(5, dtype=bool), ["review"])
    assert nothing == {"review": None}
    assert MOST_USERS >= 1000


def test_real_queries_and_reviews_are_those_of_the_rows() -> None:
    table = pl.DataFrame({"item_id": list("abc"), "title": ["x y", "z", "z"], "text": ["x y", "z", "z"]})
    vocabulary = ItemVocabulary(table.to_arrow())
    rows = [
        {"items": [2, 3], "targets": [3, 2], "asks": ["", "x y"], "reviews": ["", ""]},
        {"items": [2, 4], "targets": [1, 3], "asks": ["q", "z"], "reviews": ["", "a review sentence"]},
        {"items": [3, 2], "targets": [4], "asks": [""], "reviews": ["others wrote this"]},
    ]
    ranker = Asked(vocabulary)
    trained = np.ones(5, dtype=bool)
    found, per_user = measure_asks(ranker, Dataset.from_list(rows), vocabulary, trained, ["query", "review"])
    assert found["query"]["num_users"] == 2 and found["query"]["query_alone"]["ndcg@10"] == 1
    seen = [(row["items"], row["targets"], row["ask"]) for row in ranker.seen]
    assert seen[:2] == [([2, 4], [3], "z"), ([2, 3], [2], "x y")], "the target that was asked for"
    assert seen[2:4] == [([1], [3], "z"), ([1], [2], "x y")]
    assert per_user["asks.query.ndcg@10"].shape == (2,) and not {"asks", "reviews"} & set(ranker.seen[0])
    assert found["review"]["num_users"] == 3, "a review is of the item, whoever wants it"
    assert [ask for _, _, ask in seen[6:9]] == ["others wrote", "review sentence", "review sentence"]


def shop_with(items: pl.DataFrame, **columns: pl.Expr) -> ShopTables:
    return validate_tables(items, events_table().with_columns(**columns), name="asked shop")


def test_kinds_that_the_tables_cannot_give_are_refused() -> None:
    titles = items_table().drop("category", "brand")
    for items, kind, needs in (
        (titles, "category", "an item with a category"),
        (
            titles.with_columns(title=pl.format("word{}", pl.int_range(pl.len()))),
            "attributes",
            ".*at least 5 items and 1 %",
        ),
        (titles, "review", "an item with a description, or an event with a review"),
        (titles.drop("title"), "title", "an item with a title"),
        (titles.drop("title"), "own-title", "an item with a title"),
        (titles.drop("title"), "paraphrase", "an item with a title or a category"),
        (titles, "query", "an event with a query"),
    ):
        with pytest.raises(ValueError, match=f"asks has '{kind}', which needs {needs}.* asked shop has none; give an"):
            check_asks(shop_with(items), [kind])
    with pytest.raises(ValueError, match=r"asks has 'query'.*give asks='title,own-title', or name the columns"):
        check_asks(shop_with(titles), ["title", "query", "own-title"])
    with pytest.raises(ValueError, match="asks has 'query'"):
        check_asks(shop_with(titles, query=pl.lit(" ")), ["query"])
    check_asks(shop_with(titles), ["title", "paraphrase"])
    check_asks(shop_with(titles, query=pl.lit("tents")), ["query"])
    check_asks(shop_with(titles, review_text=pl.lit("warm and dry")), ["review"])
    check_asks(shop_with(titles, said=pl.lit("warm and dry")), ["review"], ["said"])
    check_asks(shop_with(titles.with_columns(description=pl.lit("Warm and dry."))), ["review"])
    check_asks(shop_with(items_table()), ["category", "attributes", "title", "paraphrase", "own-title"])
    check_asks(shop_with(titles), [])


def row_of(model: str, seed: int, ndcg: float) -> dict[str, Any]:
    part = {"num_users": 4, "median_rank": 2.0 + seed, "median_rank_alone": 3.0, "median_rank_history": 9.0}
    part |= {key: {"ndcg@10": value} for key, value in zip(("metrics", "query_alone", "history_alone"),
                                                          (ndcg, ndcg / 2, 0.0), strict=True)}  # fmt: skip
    return {
        "model": model, "seed": seed, "metrics": {"recall@10": 0.5, "ndcg@10": ndcg}, "slices": {}, "fit_seconds": 1.0,
        "peak_memory_mb": 1, "asks": {"category": part, "review": None}, "commit": None,
        "data": {"name": "shop", "split": "leave-one-out", "users": 4, "items": 4, "events": 4, "cold_items": 0,
                 "test_users": 4, "test_targets": 4},
        "machine": {"cpu": "cpu", "threads": 1, "precision": "fp32"},
    }  # fmt: skip


def runs_of() -> list[BenchRun]:
    """Two seeds of XCat, which has 1.5 times the values of BM25 per user, and of XCat without query attention."""
    base = np.array([0.2, 0.4, 0.2, 0.4])
    runs = []
    for model, seed, factor in (
        ("bm25", 0, 1.0), ("xcat", 0, 1.4), ("xcat", 1, 1.6), ("xcat-no-query-attention", 0, 1.25),
        ("xcat-no-query-attention", 1, 1.25),
    ):  # fmt: skip
        users = {
            "ndcg@10": base, "recall@10": base, "asks.category.ndcg@10": base * factor,
            "asks.category.query_alone.ndcg@10": base * factor / 2, "asks.category.history_alone.ndcg@10": base * 0,
        }  # fmt: skip
        runs.append(BenchRun(row_of(model, seed, 0.3 * factor), users))
    return runs


def test_ratios_of_queries_over_seeds() -> None:
    runs = runs_of()
    users = {user_key(r.row["model"], r.row["seed"], name): v for r in runs for name, v in r.per_user.items()}
    compared = compare_asks([run.row for run in runs], users)
    assert [(one["model"], one["kind"], one["against"]) for one in compared] == [
        ("xcat", "category", other)
        for other in ("query alone", "history alone", "bm25", "xcat-no-query-attention")
    ]  # fmt: skip
    assert [one["ratio"] for one in compared] == [pytest.approx(2.0), None, pytest.approx(1.5), pytest.approx(1.2)]
    assert (
        compared[2]["low"] == pytest.approx(1.5) == pytest.approx(compared[2]["high"]) and compared[1]["low"] is None
    )
    assert {one["users"] for one in compared} == {4} and ratio_text(compared[1]) == "-"
    older = [{name: value for name, value in run.row.items() if name != "asks"} for run in runs]
    assert compare_asks(older, users) == []
    assert ask_lines(compared)[2] == (
        "xcat, category queries: ndcg@10 of history and query 1.50 (1.50 to 1.50) times that of bm25, 4 users"
    )


def test_tables_of_queries_over_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = runs_of()
    rows = [run.row for run in runs]
    CommandConsole().print(asks_table(rows, mean_reports(runs)))
    printed = capsys.readouterr().out
    check_width(printed)
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines[0].startswith("ndcg@10 for queries, next: any item")
    xcat = next(line for line in lines if line.startswith("category history and query xcat "))
    assert xcat.split()[5:8] == ["0.4500", "±", "0.0424"] and "-" in xcat
    assert [line for line in lines if line.startswith("category median rank xcat ")] == [
        "category median rank xcat 2.5 ± 0.7"
    ]
    assert any(line.startswith("category history alone bm25 0.0000") for line in lines)
    assert "all items are equal for history alone, which counts as 0" in " ".join(lines)
    assert "review: no target of the test split has a text for it" in lines and "category: 4 users" in lines
    users = {user_key(r.row["model"], r.row["seed"], name): v for r in runs for name, v in r.per_user.items()}
    CommandConsole().print(ask_ratios_table(compare_asks(rows, users)))
    printed = capsys.readouterr().out
    check_width(printed)
    assert "category xcat bm25 1.50 (1.50 to 1.50)" in [" ".join(line.split()) for line in printed.splitlines()]

    results = BenchResults(tmp_path / "bench.json")
    for run in runs:
        results.add(run)
    script = Path(__file__).parent.parent.parent / "benchmarks" / "tables.py"
    done = subprocess.run([sys.executable, str(script), str(results.path)], capture_output=True, text=True, check=True)
    assert (
        "| category | xcat | 2 | 4 | 0.4500 ± 0.0424 | 0.2250 ± 0.0212 | 0.0000 ± 0.0000 | 2.5 ± 0.7 |" in done.stdout
    )
    assert "| xcat | bm25 | 1.50 (1.50 to 1.50) | - |" in done.stdout
    assert "| xcat | history alone | - | - |" in done.stdout


def test_a_baseline_without_its_package_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items_table().write_parquet(tmp_path / "items.parquet")
    events_table().write_parquet(tmp_path / "events.parquet")
    here = importlib.util.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "bm25s" else here(name))
    with pytest.raises(MissingExtraError, match=r"the baseline bm25 needs bm25s; pip install .*\[search\]"):
        bench(str(tmp_path), ["popularity", "bm25"], asks="title")
    output = tmp_path / "out.json"
    command = ["bench", str(tmp_path), "--models", "popularity,bm25", "--asks", "title", "--output", str(output)]
    refused(command, capsys, ["the baseline bm25 needs bm25s; pip install", "[search]"])
    assert not output.exists()


def test_packages_of_baselines_are_in_their_extra() -> None:
    project = tomllib.loads((Path(__file__).parent.parent.parent / "pyproject.toml").read_text())["project"]
    for name, baseline in BASELINES.items():
        listed = " ".join(project["optional-dependencies"].get(baseline.extra, []))
        assert all(f"{package}>=" in listed for package in baseline.packages), name


def test_kinds() -> None:
    assert ask_kinds("category, title,category") == ("category", "title") == ask_kinds(["category", "title"])
    assert ask_kinds(None) == ()
    with pytest.raises(ValueError, match=f"asks has 'colour'; give some of {', '.join(MEASURED_KINDS)}"):
        ask_kinds("colour")


@pytest.mark.slow
@pytest.mark.usefixtures("runs_here")
def test_a_bench_with_queries(tmp_path) -> None:
    items_table().write_parquet(tmp_path / "items.parquet")
    titles = dict(items_table().select("item_id", "title").iter_rows())
    events = events_table().with_columns(query=pl.col("item_id").replace_strict(titles))
    events.write_parquet(tmp_path / "events.parquet")
    encoder = str(save_text_encoder(tmp_path / "encoder"))
    fields = {"num_train_epochs": 1, "text_encoder": encoder, "precision": "fp32", "use_cpu": True, **SMALL}
    models = ["bm25", "text-search", "xcat", "xcat-no-query-attention"]
    kinds = "category,own-title,query"
    result = bench(str(tmp_path), models, seeds=1, asks=kinds, output=tmp_path / "out.json", **fields)
    asks = {run.row["model"]: run.row["asks"] for run in result.runs}
    assert list(asks) == models and all(list(found) == kinds.split(",") for found in asks.values())
    assert len({found["query"]["num_users"] for found in asks.values()}) == 1, "all models have the same queries"
    assert asks["bm25"]["query"]["metrics"]["ndcg@10"] > 0 == asks["bm25"]["query"]["history_alone"]["ndcg@10"]
    against = {(one["kind"], one["against"]) for one in result.ask_comparisons}
    assert against == {
        (kind, other)
        for kind in kinds.split(",")
        for other in ("query alone", "history alone", "bm25", "text-search", "xcat-no-query-attention")
    }
    assert result.to_dict()["ask_comparisons"] == result.ask_comparisons
    for model in models:
        found = asks[model]["own-title"]["median_rank_alone"]
        assert found <= (40 if model == "text-search" else 2), model  # the text encoder here is not trained
        (run,) = (run for run in result.runs if run.row["model"] == model)
        assert {"asks.category.ndcg@10", "ndcg@10"} <= set(run.per_user)
    assert asks["bm25"]["category"]["metrics"] == asks["bm25"]["category"]["query_alone"]
    settings = {run.row["model"]: run.row["config"].get("model", {}).get("ask_heads") for run in result.runs}
    assert settings["xcat"] != 0 and settings["xcat-no-query-attention"] == 0
    with pytest.raises(ValueError, match="asks has 'colour'"):
        bench(str(tmp_path), models, asks="colour")

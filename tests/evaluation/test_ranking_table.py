"""Tables of rankings for print: exact small numbers."""

from __future__ import annotations

from xcat_rec.evaluation.ranker_evaluation import RankingReport
from xcat_rec.evaluation.ranking_table import ranking_table


def report(ndcg: float, k: int, discover: RankingReport | None = None) -> RankingReport:
    metrics = {"ndcg@1": 0.0, f"ndcg@{k}": ndcg, f"coverage@{k}": 0.5}
    return RankingReport(metrics, {}, 1234, 1234, discover=discover)


def test_the_best_model_is_first_and_discovery_has_its_own_table() -> None:
    head = "| model | ndcg@10 | coverage@10 |\n|---|---|---|\n"
    found = ranking_table({"popularity": report(0.1, 10), "XCat": report(0.25, 10, report(0.2, 10))}, "shop, test")
    assert found.split("\n\n") == [
        "shop, test",
        "next: any item, also items of the user's history (1,234 users)",
        head + "| XCat | 0.2500 | 0.5000 |\n| popularity | 0.1000 | 0.5000 |",
        "discover: items that are not in the user's history (1,234 users)",
        head + "| XCat | 0.2000 | 0.5000 |",
    ]


def test_without_ten_the_longest_lists_are_shown() -> None:
    assert "| XCat | 0.2500 | 0.5000 |" in ranking_table({"XCat": report(0.25, 5)})

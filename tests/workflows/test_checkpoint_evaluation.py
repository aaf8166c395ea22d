"""A checkpoint evaluated in one call, as `xcat evaluate` does."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from xcat_rec import XCatRecommender, add_items, evaluate_checkpoint, evaluate_ranker, load_metric
from xcat_rec.evaluation.recent_popularity import fit_recent_popularity

from ..cli.commands import run
from ..ranking.test_recommender import prepared
from ..tiny_shop import shop, write_shop


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, start = tmp_path_factory.mktemp("evaluated") / "checkpoint", prepared("transformer")
    start.model.save_pretrained(folder)
    start.processor.save_pretrained(folder)
    return folder


def test_the_call_and_the_command_report_the_same(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluate_checkpoint(saved, shop(), ks=[5, 10])
    recommender = XCatRecommender.from_pretrained(saved)
    test = found.data.splits["test"]
    expected = evaluate_ranker(recommender, test, recommender.vocabulary, trained=recommender.trained, ks=[5, 10])
    again = evaluate_checkpoint(recommender, shop(), ks=[5, 10]).report
    assert found.report.to_json() == expected.to_json() == again.to_json()
    assert list(found.baselines) == ["popularity", "popularity-recent", "repeat-purchase", "item-knn"]
    assert found.data.unknown_items["targets"] == 0
    assert not found.data.notes
    data = write_shop(tmp_path / "shop")
    told = run(["evaluate", str(saved), str(data), "-k", "5", "-k", "10", "--json"], capsys)
    assert told["metrics"] == pytest.approx(found.report.metrics)
    assert evaluate_checkpoint(saved, data, ks=[5, 10]).report.to_json() == expected.to_json()


def test_the_metric_modules_give_the_same_metrics(saved: Path) -> None:
    """The lists of an evaluation, handed to the module, have the metrics of the evaluation."""
    found = evaluate_checkpoint(saved, shop(), ks=[5, 10])
    vocabulary, test = XCatRecommender.from_pretrained(saved).vocabulary, found.data.splits["test"]
    lists = [vocabulary.decode(rows) for rows in found.report.top]
    references = [vocabulary.decode(rows) for rows in test["targets"]]
    asked = {"predictions": lists, "references": references, "ks": [5, 10], "num_items": vocabulary.num_items}
    told = load_metric("recommendation_ranking").compute(**asked)
    assert {name: told[name] for name in found.report.metrics} == pytest.approx(found.report.metrics)


def test_invalid_evaluations_are_refused(saved: Path) -> None:
    with pytest.raises(ValueError, match="part is 'train'; give test or validation"):
        evaluate_checkpoint(saved, shop(), part="train")
    other = evaluate_checkpoint(saved, shop(), split="global-time")
    assert "trained with the split leave-one-out" in other.data.notes[0]


def test_no_window_is_chosen_on_the_users_that_are_evaluated(saved: Path) -> None:
    found = evaluate_checkpoint(saved, shop(), part="validation", ks=[10])
    data = found.data.data
    plain = fit_recent_popularity(data.splits["train"], None, len(data.vocabulary))
    trained = XCatRecommender.from_pretrained(saved).trained
    expected = evaluate_ranker(plain, data.splits["validation"], data.vocabulary, trained=trained, ks=[10])
    assert found.baselines["popularity-recent"].to_json() == expected.to_json()
    assert any("popularity-recent counts its default of 4 weeks" in note for note in found.data.notes)


def test_items_that_the_tables_lack_are_noted(saved: Path, tmp_path: Path) -> None:
    new = pl.DataFrame({"item_id": ["new-1", "new-2"], "title": ["Big tent", "Small tent"], "category": ["tents"] * 2})
    grown = add_items(saved, new, tmp_path / "grown")
    assert grown.added.new == 2
    whole = XCatRecommender.from_pretrained(tmp_path / "grown").vocabulary.num_items
    assert evaluate_checkpoint(tmp_path / "grown", shop(), ks=[10]).data.notes == [
        f"the checkpoint has 2 of its {whole} items that the tables lack, such as items added later; they are ranked, "
        "too, and no target is one of them, so metrics can be lower than without them"
    ]

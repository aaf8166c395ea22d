"""The ranking metrics as `evaluate` modules, each in its own folder."""

from __future__ import annotations

import runpy
from pathlib import Path

import evaluate
import pytest
import yaml

from xcat_rec.evaluation.modules import COMBINED, load_metric, write_metric
from xcat_rec.evaluation.recommendation_ranking.ranking_metrics import ABOUT

from ..fresh_processes import run_program

BY_HAND = {"recall": 0.25, "ndcg": 0.315465, "mrr": 0.25, "hit_rate": 0.5, "coverage": 0.6}
ASKED = {"predictions": [["tent", "lamp"], ["boots", "tent"]], "references": [["lamp", "map"], ["kite"]], "ks": [2]}
"""One of the first user's two items has rank 2; NDCG is (1 / log2(3)) / (1 + 1 / log2(3)), halved."""


@pytest.mark.parametrize("name", [*ABOUT, COMBINED])
def test_each_metric_is_a_separate_module(name: str, tmp_path: Path) -> None:
    folder = write_metric(name, tmp_path)
    expected = BY_HAND if name == COMBINED else {name: BY_HAND[name]}
    found = evaluate.load(str(folder)).compute(**ASKED, num_items=5)
    expected = {**expected, **({"ndcg": 0.5 * 0.63093 / 1.63093} if "ndcg" in expected else {})}
    assert found == pytest.approx({f"{one}@2": value for one, value in expected.items()}, abs=1e-4)
    card = (folder / "README.md").read_text()
    settings = yaml.safe_load(card.split("---")[1])
    assert settings["sdk"] == "gradio" and settings["app_file"] == "app.py" and "metric" in settings["tags"]
    compile((folder / "app.py").read_text(), "app.py", "exec")
    assert f'"{folder}"' in card


def test_a_module_works_without_the_package(tmp_path: Path) -> None:
    folder = write_metric("mrr", tmp_path)
    code = f"""
import sys
sys.modules["xcat_rec"] = None
import evaluate
print(evaluate.load({str(folder)!r}).compute(predictions=[[3, 4]], references=[[4]], ks=[2]))
"""
    done = run_program(code, folder=tmp_path)
    assert done.stdout.strip() == "{'mrr@2': 0.5}", done.stderr[-2000:]


def test_unknown_metrics_and_missing_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no metric 'f1'; give one of recall, ndcg"):
        load_metric("f1")
    with pytest.raises(ValueError, match="give num_items"):
        load_metric("coverage").compute(**ASKED)


def test_the_page_computes_the_metric(tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    page = runpy.run_path(str(write_metric("recall", tmp_path) / "app.py"))
    found = page["demo"].fn('[["tent", "lamp"], ["boots", "tent"]]', '[["lamp"], ["kite"]]', "1,2", 0)
    assert found == {"recall@1": 0.0, "recall@2": 0.5}

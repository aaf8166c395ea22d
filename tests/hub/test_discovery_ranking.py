"""A checkpoint whose values for discovery are all set gives one ranking of new items, wherever it is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xcat_rec import evaluate_checkpoint, pipeline
from xcat_rec.catalogue.segments import fill_segments
from xcat_rec.checkpoints.adapters import add_adapter, load_base
from xcat_rec.checkpoints.load import bare_model
from xcat_rec.modeling_xcat.filters_xcat import Filters
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.batch import BatchRequest, histories_table, listed_rows, recommend_locally
from xcat_rec.tokenization.sequences.histories import read_histories
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.trainer import XCatTrainer
from xcat_rec.training.tuning import novel_targets as novel
from xcat_rec.training.tuning import reranker as second_stage
from xcat_rec.training.tuning.discovery_ranker import fit_discovery_ranker

from ..fashion_shop import fashion_events
from ..tiny_shop import QUICK, items_table
from ..training.test_trainer import prepared
from ..training.tuning.test_discovery_ranker import fads
from .conftest import Client

WITHOUT_PACKAGE = """
import json, sys
from transformers import AutoModel, pipeline

folder, histories = sys.argv[1], json.loads(sys.argv[2])
model = AutoModel.from_pretrained(folder, trust_remote_code=True)
names = sorted(name for name in sys.modules if name.endswith(".discovery_ranker_xcat"))
assert names and names[0].startswith("transformers_modules"), names
serve = pipeline("item-recommendation", model=folder, trust_remote_code=True)
found = [serve(histories, k=8, exclude_seen=seen, explain=False) for seen in (True, False)]
assert "xcat_rec" not in sys.modules
print(json.dumps([type(model).__module__, found]))
"""
WEIGHTS: dict[str, Any] = {"discover_product_weight": 0.01, "discover_neighbor_weight": 3.0, "neighbor_weight": 0.5}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with rates, trends and weights of discovery."""
    folder = tmp_path_factory.mktemp("discovery")
    start = prepared(folder, num_segments=2, segment_width=4, num_neighbors=4, num_discovery_candidates=20)
    train, _ = fads()
    fill_segments(start.model, train)
    assert fit_discovery_ranker(start.model, train, quick=True) > 300
    for name, value in {**WEIGHTS, "discover_trends": True}.items():
        setattr(start.model.config, name, value)
    start.model.save_pretrained(folder / "saved")
    start.processor.save_pretrained(folder / "saved")
    return folder / "saved"


def ranking(items: list[Any]) -> list[tuple[str, float]]:
    """Ids and scores of recommendations or of their dictionaries."""
    pairs = [
        (item["item_id"], item["score"]) if isinstance(item, dict) else (item.item_id, item.score) for item in items
    ]
    return [(item, pytest.approx(score, abs=1e-4)) for item, score in pairs]


def test_every_way_to_serve_gives_one_ranking(checkpoint: Path, alice: Client, tmp_path: Path) -> None:
    fashion_events(12).write_csv(tmp_path / "users.csv")
    users = read_histories(tmp_path / "users.csv")
    recommender = XCatRecommender.from_pretrained(checkpoint)
    config = recommender.model.config
    assert config.discover_trends and config.format_version >= 13 and recommender.model.model.segments.rates.any()
    assert (checkpoint / "discovery_ranker_xcat.py").is_file(), "beside the weights"
    module, online = alice.tell(WITHOUT_PACKAGE, str(checkpoint), json.dumps(users.items), package=False)
    assert module.startswith("transformers_modules")
    serve = pipeline("item-recommendation", model=str(checkpoint))
    for seen, remote in zip((True, False), online, strict=True):
        filters = Filters(exclude_seen=seen)
        expected = recommender.recommend_many(users.items, 8, filters=filters, explain=False)
        wanted = [ranking(found) for found in expected]
        assert [[(item["item_id"], item["score"]) for item in found] for found in remote] == wanted
        own = serve(users.items, k=8, exclude_seen=seen, explain=False)
        assert [[(item["item_id"], item["score"]) for item in found] for found in own] == wanted
        singly = [recommender.recommend(history, 8, exclude_seen=seen, explain=False) for history in users.items]
        assert [[(item.item_id, item.score) for item in found] for found in singly] == wanted
        table = histories_table(users).select(["position", "user_id", "items"])
        rows = [
            row
            for made in recommend_locally(str(checkpoint), table, BatchRequest(k=8, filters=filters))
            for row in listed_rows(made).to_pylist()
        ]
        in_batches = [[(row["item_id"], row["score"]) for row in rows if row["user_id"] == u] for u in users.user_ids]
        assert in_batches == wanted
        scores = recommender.score_rows(recommender.processor.history_rows(users.items), discover=seen)
        best = [recommender.vocabulary.decode(row) for row in scores.topk(8).indices.numpy()]
        assert best == [[item for item, _ in found] for found in wanted]
    config.discover_trends = False
    without = recommender.recommend_many(users.items, 8, filters=Filters(), explain=False)
    first = [[item["item_id"] for item in found] for found in online[0]]
    assert [[item.item_id for item in found] for found in without] != first, "or the test could not fail"


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_an_adapter_is_evaluated_from_its_folder_as_in_memory(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(novel, "LEAST_USERS", 20)
    monkeypatch.setattr(second_stage, "STANDARD_ERRORS", float("inf"))  # the re-ranker of validation is left out
    base, processor = load_base(checkpoint)
    model = add_adapter(base, rank=4, base=str(checkpoint))
    train, validation = fads()
    settings = {**QUICK, "num_train_epochs": 1, "quick": True, "per_device_train_batch_size": 50}
    arguments = XCatTrainingArguments(output_dir=str(tmp_path / "out"), **settings)
    trainer = XCatTrainer(model, arguments, train, validation, processor)
    trainer.train()
    trained = bare_model(model)
    chosen = {name: value for name, value in trained.config.to_dict().items() if name.startswith("discover_")}
    assert chosen["discover_product_weight"] is not None and chosen["discover_neighbor_weight"] is not None
    model.save_pretrained(tmp_path / "adapter")
    loaded = XCatRecommender.from_pretrained(tmp_path / "adapter")
    assert {name: loaded.model.config.to_dict()[name] for name in chosen} == chosen
    tables = {"items": items_table(), "events": fashion_events(40), "split": "last-basket", "ks": [5, 10]}
    memory = evaluate_checkpoint(XCatRecommender(trained, processor), **tables).report.discover
    saved = evaluate_checkpoint(tmp_path / "adapter", **tables).report.discover
    untrained = evaluate_checkpoint(checkpoint, **tables).report.discover
    assert memory is not None and saved is not None and untrained is not None
    assert saved.metrics == pytest.approx(memory.metrics) and saved.top.tolist() == memory.top.tolist()
    assert saved.slices.keys() == memory.slices.keys()
    for name, values in saved.slices.items():
        assert values == pytest.approx(memory.slices[name], nan_ok=True)
    assert untrained.top.tolist() != memory.top.tolist(), "or the test could not fail"

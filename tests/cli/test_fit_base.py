"""`xcat fit --base`, with and without `--peft`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from xcat_rec.cli.app import main
from xcat_rec.ranking.recommender import XCatRecommender

from ..model_cards.card_pattern import CARD
from ..tiny_shop import events_table, items_table, save_text_encoder, write_shop

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
SHAPE = [
    "--hidden-size", "32", "--intermediate-size", "64", "--num-attention-heads", "2", "--max-history", "8",
    "--hidden-dropout", "0.1", "--soft-target-weight", "0", "--temperature", "0.1",
]  # fmt: skip
TRAINING = [
    "--split", "leave-one-out", "--per-device-train-batch-size", "10", "--learning-rate", "5e-3", "--precision",
    "fp32", "--use-cpu", "--num-train-epochs", "2", "--json",
]  # fmt: skip


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    return json.loads(shown.out.splitlines()[-1]), shown.err


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    shown = capsys.readouterr()
    assert stop.value.code == 2 and "Traceback" not in shown.err
    return " ".join(shown.err.split())


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Tables and a base trained on them."""
    folder = tmp_path_factory.mktemp("base")
    encoder = save_text_encoder(folder / "encoder")
    shop = write_shop(folder / "shop")
    with pytest.raises(SystemExit) as stop:
        main(["fit", str(shop), "--output", str(folder / "base"), "--text-encoder", str(encoder), *SHAPE, *TRAINING])
    assert not stop.value.code
    return shop, folder / "base"


def test_an_adapter_from_the_command_line(places, tmp_path, capsys):
    shop, base = places
    output = tmp_path / "adapter"
    arguments = ["fit", str(shop), "--output", str(output), "--base", str(base), *TRAINING]
    answer, told = run([*arguments, "--peft", "lora", "--lora-rank", "2", "--lora-targets", "behavior,text"], capsys)
    assert f"training {answer['trained_parameters']:,} of {answer['parameters']:,} parameters" in " ".join(
        told.split()
    )
    assert 0 < answer["trained_parameters"] < answer["parameters"] / 10
    assert sorted(file.name for file in output.iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    card = (output / "README.md").read_text()
    assert f"| Parameters | {answer['trained_parameters']:,} trained of {answer['parameters']:,} |" in card
    assert re.fullmatch(CARD, card) and "| Adapter | lora, " in card and str(base) not in card
    judged, _ = run(["evaluate", str(output), str(shop), "--split", "leave-one-out", "--json"], capsys)
    assert judged["metrics"]["ndcg@10"] == pytest.approx(answer["metrics"]["ndcg@10"], abs=1e-6)
    found, _ = run(["recommend", str(output), "--history", "item-01,item-08", "-k", "3", "--json"], capsys)
    assert len(found["recommendations"]) == 3


def test_an_adapter_on_a_grown_catalogue_brings_it_along(places, tmp_path, capsys):
    _, base = places
    new = {"item_id": "item-new", "title": "maps number 5", "brand": "brand 1", "category": "maps", "price": 2.0}
    items = pl.concat([pl.DataFrame([new], schema=items_table().schema), items_table()])
    shop = tmp_path / "shop"
    shop.mkdir()
    items.write_csv(shop / "items.csv")
    events_table().write_csv(shop / "events.csv")
    output = tmp_path / "adapter"
    arguments = ["fit", str(shop), "--output", str(output), "--base", str(base), "--peft", "lora", *TRAINING]
    answer, told = run(arguments, capsys)
    assert "1 of 41 items is new to the base" in " ".join(told.split())
    assert (output / "items.arrow").is_file() and not (output / "model.safetensors").exists()
    judged, _ = run(["evaluate", str(output), str(shop), "--split", "leave-one-out", "--json"], capsys)
    assert judged["metrics"]["ndcg@10"] == pytest.approx(answer["metrics"]["ndcg@10"], abs=1e-6)
    assert "item-new" in {r.item_id for r in XCatRecommender.from_pretrained(output).recommend(["item-01"], k=41)}


def test_the_whole_base_goes_on_and_replaces_an_adapter(places, tmp_path, capsys):
    shop, base = places
    output = tmp_path / "out"
    arguments = ["fit", str(shop), "--output", str(output), "--base", str(base), *TRAINING]
    run([*arguments, "--peft", "lora"], capsys)
    answer, _ = run([*arguments, "--overwrite"], capsys)
    assert answer["parameters"] / 4 < answer["trained_parameters"] < answer["parameters"]
    assert (output / "model.safetensors").is_file() and not list(output.glob("adapter_*"))
    judged, _ = run(["evaluate", str(output), str(shop), "--split", "leave-one-out", "--json"], capsys)
    assert judged["metrics"]["ndcg@10"] == pytest.approx(answer["metrics"]["ndcg@10"], abs=1e-6)
    run([*arguments, "--peft", "lora", "--overwrite"], capsys)
    assert not (output / "model.safetensors").exists() and not (output / "config.json").exists()


def test_invalid_input_is_refused_before_training(places, tmp_path, capsys):
    shop, base = places
    output = tmp_path / "out"
    start = ["fit", str(shop), "--output", str(output), *TRAINING]
    assert "--peft lora trains an adapter on a trained checkpoint; name it: --base" in refused(
        [*start, "--peft", "lora"], capsys
    )
    assert "--peft prefix is not an adapter method; give one of lora, dora, loha" in refused(
        [*start, "--base", str(base), "--peft", "prefix"], capsys
    )
    assert "--lora-rank is 0" in refused([*start, "--base", str(base), "--peft", "lora", "--lora-rank", "0"], capsys)
    assert "--lora-targets head is not a part of the model" in refused(
        [*start, "--base", str(base), "--peft", "lora", "--lora-targets", "head"], capsys
    )
    assert "--hidden-size is 64, but 32 in the base" in refused(
        [*start, "--base", str(base), "--hidden-size", "64"], capsys
    )
    assert "is the base itself" in refused(
        ["fit", str(shop), "--output", str(base), "--base", str(base), "--overwrite", *TRAINING], capsys
    )
    assert not output.exists()
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    assert "is an adapter; give its base, or merge" in refused([*start, "--base", str(adapter)], capsys)

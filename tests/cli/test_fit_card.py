"""The card of a fit: the author's fields, the command that fits again, and --no-card."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from xcat_rec.cli.app import main
from xcat_rec.cli.options import take_card

from ..model_cards.card_pattern import CARD
from ..tiny_shop import save_text_encoder, write_shop


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("fit-card")
    return write_shop(folder / "shop"), save_text_encoder(folder / "encoder")


def fit(places: tuple[Path, Path], output: Path, *options: str) -> int:
    shop, encoder = map(str, places)
    fixed = ["fit", shop, "--output", str(output), "--text-encoder", encoder, "--split", "leave-one-out"]
    small = ["--hidden-size", "32", "--num-attention-heads", "2", "--max-history", "8", "--num-train-epochs", "1"]
    with pytest.raises(SystemExit) as stop:
        main([*fixed, *small, "--precision", "fp32", "--use-cpu", "--per-device-train-batch-size", "10", *options])
    return int(stop.value.code or 0)


def test_the_card_has_the_authors_fields_and_the_measurements(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fields.yaml").write_text(
        "seed: 3\ncard:\n  license: mit\n  language: [en]\n  model_name: Camping\n  limits: [Made of one shop.]\n"
        "  dataset_id: shop/events\n  benchmark_task: next\n"
    )
    assert fit(places, tmp_path / "fit", "--config", str(tmp_path / "fields.yaml"), "--json") == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    card = (tmp_path / "fit" / "README.md").read_text()
    assert re.fullmatch(CARD, card), card
    data = ModelCard(card).data
    assert (data.license, data.language, data.datasets) == ("mit", ["en"], ["shop/events"])
    figures = {result.metric_name: result.metric_value for result in data.eval_results}
    assert figures["NDCG@10"] == pytest.approx(answer["metrics"]["ndcg@10"], abs=1e-6)
    assert f"{answer['baselines']['popularity']['metrics']['ndcg@10']:.4f}" in card
    assert "# Camping\n" in card and "- Made of one shop.\n" in card
    assert "| Seeds | training 3, split 3 |" in card and "a text encoder that is not on the hub" in card
    assert "### Exposure by category" in card and "### Exposure by brand" in card
    (command,) = re.findall(r"^xcat fit .*$", card, re.MULTILINE)
    assert command.startswith("xcat fit DATA --output checkpoint --seed 3 --hidden-size 32 ")
    assert "`DATA` is the data file or folder; `TEXT_ENCODER` is the text encoder's folder." in card
    assert command.endswith(" --text-encoder TEXT_ENCODER --split leave-one-out")
    assert str(tmp_path) not in card and str(places[0].parent) not in card
    assert (tmp_path / "fit" / ".eval_results" / "shop-events-next.yaml").is_file()


def test_id_based_models_are_in_the_table(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(places, tmp_path / "fit", "--card-baselines", "sasrec, gru4rec", "--json") == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(answer["baselines"]) == [
        "popularity", "popularity-recent", "repeat-purchase", "item-knn", "sasrec", "gru4rec",
    ]  # fmt: skip
    card = (tmp_path / "fit" / "README.md").read_text()
    assert re.fullmatch(CARD, card), card
    table = card.partition("### All targets")[2].partition("###")[0]
    for name, report in answer["baselines"].items():
        (row,) = re.findall(rf"^\| {name} \| .*$", table, re.MULTILINE)
        assert f"{report['metrics']['ndcg@10']:.4f}" in row
    assert " --card-baselines 'sasrec, gru4rec' " in card
    assert not (tmp_path / "fit" / "training").exists()
    users = answer["baselines"]["sasrec"]["num_users"]
    assert users == answer["num_users"] and answer["baselines"]["sasrec"]["metrics"]["ndcg@10"] > 0


def test_a_model_that_reads_texts_is_refused_as_baseline(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(places, tmp_path / "fit", "--card-baselines", "sasrec,unisrec-text") == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "--card-baselines has 'unisrec-text'; give some of sasrec, sasrec-sampled, sasrec-repeats, gru4rec" in told
    assert not (tmp_path / "fit").exists()


def test_no_card(places: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "fit"
    assert fit(places, output) == 0
    assert (output / "README.md").is_file()
    assert fit(places, output, "--overwrite", "--no-card") == 0
    assert (output / "model.safetensors").is_file()
    assert not (output / "README.md").exists()  # it would tell of the model that was there before


def test_a_field_that_is_none_of_a_card(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fields.yaml").write_text("card:\n  licence: mit\n")
    assert fit(places, tmp_path / "fit", "--config", str(tmp_path / "fields.yaml")) == 2
    assert "card: 'licence' is not a card field; give some of model_name" in capsys.readouterr().err
    assert not (tmp_path / "fit").exists()


def test_the_section_of_the_file() -> None:
    values = {"seed": 1, "card": {"license": "mit"}}
    assert take_card(values) == {"license": "mit"} and values == {"seed": 1}
    assert take_card({"card": {"license": "mit"}}, wanted=False) is None
    assert take_card({"card": False}) is None
    assert take_card({"card": True}) == take_card({}) == {}
    with pytest.raises(ValueError, match="card is 'yes'; give a section"):
        take_card({"card": "yes"})

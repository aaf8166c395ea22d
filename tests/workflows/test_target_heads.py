"""`fit(target_heads=)`, `xcat fit --target-heads` and `evaluate(target=)` of a checkpoint with heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import xcat_rec
from xcat_rec.cli.app import main
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.trainer import XCatTrainer
from xcat_rec.training.tuning import target_heads

from ..cli.commands import run
from ..tiny_shop import QUICK, SMALL, save_text_encoder, shop, write_shop

FIELDS: dict[str, Any] = {**SMALL, **QUICK, "num_train_epochs": 2, "target_heads": ["category", "brand"]}


QUIET_PEFT = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("heads")
    return write_shop(folder / "shop"), str(save_text_encoder(folder / "encoder"))


@pytest.fixture(scope="module")
def fitted(places: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> xcat_rec.FitResult:
    """A fit whose heads have weights, whatever their gain: that of another shop would be significant."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target_heads, "choose_weight", lambda values: (0.5, None))
        output = tmp_path_factory.mktemp("fitted") / "checkpoint"
        return xcat_rec.fit(places[0], output, text_encoder=places[1], **FIELDS)


def test_heads_are_saved_with_the_checkpoint_and_named_in_its_card(fitted: xcat_rec.FitResult) -> None:
    loaded = xcat_rec.load(fitted.output)
    assert loaded.model.config.target_head_weights == {"category": [0.5, 0.5], "brand": [0.5, 0.5]}
    own, again = fitted.model.model.target_heads, loaded.model.model.target_heads
    assert torch.equal(own.weight, again.weight)
    assert torch.equal(own.bias, again.bias)
    assert (own.weight != 0).all()
    history = ["item-01", "item-08"]
    found = loaded.recommend_targets(history, "category")
    assert found.to_dict() == fitted.recommender.recommend_targets(history, "category").to_dict()
    card = (fitted.output / "README.md").read_text()
    assert "Head of category" in card
    assert (
        "a linear layer for 3 values; weight beside summed items: 0.5 for the next one, 0.5 for one new to the user"
        in card
    )


def test_the_command_fits_the_heads_of_the_call(
    places: tuple[Path, str], tmp_path: Path, fitted: xcat_rec.FitResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_heads, "choose_weight", lambda values: (0.5, None))
    options = []
    for name, value in {**SMALL, **QUICK, "num_train_epochs": 2, "text_encoder": places[1]}.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value).lower()
        options += [f"--{name.replace('_', '-')}", str(value) if name == "text_encoder" else text]
    command = ["fit", str(places[0]), "--output", str(tmp_path / "again"), *options]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--target-heads", "category,brand"])
    assert ended.value.code == 0
    one, other = (load_file(folder / "model.safetensors") for folder in (fitted.output, tmp_path / "again"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_an_evaluation_has_rows_of_sums_of_the_head_and_of_both(
    fitted: xcat_rec.FitResult, places: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = xcat_rec.evaluate(fitted.output, places[0], target="category", ks=[1, 10])
    assert list(found.baselines) == ["popularity", "repeat-purchase", "transitions", "summed-items", "head"]
    told = run(["evaluate", str(fitted.output), str(places[0]), "--target", "category", "-k", "1", "--json"], capsys)
    assert told["metrics"]["ndcg@1"] == found.report.metrics["ndcg@1"]
    assert told["baselines"]["head"]["metrics"]["ndcg@1"] == found.baselines["head"].metrics["ndcg@1"]
    recommender = xcat_rec.load(fitted.output)
    recommender.model.config.target_head_weights["category"] = [0.0, 0.0]
    alone = xcat_rec.evaluate(recommender, places[0], target="category", ks=[1, 10])
    assert alone.report.metrics == alone.baselines["summed-items"].metrics == found.baselines["summed-items"].metrics
    assert alone.baselines["head"].metrics == found.baselines["head"].metrics


@pytest.mark.parametrize("given", [None, []], ids=["those of the base", "none"])
def test_training_from_a_base_fits_its_heads_again(
    given: list[str] | None, fitted: xcat_rec.FitResult, tmp_path: Path
) -> None:
    recommender, splits = xcat_rec.load(fitted.output), fitted.prepared.splits
    recommender.model.config.target_head_groups["colour"] = ["red"]  # of an earlier catalogue
    args = XCatTrainingArguments(
        output_dir=str(tmp_path), **{**QUICK, "num_train_epochs": 1, "target_heads": given, "quick": True}
    )
    model = recommender.model
    XCatTrainer(model, args, splits["train"], splits["validation"], recommender.processor).train()
    if given is None:
        assert list(model.config.target_head_groups) == ["brand", "category"], "and drops what it cannot fit"
        assert not torch.equal(model.model.target_heads.weight, fitted.model.model.target_heads.weight)
        assert model.config.target_head_weights != fitted.model.config.target_head_weights
    else:
        assert model.model.target_heads is None
        assert model.config.target_head_groups == model.config.target_head_weights == {}


@QUIET_PEFT
def test_heads_need_columns_of_the_items_and_a_whole_model(
    fitted: xcat_rec.FitResult, places: tuple[Path, str], tmp_path: Path
) -> None:
    given = {"text_encoder": places[1], **SMALL, **QUICK}
    with pytest.raises(ValueError, match="target_heads is 'colour': the items have no column 'colour'; give one of"):
        xcat_rec.fit(shop(), tmp_path / "a", target_heads=["colour"], **given)
    with pytest.raises(ValueError, match="an adapter is saved without heads"):
        xcat_rec.fit(shop(), tmp_path / "b", base=fitted.output, peft="lora", target_heads=["brand"], **QUICK)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("task", ["next-item", "click"])
def test_too_few_validation_users_are_refused_before_texts_are_encoded(task: str, tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()
    given: dict[str, Any] = {**SMALL, **QUICK, "text_encoder": str(tmp_path / "encoder"), "target_heads": "brand"}
    options = {"negatives": "popularity"} if task == "click" else {}
    with pytest.raises(ValueError, match="target_heads is 'brand': the validation split has 20 users with a target"):
        xcat_rec.fit(shop(20), tmp_path / "few", task=task, **given, **options)
    assert [place.name for place in tmp_path.iterdir()] == ["encoder"], "whose files nobody has missed"


@QUIET_PEFT
def test_an_adapter_keeps_the_heads_of_its_base(fitted: xcat_rec.FitResult, tmp_path: Path) -> None:
    xcat_rec.fit(shop(), tmp_path / "lora", base=fitted.output, peft="lora", card=None, **{**QUICK, "max_steps": 1})
    loaded = XCatRecommender.from_pretrained(tmp_path / "lora")
    assert loaded.model.config.target_head_weights == fitted.model.config.target_head_weights
    assert torch.equal(loaded.model.model.target_heads.weight, fitted.model.model.target_heads.weight)
    assert loaded.recommend_targets(["item-01"], "brand", 1)[0].name

from __future__ import annotations

import pytest
import torch

from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training
from xcat_rec.training.recipes import RECIPES, find_recipe, is_own

from ..tiny_shop import save_text_encoder, shop


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return str(save_text_encoder(tmp_path_factory.mktemp("encoder")))


def test_our_own_is_the_library_s_defaults():
    assert not RECIPES["xcat"].config and not RECIPES["xcat"].training


def test_names_are_returned_unchanged():
    assert all(recipe.name == name and recipe.description for name, recipe in RECIPES.items())
    assert all(recipe.reference or is_own(name) for name, recipe in RECIPES.items())


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'bert5rec' is not a recipe; give one of xcat, sasrec, .*gru4rec"):
        find_recipe("bert5rec")


@pytest.mark.parametrize("name", RECIPES)
def test_fields_exist_and_differ_from_the_defaults(name, tmp_path):
    recipe = find_recipe(name)
    defaults = XCatConfig(item_features={"brand": 3})
    config = XCatConfig(**recipe.config)
    if is_own(name):
        assert all(getattr(config, field) != getattr(defaults, field) for field in recipe.config)
    assert all(hasattr(defaults, field) for field in recipe.config)
    XCatTrainingArguments(output_dir=str(tmp_path), use_cpu=True, precision="fp32", **recipe.training)


@pytest.mark.parametrize("name", RECIPES)
def test_models_of_ids_or_texts_alone_read_no_brand(name, encoder):
    prepared = prepare_training(shop(12), PreparationOptions(text_encoder=encoder, config=find_recipe(name).config))
    has_brand = is_own(name) and name != "xcat-no-features"
    assert list(prepared.model.config.item_features) == (["brand"] if has_brand else [])


@pytest.mark.parametrize("name", RECIPES)
def test_the_cold_boost_is_for_models_that_read_texts(name, encoder):
    config = find_recipe(name).config
    prepared = prepare_training(shop(12), PreparationOptions(text_encoder=encoder, config=config))
    reads = is_own(name) and config.get("use_text", True)
    assert prepared.model.config.untrained_bonus == (0.25 if reads else 0)
    options = PreparationOptions(text_encoder=encoder, config={**config, "untrained_bonus": -1.5})
    assert prepare_training(shop(12), options).model.config.untrained_bonus == -1.5


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_can_be_trained(name, encoder):
    small = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "max_history": 8}
    config = {**find_recipe(name).config, **small}
    prepared = prepare_training(shop(12), PreparationOptions(text_encoder=encoder, config=config), "fp32")
    rows = [prepared.splits["test"][i] for i in range(4)]
    batch = prepared.processor.collate(rows)
    model = prepared.model.train()
    ids = batch["item_ids"]
    loss = model(**batch, labels=ids.roll(-1, 1)).loss
    loss.backward()
    assert loss.isfinite()
    assert model.eval().score_catalogue(**batch).shape == (4, len(prepared.processor.catalogue))


def test_an_lstm_reads_the_ratings_of_events(encoder):
    config = {**find_recipe("lstm").config, "hidden_size": 16}
    prepared = prepare_training(shop(12), PreparationOptions(text_encoder=encoder, config=config), "fp32")
    model = prepared.model.eval()
    assert model.model.rating_embeddings is not None and model.model.time_gap_embeddings is None
    ids = torch.tensor([[4, 7, 5]])
    scores = [model.score_catalogue(item_ids=ids, rating_ids=torch.tensor([[3, last, 2]])) for last in (1, 5)]
    assert (scores[0] - scores[1])[:, 2:].abs().max() > 1e-4

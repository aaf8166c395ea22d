"""Heads of targets: their probabilities, their place beside summed items, and their part in a checkpoint."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModel

from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.target_heads_xcat import TargetHead, XCatTargetHeads, with_head

INF = math.inf
GROUPS = {"category": ["tents", "boots", "maps"], "brand": ["Arc", "Bee"]}
WEIGHTS = {"category": [0.25, 2.0], "brand": [0.0, 0.5]}


def small_config(**fields: object) -> XCatConfig:
    sizes = {"hidden_size": 4, "num_attention_heads": 2, "intermediate_size": 8, "num_item_rows": 8, "text_dim": 4}
    return XCatConfig(**{**sizes, "max_history": 5, "num_segments": 0, "num_candidates": 0, **fields})


def filled(config: XCatConfig) -> XCatForNextItem:
    model = XCatForNextItem(config)
    torch.manual_seed(3)
    model.model.target_heads.weight.normal_()
    model.model.target_heads.bias.normal_()
    return model


def test_a_head_ranks_the_groups_that_it_shares_with_the_catalogue() -> None:
    heads = XCatTargetHeads(small_config(target_head_groups=GROUPS, target_head_weights=WEIGHTS))
    heads.bias.copy_(torch.tensor([0.0, 0.0, math.log(3), 0.0, math.log(9)]))
    heads.weight[4, 0] = 1.0
    head = heads.head("category", ["stoves", "boots", "tents"])
    assert head.weights == (0.25, 2.0)
    found = head(torch.zeros(1, 4)).exp()
    assert found[0].tolist() == pytest.approx([0, 1 / 4, 3 / 4]), "stoves are new, and maps are gone"
    every = heads.head("category", GROUPS["category"])(torch.tensor([[math.log(2.0), 5, 5, 5]])).exp()
    assert every[0].tolist() == pytest.approx([3 / 22, 1 / 22, 18 / 22])
    assert heads.head("campaign", ["tents"]) is None
    assert heads.head("brand", ["Cat"]) is None, "no group is known"


def test_a_head_multiplies_the_sums_and_keeps_their_total() -> None:
    summed = torch.tensor([[0.3, 0.1, 0.2, 0.0]])  # items without a group have the other .4
    head = torch.tensor([[0.5, 0.3, 0.0, 0.2]])
    found = with_head(summed.log(), head.log(), 2.0).exp()
    assert found[0].tolist() == pytest.approx([0.4 * 75 / 84, 0.4 * 9 / 84, 0.2, 0]), ".3 * .25 and .1 * .09"
    nothing = torch.tensor([[0.0, 0.0, 0.2, 0.0]])
    assert with_head(nothing.log(), head.log(), 1.0).tolist() == nothing.log().tolist()
    assert with_head(summed.log(), torch.full_like(summed, -INF), 1.0).tolist() == summed.log().tolist()


@given(
    st.lists(
        st.tuples(st.floats(0.01, 1), st.floats(0.01, 1), st.booleans()), min_size=1, max_size=6
    ),
    st.floats(0, 3),
)  # fmt: skip
def test_probabilities_with_a_head_are_those_of_the_formula(
    values: list[tuple[float, float, bool]], weight: float
) -> None:
    summed = torch.tensor([[one for one, _, _ in values]], dtype=torch.float64)
    head = torch.tensor([[other if ranks else 0.0 for _, other, ranks in values]], dtype=torch.float64)
    found = with_head(summed.log(), head.log(), weight).exp()[0].tolist()
    ranked = [place for place, (_, _, ranks) in enumerate(values) if ranks]
    products = {place: values[place][0] * values[place][1] ** weight for place in ranked}
    total = sum(values[place][0] for place in ranked)
    expected = [
        total * products[place] / sum(products.values()) if place in products else one
        for place, (one, _, _) in enumerate(values)
    ]
    assert found == pytest.approx(expected)


def test_heads_are_saved_and_loaded_bit_for_bit(tmp_path: Path) -> None:
    model = filled(small_config(target_head_groups=GROUPS, target_head_weights=WEIGHTS))
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["target_head_groups"] == GROUPS
    assert "target_heads_xcat" in {path.stem for path in tmp_path.glob("*.py")}, "the code goes with the weights"
    states, names = torch.randn(3, 4), GROUPS["category"]
    before = model.model.target_heads.head("category", names)(states)
    for loaded in (part.from_pretrained(tmp_path).model for part in (XCatForNextItem, AutoModel)):
        assert loaded.config.target_head_weights == WEIGHTS
        for name in ("weight", "bias"):
            assert torch.equal(getattr(loaded.target_heads, name), getattr(model.model.target_heads, name))
        assert torch.equal(loaded.target_heads.head("category", names)(states), before), "whatever the order of keys"


def test_a_model_without_heads_has_no_weights_of_them(tmp_path: Path) -> None:
    model = XCatForNextItem(small_config())
    assert model.model.target_heads is None
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["target_head_groups"] == {}
    assert not any("target_heads" in name for name in model.state_dict())
    assert XCatForNextItem.from_pretrained(tmp_path).model.target_heads is None


@pytest.mark.parametrize(
    ("groups", "weights", "words"),
    [
        (
            {"brand": ["Arc", "Arc"]},
            {"brand": [0, 1]},
            r"target_head_groups\['brand'\] has 2 groups, 1 of them differ",
        ),
        ({"brand": []}, {"brand": [0, 1]}, r"\['brand'\] has 0 groups"),
        ({}, {"brand": [0, 1]}, r"\['brand'\] has 0 groups"),
        ({"brand": ["Arc"]}, {}, r"target_head_weights\['brand'\] is \[\]; give two numbers"),
        ({"brand": ["Arc"]}, {"brand": [0, -1]}, r"is \[0, -1\]; give two numbers of 0 or more"),
    ],
)
def test_heads_that_do_not_fit_are_refused(groups: dict, weights: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        small_config(target_head_groups=groups, target_head_weights=weights)


def test_a_head_of_half_precision_computes_in_float32() -> None:
    model = filled(small_config(target_head_groups=GROUPS, target_head_weights=WEIGHTS)).half()
    head: TargetHead = model.model.target_heads.head("brand", ["Bee"])
    assert head(torch.ones(2, 4).half()).dtype == torch.float32

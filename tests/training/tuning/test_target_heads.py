"""Heads of targets are trained over fixed states, and validation chooses their epoch and their weights."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset, IterableDataset
from torch import nn

from xcat_rec.evaluation.group_ranking import SummedItems, group_rows
from xcat_rec.modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from xcat_rec.modeling_xcat.target_heads_xcat import with_head
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.item_groups import read_groups
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparedTraining
from xcat_rec.training.trainer import XCatTrainer
from xcat_rec.training.tuning import target_heads
from xcat_rec.training.tuning.head_training import (
    NextGroups,
    group_loss,
    linear_head,
    next_groups,
    train_head,
    training_states,
)
from xcat_rec.training.tuning.target_heads import (
    FittedHead,
    check_target_heads,
    check_training,
    choose_weight,
    fit_target_heads,
    place_heads,
)

from ...tiny_shop import NO_CATEGORY, QUICK
from ..test_trainer import prepared, trainer_of

ITEMS = pa.table({
    "item_id": ["tent", "dome", "boots", "lamp"], "category": ["tents", "tents", "boots", None],
    "campaign": pa.array([["1"], ["1", "2"], ["2"], None]), "shop": ["A"] * 4, "size": [1.5, 2, 3, 4],
})  # fmt: skip
VOCABULARY = ItemVocabulary(ITEMS)


@cache
def start() -> PreparedTraining:
    """A model that is not trained; tests do not change its weights."""
    import tempfile

    return prepared(Path(tempfile.mkdtemp(prefix="xcat-heads-")))


def test_labels_of_several_groups_share_the_weight_of_a_state() -> None:
    groups = read_groups(VOCABULARY, "campaign")
    some, wanted = next_groups(torch.tensor([3, 5, 2, 4]), groups)
    assert some.tolist() == [0, 2, 3], "the lamp has no campaign"
    places, codes, weights = wanted.of(torch.tensor([2, 0]))
    assert (places.tolist(), codes.tolist(), weights.tolist()) == ([0, 1, 1], [1, 0, 1], [1.0, 0.5, 0.5])
    sums = torch.zeros(3).index_add_(0, *wanted.of(torch.arange(3))[::2])
    assert sums.tolist() == [1.0, 1.0, 1.0]


def test_the_loss_is_the_cross_entropy_of_the_groups() -> None:
    wanted = NextGroups(torch.tensor([0, 1, 2]), torch.tensor([0, 2, 3]))
    logits = torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.7, 0.2]]).log()
    expected = -(0.5 * math.log(0.2) + 0.5 * math.log(0.3) + math.log(0.2)) / 2
    assert group_loss(logits, wanted, torch.arange(2)).item() == pytest.approx(expected)
    assert group_loss(logits[1:], wanted, torch.tensor([1])).item() == pytest.approx(-math.log(0.2))


def test_a_head_learns_separable_groups_and_the_best_epoch_is_kept() -> None:
    torch.manual_seed(0)
    codes = torch.randint(3, (2000,))
    states = nn.functional.one_hot(codes, 3).float() * 4
    wanted, popularity = NextGroups(codes, torch.arange(2001)), torch.tensor([0.2, 0.3, 0.5])
    first = linear_head(3, popularity)
    assert first.bias.exp().tolist() == pytest.approx([0.2, 0.3, 0.5], abs=1e-5)
    values = iter([0.5, 0.7, 0.6, 0.9])
    seen: list[float] = []

    def judge(head: nn.Module) -> float:
        seen.append(float(head(states).detach().logsumexp(1).sum()))
        return next(values)

    kept, found = train_head(first, states, wanted, judge)
    assert found == [0.5, 0.7, 0.6], "training stops when the metric falls"
    assert float(kept(states).detach().logsumexp(1).sum()) == seen[1], "and the second epoch is kept"
    losses = [
        float(group_loss(head(states).detach(), wanted, torch.arange(2000)))
        for head in (linear_head(3, popularity), kept)
    ]
    assert losses[1] < losses[0]


def test_training_states_are_those_of_prefixes() -> None:
    model, processor = start().model.eval(), start().processor
    rows = start().splits["train"].select(range(4))
    states, labels = training_states(model, processor, rows, 3)
    recommender, place = XCatRecommender(model, processor), 0
    for row in rows.with_format(None).to_list():
        for end in range(max(1, len(row["items"]) - 3), len(row["items"])):
            prefix = {name: value[:end] if isinstance(value, list) else value for name, value in row.items()}
            torch.testing.assert_close(states[place], recommender.row_states([prefix])[0], atol=1e-5, rtol=1e-4)
            assert labels[place] == row["items"][end]
            place += 1
    assert place == len(states) == len(labels)


def test_events_that_are_not_targets_are_not_labels() -> None:
    model, processor = start().model.eval(), start().processor
    row = start().splits["train"].with_format(None).select([0]).to_list()[0]
    roles = [1] * len(row["items"])
    roles[-1] = 0
    _, labels = training_states(model, processor, Dataset.from_list([{**row, "event_roles": roles}]), 2)
    assert labels.tolist() == row["items"][-3:-1]


def test_a_weight_is_used_if_its_gain_is_significant() -> None:
    users = np.tile([0.2, 0.4], 20)
    better = {0.0: users, 1.0: users + 0.1, 2.0: users + np.tile([0.3, -0.25], 20)}
    weight, gain = choose_weight(better)
    assert (weight, gain.users, gain.after - gain.before) == (1.0, 40, pytest.approx(0.1))
    noisy = {0.0: users, 1.0: users + np.tile([0.3, -0.28], 20)}
    weight, gain = choose_weight(noisy)
    assert weight == 0.0
    assert gain.decides == pytest.approx(0.01)
    few = {name: values[: target_heads.LEAST_USERS - 1] for name, values in better.items()}
    assert choose_weight(few) == (0.0, None)


@cache
def fitted() -> tuple[PreparedTraining, list[FittedHead], Any]:
    """A copy of the model with heads, and these."""
    own = replace(start(), model=copy.deepcopy(start().model))
    weights = {name: value.clone() for name, value in own.model.state_dict().items()}
    splits = own.splits
    found = fit_target_heads(own.model, own.processor, splits["train"], splits["validation"], ["category", "brand"])
    assert all(torch.equal(own.model.state_dict()[name], value) for name, value in weights.items()), "states are fixed"
    return own, found, splits


def test_fitted_heads_are_placed_in_the_model_with_their_groups_and_weights() -> None:
    own, found, _ = fitted()
    config, heads = own.model.config, own.model.model.target_heads
    assert {name: len(names) for name, names in config.target_head_groups.items()} == {"brand": 3, "category": 4}
    assert config.target_head_weights == {one.column: list(one.weights) for one in found}
    head = heads.head("brand", ["brand 2", "brand 0", "brand 1"])
    layer, names, states = found[1].layer, found[1].names, torch.randn(5, config.hidden_size)
    order = [names.index(name) for name in ("brand 2", "brand 0", "brand 1")]
    torch.testing.assert_close(head(states), torch.log_softmax(layer(states), 1)[:, order])
    for one in found:
        assert one.epochs[:-1] == sorted(one.epochs[:-1]), "the first epoch that is not better is the last one"
    every = len(training_states(own.model, own.processor, own.splits["train"], 20)[0])
    assert found[1].states == every > found[0].states, "each item has a brand, and one has no category"


def test_rows_may_be_lists_and_columns_a_text() -> None:
    own, found, splits = fitted()
    model, kept = own.model, {name: value.clone() for name, value in own.model.state_dict().items()}
    again = fit_target_heads(
        model, own.processor, list(splits["train"]), list(splits["validation"]), "category, brand"
    )
    assert [(one.column, one.epochs, one.weights) for one in again] == [
        (one.column, one.epochs, one.weights) for one in found
    ]
    assert all(torch.equal(model.state_dict()[name], value) for name, value in kept.items())
    with pytest.raises(TypeError, match="validation is a str; give a datasets"):
        fit_target_heads(model, own.processor, splits["train"], "rows", "brand")
    with pytest.raises(ValueError, match="the validation split has 0 users"):
        fit_target_heads(model, own.processor, splits["train"], splits["train"], "brand")


def test_the_gains_are_those_of_sums_and_heads_without_the_rerankers() -> None:
    own, found, splits = fitted()
    groups = read_groups(own.processor.catalogue, "category")
    recommender = XCatRecommender(own.model, own.processor)
    rows = group_rows(splits["validation"], groups)
    scores = SummedItems(recommender, groups, splits["validation"]).score_rows(rows.with_format(None).to_list())
    states = recommender.row_states(splits["validation"].with_format(None).select(rows["row"]).to_list())
    head = own.model.model.target_heads.head("category", groups.names)(states)
    values = []
    for weight in (0.0, *target_heads.WEIGHTS):
        mixed = with_head(scores[:, 2:], head, weight)
        ranks = [
            1 + int((row >= row[target]).sum()) - 1
            for row, target in zip(mixed, (wanted[0] - 2 for wanted in rows["targets"]), strict=True)
        ]
        values.append(np.mean([1 / math.log2(1 + rank) for rank in ranks]))
    gain = found[0].gains["next"]
    assert gain.before == pytest.approx(values[0], abs=1e-6)
    assert gain.after == pytest.approx(max(values[1:]), abs=1e-6)


def test_no_heads_leave_none() -> None:
    own, found, _ = fitted()
    place_heads(own.model, ())
    assert own.model.model.target_heads is None
    assert own.model.config.target_head_groups == own.model.config.target_head_weights == {}
    place_heads(own.model, found)
    assert own.model.model.target_heads.bias.shape == (7,)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["colour"], "target_heads is 'colour': the items have no column 'colour'; give one of category, campaign"),
        (["size"], "column size contains double"),
        (["shop"], "all items with a value in this column have 'A'; give a column with at least two values"),
        (["category", "category"], "give each column once"),
    ],
)
def test_columns_that_cannot_have_a_head_are_refused(columns: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_target_heads(VOCABULARY, columns)


def test_training_rows_need_a_target_with_a_value() -> None:
    groups = read_groups(VOCABULARY, "category")
    lamp, boots = VOCABULARY.encode(["lamp", "boots"]).tolist()
    rows = [{"items": [boots, lamp], "event_roles": [1, 1]}, {"items": [lamp, boots], "event_roles": [1, 0]}]
    with pytest.raises(ValueError, match="no training event has an item with a value in this column; leave it out"):
        check_training(Dataset.from_list(rows), groups)  # the first event and the context event are not predicted
    check_training(Dataset.from_list([*rows, {"items": [lamp, boots], "event_roles": [0, 1]}]), groups)


def test_heads_that_cannot_be_fitted_are_refused_before_the_training(tmp_path: Path) -> None:
    few = replace(start(), data=replace(start().data, splits=start().splits.copy()))
    few.splits["validation"] = few.splits["validation"].select(range(12))
    trainer = trainer_of(few, tmp_path, target_heads=["brand"])
    with pytest.raises(ValueError, match="validation split has 12 users with a target item that has a value"):
        trainer.train()
    none = replace(start(), data=replace(start().data, splits=start().splits.copy()))
    only = int(start().processor.catalogue.encode([f"item-{NO_CATEGORY:02}"])[0])
    none.splits["train"] = none.splits["train"].map(lambda row: {"items": [only] * len(row["items"])})
    with pytest.raises(ValueError, match="'category': no training event has an item with a value in this column"):
        trainer_of(none, tmp_path, target_heads=["category"]).train()
    stream = trainer_of(start(), tmp_path, target_heads=["brand"], max_steps=1)
    stream._given_rows = IterableDataset.from_generator(lambda: iter(()))
    with pytest.raises(ValueError, match="target_heads is brand, and train_dataset is a stream"):
        stream.train()
    clicks = start().data
    args = XCatTrainingArguments(output_dir=str(tmp_path), **{**QUICK, "target_heads": ["brand"], "tune_lists": False})
    with pytest.raises(ValueError, match="target_heads is brand, and ClickTask tunes no lists here"):
        XCatTrainer(
            XCatForClickPrediction(start().model.config), args, clicks.train, clicks.validation, start().processor,
            task="click",
        )  # fmt: skip
    with pytest.raises(ValueError, match="target_heads is a list of columns of the items"):
        trainer_of(start(), tmp_path, target_heads=5)
    assert trainer_of(start(), tmp_path, target_heads="brand,category").args.target_heads == ["brand", "category"]

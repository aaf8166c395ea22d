"""Fairness terms from training arguments, and their effect on a small fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

import xcat_rec
from xcat_rec.evaluation.propensities import inverse_propensities
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.vocabulary import ItemVocabulary
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.fairness import check_fairness, fairness_terms

from ..tiny_shop import shop
from .test_trainer import prepared, trainer_of

CATALOGUE = ItemVocabulary(
    pa.table({
        "item_id": ["a", "b", "c", "d"], "title": ["A", "B", "C", "D"], "category": ["x", "x", "y", None],
        "restricted": ["true", "false", "false", None],
    })
)  # fmt: skip
COUNTS = torch.tensor([0, 0, 80, 15, 4, 1])


def arguments(folder: Path, **changes: object) -> XCatTrainingArguments:
    return XCatTrainingArguments(output_dir=str(folder), use_cpu=True, **changes)  # type: ignore[arg-type]


def test_no_arguments_are_no_terms(tmp_path: Path) -> None:
    assert fairness_terms(arguments(tmp_path), CATALOGUE, COUNTS) is None


def test_terms_by_hand(tmp_path: Path) -> None:
    args = arguments(
        tmp_path, logit_adjustment=0.2, propensity_power=0.5, propensity_clip=3.0, exposure_weight=0.1,
        group_gap_weight=0.01, flagged=["restricted=true", "c"], flagged_weight=1.0,
    )  # fmt: skip
    terms = fairness_terms(args, CATALOGUE, COUNTS)
    np.testing.assert_allclose(terms.item_bias, 0.2 * np.log1p(COUNTS.numpy()), atol=1e-6)
    np.testing.assert_allclose(terms.label_weights, inverse_propensities(COUNTS.numpy(), 0.5, 3.0), atol=1e-6)
    assert terms.groups.tolist() == [-1, -1, 0, 1, 1, 1]  # the first item has 80 % of the events
    assert terms.wanted.tolist() == [0.25, 0.75] and (terms.exposure_weight, terms.gap_weight) == (0.1, 0.01)
    assert terms.flagged.tolist() == [False, False, True, False, True, False] and terms.flagged_weight == 1.0
    by_category = fairness_terms(arguments(tmp_path, exposure_weight=1, fairness_column="category"), CATALOGUE, COUNTS)
    assert by_category.groups.tolist() == [-1, -1, 0, 0, 1, -1] and by_category.flagged is None
    np.testing.assert_allclose(by_category.wanted, [2 / 3, 1 / 3], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exposure_weight": -1.0}, "exposure_weight is -1"),
        ({"propensity_power": 3.0}, "propensity_power is 3"),
        ({"propensity_clip": 0.5}, "propensity_clip 0.5"),
        ({"flagged_weight": 1.0}, "give both, or none"),
        ({"flagged": ["a"]}, "give both, or none"),
        ({"logit_adjustment": -1}, "logit_adjustment is -1; give 0 for none, or a number up to 100"),
        ({"logit_adjustment": 1e30}, r"logit_adjustment is 1e\+30"),
        ({"logit_adjustment": float("nan")}, "logit_adjustment is nan"),
        ({"exposure_weight": float("nan")}, "exposure_weight is nan"),
    ],
)
def test_bad_arguments_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arguments(tmp_path, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"group_gap_weight": 0.1, "fairness_column": "maker"},
            "fairness_column is 'maker'; give long-tail, or a col",
        ),
        ({"flagged": ["z"], "flagged_weight": 1.0}, "flagged: 'z' is not an item of the catalogue"),
        ({"flagged": ["restricted=maybe"], "flagged_weight": 1.0}, "flagged: 'restricted=maybe'"),
    ],
)
def test_what_the_catalogue_lacks_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fairness_terms(arguments(tmp_path, **changes), CATALOGUE, COUNTS)
    with pytest.raises(ValueError, match=message):
        check_fairness(arguments(tmp_path, **changes), CATALOGUE)


def test_what_the_catalogue_lacks_is_refused_before_texts_are_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encoded(*_: object, **__: object) -> None:
        raise AssertionError("texts were encoded")

    monkeypatch.setattr("xcat_rec.training.preparation.prepare.choose_text_encoder", encoded)
    with pytest.raises(ValueError, match="flagged: 'z' is not an item of the catalogue"):
        xcat_rec.fit(shop(), tmp_path / "new", flagged=["z"], flagged_weight=1.0)


def test_training_with_flagged_items_recommends_them_less(tmp_path: Path) -> None:
    shares = []
    for changes in ({}, {"flagged": ["FLAGGED"], "flagged_weight": 20.0}):
        start = prepared(tmp_path)
        popular = int(np.argmax(start.model.model.items.item_counts.numpy()))
        (item,) = start.processor.catalogue.decode([popular])
        given = {name: [item] if name == "flagged" else value for name, value in changes.items()}
        trainer = trainer_of(start, tmp_path, num_train_epochs=3, tune_second_stage=False, **given)
        trainer.train()
        rows = list(start.splits["validation"].with_format(None))
        scores = XCatRecommender(start.model, start.processor).score_rows(rows)
        shares.append(scores.softmax(1)[:, popular].mean().item())
        assert "fairness" not in " ".join(start.model.state_dict())
    assert shares[1] < 0.7 * shares[0]

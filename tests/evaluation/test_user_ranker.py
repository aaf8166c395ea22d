"""Rankings by models of users and items: scores by hand, users without training events, batches."""

from __future__ import annotations

import pytest
import torch

from xcat_rec.evaluation import user_ranker
from xcat_rec.evaluation.ranker_evaluation import Ranker
from xcat_rec.evaluation.user_ranker import UserRanker
from xcat_rec.modeling_baselines import (
    MatrixFactorizationConfig,
    MatrixFactorizationModel,
    NeuMFConfig,
    NeuMFModel,
)

SIZES = {"num_item_rows": 7, "num_user_rows": 4, "embedding_dim": 4, "num_category_rows": 3, "num_rating_buckets": 6}
ROWS = [{"user_id": "b"}, {"user_id": "stranger"}, {"user_id": "a"}, {"user_id": "c"}]
USERS = {"a": 1, "b": 2, "c": 3}


def test_scores_are_the_models_own(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = MatrixFactorizationModel(MatrixFactorizationConfig(**SIZES))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
        for table in (model.states.users, model.user_bias):
            table.weight[0] = 0
    ranker = UserRanker(model, USERS)
    assert isinstance(ranker, Ranker)
    scores = ranker.score_rows(ROWS)
    assert scores.shape == (4, 7) and torch.isneginf(scores[:, :2]).all()
    user, item = model.states.users.weight[2], model.states.items.weight[5]
    expected = user @ item + model.user_bias.weight[2, 0] + model.item_bias.weight[5, 0] + model.bias[0]
    torch.testing.assert_close(scores[0, 5], expected.detach())
    strangers = model.item_bias.weight[2:, 0] + model.bias[0]
    torch.testing.assert_close(scores[1, 2:], strangers.detach())
    monkeypatch.setattr(user_ranker, "_PAIRS_AT_ONCE", 5)
    torch.testing.assert_close(ranker.score_rows(ROWS), scores)
    assert ranker.score_rows([]).shape == (0, 7)


def test_a_network_ranks_too() -> None:
    torch.manual_seed(0)
    ranker = UserRanker(NeuMFModel(NeuMFConfig(**SIZES, initializer_range=1.0, hidden_sizes=(6, 3))), USERS)
    scores = ranker.score_rows(ROWS)
    assert scores[:, 2:].isfinite().all() and len(scores[:, 2:].unique(dim=0)) == 4

"""Embeddings of users and items."""

from __future__ import annotations

import pytest
import torch

from .conftest import ROWS, tiny_config, tiny_model


@pytest.mark.parametrize("scoring", ["cosine", "dot"])
def test_products_are_the_base_scores(scoring: str) -> None:
    head = tiny_model(tiny_config(scoring=scoring))
    item_ids = torch.tensor([[2, 3, 4, 2, 0], [5, 6, 7, 8, 9]])
    inputs = {"item_ids": item_ids, "attention_mask": item_ids.ne(0).long()}
    users, items = head.get_user_features(**inputs), head.get_item_features()
    assert (users.shape, items.shape, users.dtype) == ((2, 16), (ROWS, 16), torch.float32)
    base = head.model
    expected = base.score_states(base.encode_queries(**inputs)[0], None)
    torch.testing.assert_close((users @ items.T)[:, 2:], expected[:, 2:])
    of_numpy = head.get_user_features(
        query_positions=[3, 9], **{name: value.numpy() for name, value in inputs.items()}
    )
    torch.testing.assert_close(of_numpy, users)
    torch.testing.assert_close(head.get_item_features([7, 3]), items[[7, 3]])
    assert not users.requires_grad and not items.requires_grad


def test_an_unknown_input_is_refused() -> None:
    with pytest.raises(TypeError, match="get_user_features has no input 'texts'"):
        tiny_model().get_user_features(item_ids=torch.tensor([[2]]), texts=["warm"])

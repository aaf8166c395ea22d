"""AdamW by rows: the same as the optimisers of torch where those can do it, and nothing outside the rows."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from xcat_rec.training.optimizers import RowAdamW, clip_row_gradients


class Model(nn.Module):
    """A table and a layer."""

    def __init__(self, sparse: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 3, sparse=sparse)
        self.layer = nn.Linear(3, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Something that depends on every weight."""
        return (self.layer(self.table(rows)) ** 2).sum()


def pair() -> tuple[Model, Model]:
    torch.manual_seed(0)
    sparse = Model(sparse=True)
    dense = Model(sparse=False)
    dense.load_state_dict(sparse.state_dict())
    return sparse, dense


def test_with_every_row_touched_it_is_adamw() -> None:
    sparse, dense = pair()
    rows = torch.tensor([0, 1, 2, 3, 4, 5, 6, 3, 3])
    own = RowAdamW(sparse.parameters(), lr=0.05, weight_decay=0.1)
    peer = torch.optim.AdamW(dense.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(6):
        for model, optimizer in ((sparse, own), (dense, peer)):
            optimizer.zero_grad()
            model(rows).backward()
            optimizer.step()
    for mine, theirs in zip(sparse.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5), min_size=1, max_size=5))
def test_without_decay_the_table_is_that_of_sparse_adam(batches: list[list[int]]) -> None:
    torch.manual_seed(1)
    mine, theirs = nn.Embedding(7, 3, sparse=True), nn.Embedding(7, 3, sparse=True)
    theirs.load_state_dict(mine.state_dict())
    optimizers = (
        RowAdamW(mine.parameters(), lr=0.05, weight_decay=0.0),
        torch.optim.SparseAdam(theirs.parameters(), lr=0.05),
    )
    before = mine.weight.detach().clone()
    for batch in batches:
        for table, optimizer in zip((mine, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            (table(torch.tensor(batch)) ** 2).sum().backward()
            optimizer.step()
    torch.testing.assert_close(mine.weight, theirs.weight, rtol=1e-5, atol=1e-6)
    untouched = [row for row in range(7) if row not in {row for batch in batches for row in batch}]
    assert torch.equal(mine.weight[untouched], before[untouched])


def test_the_state_goes_through_a_checkpoint() -> None:
    sparse, _ = pair()
    optimizer = RowAdamW(sparse.parameters(), lr=0.05)
    sparse(torch.tensor([1, 2])).backward()
    optimizer.step()
    again = copy.deepcopy(sparse)
    other = RowAdamW(again.parameters(), lr=0.05)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for model, using in ((sparse, optimizer), (again, other)):
        using.zero_grad()
        model(torch.tensor([2, 3])).backward()
        using.step()
    for mine, theirs in zip(sparse.parameters(), again.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("largest", [0.01, 1e6, float("inf")])
def test_clipping_is_that_of_dense_gradients(largest: float) -> None:
    sparse, dense = pair()
    rows = torch.tensor([1, 4, 4, 2])
    for model in (sparse, dense):
        model(rows).backward()
    expected = torch.nn.utils.clip_grad_norm_(dense.parameters(), largest)
    found = clip_row_gradients(list(sparse.parameters()), largest)
    torch.testing.assert_close(found, expected)
    assert sparse.table.weight.grad.is_sparse
    torch.testing.assert_close(sparse.table.weight.grad.to_dense(), dense.table.weight.grad)
    torch.testing.assert_close(sparse.layer.weight.grad, dense.layer.weight.grad)

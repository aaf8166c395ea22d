"""Self-attention in groups of lengths equals that of each sequence alone."""

from __future__ import annotations

import pytest
import torch

from xcat_rec.modeling_baselines.self_attention import LengthGroups, SelfAttention


@pytest.mark.parametrize("causal", [False, True])
def test_self_attention_in_groups_of_lengths(causal: bool) -> None:
    torch.manual_seed(0)
    layer, lengths = SelfAttention(6, 2, causal=causal), [3, 9, 0, 17, 8, 1, 40]
    states = torch.randn(sum(lengths), 6)
    groups = LengthGroups.of(torch.tensor(lengths))
    assert [tuple(part.shape) for part in groups.places] == [(3, 8), (1, 16), (1, 32), (1, 40)]
    found = layer(states, groups)
    place = 0
    for length in lengths:
        own = states[place : place + length]
        query, key, value = layer.projections(own).view(length, 3, 2, 3).unbind(1)
        for head in range(2):
            scores = query[:, head] @ key[:, head].T / 3**0.5
            if causal:
                scores = scores + torch.full((length, length), -torch.inf).triu(1)
            torch.testing.assert_close(found[place : place + length, head], scores.softmax(-1) @ value[:, head])
        place += length

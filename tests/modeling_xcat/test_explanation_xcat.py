from __future__ import annotations

import torch

from xcat_rec.modeling_xcat.explanation_xcat import event_attention, event_shares
from xcat_rec.modeling_xcat.outputs_xcat import XCatModelOutput


def test_cross_attention_is_averaged_and_summed_over_the_tokens_of_an_event():
    # One history of two events in a row of two, two heads, one layer; memory: null, two tokens an event, a user text.
    weights = torch.tensor([[0.1, 0.2, 0.3, 0.2, 0.1, 0.1], [0.3, 0.0, 0.1, 0.4, 0.1, 0.1]])
    cross = torch.zeros(1, 2, 2, 6)
    cross[0, :, 1] = weights
    positions = torch.tensor([[-1, 0, 0, 1, 1, -1]])
    output = XCatModelOutput(cross_attentions=(cross,), memory_positions=positions)
    found = event_attention(output, torch.tensor([1]), max_history=3)
    torch.testing.assert_close(found, torch.tensor([[0.3, 0.4, 0.0]]))


def test_without_fusion_the_last_self_attention_counts():
    attention = torch.tensor([[[[1.0, 0.0], [0.25, 0.75]]]])
    output = XCatModelOutput(attentions=(torch.ones(1, 1, 2, 2), attention))
    found = event_attention(output, torch.tensor([1]), max_history=3)
    torch.testing.assert_close(found, torch.tensor([[0.25, 0.75, 0.0]]))
    assert event_attention(XCatModelOutput(), torch.tensor([0]), 3) is None


def test_shares_weigh_attention_by_likeness():
    history = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    candidates = torch.tensor([[1.0, 1.0], [0.0, 2.0], [-1.0, -1.0]])
    shares = event_shares(torch.tensor([0.75, 0.25]), history, candidates)
    torch.testing.assert_close(shares[0], torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(shares[1], torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(shares[2], torch.tensor([0.75, 0.25]))  # like nothing: the attention alone
    torch.testing.assert_close(event_shares(None, history, candidates)[0], torch.tensor([0.5, 0.5]))
    assert event_shares(None, history.to("meta"), candidates.to("meta")).device.type == "meta"  # as on a GPU

"""Evidence for clicks that training must not see, added to the trained log odds after training."""

from __future__ import annotations

import torch
from torch import nn

from .configuration_xcat import XCatConfig
from .reranker_xcat import CandidateFeatures, XCatCandidateAttention


class XCatClickStack(nn.Module):
    """Log odds from trained log odds and features of the re-ranker: slope * logit + intercept + bonus.

    Item-to-item weights and transitions were computed from the training events, so in training they would leak the
    label. Here the shown item attends to the latest events through them, as a candidate of the re-ranker does
    (`XCatCandidateAttention`, whose bonus it is). The weights are buffers, fitted on users of the validation split.
    `click_attention` of the configuration states whether they are used.
    """

    slope: torch.Tensor
    intercept: torch.Tensor

    def __init__(self, config: XCatConfig) -> None:
        super().__init__()
        self.evidence = XCatCandidateAttention(config)
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("intercept", torch.zeros(()))

    def forward(self, logits: torch.Tensor, found: CandidateFeatures) -> torch.Tensor:
        """Add the evidence.

        Args:
            logits: (showings,) trained log odds.
            found: Features of the shown items, one candidate per showing.

        Returns:
            (showings,) float32 log odds.
        """
        bonus, _ = self.evidence(found)
        refined: torch.Tensor = self.slope.float() * logits.float() + self.intercept.float() + bonus.squeeze(1)
        return refined

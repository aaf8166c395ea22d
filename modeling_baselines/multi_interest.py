"""Deep multi-interest network (DMIN).

Xiao et al., "Deep Multi-Interest Network for Click-through Rate Prediction", CIKM 2020. It imports only its neighbours
here, because `transformers` copies these files next to a checkpoint's weights.
"""

from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import nn

from .click_inputs import ClickInputs
from .click_layers import ActivationUnit, PairStates
from .deep_click import DeepClickConfig, DeepClickModel
from .self_attention import LengthGroups, SelfAttention
from .shared_histories import SharedHistories


@strict
class DMINConfig(DeepClickConfig):
    """Configuration of `DMINModel`: the fields of `DeepClickConfig`, and four more.

    Args:
        activation: As in `DeepClickConfig`; "prelu" by default, because early in a training the running averages of
            "dice" can be far from the statistics of a batch.
        normalize_input: As in `DeepClickConfig`, True by default. The interests are normalised, and the embeddings
            beside them are small at first, so that without it negatives of the same category taught nothing for five
            epochs.
        num_heads: Heads of both self-attentions; the second ones are the interests. A divisor of the width of an item.
        position_dim: Width of the position embeddings that the attention to an interest reads.
        attention_sizes: Widths of the hidden layers of that attention.
        auxiliary_weight: Weight of the auxiliary loss (lambda in the paper).

    Raises:
        ValueError: If a value is out of range.
    """

    model_type = "xcat_dmin"

    activation: str = "prelu"
    normalize_input: bool = True
    num_heads: int = 4
    position_dim: int = 8
    attention_sizes: list[int] | tuple[int, ...] = (80, 40)
    auxiliary_weight: float | int = 1.0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.attention_sizes = self._widths("attention_sizes")
        self._check_heads(self.num_heads)
        self._check_at_least({"position_dim": 1, "auxiliary_weight": 0})


class BehaviorRefiner(nn.Module):
    """Behaviour refiner: multi-head self-attention with residual connection, normalisation and feed-forward layer.

    An event attends to itself and to earlier events, so that its state can be trained to predict the next one.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads, causal=True)
        self.projection = nn.Linear(width, width)
        self.feed = ResidualFeed(width, dropout)

    def forward(self, events: torch.Tensor, groups: LengthGroups) -> torch.Tensor:
        """(all events, width) refined states."""
        refined: torch.Tensor = self.feed(events, self.projection(self.attention(events, groups).flatten(1)))
        return refined


class ResidualFeed(nn.Module):
    """s = LN(x + y), output = s + W_2 relu(W_1 s) for an input x and what a layer y made of it."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
        """(..., width) outputs."""
        states = self.norm(states + self.dropout(added))
        output: torch.Tensor = states + self.outer(nn.functional.relu(self.inner(states)))
        return output


class Interest(nn.Module):
    """One interest: the output of one head over the events, pooled with attention of candidate and position."""

    def __init__(self, config: DMINConfig) -> None:
        super().__init__()
        width = config.item_width
        self.projection = nn.Linear(width // config.num_heads, width, bias=False)
        self.feed = ResidualFeed(width, config.dropout)
        self.positions = nn.Embedding(config.max_history + 1, config.position_dim)
        self.query = nn.Linear(width + config.position_dim, width)
        self.unit = ActivationUnit(width, config.attention_sizes, "relu", bias=False)

    def forward(
        self,
        head: torch.Tensor,
        events: torch.Tensor,
        inputs: ClickInputs,
        places: torch.Tensor,
        candidate: torch.Tensor,
    ) -> torch.Tensor:
        """(rows, width) interests.

        Args:
            head: (distinct events, width of a head) outputs of the head.
            events: (distinct events, width) states that the head has read.
            inputs: The batch.
            places: (all events,) place of each event of the batch among the distinct events.
            candidate: (rows, width) states of the candidates.
        """
        states = self.feed(events, self.projection(head))
        # The query of a pair is W [c, p] + b for its candidate c and position p, that is a row of each of two tables.
        of_candidate, of_position = self.query.weight.split([candidate.shape[1], self.positions.embedding_dim], dim=1)
        queries = PairStates(
            (nn.functional.linear(candidate, of_candidate, self.query.bias), inputs.owners),
            (nn.functional.linear(self.positions.weight, of_position), inputs.recency[inputs.mask]),
        )
        weights = inputs.softmax_of(self.unit(PairStates((states, places)), queries))
        return inputs.sum_of(states, places, weights)


class DMINModel(DeepClickModel):
    """Self-attention refines the events, a second one splits them into interests, one per head.

    * Section "Behavior refiner layer": Z = multi-head self-attention over the events. The auxiliary loss trains z_t to
      tell event t + 1 from a negative, as in DIEN, so an event attends to itself and to earlier events only.
    * Section "Multi-interest extractor layer": each head of a second self-attention gives a sequence of states; an
      attention unit that reads state, candidate and position weighs them (softmax), and their sum is one interest.

    The features are the interests, and as in the authors' code the mean of the events and its product with the
    candidate. Loss = log loss + `auxiliary_weight` * auxiliary loss.
    """

    config_class = DMINConfig
    needs_negatives = True

    def __init__(self, config: DMINConfig) -> None:
        super().__init__(config)
        width = config.item_width
        self.refiner = BehaviorRefiner(width, config.num_heads, config.dropout)
        self.heads = SelfAttention(width, config.num_heads, causal=True)
        self.extractors = nn.ModuleList(Interest(config) for _ in range(config.num_heads))
        self.make_tower((config.num_heads + 2) * width)

    @property
    def auxiliary_weight(self) -> float:
        """Weight of the auxiliary loss in the loss."""
        return float(self.config.auxiliary_weight)

    def interests(
        self, inputs: ClickInputs, events: torch.Tensor, candidate: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute the features of a history; see `DeepClickModel.interests`."""
        shared = SharedHistories.of(inputs)
        groups = LengthGroups.of(shared.lengths)
        refined = self.refiner(events.index_select(0, shared.first), groups)
        found = [
            extractor(head, refined, inputs, shared.places, candidate)
            for extractor, head in zip(self.extractors, self.heads(refined, groups).unbind(1), strict=True)
        ]
        mean = inputs.mean_of(events)
        features = torch.cat([*found, mean, mean * candidate], dim=-1)
        return features, self.next_event_loss(inputs, refined.index_select(0, shared.places), events)


DMINConfig.register_for_auto_class()
DMINModel.register_for_auto_class("AutoModel")

"""Neural collaborative filtering (GMF, MLP, NeuMF) and matrix factorisation: models of a user and a candidate.

He et al., "Neural Collaborative Filtering", WWW 2017; Rendle et al., "Neural Collaborative Filtering vs. Matrix
Factorization Revisited", RecSys 2020, who show that a tuned dot product is as good or better. The models do not read
the history. It imports only its neighbours here, because `transformers` copies these files next to a checkpoint's
weights.
"""

from typing import Any, Self

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import initialization as init

from .click_inputs import ClickInputs
from .click_layers import Tower
from .click_model import ClickConfig, ClickModel


@strict
class CollaborativeConfig(ClickConfig):
    """Configuration of the models of a user and a candidate.

    Args:
        num_user_rows: Rows of the user table, row 0 (unknown user) included.
        l2: Weight of the squared norms of the user's and the candidate's embeddings in the loss, per row.

    Raises:
        ValueError: If a value is out of range.
    """

    num_user_rows: int = 1
    l2: float | int = 0.0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self._check_at_least({"num_user_rows": 1, "l2": 0})


@strict
class MatrixFactorizationConfig(CollaborativeConfig):
    """Configuration of `MatrixFactorizationModel`; the fields of `CollaborativeConfig`."""

    model_type = "xcat_matrix_factorization"


@strict
class GMFConfig(CollaborativeConfig):
    """Configuration of `GMFModel`; the fields of `CollaborativeConfig`."""

    model_type = "xcat_gmf"


@strict
class NeuralMLPConfig(CollaborativeConfig):
    """Configuration of `NeuralMLPModel`: the fields of `CollaborativeConfig`, and one more.

    Args:
        hidden_sizes: Widths of the hidden layers.

    Raises:
        ValueError: If a value is out of range.
    """

    model_type = "xcat_neural_mlp"

    hidden_sizes: list[int] | tuple[int, ...] = (64, 32, 16)

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        self.hidden_sizes = self._widths("hidden_sizes")


@strict
class NeuMFConfig(NeuralMLPConfig):
    """Configuration of `NeuMFModel`; the fields of `NeuralMLPConfig`."""

    model_type = "xcat_neumf"


class PairStates(nn.Module):
    """Embeddings of users and items."""

    def __init__(self, config: CollaborativeConfig) -> None:
        super().__init__()
        self.users = nn.Embedding(config.num_user_rows, config.embedding_dim, padding_idx=0)
        self.items = nn.Embedding(config.num_item_rows, config.embedding_dim, padding_idx=0)

    def forward(self, inputs: ClickInputs) -> tuple[torch.Tensor, torch.Tensor]:
        """(rows, width) states of the users and of the candidates."""
        return self.users(inputs.users), self.items(inputs.candidates)


class CollaborativeModel(ClickModel):
    """Base class of the models of a user and a candidate; its auxiliary loss is the L2 penalty of Rendle et al."""

    config_class = CollaborativeConfig

    @property
    def auxiliary_weight(self) -> float:
        """Weight of the squared norms."""
        return float(self.config.l2)

    def penalty(self, *states: torch.Tensor) -> torch.Tensor | None:
        """Mean over rows of the squared norms of states; None in evaluation and without `l2`."""
        if not (self.training and self.config.l2):
            return None
        return torch.cat(states, dim=-1).float().square().sum(-1).mean()


class MatrixFactorizationModel(CollaborativeModel):
    """Dot product of user and candidate with biases.

    y = b + b_u + b_i + <p_u, q_i>, the dot product of Rendle et al. (RecSys 2020). Tune `l2`, `embedding_dim` and the
    learning rate on validation data: the result depends on them.
    """

    config_class = MatrixFactorizationConfig

    def __init__(self, config: MatrixFactorizationConfig) -> None:
        super().__init__(config)
        self.states = PairStates(config)
        self.user_bias = nn.Embedding(config.num_user_rows, 1, padding_idx=0)
        self.item_bias = nn.Embedding(config.num_item_rows, 1, padding_idx=0)
        self.bias = nn.Parameter(torch.zeros(1))
        self.post_init()

    def click_logits(self, inputs: ClickInputs) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute logits; see `ClickModel.click_logits`."""
        users, items = self.states(inputs)
        biases = self.user_bias(inputs.users) + self.item_bias(inputs.candidates) + self.bias
        return (users * items).sum(-1) + biases.squeeze(-1), self.penalty(users, items)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, MatrixFactorizationModel):
            init.zeros_(module.bias)


class GMFModel(CollaborativeModel):
    """Generalised matrix factorisation: y = h' (p_u * q_i); He et al., section of this name."""

    config_class = GMFConfig

    def __init__(self, config: GMFConfig) -> None:
        super().__init__(config)
        self.states = PairStates(config)
        self.output = nn.Linear(config.embedding_dim, 1)
        self.post_init()

    def click_logits(self, inputs: ClickInputs) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute logits; see `ClickModel.click_logits`."""
        users, items = self.states(inputs)
        return self.output(users * items).squeeze(-1), self.penalty(users, items)


class NeuralMLPModel(CollaborativeModel):
    """MLP of user and candidate; He et al., section "Multi-layer perceptron (MLP)".

    z_1 = [p_u, q_i], z_l = relu(W_l z_(l-1) + b_l), y = h' z_L.
    """

    config_class = NeuralMLPConfig

    def __init__(self, config: NeuralMLPConfig) -> None:
        super().__init__(config)
        self.states = PairStates(config)
        self.tower = Tower(2 * config.embedding_dim, config.hidden_sizes, "relu", config.dropout)
        self.output = nn.Linear(self.tower.width, 1)
        self.post_init()

    def click_logits(self, inputs: ClickInputs) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute logits; see `ClickModel.click_logits`."""
        users, items = self.states(inputs)
        hidden = self.tower(torch.cat([users, items], dim=-1))
        return self.output(hidden).squeeze(-1), self.penalty(users, items)


class NeuMFModel(CollaborativeModel):
    """GMF and MLP with one output layer, each with its own embeddings; He et al., "Fusion of GMF and MLP".

    y = h' [p_u * q_i, z_L].
    """

    config_class = NeuMFConfig

    def __init__(self, config: NeuMFConfig) -> None:
        super().__init__(config)
        self.product_states = PairStates(config)
        self.states = PairStates(config)
        self.tower = Tower(2 * config.embedding_dim, config.hidden_sizes, "relu", config.dropout)
        self.output = nn.Linear(config.embedding_dim + self.tower.width, 1)
        self.post_init()

    def click_logits(self, inputs: ClickInputs) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute logits; see `ClickModel.click_logits`."""
        pair, concatenated = self.product_states(inputs), self.states(inputs)
        hidden = self.tower(torch.cat(concatenated, dim=-1))
        logits = self.output(torch.cat([pair[0] * pair[1], hidden], dim=-1)).squeeze(-1)
        return logits, self.penalty(*pair, *concatenated)

    @torch.no_grad()
    def start_from(self, gmf: GMFModel, mlp: NeuralMLPModel, share: float = 0.5) -> Self:
        """Copy the weights of trained models, as He et al. do before they train NeuMF (section "Pre-training").

        Args:
            gmf: A trained GMF of the same sizes.
            mlp: A trained MLP of the same sizes.
            share: Share of the GMF in the output; the MLP has the rest (alpha in the paper).

        Returns:
            The model itself.
        """
        self.product_states.load_state_dict(gmf.states.state_dict())
        self.states.load_state_dict(mlp.states.state_dict())
        self.tower.load_state_dict(mlp.tower.state_dict())
        for ours, one, other in zip(
            self.output.parameters(), gmf.output.parameters(), mlp.output.parameters(), strict=True
        ):
            parts = [share * one, (1 - share) * other]
            ours.copy_(torch.cat(parts, dim=-1) if one.ndim == 2 else parts[0] + parts[1])
        return self


for _config in (MatrixFactorizationConfig, GMFConfig, NeuralMLPConfig, NeuMFConfig):
    _config.register_for_auto_class()
for _model in (MatrixFactorizationModel, GMFModel, NeuralMLPModel, NeuMFModel):
    _model.register_for_auto_class("AutoModel")

"""The optimizer of a training: row-sparse AdamW for large item tables, own learning rate for the text encoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import Trainer

from ..checkpoints.load import bare_model
from .arguments import XCatTrainingArguments
from .optimizers import RowAdamW, clip_row_gradients
from .text_tuning import item_encoder, text_learning_rate


class Optimization(Trainer):
    """Makes the optimizer and clips gradients, including row-sparse ones.

    Attributes:
        tunes_text: Whether the text encoder is trained.
    """

    args: XCatTrainingArguments
    tunes_text: bool = False

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """As in `Trainer`; with a sampled softmax, AdamW updates only the id-table rows used in a step."""
        bare = bare_model(self.model)
        if item_encoder(bare) is not None and not bare.config.uses_full_softmax and bare.config.use_item_ids:
            by_rows = self.args.optim in ("adamw_torch", "adamw_torch_fused") and not self.is_fsdp_enabled
            bare.model.items.id_embeddings.sparse = by_rows  # FSDP reduces dense gradients only
        made = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if made and self.tunes_text:
            rate = text_learning_rate(bare, self.args.text_encoder_learning_rate)
            _give_rate(optimizer, set(bare.model.text.parameters()), rate)
        return optimizer

    @staticmethod
    def get_optimizer_cls_and_kwargs(args: Any, model: Any = None) -> tuple[Any, Any]:
        """As in `Trainer`, with `RowAdamW`, a superset of AdamW."""
        kind, options = Trainer.get_optimizer_cls_and_kwargs(args, model)
        return RowAdamW if kind is torch.optim.AdamW else kind, options

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        if not _has_row_gradients(model):
            return super()._clip_grad_norm(model)
        self.accelerator.unscale_gradients()
        return clip_row_gradients(list(model.parameters()), self.args.max_grad_norm)

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        if grad_norm is None and _has_row_gradients(model):
            return clip_row_gradients(list(model.parameters()), float("inf"))
        return super()._get_grad_norm(model, grad_norm)


def _give_rate(optimizer: torch.optim.Optimizer, parameters: set[nn.Parameter], rate: float) -> None:
    """Move parameters into separate groups with another learning rate."""
    for group in list(optimizer.param_groups):
        moved = [p for p in group["params"] if p in parameters]
        if moved:
            group["params"] = [p for p in group["params"] if p not in parameters]
            optimizer.add_param_group({**group, "params": moved, "lr": rate})


def _has_row_gradients(model: nn.Module) -> bool:
    return any(p.grad is not None and p.grad.is_sparse for p in model.parameters())

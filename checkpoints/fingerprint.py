"""Fingerprints of a loaded model: equal for equal weights, catalogue and settings."""

from __future__ import annotations

import hashlib
import json

import torch


def model_fingerprint(model: torch.nn.Module) -> str:
    """First 16 hexadecimal digits of the SHA-256 of weights, buffers and configuration.

    Args:
        model: The model.
    """
    config = getattr(model, "config", None)
    settings = "" if config is None else json.dumps(config.to_dict(), sort_keys=True, default=str)
    return hashlib.sha256(f"{settings}{model_digest(model)}".encode()).hexdigest()[:16]


def model_digest(model: torch.nn.Module) -> str:
    """SHA-256 of all weights and buffers of a model, with their names and shapes.

    Args:
        model: The model.

    Example:
        >>> one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        >>> model_digest(one) == model_digest(one), model_digest(one) == model_digest(other)
        (True, False)
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        content = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(content.shape)} {content.dtype}".encode())
        digest.update(memoryview(content.reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()

"""Fingerprint of a loaded model: equal for equal weights, catalogue and settings."""

from __future__ import annotations

import hashlib
import json

import torch


def model_fingerprint(model: torch.nn.Module) -> str:
    """First 16 hexadecimal digits of the SHA-256 of weights, buffers and configuration.

    Args:
        model: The model.

    Example:
        >>> one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        >>> model_fingerprint(one) == model_fingerprint(one), model_fingerprint(one) == model_fingerprint(other)
        (True, False)
    """
    digest = hashlib.sha256()
    config = getattr(model, "config", None)
    if config is not None:
        digest.update(json.dumps(config.to_dict(), sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        content = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(content.shape)} {content.dtype}".encode())
        digest.update(content.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]

"""Refuse files that lack trained weights; transformers would give these random values and only log it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ..modeling_xcat.modeling_xcat import XCatForNextItem

_OWN_HEADS = {XCatForNextItem.__name__, XCatForClickPrediction.__name__}
"""Classes whose checkpoints have all weights of the class; others lack a head, such as after pretraining."""
_LATER = ("repeats.",)
"""Beginnings of names of weights that checkpoints of earlier versions lack: they begin at 0, without an effect."""
_FITTED = ("click_stack.", "calibration.")
"""Beginnings of names of buffers that are fitted after training."""


def check_complete(model: XCatForNextItem, saved: Iterable[str], found: Collection[str], name: str) -> None:
    """Refuse a file of weights that lacks trained ones.

    Args:
        model: The model of the configuration, of any device.
        saved: Names of the classes in the configuration.
        found: Names of the weights in the file.
        name: Name of the checkpoint in messages.

    Raises:
        ValueError: If a weight is missing.
    """
    if not _OWN_HEADS & set(saved):
        return
    plain = {key.removeprefix("model.") for key in found}
    named = [(key.removeprefix("model."), value) for key, value in model.named_parameters(remove_duplicate=False)]
    there = {id(value) for key, value in named if key in plain}  # one of several names of a shared weight is enough
    missing = [key for key, value in named if id(value) not in there and not key.startswith(_LATER)]
    missing += [key for key, _ in model.named_buffers() if key.startswith(_FITTED) and key not in plain]
    if missing:
        others = f" and {len(missing) - 1:,} others" if len(missing) > 1 else ""
        raise ValueError(
            f"{name}: its weights lack {missing[0]}{others}, which {type(model).__name__} in config.json has; take "
            "both from one checkpoint, or train it again"
        )

"""The parts of a card about pretraining: task, uses and limits of a base, and its losses."""

from __future__ import annotations

from typing import Any

from ..modeling_xcat.configuration_xcat import XCatConfig
from ..modeling_xcat.modeling_pretraining_xcat import LOSSES
from .card_data import DESCRIPTION, INTENDED_USE, LIMITS

TASK = "Pretraining on several datasets, and next-item recommendation from item texts"
FIELDS: dict[str, Any] = {
    "task": TASK,
    "description": f"{DESCRIPTION}. XCatForPreTraining trained it, and it is saved as XCatForNextItem",
    "intended_use": (
        "A base for training on another dataset: `fit(new_data, base=BASE)`.",
        "Recommendation for a new catalogue by texts alone, which `add_items` puts in place.",
        *INTENDED_USE[1:],
    ),
    "limits": (
        *LIMITS,
        "The metrics rank the items of all datasets of the pretraining, and are not those of another dataset. Compare "
        "with `text-knn` and with training from scratch there: `bench(new_data, base=BASE)`.",
        "Items have no id embeddings, item-to-item weights or re-ranker; training on a dataset adds them.",
    ),
}
"""Fields of the card of a base."""
_ABOUT = {
    "next_item": ("Next item", "the event after each event, from item texts", ()),
    "masked_item": ("Masked item", "events behind masks, from the events on both sides", ("sun2019", "zhou2020")),
    "item_contrast": ("Item contrast", "the event after a history with dropped items and texts", ("hou2022",)),
    "sequence_contrast": (
        "Sequence contrast", "a whole history and the same with dropped items and texts", ("xie2022", "hou2022"),
    ),
}  # fmt: skip


def pretraining_losses(config: XCatConfig) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, detail with weight, and keys of citations of each loss with a weight.

    Args:
        config: Configuration of the model.
    """
    found = []
    for name, weight in LOSSES.items():
        value = float(getattr(config, weight))
        if value > 0:
            title, detail, keys = _ABOUT[name]
            found.append((title, f"{detail}; weight {value:g}", keys))
    return found

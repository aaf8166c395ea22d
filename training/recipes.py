"""Trainable models of the literature, and ablations of XCat, as settings of one model and one trainer.

Shared code makes their metrics comparable: the same batches, optimiser, stopping rule and ranking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .data_defaults import SIZED, from_data

QUICK_SHARE = 0.1
"""Share of the epochs in a `quick` training."""
OWN = "xcat"
"""The library's model with its defaults; names that begin with it are variants of it."""


@dataclass(frozen=True)
class Recipe:
    """A named way to train `XCatForNextItem`.

    Args:
        name: Name on the command line and in tables.
        description: One line.
        config: Fields of `XCatConfig` that differ from the defaults.
        training: Fields of `XCatTrainingArguments` that differ from the defaults.
        reference: The publication it follows; empty for variants of XCat.
    """

    name: str
    description: str
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    reference: str = ""

    def training_fields(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of `XCatTrainingArguments`: the recipe's numbers as starting values, overridden by given ones.

        Args:
            given: Fields that take precedence.

        Example:
            >>> find_recipe("sasrec").training_fields({"seed": 1, "learning_rate": 2e-3})
            {'new_category_weight': 1.0, 'learning_rate': 0.002, 'num_train_epochs': 30.0, 'seed': 1}
        """
        own = {name: from_data(value) if name in SIZED else value for name, value in self.training.items()}
        return {**own, **given}


_IDS_ONLY: dict[str, Any] = {
    "use_text": False,
    "item_features": {},
    "num_fusion_layers": 0,
    "scoring": "dot",
    "temperature": 1.0,
    "id_dropout": 0.0,
    "soft_target_weight": 0.0,
    "num_neighbors": 0,
    "num_candidates": 0,
    "num_segments": 0,
    "repeats": "off",
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_attention_heads": 1,
    "hidden_dropout": 0.2,
    "attention_dropout": 0.2,
}
_SASREC: dict[str, Any] = {**_IDS_ONLY, "num_behavior_layers": 2, "hidden_act": "relu", "hidden_dropout": 0.4}
_ALIKE: dict[str, Any] = {"new_category_weight": 1.0}
_SLOW: dict[str, Any] = {**_ALIKE, "learning_rate": 1e-3, "num_train_epochs": 20.0}
_LONG: dict[str, Any] = {**_SLOW, "num_train_epochs": 30.0}
_GRU4REC: dict[str, Any] = {**_IDS_ONLY, "behavior_encoder": "gru", "num_behavior_layers": 1}
_GRU4REC_REFERENCE = (
    'Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016; '
    'Hidasi and Karatzoglou, "Recurrent Neural Networks with Top-k Gains for Session-based Recommendations", CIKM 2018'
)
_SASREC_REFERENCE = 'Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018'

_LIST = (
    Recipe(OWN, "the library's defaults"),
    Recipe(
        "sasrec",
        "self-attention over item ids, cross-entropy over the whole catalogue",
        {**_SASREC, "objective": "softmax"},
        _LONG,
        reference=f"{_SASREC_REFERENCE}; with cross-entropy as in Klenitskiy and Vasilev, RecSys 2023",
    ),
    Recipe(
        "sasrec-sampled",
        "self-attention over item ids, cross-entropy over 256 sampled negatives",
        {**_SASREC, "objective": "sampled_softmax", "num_negatives": 256},
        _LONG,
        reference=_SASREC_REFERENCE,
    ),
    Recipe(
        "sasrec-repeats",
        "sasrec with a learned repeat bias",
        {**_SASREC, "objective": "softmax", "repeats": "jointly"},
        _LONG,
        reference=f"{_SASREC_REFERENCE}; published metrics often exclude items of the history from the ranking",
    ),
    Recipe(
        "gru4rec",
        "a GRU over item ids with tied embeddings, cross-entropy over the whole catalogue",
        {**_GRU4REC, "objective": "softmax"},
        _SLOW,
        reference=f"{_GRU4REC_REFERENCE}. Packed histories replace session-parallel batches",
    ),
    Recipe(
        "gru4rec-bpr-max",
        "gru4rec with BPR-max over 2,048 negatives drawn by popularity to the power of 0.5",
        {**_GRU4REC, "objective": "bpr_max", "num_negatives": 2048, "negatives_exponent": 0.5},
        _LONG,
        reference=f"{_GRU4REC_REFERENCE}. Packed histories replace session-parallel batches",
    ),
    Recipe(
        "lstm",
        "an LSTM over item ids and ratings, softmax over the whole catalogue",
        {
            **_IDS_ONLY,
            "behavior_encoder": "lstm",
            "num_behavior_layers": 1,
            "num_time_gap_buckets": 0,
            "objective": "softmax",
        },
        _SLOW,
        reference='Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 1997',
    ),
    Recipe(
        "bert4rec",
        "bidirectional self-attention over item ids, masked items, cross-entropy over the whole catalogue",
        {
            **_SASREC,
            "behavior_encoder": "bidirectional",
            "objective": "cloze",
            "mask_probability": 0.4,
            "hidden_act": "gelu",
            "hidden_dropout": 0.2,
        },
        {**_ALIKE, "learning_rate": 1e-3, "num_train_epochs": 100.0, "early_stopping_patience": 10},
        reference='Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from '
        'Transformer", CIKM 2019; trained long, as in Petrov and Macdonald, RecSys 2022',
    ),
    Recipe(
        "unisrec-text",
        "self-attention over item texts alone",
        {
            "use_item_ids": False,
            "item_features": {},
            "num_fusion_layers": 0,
            "scoring": "cosine",
            "temperature": 0.07,
            "id_dropout": 0.0,
            "soft_target_weight": 0.0,
            "num_neighbors": 0,
            "num_candidates": 0,
            "num_segments": 0,
            "repeats": "off",
            "untrained_bonus": 0.0,
            "num_behavior_layers": 2,
            "num_attention_heads": 2,
        },
        _SLOW,
        reference='Hou et al., "Towards Universal Sequence Representation Learning for Recommender Systems", KDD 2022',
    ),
    Recipe(
        "xcat-no-cross-attention",
        "without cross-attention: neither of behaviour to texts nor of candidates to the history",
        {"num_fusion_layers": 0, "candidate_window": 0},
    ),
    Recipe("xcat-no-fusion", "without cross-attention of behaviour to texts", {"num_fusion_layers": 0}),
    Recipe("xcat-no-attention", "without cross-attention of candidates to the history", {"candidate_window": 0}),
    Recipe("xcat-no-candidates", "without re-rankers", {"num_candidates": 0, "num_discovery_candidates": 0}),
    Recipe("xcat-no-query-attention", "without cross-attention of candidates to queries", {"ask_heads": 0}),
    Recipe("xcat-no-successors", "without item transitions in the re-ranker", {"num_successors": 0}),
    Recipe("xcat-alike", "without higher loss weight for new categories", training=_ALIKE),
    Recipe("xcat-no-neighbors", "without item-to-item weights", {"num_neighbors": 0}),
    Recipe("xcat-no-repeats", "without repeat bias", {"repeats": "off"}),
    Recipe("xcat-no-text", "without texts", {"use_text": False}),
    Recipe("xcat-no-features", "without embeddings of brands", {"item_features": {}}),
    Recipe("xcat-no-id", "without item id embeddings", {"use_item_ids": False}),
    Recipe("xcat-hard-targets", "without label smoothing over text neighbours", {"soft_target_weight": 0.0}),
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _LIST}
"""Recipes by name."""


def find_recipe(name: str) -> Recipe:
    """Find a recipe by name.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> find_recipe("gru4rec").config["behavior_encoder"]
        'gru'
    """
    if name not in RECIPES:
        raise ValueError(f"{name!r} is not a recipe; give one of {', '.join(RECIPES)}")
    return RECIPES[name]


def is_own(name: str) -> bool:
    """Whether a name is XCat or one of its variants."""
    return name == OWN or name.startswith(f"{OWN}-")

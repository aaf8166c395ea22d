"""Models of a benchmark of clicks by name, checked without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ..evaluation.baseline_names import CANDIDATE_POPULARITY, CATEGORY_MATCH
from ..training.recipes import OWN, RECIPES, is_own

CLICK = "click"
"""Name of the task."""

FLOORS = (CANDIDATE_POPULARITY, CATEGORY_MATCH)
"""Models in every table: a click model that does not beat both has not learnt from histories."""
_NCF = 'He et al., "Neural Collaborative Filtering", WWW 2017'
_DIN = 'Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018'
TRAINING: Mapping[str, Any] = MappingProxyType({
    "learning_rate": 2e-3, "num_train_epochs": 30.0, "early_stopping_patience": 3, "weight_decay": 0.01,
    "lr_scheduler_type": "reduce_lr_on_plateau", "lr_scheduler_kwargs": {"factor": 0.1, "patience": 0},
    "precision": "fp32", "warmup_steps": 0.0, "new_category_weight": 1.0, "max_eval_users": None, "max_grad_norm": 5.0,
})  # fmt: skip
"""Training arguments of click baselines. The learning rate is cut to a tenth whenever an epoch does not lower the log
loss of validation, and training stops after three such epochs in a row."""
PAIRS_PER_BATCH = 1024
SIZES: Mapping[str, Any] = MappingProxyType({"embedding_dim": 64, "dropout": 0.3})
"""Configuration of click baselines; it had the lowest log loss of DIN on the validation split of Scientific."""


@dataclass(frozen=True)
class ClickBaseline:
    """A click model of `modeling_baselines`.

    Args:
        kind: Name of its class without "Model".
        about: Description in one line.
        reference: The publication it follows; empty for none.
        config: Fields of its configuration that differ from `SIZES` and the defaults.
        training: Training arguments that differ from `TRAINING`.
        trained: Whether it is trained; otherwise it is counted on training events.
        ranks: Whether it can rank the whole catalogue for the users of training.
    """

    kind: str
    about: str
    reference: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    trained: bool = True
    ranks: bool = False


CLICK_BASELINES: dict[str, ClickBaseline] = {
    CANDIDATE_POPULARITY: ClickBaseline(
        "CandidatePopularity", "number of the candidate's training events", trained=False
    ),
    CATEGORY_MATCH: ClickBaseline("CategoryMatch", "share of the history in the candidate's category", trained=False),
    "item-knn": ClickBaseline(
        "CandidateKNN", "cosine of the candidate to the items of the history, over users", trained=False,
        reference='Sarwar et al., "Item-based Collaborative Filtering Recommendation Algorithms", WWW 2001',
    ),
    "lr": ClickBaseline(
        "LogisticRegression", "logistic regression over ids, categories, context and two crosses",
        'McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013',
        # From zero weights the direction is found before the scale, so log loss after scaling would stop it early.
        training={"metric_for_best_model": "log_loss"},
    ),
    "mf": ClickBaseline(
        "MatrixFactorization", "dot product of user and item with biases",
        'Rendle et al., "Neural Collaborative Filtering vs. Matrix Factorization Revisited", RecSys 2020', ranks=True
    ),
    "gmf": ClickBaseline("GMF", "weighted product of user and item", _NCF, ranks=True),
    "mlp": ClickBaseline("NeuralMLP", "hidden layers over user and item", _NCF, ranks=True),
    "neumf": ClickBaseline("NeuMF", "gmf and mlp with one output layer", _NCF, ranks=True),
    "mean-pooling": ClickBaseline("MeanPooling", "mean of the history and hidden layers; the base model of DIN", _DIN),
    "din": ClickBaseline("DIN", "history weighted by an activation unit that reads the candidate", _DIN),
    "dien": ClickBaseline(
        "DIEN", "GRU with an auxiliary loss, then a GRU with attention to the candidate",
        'Zhou et al., "Deep Interest Evolution Network for Click-Through Rate Prediction", AAAI 2019'
    ),
    "bst": ClickBaseline(
        "BST", "transformer over history and candidate",
        'Chen et al., "Behavior Sequence Transformer for E-commerce Recommendation in Alibaba", DLP-KDD 2019'
    ),
    "dmin": ClickBaseline(
        "DMIN", "self-attention over the history with several interests",
        'Xiao et al., "Deep Multi-Interest Network for Click-through Rate Prediction", CIKM 2020'
    ),
}  # fmt: skip
"""Click models by name, for `task="click"`."""
RANKING_BASELINES = tuple(name for name, baseline in CLICK_BASELINES.items() if baseline.ranks)
"""Click models that also rank the catalogue, for the next item."""
CLICK_OWN = tuple(name for name in RECIPES if is_own(name))
"""XCat and its variants."""
DEFAULT_CLICK_MODELS = (*FLOORS, "lr", "mf", "din", "dien", "bst", OWN)
"""Default models of a benchmark of clicks."""

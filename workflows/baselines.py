"""Names of the models of bench and of cards, checked without torch."""

from __future__ import annotations

from collections.abc import Sequence

from ..evaluation.baseline_names import ITEM_KNN, POPULARITY, POPULARITY_RECENT, REPEAT_PURCHASE
from ..registered_modules import import_registered
from ..tokenization.extras import check_packages
from ..training.recipes import OWN, RECIPES
from .baseline_registry import BASELINES
from .click_models import RANKING_BASELINES

ZERO_SHOT, FINE_TUNED = "xcat-zero-shot", "xcat-fine-tuned"
FROM_BASE = (ZERO_SHOT, FINE_TUNED)
"""Models that start from a checkpoint, usually of another data set: evaluated unchanged, or fine-tuned first."""
BASELINE_SEED = 0
DEFAULT_MODELS = (
    POPULARITY, POPULARITY_RECENT, REPEAT_PURCHASE, ITEM_KNN, "item-regression", "text-knn", "sasrec", OWN,
)  # fmt: skip
"""Default models of a benchmark."""
IDS_ONLY = tuple(name for name, recipe in RECIPES.items() if recipe.config.get("use_text") is False)
"""Recipes without text; they can be trained on data prepared for any model."""


def check_model(name: str, base: str | None = None) -> None:
    """Refuse an unknown model, one without a checkpoint to start from, and a baseline without its packages.

    Raises:
        ValueError: If it is so; the message lists the known models.
        MissingExtraError: If a package of a baseline is not installed.
    """
    import_registered(BASELINES, name)
    known = (*BASELINES, *RANKING_BASELINES, *RECIPES, *FROM_BASE)
    if name not in known:
        raise ValueError(f"models has an unknown name, {name!r}; give some of {', '.join(known)}")
    if name in FROM_BASE and base is None:
        raise ValueError(f"models has {name!r}, which starts from a checkpoint; give base='CHECKPOINT'")
    if name in BASELINES:
        check_packages(f"the baseline {name}", BASELINES[name].packages, BASELINES[name].extra)


def runs_once(name: str) -> bool:
    """Whether nothing random enters a model, so that one run is enough."""
    return name in BASELINES or name == ZERO_SHOT


def check_names(names: Sequence[str]) -> None:
    """Refuse names that are not id-based models.

    Raises:
        ValueError: If a name is not in `IDS_ONLY`.
    """
    unknown = [name for name in names if name not in IDS_ONLY]
    if unknown:
        raise ValueError(f"card_baselines has {unknown[0]!r}; give some of {', '.join(IDS_ONLY)}")


def plan_runs(models: Sequence[str], seeds: int, base: str | None = None) -> list[tuple[str, int]]:
    """(model, seed) of every run: one run per seed for trained models, one for the others.

    Args:
        models: Names of models; blanks around them and duplicates are removed.
        seeds: Runs per trained model.
        base: Checkpoint that the models of `FROM_BASE` start from.

    Raises:
        ValueError: If a name is unknown, there are no names, or no model uses the base.

    Example:
        >>> plan_runs(["popularity", "sasrec"], 2)
        [('popularity', 0), ('sasrec', 0), ('sasrec', 1)]
    """
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; give the number of runs of each trained model, at least 1")
    names = list(dict.fromkeys(name.strip() for name in models if name.strip()))
    if not names:
        known = ", ".join((*BASELINES, *RANKING_BASELINES, *RECIPES))
        raise ValueError(f"models is empty; give some of {known}")
    for name in names:
        check_model(name, base)
    if base is not None and not set(names) & set(FROM_BASE):
        raise ValueError(f"base={base!r} is for {' and '.join(FROM_BASE)}; add one of them to models=")
    return [(name, seed) for name in names for seed in ([BASELINE_SEED] if runs_once(name) else range(seeds))]

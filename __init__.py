"""Cross-attention recommendation across item categories.

The names below are imported when they are first used, so that `import xcat_rec` itself costs next to nothing. The Auto
classes and `pipeline` of transformers find what is here as soon as both packages are imported, in either order.
"""

from __future__ import annotations

from .inference.registration import register_when_loaded as _register_when_loaded

TYPE_CHECKING = False  # type checkers take the name for true; importing `typing` would cost more than all the rest
if TYPE_CHECKING:
    from .evaluation.modules import load_metric as load_metric
    from .evaluation.protocol import evaluate_ranker as evaluate_ranker
    from .inference.checkpoint_evaluation import evaluate_checkpoint as evaluate_checkpoint
    from .inference.pipeline import pipeline as pipeline
    from .inference.recommender import XCatRecommender as XCatRecommender
    from .model_cards.run_cards import XCatTrainer as XCatTrainer
    from .modeling_xcat.configuration_xcat import XCatConfig as XCatConfig
    from .modeling_xcat.modeling_xcat import XCatForNextItem as XCatForNextItem
    from .modeling_xcat.modeling_xcat import XCatModel as XCatModel
    from .tokenization.column_guess import guess_columns as guess_columns
    from .tokenization.processing_xcat import XCatProcessor as XCatProcessor
    from .tokenization.schema import TableColumns as TableColumns
    from .tokenization.schema import TableError as TableError
    from .tokenization.sources import load_shop as load_shop
    from .tokenization.vocabulary import ItemVocabulary as ItemVocabulary
    from .training.arguments import XCatTrainingArguments as XCatTrainingArguments
    from .training.collators import PackingCollator as PackingCollator
    from .training.preparation import PreparationOptions as PreparationOptions
    from .training.preparation import prepare_training as prepare_training

__version__ = "0.1.0"

_EXPORTS = {
    "ItemVocabulary": ".tokenization.vocabulary",
    "PackingCollator": ".training.collators",
    "PreparationOptions": ".training.preparation",
    "TableColumns": ".tokenization.schema",
    "TableError": ".tokenization.schema",
    "XCatConfig": ".modeling_xcat.configuration_xcat",
    "XCatForNextItem": ".modeling_xcat.modeling_xcat",
    "XCatModel": ".modeling_xcat.modeling_xcat",
    "XCatProcessor": ".tokenization.processing_xcat",
    "XCatRecommender": ".inference.recommender",
    "XCatTrainer": ".model_cards.run_cards",
    "XCatTrainingArguments": ".training.arguments",
    "evaluate_checkpoint": ".inference.checkpoint_evaluation",
    "evaluate_ranker": ".evaluation.protocol",
    "guess_columns": ".tokenization.column_guess",
    "load_metric": ".evaluation.modules",
    "load_shop": ".tokenization.sources",
    "pipeline": ".inference.pipeline",
    "prepare_training": ".training.preparation",
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> object:
    """Import an exported name on first use."""
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_EXPORTS[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the lazy names beside the loaded ones."""
    return sorted({*globals(), *_EXPORTS})


if __name__ == "xcat_rec":  # pytest imports this file a second time, by the name of its folder
    _register_when_loaded()

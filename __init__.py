"""Cross-attention recommendation across item categories.

The names below are imported when they are first used, so `import xcat_rec` is fast. The Auto classes and `pipeline`
of transformers find this package's classes when both packages are imported, in either order.
"""

from __future__ import annotations

from .registration import register_when_loaded as _register_when_loaded

TYPE_CHECKING = False  # type checkers treat the name as true; importing `typing` would take longer than the rest
if TYPE_CHECKING:
    from .checkpoints.adapters import add_adapter as add_adapter
    from .checkpoints.adapters import load_adapted as load_adapted
    from .evaluation.modules import load_metric as load_metric
    from .evaluation.ranker_evaluation import Ranker as Ranker
    from .evaluation.ranker_evaluation import RankingReport as RankingReport
    from .evaluation.ranker_evaluation import evaluate_ranker as evaluate_ranker
    from .model_cards.callback import attach_card as attach_card
    from .model_cards.card import write_card as write_card
    from .model_cards.card_data import XCatModelCardData as XCatModelCardData
    from .model_cards.run_cards import XCatTrainer as XCatTrainer
    from .modeling_baselines.knn import ItemKNNConfig as ItemKNNConfig
    from .modeling_baselines.knn import ItemKNNModel as ItemKNNModel
    from .modeling_baselines.knn import ItemRegressionConfig as ItemRegressionConfig
    from .modeling_baselines.knn import ItemRegressionModel as ItemRegressionModel
    from .modeling_baselines.knn import TextKNNConfig as TextKNNConfig
    from .modeling_baselines.knn import TextKNNModel as TextKNNModel
    from .modeling_baselines.popularity import PopularityConfig as PopularityConfig
    from .modeling_baselines.popularity import PopularityModel as PopularityModel
    from .modeling_baselines.popularity import RepeatPurchaseConfig as RepeatPurchaseConfig
    from .modeling_baselines.popularity import RepeatPurchaseModel as RepeatPurchaseModel
    from .modeling_xcat.configuration_xcat import XCatConfig as XCatConfig
    from .modeling_xcat.filters_xcat import Filters as Filters
    from .modeling_xcat.modeling_click_xcat import XCatForClickPrediction as XCatForClickPrediction
    from .modeling_xcat.modeling_pretraining_xcat import XCatForPreTraining as XCatForPreTraining
    from .modeling_xcat.modeling_xcat import XCatForNextItem as XCatForNextItem
    from .modeling_xcat.modeling_xcat import XCatModel as XCatModel
    from .modeling_xcat.recommending_xcat import Recommendation as Recommendation
    from .modeling_xcat.recommending_xcat import Recommendations as Recommendations
    from .ranking.index.build import build_index as build_index
    from .ranking.pipelines import pipeline as pipeline
    from .ranking.recommender import XCatRecommender as XCatRecommender
    from .ranking.sessions.events import SessionEvent as SessionEvent
    from .ranking.sessions.session import Session as Session
    from .ranking.sessions.session import Sessions as Sessions
    from .serving.chat.session import ChatSession as ChatSession
    from .serving.chat.turn import ChatTurn as ChatTurn
    from .serving.client.client import XCatClient as XCatClient
    from .serving.http.run import serve as serve
    from .serving.http.settings import ServeSettings as ServeSettings
    from .serving.state.urls import open_state as open_state
    from .tokenization.out_of_core.inputs import PreparationInputs as PreparationInputs
    from .tokenization.processing_xcat import XCatProcessor as XCatProcessor
    from .tokenization.sequences.click_options import ClickOptions as ClickOptions
    from .tokenization.sources import load_data as load_data
    from .tokenization.sources import load_shop as load_shop
    from .tokenization.tables.column_guess import guess_columns as guess_columns
    from .tokenization.tables.schema import TableColumns as TableColumns
    from .tokenization.tables.schema import TableError as TableError
    from .tokenization.vocabulary import ItemVocabulary as ItemVocabulary
    from .training.arguments import XCatTrainingArguments as XCatTrainingArguments
    from .training.collators import PackingCollator as PackingCollator
    from .training.preparation.options import PreparationOptions as PreparationOptions
    from .training.preparation.prepare import prepare_training as prepare_training
    from .workflows.add_heads import add_target_heads as add_target_heads
    from .workflows.add_items import add_items as add_items
    from .workflows.attack import attack as attack
    from .workflows.attack_result import AttackResult as AttackResult
    from .workflows.audit import AuditResult as AuditResult
    from .workflows.audit import audit as audit
    from .workflows.baseline_registry import BaselineData as BaselineData
    from .workflows.baseline_registry import register_baseline as register_baseline
    from .workflows.bench_models import BenchResult as BenchResult
    from .workflows.bench_models import bench as bench
    from .workflows.checkpoint_evaluation import evaluate_checkpoint as evaluate_checkpoint
    from .workflows.errors import UpdateRefusedError as UpdateRefusedError
    from .workflows.evaluate import evaluate as evaluate
    from .workflows.export import export as export
    from .workflows.fit import fit as fit
    from .workflows.fit_result import FitResult as FitResult
    from .workflows.forget import ForgetResult as ForgetResult
    from .workflows.forget import forget as forget
    from .workflows.inspect import inspect as inspect
    from .workflows.interests import interests as interests
    from .workflows.item_index import index_items as index_items
    from .workflows.load import load as load
    from .workflows.model_list import BenchModel as BenchModel
    from .workflows.model_list import list_models as list_models
    from .workflows.predict_clicks import PredictedClicks as PredictedClicks
    from .workflows.predict_clicks import predict_clicks as predict_clicks
    from .workflows.prepare import prepare as prepare
    from .workflows.pretrain import pretrain as pretrain
    from .workflows.push import push as push
    from .workflows.replay import ReplayResult as ReplayResult
    from .workflows.replay import replay as replay
    from .workflows.review import Review as Review
    from .workflows.review import review as review
    from .workflows.suggest_labels import LabelSuggestions as LabelSuggestions
    from .workflows.suggest_labels import suggest_labels as suggest_labels
    from .workflows.tune import TuneResult as TuneResult
    from .workflows.tune import tune as tune
    from .workflows.update import UpdateResult as UpdateResult
    from .workflows.update import update as update

__version__ = "0.1.0"

_EXPORTS = {
    "AttackResult": ".workflows.attack_result",
    "AuditResult": ".workflows.audit",
    "BaselineData": ".workflows.baseline_registry",
    "BenchModel": ".workflows.model_list",
    "BenchResult": ".workflows.bench_models",
    "ClickOptions": ".tokenization.sequences.click_options",
    "ChatSession": ".serving.chat.session",
    "ChatTurn": ".serving.chat.turn",
    "Filters": ".modeling_xcat.filters_xcat",
    "FitResult": ".workflows.fit_result",
    "ForgetResult": ".workflows.forget",
    "ItemKNNConfig": ".modeling_baselines.knn",
    "ItemKNNModel": ".modeling_baselines.knn",
    "ItemRegressionConfig": ".modeling_baselines.knn",
    "ItemRegressionModel": ".modeling_baselines.knn",
    "ItemVocabulary": ".tokenization.vocabulary",
    "LabelSuggestions": ".workflows.suggest_labels",
    "PackingCollator": ".training.collators",
    "PopularityConfig": ".modeling_baselines.popularity",
    "PopularityModel": ".modeling_baselines.popularity",
    "PredictedClicks": ".workflows.predict_clicks",
    "PreparationInputs": ".tokenization.out_of_core.inputs",
    "PreparationOptions": ".training.preparation.options",
    "Ranker": ".evaluation.ranker_evaluation",
    "RankingReport": ".evaluation.ranker_evaluation",
    "Recommendation": ".modeling_xcat.recommending_xcat",
    "Recommendations": ".modeling_xcat.recommending_xcat",
    "RepeatPurchaseConfig": ".modeling_baselines.popularity",
    "RepeatPurchaseModel": ".modeling_baselines.popularity",
    "ReplayResult": ".workflows.replay",
    "Review": ".workflows.review",
    "ServeSettings": ".serving.http.settings",
    "Session": ".ranking.sessions.session",
    "SessionEvent": ".ranking.sessions.events",
    "Sessions": ".ranking.sessions.session",
    "TableColumns": ".tokenization.tables.schema",
    "TableError": ".tokenization.tables.schema",
    "TextKNNConfig": ".modeling_baselines.knn",
    "TuneResult": ".workflows.tune",
    "TextKNNModel": ".modeling_baselines.knn",
    "UpdateRefusedError": ".workflows.errors",
    "UpdateResult": ".workflows.update",
    "XCatClient": ".serving.client.client",
    "XCatConfig": ".modeling_xcat.configuration_xcat",
    "XCatForClickPrediction": ".modeling_xcat.modeling_click_xcat",
    "XCatForNextItem": ".modeling_xcat.modeling_xcat",
    "XCatForPreTraining": ".modeling_xcat.modeling_pretraining_xcat",
    "XCatModel": ".modeling_xcat.modeling_xcat",
    "XCatModelCardData": ".model_cards.card_data",
    "XCatProcessor": ".tokenization.processing_xcat",
    "XCatRecommender": ".ranking.recommender",
    "XCatTrainer": ".model_cards.run_cards",
    "XCatTrainingArguments": ".training.arguments",
    "add_adapter": ".checkpoints.adapters",
    "add_items": ".workflows.add_items",
    "add_target_heads": ".workflows.add_heads",
    "attach_card": ".model_cards.callback",
    "attack": ".workflows.attack",
    "audit": ".workflows.audit",
    "bench": ".workflows.bench_models",
    "build_index": ".ranking.index.build",
    "register_baseline": ".workflows.baseline_registry",
    "evaluate": ".workflows.evaluate",
    "evaluate_checkpoint": ".workflows.checkpoint_evaluation",
    "evaluate_ranker": ".evaluation.ranker_evaluation",
    "export": ".workflows.export",
    "fit": ".workflows.fit",
    "forget": ".workflows.forget",
    "guess_columns": ".tokenization.tables.column_guess",
    "index_items": ".workflows.item_index",
    "inspect": ".workflows.inspect",
    "interests": ".workflows.interests",
    "list_models": ".workflows.model_list",
    "load": ".workflows.load",
    "load_adapted": ".checkpoints.adapters",
    "load_data": ".tokenization.sources",
    "load_metric": ".evaluation.modules",
    "load_shop": ".tokenization.sources",
    "open_state": ".serving.state.urls",
    "pipeline": ".ranking.pipelines",
    "predict_clicks": ".workflows.predict_clicks",
    "prepare": ".workflows.prepare",
    "pretrain": ".workflows.pretrain",
    "prepare_training": ".training.preparation.prepare",
    "push": ".workflows.push",
    "replay": ".workflows.replay",
    "review": ".workflows.review",
    "serve": ".serving.http.run",
    "suggest_labels": ".workflows.suggest_labels",
    "tune": ".workflows.tune",
    "update": ".workflows.update",
    "write_card": ".model_cards.card",
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
    """List the lazy names and the loaded ones."""
    return sorted({*globals(), *_EXPORTS})


if __name__ == "xcat_rec":  # pytest imports this file again, under the name of its folder
    _register_when_loaded()

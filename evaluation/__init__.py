"""Floor 2: one definition of a rank, a metric and a slice, for training, evaluation and the command line."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .bootstrap import confidence_interval as confidence_interval
    from .bootstrap import paired_bootstrap as paired_bootstrap
    from .categories import by_category as by_category
    from .click_evaluation import ClickReport as ClickReport
    from .click_evaluation import click_report as click_report
    from .click_evaluation import click_table as click_table
    from .click_prediction.click_metrics import CLICK_METRICS as CLICK_METRICS
    from .fingerprint import evaluation_fingerprint as evaluation_fingerprint
    from .off_policy import LoggedRounds as LoggedRounds
    from .off_policy import TooFewRoundsError as TooFewRoundsError
    from .off_policy import off_policy_estimate as off_policy_estimate
    from .propensities import balanced_quality as balanced_quality
    from .propensities import inverse_propensities as inverse_propensities
    from .ranker_evaluation import Ranker as Ranker
    from .ranker_evaluation import RankingReport as RankingReport
    from .ranker_evaluation import evaluate_ranker as evaluate_ranker
    from .ranks import target_ranks as target_ranks
    from .recommendation_ranking.ranking_metrics import METRICS as METRICS
    from .recommendation_ranking.ranking_metrics import RankedTargets as RankedTargets
    from .recommendation_ranking.ranking_metrics import register_metric as register_metric
    from .slices import target_slices as target_slices

_EXPORTS = {
    "METRICS": ".recommendation_ranking.ranking_metrics",  # registry: recall, ndcg, mrr, hit_rate
    "register_metric": ".recommendation_ranking.ranking_metrics",  # adds a metric to it
    "RankedTargets": ".recommendation_ranking.ranking_metrics",  # input of a metric
    "evaluate_ranker": ".ranker_evaluation",  # metrics of any ranker on a test split
    "Ranker": ".ranker_evaluation",  # protocol of models for `evaluate_ranker`
    "RankingReport": ".ranker_evaluation",  # its result, with values per user
    "CLICK_METRICS": ".click_prediction.click_metrics",  # auc, gauc, log_loss, ece, ... of click predictions
    "click_report": ".click_evaluation",  # metrics of predicted click probabilities
    "ClickReport": ".click_evaluation",  # its result
    "click_table": ".click_evaluation",  # reports as a Markdown table
    "off_policy_estimate": ".off_policy",  # reward of a ranking that was not shown, from logged lists
    "LoggedRounds": ".off_policy",  # its input
    "TooFewRoundsError": ".off_policy",  # raised for a log that says too little
    "balanced_quality": ".propensities",  # NDCG on a popularity-balanced test
    "inverse_propensities": ".propensities",  # clipped, self-normalised weights of items
    "target_ranks": ".ranks",  # rank of each target among all items
    "target_slices": ".slices",  # slices of a target: cross-category, new to the user, cold, ...
    "by_category": ".categories",  # metrics per category of the target
    "paired_bootstrap": ".bootstrap",  # confidence interval of a difference
    "confidence_interval": ".bootstrap",  # confidence interval of a mean
    "evaluation_fingerprint": ".fingerprint",  # hash of the evaluated users and targets
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

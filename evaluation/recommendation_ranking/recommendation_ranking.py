"""Ranking metrics for lists of recommendations, as an `evaluate` module.

`evaluate` copies this file and `ranking_metrics.py` to another folder before it imports them, so this file can import
nothing else of the package. `evaluate` finds the imports with a regular expression that reads one import per line.
"""

from typing import Any

import datasets
import evaluate
import numpy as np

from .ranking_metrics import ABOUT, DEFAULT_KS, catalogue_coverage, check_cutoffs, per_user_metrics, summarise

METRICS = ("recall", "ndcg", "mrr", "hit_rate", "coverage")

_DESCRIPTION = "\n".join(ABOUT[name] for name in METRICS)

_CITATION = """
@article{jarvelin2002cumulated,
  title   = {Cumulated gain-based evaluation of IR techniques},
  author  = {J\\"arvelin, Kalervo and Kek\\"al\\"ainen, Jaana},
  journal = {ACM Transactions on Information Systems},
  volume  = {20},
  number  = {4},
  pages   = {422--446},
  year    = {2002}
}
"""

_INPUTS_DESCRIPTION = f"""
Args:
    predictions: one list of recommended items per user, best first; all lists of one length
    references: one list of relevant items per user; a user without any is left out
    ks: cut-offs, at most the length of the lists; by default 1, 5, 10, 20 and 50 up to that length
    num_items: items in the catalogue, for coverage; None leaves coverage out if there are other metrics
Returns:
    {", ".join(f"{name}@k" for name in METRICS)}, for each k
Examples:
    >>> metric = RecommendationRanking()  # or evaluate.load(path of the folder of this file)
    >>> found = metric.compute(predictions=[["tent", "lamp"]], references=[["lamp"]], ks=[2], num_items=4)
    >>> sorted(found) == sorted(f"{{name}}@2" for name in {METRICS})
    True
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _INPUTS_DESCRIPTION)
class RecommendationRanking(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """Ranking metrics of recommendation lists, given the users' relevant items."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS_DESCRIPTION,
            features=[
                datasets.Features({"predictions": datasets.List(kind), "references": datasets.List(kind)})
                for kind in (datasets.Value("string"), datasets.Value("int64"))
            ],
        )

    def _compute(
        self,
        predictions: list[list[Any]],
        references: list[list[Any]],
        ks: list[int] | None = None,
        num_items: int | None = None,
    ) -> dict[str, float]:
        lengths = {len(items) for items in predictions}
        if len(lengths) != 1:
            raise ValueError(f"the lists of recommendations have lengths {sorted(lengths)}; give all of one length")
        length = lengths.pop()
        cutoffs = check_cutoffs([k for k in DEFAULT_KS if k <= length] if ks is None else ks)
        if cutoffs[-1] > length:
            raise ValueError(
                f"lists of {length} recommendations are too short for metrics at {cutoffs[-1]}; give longer lists"
            )
        of_users = [name for name in METRICS if name != "coverage"]
        if not of_users and num_items is None:
            raise ValueError("coverage is a share of the catalogue; give num_items, the number of its items")
        ranks = _ranks_in_lists(predictions, references, length + 1)
        results: dict[str, float] = summarise(per_user_metrics(ranks, cutoffs, names=of_users))
        if num_items is not None and "coverage" in METRICS:
            _, rows = np.unique(np.asarray(predictions), return_inverse=True)
            results |= catalogue_coverage(rows.reshape(len(predictions), length), cutoffs, num_items)
        return results


def _ranks_in_lists(predictions: list[list[Any]], references: list[list[Any]], beyond: int) -> np.ndarray:
    """Rank of each distinct relevant item in its user's list, `beyond` if it is missing, 0 for padding."""
    wanted = [list(dict.fromkeys(items)) for items in references]
    ranks = np.zeros((len(wanted), max(map(len, wanted), default=0)), dtype=np.int64)
    for user, (recommended, items) in enumerate(zip(predictions, wanted, strict=True)):
        positions: dict[Any, int] = {}
        for position, item in enumerate(recommended, start=1):
            positions.setdefault(item, position)
        ranks[user, : len(items)] = [positions.get(item, beyond) for item in items]
    return ranks

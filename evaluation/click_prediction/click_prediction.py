"""Metrics of predicted click probabilities, as an `evaluate` module.

`evaluate` copies this file and `click_metrics.py` to another folder before it imports them, so this file can import
nothing else of the package. `evaluate` finds the imports with a regular expression that reads one import per line.
"""

from typing import Any

import datasets
import evaluate

from .click_metrics import ABOUT, CLICK_METRICS, Predictions

METRICS = ("auc", "gauc", "log_loss", "normalised_entropy", "ece", "reliability_slope", "prediction_ratio")

_DESCRIPTION = "\n".join(ABOUT[name] for name in METRICS)

_CITATION = """
@inproceedings{zhou2018deep,
  title     = {Deep Interest Network for Click-Through Rate Prediction},
  author    = {Zhou, Guorui and Zhu, Xiaoqiang and Song, Chengru and others},
  booktitle = {KDD},
  year      = {2018}
}
"""

_INPUTS_DESCRIPTION = f"""
Args:
    predictions: probability of a click per impression
    references: 1 if the impression was clicked, else 0
    users: user of each impression, for GAUC; None leaves GAUC out if there are other metrics
Returns:
    {", ".join(METRICS)}; with GAUC also gauc_users and gauc_users_left_out, numbers of users with both labels and with
    one label only
Examples:
    >>> metric = ClickPrediction()  # or evaluate.load(path of the folder of this file)
    >>> found = metric.compute(predictions=[0.9, 0.2, 0.4], references=[1, 0, 1], users=["u", "u", "v"])
    >>> set({METRICS}) <= set(found)
    True
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _INPUTS_DESCRIPTION)
class ClickPrediction(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """Metrics of click probabilities, given the labels."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS_DESCRIPTION,
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(
        self, predictions: list[float], references: list[int], users: list[Any] | None = None
    ) -> dict[str, float]:
        found = Predictions(predictions, references, users)
        wanted = [name for name in METRICS if name != "gauc" or users is not None]
        if not wanted:
            raise ValueError("gauc is a mean over users; give users=, one per impression")
        results: dict[str, float] = {name: CLICK_METRICS[name](found, found.weights) for name in wanted}
        if "gauc" in wanted:
            values, _ = found.per_user()
            missing = int((values != values).sum())
            results |= {"gauc_users": len(values) - missing, "gauc_users_left_out": missing}
        return results

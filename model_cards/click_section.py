"""The part of a card about click prediction: labels, metrics beside the floors, and calibration."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..counting import counted, counted_of
from ..evaluation.click_evaluation import TABLE_METRICS, ClickReport
from ..evaluation.click_prediction.click_metrics import ABOUT
from ..modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ..tokenization.sequences.click_context import ClickContext
from ..tokenization.sequences.click_rows import ClickData
from .click_words import LabelWords, all_rows, calibration_words, label_words, rate_words
from .markdown import cell, facts_table, line, table

DECIDING = "log_loss"
"""The metric by which a model and a floor are compared in a sentence; lower is better."""
HEADINGS = {"auc": "AUC", "gauc": "GAUC", "log_loss": "log loss", "ece": "ECE"}


@dataclass(frozen=True)
class ClickFacts:
    """Facts of a model that predicts clicks.

    Args:
        reports: Click reports on the test split by model name.
        words: Words for the kind of labels.
        facts: Names and values of the other facts.
        context: The context columns.
    """

    reports: Mapping[str, ClickReport]
    words: LabelWords
    facts: Mapping[str, str]
    context: ClickContext = field(default_factory=ClickContext)


def click_facts(model: XCatForClickPrediction, data: ClickData, reports: Mapping[str, ClickReport]) -> ClickFacts:
    """Facts of a trained model.

    Args:
        model: The model.
        data: The labelled rows.
        reports: Reports on the test split; the model and the floors.
    """
    config = model.config
    facts = {
        "Share of positives": rate_words(data),
        "Loss of next items": f"weight {float(config.next_item_weight):g}",
        "Evidence fitted on validation": "used" if config.click_attention else "not used",
        "Calibration fitted on validation": calibration_words(model.calibration, data.kept_rate),
        "Context columns": ", ".join(f"`{cell(name)}`" for name in _columns(data.context)) or "none",
    }
    return ClickFacts(reports, label_words(data), facts, data.context)


def click_limits(reports: Mapping[str, ClickReport], own: str) -> list[str]:
    """A sentence if the best floor has a lower log loss than the model, or is as good.

    Args:
        reports: Reports by name on the same rows.
        own: Name of the model; the others are floors.
    """
    floors = {name: report.value(DECIDING) for name, report in reports.items() if name != own}
    best = min((name for name in floors if math.isfinite(floors[name])), key=floors.__getitem__, default=None)
    found = None if best is None else reports[own].difference(reports[best], DECIDING)
    if best is None or found is None or found.high < 0:
        return []
    where = f"{all_rows(reports[own].kind)},"
    if found.low > 0:
        return [f"{where} the floor {line(best)} has a lower {HEADINGS[DECIDING]}."]
    return [f"{where} its {HEADINGS[DECIDING]} is not significantly lower than that of the floor {line(best)}."]


def click_section(facts: ClickFacts | None, own: str) -> str:
    """Metrics of clicks on the test split, beside the floors; empty for a model that predicts none.

    Args:
        facts: Facts of the model, or None.
        own: Name of the model in the reports.
    """
    if facts is None:
        return ""
    report, words = facts.reports[own], facts.words
    order = sorted(facts.reports, key=lambda name: (name != own, name))
    rows = [[cell(name), *_values(facts.reports[name])] for name in order]
    both = report.num_users - report.num_left_out
    measured = {
        "Mean prediction over share of positives": _number(report.value("prediction_ratio")),
        "Reliability slope": _number(report.value("reliability_slope")),
        "ECE of right predictions, by chance": _number(report.ece_by_chance),
    }
    return "\n\n".join([
        f"### {words.heading} ({counted(report.num_rows, words.noun)} of {counted(report.num_users, 'user')}, "
        f"{report.num_positives:,} positive)",
        f"{words.labels}. The other models are floors: a logistic regression of the item's popularity, and of the "
        "share of the history in its category.",
        table(["model", *HEADINGS.values()], rows),
        f"{line(ABOUT['gauc'])} {counted_of(both, report.num_users, 'user', 'have')} both labels. "
        f"{line(ABOUT['ece'])}",
        facts_table([[name, value] for name, value in {**measured, **facts.facts}.items()]),
    ])  # fmt: skip


def click_usage(facts: ClickFacts | None, history: Sequence[str]) -> str:
    """An example of click probabilities; empty for a model that predicts none."""
    if facts is None:
        return ""
    items = ", ".join(f'"{line(item)}"' for item in history)
    values = "".join(f'"{line(column)}": [...], ' for column in _columns(facts.context)).removesuffix(", ")
    context = f", context={{{values}}}" if values else ""
    return f"""One probability per {facts.words.noun}:

```python
recommender.click_probability([{items}], [{items}]{context})
```"""


def click_code(facts: ClickFacts | None, history: Sequence[str]) -> str:
    """Python lines that predict clicks with the loaded `model` and `processor`; empty for a model without clicks.

    Args:
        facts: Facts of the model, or None.
        history: Items of the example.
    """
    if facts is None:
        return ""
    items, inputs = json.dumps(list(history), ensure_ascii=False), []
    dense, categorical = ([line(name) for name in names] for names in (facts.context.dense, facts.context.categorical))
    if dense:
        about = f"0: the mean of {', '.join(dense)}"
        inputs.append(f"click_dense=torch.zeros(len(items), {len(dense)}),  # {about}")
    if categorical:
        zeros = f"torch.zeros(len(items), {len(categorical)}, dtype=torch.long)"
        inputs.append(f"click_categorical={zeros},  # 0: no {', '.join(categorical)}")
    return "\n".join([
        f"inputs = processor([{items}], padding_side=\"right\")",
        'last = int(inputs.pop("query_positions"))',
        f"items = torch.as_tensor(processor.vocabulary.encode({items})).long()",
        "logits = model(",
        *(f"    {one}" for one in (
            "**inputs,", "click_items=items,", "click_positions=torch.full_like(items, last),", *inputs
        )),
        ").logits",
        "print(logits.sigmoid().tolist())",
    ])  # fmt: skip


def _columns(context: ClickContext) -> tuple[str, ...]:
    return *context.dense, *context.categorical


def _values(report: ClickReport) -> list[str]:
    return [_number(report.value(metric)) for metric in TABLE_METRICS]


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "n/a"

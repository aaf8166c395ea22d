"""Evaluation of click probabilities of a checkpoint, beside the floors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..catalogue.interests import shop_interests
from ..counting import counted
from ..evaluation.click_evaluation import ClickReport, click_report, click_table
from ..evaluation.click_floors import click_floors
from ..evaluation.ranker_evaluation import RankingReport
from ..model_cards.click_section import click_limits
from ..ranking.recommender import XCatRecommender
from ..tokenization.sequences.click_context import ClickContext
from ..tokenization.sequences.click_labels import IMPRESSION, RATING
from ..tokenization.sequences.click_options import ClickOptions, saved_clicks
from ..tokenization.sequences.click_rows import ClickData, split_clicks
from ..tokenization.tables.schema import ShopTables
from ..training.evaluation_loop import VALIDATION
from ..training.preparation.options import PreparationOptions
from ..training.tasks.click import CLICK
from ..training.tasks.next_item import NEXT_ITEM
from .fit_result import MODEL_NAME, clicks_dict
from .unknown_items import count_unknown_items


@dataclass(frozen=True, repr=False)
class ClickEvaluation:
    """Metrics of click probabilities.

    Args:
        report: Metrics of the checkpoint.
        baselines: Metrics of the floors: popularity and category match of the shown item.
        data: The labelled rows, as item indices of the checkpoint's catalogue.
        part: Name of the evaluated part.
        notes: Notes for readers of the metrics, in sentences.
        unknown_items: With sampled negatives, numbers of targets, users and events with items that the checkpoint does
            not have; empty for labelled impressions, whose `data.left_out` and `data.left_out_users` count them.
    """

    report: ClickReport
    baselines: dict[str, ClickReport]
    data: ClickData
    part: str
    notes: list[str] = field(default_factory=list)
    unknown_items: dict[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        """The metrics beside those of the floors, as a Markdown table, and the notes."""
        table = click_table({MODEL_NAME: self.report, **self.baselines})
        return "\n\n".join([f"{self.data.split}, {self.part}", table, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON: the checkpoint's metrics at the top level, those of the floors below."""
        left_out = {"rows": self.data.left_out.get(self.part, 0), "users": self.data.left_out_users.get(self.part, 0)}
        return {
            **clicks_dict({MODEL_NAME: self.report, **self.baselines}), "part": self.part, "notes": self.notes,
            "left_out": left_out, "unknown_items": self.unknown_items,
        }  # fmt: skip


def compare_clicks(recommender: XCatRecommender, data: ClickData, part: str) -> dict[str, ClickReport]:
    """Reports of a model (named `MODEL_NAME`) and of the floors.

    Args:
        recommender: A model that predicts clicks.
        data: The labelled rows.
        part: "test" or "validation".
    """
    rows, vocabulary = data.splits[part], recommender.processor.catalogue
    found = click_floors(data.train, data.validation, rows, vocabulary, rate=data.kept_rate)
    found[MODEL_NAME] = recommender.click_probabilities(rows)
    return {
        name: click_report(values, rows, vocabulary, recommender.trained, kind=data.kind)
        for name, values in found.items()
    }


def label_notes(data: ClickData, part: str) -> list[str]:
    """Notes on the labels and context of a part: an empty column of clicks, unknown categories, items without a row.

    Args:
        data: The labelled rows.
        part: "test" or "validation".
    """
    return [*data.notes, *data.context_notes.get(part, []), *_left_out(data, part)]


def _left_out(data: ClickData, part: str) -> list[str]:
    """A note on labelled items of a part that have no row."""
    count, users, clicks = data.left_out.get(part, 0), data.left_out_users.get(part, 0), data.clicks
    if not count:
        return []
    early = f"they have fewer earlier events than min_history, which is {clicks.min_history}"
    if data.sampler is None:
        why = f"the catalogue lacks them, or {early}"
    else:
        name = "train_negatives" if part == "train" else "eval_negatives"
        why = f"fewer than {getattr(clicks, name)} items ({name}) can be {data.kind} negatives of them"
        why += f", or {early}" if clicks.min_history > 1 else ""
    without = f", and {counted(users, 'user')} without other ones" if users else ""
    return [f"left out of {part}: {counted(count, 'labelled item')}{without}; {why}"]


def other_labels(data: ClickData, saved: Mapping[str, Any]) -> list[str]:
    """A note if labels are of another kind, or from another column or event type, than those of the training.

    Args:
        data: The labelled rows.
        saved: `saved_clicks` of the checkpoint.
    """
    source = saved.get("source")  # not of older checkpoints
    if data.kind != saved["kind"]:
        trained = f"{saved['kind']} labels" + (f" ({source})" if source else "")
        return [f"labels are of the kind {data.kind}, and the checkpoint was trained with {trained}"]
    if source is not None and data.source != source:
        return [
            f"labels come from {data.source}, and those of the training came from {source}, so their metrics cannot "
            "be compared"
        ]
    return []


def other_targets(event_settings: Mapping[str, Any] | None) -> list[str]:
    """A note if lists of a model of clicks have other targets in an evaluation than in its training.

    Args:
        event_settings: `event_settings` of its processor.
    """
    saved = saved_clicks(event_settings)
    if saved is None or saved["kind"] not in (IMPRESSION, RATING):
        return []
    return [
        f"targets are the events that the split holds out; the training measured lists on the first positive "
        f"{saved['kind']}s of each user instead, so its metrics differ"
    ]


def click_fit_notes(
    clicks: Mapping[str, ClickReport], ranked: Mapping[str, RankingReport], data: ClickData
) -> list[str]:
    """Notes on the metrics of a training for clicks: rows that were left out, floors that are better, and targets.

    Args:
        clicks: Click reports on the test split; the model is `MODEL_NAME`.
        ranked: Ranking reports on the test split; empty if lists were not measured.
        data: The labelled rows.
    """
    notes = label_notes(data, "test")
    if data.sampler is not None:
        notes += _left_out(data, "train")
    start = "the trained model was compared with the floors on the test split."
    notes += [f"{start} {limit}" for limit in click_limits(clicks, MODEL_NAME)]
    if ranked and data.sampler is None:
        report, lists = clicks[MODEL_NAME], ranked[MODEL_NAME]
        notes.append(
            f"lists of next items are measured on {lists.num_targets:,} of the {report.num_positives:,} clicks in "
            f"test, the first ones of {lists.num_users:,} users: later clicks have these in their history"
        )
    return notes


def evaluate_clicks(
    recommender: XCatRecommender,
    shop: ShopTables,
    options: PreparationOptions,
    part: str,
    given: Mapping[str, Any],
    notes: list[str],
) -> ClickEvaluation:
    """Label the events of tables as in the training of a checkpoint, and evaluate its probabilities.

    Args:
        recommender: The checkpoint.
        shop: Validated tables.
        options: Filters and split of the events.
        part: "test" or "validation".
        given: Fields of `ClickOptions` that take precedence over those of the training.
        notes: Notes so far.

    Raises:
        ValueError: As `split_clicks`; or if other context columns are given than those of the training.
    """
    processor = recommender.processor
    saved = saved_clicks(processor.event_settings)
    if saved is None:
        raise ValueError(
            "the checkpoint predicts clicks, and event_settings of its processor have no 'clicks', the labels of its "
            "training; take model and processor from one checkpoint"
        )
    clicks = ClickOptions(**{**saved["options"], "seed": options.event_seed, **given})
    context = ClickContext.from_dict(saved["context"])
    for name in ("dense", "categorical"):
        trained = getattr(context, name)
        if name in given and set(given[name]) != set(trained):
            raise ValueError(
                f"{name} is {list(given[name])}, and the checkpoint was trained with {list(trained)}, whose inputs it "
                "has; leave it out"
            )
    data = split_clicks(
        shop, options, clicks, vocabulary=processor.catalogue, event_types=processor.event_types,
        cache_dir=options.cache_dir, context=context,
    )  # fmt: skip
    unknown = {} if data.sampler is None else count_unknown_items(data, recommender, part, options, notes)
    data.require(part)
    interests = shop_interests(shop, recommender.model, processor)
    if interests is not None:
        data.splits[part] = interests.added(data.splits[part])
    notes += [*other_labels(data, saved), *label_notes(data, part)]
    if part == VALIDATION:
        notes.append(
            "evidence and calibration of clicks were fitted on the validation split of the training, so its metrics "
            "are slightly too good"
        )
    reports = compare_clicks(recommender, data, part)
    return ClickEvaluation(reports.pop(MODEL_NAME), reports, data, part, notes, unknown)


def evaluates_clicks(recommender: XCatRecommender, task: str | None, given: Mapping[str, Any]) -> bool:
    """Whether an evaluation is of clicks.

    Args:
        recommender: The checkpoint.
        task: The given task; None for that of the checkpoint.
        given: Given fields of `ClickOptions`.

    Raises:
        ValueError: If the task is unknown, or the checkpoint predicts no clicks.
    """
    if task not in (None, CLICK, NEXT_ITEM):
        raise ValueError(f"task is {task!r}; give {CLICK} or {NEXT_ITEM}")
    if task == NEXT_ITEM or not recommender.predicts_clicks:
        name = next(iter(given), "task='click'" if task == CLICK else None)
        if name is not None:
            raise ValueError(
                f"{name} is for a checkpoint that was trained with task='click', evaluated for clicks; leave it out"
            )
        return False
    return True

"""Split events for click prediction: rows with items that were shown to users, and labels; see `shown.py`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..progress import stage
from ..tables.schema import ShopTables
from ..text.item_text import DEFAULT_TEXT_FIELDS
from ..text.vocabulary_texts import text_vocabulary
from ..vocabulary import ItemVocabulary
from .click_context import ClickContext
from .click_labels import empty_clicks, labels_from, lacking_labels
from .click_options import CLICKS, EVENTS, ClickOptions, plain_options
from .event_options import EventOptions, select_events
from .impression_rows import impression_rows
from .negatives import UNIFORM, NegativeSampler
from .sampled_clicks import count_positives, sampler_of, with_eval_negatives
from .shown import flat_lists
from .split_data import SplitData
from .splits import AUTO

logger = logging.getLogger(__name__)

LEAST_TIMES = 10
"""Times of impressions from which a part tells the share of positives."""


@dataclass(repr=False)
class ClickData(SplitData):
    """Result of `split_clicks`.

    Args:
        clicks: The options in use.
        kind: "impression", "rating", or the kind of sampled negatives; name it beside every figure.
        sampler: Draws the negatives of training batches; None if training rows have labels of their own.
        context: Inputs from columns of the events.
        true_rate: Share of positives among training impressions, before some were left out by `unclicked_per_click`;
            with sampled negatives the share in validation and test.
        train_rate: Share of positives that a model is trained on.
        left_out: Impressions or targets without a place, by part: with fewer earlier events than `min_history`, with
            an unknown item, or with too few possible negatives. The first event of a training row is no target.
        left_out_users: Users without a row in a part, because all their impressions or targets are left out.
        notes: Notes on the labels, in sentences.
        source: Where labels come from, such as "column clicked"; empty for sampled negatives.
        context_notes: Notes on values of context columns that are read as missing, by part.
    """

    clicks: ClickOptions = field(default_factory=ClickOptions)
    kind: str = ""
    sampler: NegativeSampler | None = None
    context: ClickContext = field(default_factory=ClickContext)
    true_rate: float = 0.5
    train_rate: float = 0.5
    left_out: dict[str, int] = field(default_factory=dict)
    left_out_users: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    source: str = ""
    context_notes: dict[str, list[str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """As of `SplitData`, with the kind of the labels."""
        return f"{super().__repr__()[:-1]}; labels: {self.kind})"

    @property
    def kept_rate(self) -> float | None:
        """Mean prediction on the validation split that a calibration has to keep: the share of training positives.

        None if the validation split tells the share of positives. Impressions of one time share more than users do,
        such as the coupons of a campaign, so impressions of fewer than `LEAST_TIMES` times do not tell it, nor the
        slope of predictions. Those without a time, and sampled negatives, do.
        """
        times = np.unique(flat_lists(self.validation, "shown_timestamps")[1])
        return None if len(times) >= LEAST_TIMES or (times < 0).any() else self.true_rate

    @property
    def settings(self) -> dict[str, Any]:
        """As of `SplitData`, with `clicks`: options, kind and source of labels, context and shares of positives."""
        clicks = {
            "options": plain_options(self.clicks), "kind": self.kind, "source": self.source,
            "context": self.context.to_dict(), "true_rate": self.true_rate, "train_rate": self.train_rate,
        }  # fmt: skip
        return {**super().settings, CLICKS: clicks}


def default_click_split(shop: ShopTables, split: str, clicks: ClickOptions) -> str:
    """Split for click prediction: with "auto", labelled impressions are split by time if all events have a time.

    Leave-one-out leaves a user the impressions of one time in test, often with one label, so metrics per user have few
    users.

    Args:
        shop: The tables.
        split: The option; any other name than "auto" is kept.
        clicks: Labels of the rows.
    """
    if split != AUTO or shop.made_split or not shop.events["split"].null_count():
        return split
    timed = not shop.events["timestamp"].null_count()
    return "global-time" if timed and labels_from(shop.events, clicks) != EVENTS else split


def split_clicks(
    shop: ShopTables,
    events: EventOptions | None = None,
    clicks: ClickOptions | None = None,
    *,
    vocabulary: ItemVocabulary | None = None,
    event_types: list[str] | None = None,
    text_fields: Sequence[str] = DEFAULT_TEXT_FIELDS,
    cache_dir: Path | None = None,
    context: ClickContext | None = None,
) -> ClickData:
    """Split events as for next-item prediction, and add what was shown to users, with labels.

    With sampled negatives, rows are those of `ShopTables.split`. The targets of validation and test are positives,
    each with negatives that are fixed by the seed and that the user has no event with at all. Training rows get their
    negatives later, from `ClickData.sampler` or `with_negatives`. These may be items that the user has in validation
    or test: leaving them out would tell a model which items these are.

    With impressions or ratings, a history has the user's events before the impression, without events of the same
    time. Impressions without a click are in no history.

    Args:
        shop: The tables.
        events: Selection and split of the events; "auto" is resolved by `default_click_split`.
        clicks: Labels, negatives and context.
        vocabulary: As in `ShopTables.split`.
        event_types: As in `ShopTables.split`.
        text_fields: As in `ShopTables.split`.
        cache_dir: As in `ShopTables.split`; impressions are not cached.
        context: Means and categories of context columns, from a trained model; None for those of these impressions.

    Raises:
        ValueError: If there is nothing to label, all labels of a part are the same, the events lack a context column,
            or options do not fit the tables.

    Example (not run: it needs tables):
        split_clicks(load_shop("my-shop/"), clicks=ClickOptions(negatives="popularity")).validation[0]["shown_items"]
    """
    clicks, options = clicks or ClickOptions(), events or EventOptions()
    log = shop.log("labels for click prediction are made from all columns of the events")
    options = replace(options, split=default_click_split(shop, options.split, clicks))
    if labels_from(log, clicks) == EVENTS:
        rows_of_targets = shop.split(
            options, vocabulary=vocabulary, event_types=event_types, text_fields=text_fields, cache_dir=cache_dir
        )
        column = shop.columns.of_table((), "events").clicked
        if context is not None and (named := (*context.dense, *context.categorical)):
            why = "labels is 'events'" if clicks.labels == EVENTS else lacking_labels(log)
            raise ValueError(
                f"{why}, and the model was trained with context columns of impressions ({', '.join(named)}); give "
                "events with impressions: 1 in the column clicked for those with a click, 0 for the others"
            )
        return _sampled(rows_of_targets, clicks, empty_clicks(log, column, clicks))
    if options.cold_items:
        raise ValueError("cold_items works with sampled negatives only; give 0, or labels='events'")
    if clicks.negatives != UNIFORM:
        logger.warning(
            "negatives=%r has no effect, because the table has the labels; use labels='events' to draw negatives",
            clicks.negatives,
        )
    if context is not None:
        context.require(log.columns, "the table of events")
    with stage("labelling impressions"):
        selected = select_events(shop, options)
        rows = text_vocabulary(selected.items, text_fields) if vocabulary is None else vocabulary
        made = impression_rows(selected, options, clicks, rows, event_types, context)
    return ClickData(
        rows, made.event_types, made.splits, replace(options, split=made.split), shop, selected, clicks=clicks,
        kind=made.kind, context=made.context, true_rate=made.true_rate, train_rate=made.train_rate,
        left_out=made.left_out, left_out_users=made.left_out_users, notes=made.notes, source=made.source,
        context_notes=made.context_notes,
    )  # fmt: skip


def _sampled(data: SplitData, clicks: ClickOptions, notes: list[str]) -> ClickData:
    """Split events with sampled negatives in validation and test."""
    if clicks.dense or clicks.categorical:
        raise ValueError(
            "dense and categorical are columns of impressions, and sampled negatives were never shown; leave them out"
        )
    sampler = sampler_of(data, clicks.negatives)
    with stage("drawing negatives"):
        splits, left_out, users = with_eval_negatives(
            data, sampler, clicks.eval_negatives, clicks.seed, clicks.min_history
        )
        found = count_positives(data.train, sampler, clicks.train_negatives, clicks.least_history)
        left_out["train"] = found.early + found.crowded
    return ClickData(
        data.vocabulary, data.event_types, splits, data.options, data.shop, data.selected, clicks=clicks,
        kind=clicks.negatives, sampler=sampler, true_rate=1 / (1 + clicks.eval_negatives),
        train_rate=1 / (1 + clicks.train_negatives), left_out=left_out, left_out_users=users, notes=notes,
    )  # fmt: skip

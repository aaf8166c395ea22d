"""Rows with labelled impressions or ratings of a table of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import datasets
import numpy as np
import polars as pl

from ...counting import counted_of
from ..tables.event_roles import CONTEXT, ROLES, TARGET
from ..tables.schema import ShopTables
from ..vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from .build import SEQUENCE, TARGETS, coded_events, gather_rows, resolve_split, rows_dataset
from .click_context import ClickContext, fit_context
from .click_labels import Labels, label_events
from .click_options import ClickOptions
from .event_options import EventOptions
from .shown import SHOWN, SHOWN_CONTEXT, SHOWN_IN_TRAINING
from .split import Split, all_events
from .splits import SPLITS
from .timeline import TiePolicy, Timeline, Unit, sort_events

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class ImpressionRows:
    """Result of `impression_rows`; see the fields of `ClickData` with the same names."""

    splits: datasets.DatasetDict
    split: str
    event_types: list[str]
    kind: str
    context: ClickContext
    true_rate: float
    train_rate: float
    left_out: dict[str, int]
    left_out_users: dict[str, int]
    source: str
    notes: list[str] = field(default_factory=list)
    context_notes: dict[str, list[str]] = field(default_factory=dict)


def impression_rows(
    selected: ShopTables,
    options: EventOptions,
    clicks: ClickOptions,
    vocabulary: ItemVocabulary,
    event_types: Sequence[str] | None = None,
    context: ClickContext | None = None,
) -> ImpressionRows:
    """Rows of the three parts, from events with labels.

    A training row has the user's training events; a row of validation or test all events before its last showing.

    Args:
        selected: The tables, with the selected events.
        options: Their split.
        clicks: Labels and context.
        vocabulary: The item vocabulary.
        event_types: Event types in the order of their codes; None for the types of histories.
        context: Means and categories of context columns; None for those of training impressions.

    Raises:
        ValueError: If there is nothing to label, or a part has no impressions or one label only.
    """
    labels = label_events(selected.events, clicks)
    split = SPLITS.find(resolve_split(selected, options.split))
    # Events at one time are a unit: what a user did at the time of an impression is not known before it.
    log = selected.events.with_columns(basket_id=pl.lit(None, pl.String))
    roles = selected.event_roles(options)
    timeline = sort_events(log, Unit.BASKET_OR_TIME, TiePolicy(options.tie_policy), options.event_seed, roles)
    places = timeline.events["_file"]
    label, in_history = labels.label.gather(places), labels.in_history.gather(places).to_numpy()
    if event_types is None:
        event_types = timeline.events["event_type"].filter(pl.Series(in_history)).unique().sort().to_list()
    train, part = _cut(timeline, split, label)
    coded = coded_events(timeline, vocabulary, event_types)
    frame = pl.DataFrame({
        "user": timeline.user, "unit": timeline.unit, "place": places,
        "shown_items": coded["items"], "shown_labels": label,
        "shown_after": np.where(part == 0, _before(timeline, in_history & train), _before(timeline, in_history)),
        "shown_timestamps": coded["timestamps"], "part": part, **_counts(timeline, coded, in_history & train),
    }).filter(pl.col("shown_labels").is_not_null() & (pl.col("part") >= 0))  # fmt: skip
    kept = frame.filter((pl.col("shown_items") >= NUM_SPECIAL_ROWS) & (pl.col("shown_after") >= clicks.min_history))
    _check_parts(frame, kept, labels, split)
    of_train = kept.filter(pl.col("part") == 0)
    context = _context(selected.events, of_train, clicks) if context is None else context
    context.check(selected.events[kept["place"]])
    thinned = _thinned(of_train, clicks)
    shown = _with_inputs(pl.concat([thinned, kept.filter(pl.col("part") > 0)]), selected.events, context, labels.kind)
    splits = datasets.DatasetDict({
        name: _part_rows(coded, timeline.user, in_history & train if number == 0 else in_history, shown, number)
        for number, name in enumerate(PARTS)
    })  # fmt: skip
    return ImpressionRows(
        splits, split.name, list(event_types), labels.kind, context, _rate(of_train), _rate(thinned),
        {name: _height(frame, n) - _height(kept, n) for n, name in enumerate(PARTS)},
        {name: _users(frame, n) - _users(kept, n) for n, name in enumerate(PARTS)}, labels.source,
        _contradictions(frame, labels.kind),
        {
            name: context.notes(selected.events[_of(kept, n)["place"]], f"{labels.kind}s of {name}")
            for n, name in enumerate(PARTS)
        },
    )  # fmt: skip


def _cut(timeline: Timeline, split: Split, label: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """(events,) training flags, and the part of each labelled event; for the split, impressions are the targets."""
    roles = np.where(label.is_not_null().to_numpy(), TARGET, CONTEXT).astype(np.int8)
    marked = replace(timeline, roles=roles)
    shared = split.shared(all_events(marked))
    return split.cut(marked, shared).train, split.parts(marked, shared)


def _before(timeline: Timeline, chosen: np.ndarray) -> np.ndarray:
    """(events,) number of the user's chosen events in earlier units."""
    count = np.append(0, np.cumsum(chosen))
    opens = np.ones(len(chosen), dtype=bool)
    opens[1:] = (np.diff(timeline.user) != 0) | (np.diff(timeline.unit) != 0)
    first = np.flatnonzero(opens)[np.cumsum(opens) - 1]
    earlier: np.ndarray = count[first] - count[timeline.starts[timeline.user]]
    return earlier


def _counts(timeline: Timeline, coded: pl.DataFrame, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """`shown_counts` of all events: the chosen events of any user with the item at earlier times."""
    if timeline.unit_time is None:
        return {}
    times, moment = np.unique(timeline.unit_time, return_inverse=True)
    first = coded["items"].to_numpy().astype(np.int64) * (len(times) + 1)
    keys = np.sort((first + moment)[chosen])
    return {"shown_counts": np.searchsorted(keys, first + moment) - np.searchsorted(keys, first)}


def _check_parts(all_shown: pl.DataFrame, shown: pl.DataFrame, labels: Labels, split: Split) -> None:
    """Refuse a part without impressions, or with one label only."""
    unknown = all_shown.filter(pl.col("shown_items") < NUM_SPECIAL_ROWS).height
    lacking = f" ({unknown} are of items that the catalogue lacks)" if unknown else ""
    for number, name in enumerate(PARTS):
        found = shown.filter(pl.col("part") == number)["shown_labels"]
        positives = int(found.sum())
        if found.is_empty() or positives in (0, len(found)):
            what = f"{positives} positives among {len(found)} {labels.kind}s with earlier events"
            raise ValueError(
                f"events: the split {split.name!r} leaves {what} in {name}, of {labels.label.count()} in all"
                f"{lacking}; a part needs both labels: give more events, another split=, or a smaller min_history="
            )


def _contradictions(shown: pl.DataFrame, kind: str) -> list[str]:
    """A note on impressions with both labels; empty if there are none."""
    known = shown.filter(pl.col("shown_items") >= NUM_SPECIAL_ROWS)
    both = known.filter(pl.col("shown_labels").n_unique().over("user", "unit", "shown_items") > 1).height
    if not both:
        return []
    return [
        f"events: {counted_of(both, known.height, kind, 'have')} the user, item and time of another one with the "
        "other label; keep one row per showing"
    ]


def _of(shown: pl.DataFrame, part: int) -> pl.DataFrame:
    return shown.filter(pl.col("part") == part)


def _height(shown: pl.DataFrame, part: int) -> int:
    return _of(shown, part).height


def _users(shown: pl.DataFrame, part: int) -> int:
    return _of(shown, part)["user"].n_unique()


def _rate(shown: pl.DataFrame) -> float:
    return float(shown["shown_labels"].sum()) / shown.height


def _thinned(train: pl.DataFrame, clicks: ClickOptions) -> pl.DataFrame:
    """Training impressions with `unclicked_per_click` impressions without a click per click."""
    if clicks.unclicked_per_click is None:
        return train
    unclicked = np.flatnonzero(train["shown_labels"].to_numpy() == 0)
    wanted = max(round(clicks.unclicked_per_click * (train.height - len(unclicked))), 1)
    if wanted >= len(unclicked):
        return train
    chosen = np.random.default_rng(clicks.seed).choice(unclicked, size=wanted, replace=False)
    keep = train["shown_labels"].to_numpy() == 1
    keep[chosen] = True
    return train.filter(pl.Series(keep))


def _context(events: pl.DataFrame, train: pl.DataFrame, clicks: ClickOptions) -> ClickContext:
    of_train = np.zeros(events.height, dtype=bool)
    of_train[train["place"].to_numpy()] = True
    return fit_context(events, of_train, clicks.dense, clicks.categorical)


def _with_inputs(shown: pl.DataFrame, events: pl.DataFrame, context: ClickContext, kind: str) -> pl.DataFrame:
    """Impressions with their kind, and with inputs from context columns."""
    shown = shown.with_columns(shown_kinds=pl.lit(kind))
    dense, categorical = context.encode(events[shown["place"]])
    for name, values in zip(SHOWN_CONTEXT, (dense, categorical), strict=True):
        if values.shape[1]:
            lists = pl.Series(name, values).arr.to_list() if values.ndim == 2 else values
            shown = shown.with_columns(lists)
    return shown


def _part_rows(
    coded: pl.DataFrame, user: np.ndarray, chosen: np.ndarray, shown: pl.DataFrame, part: int
) -> datasets.Dataset:
    """Rows of a part: histories from the chosen events, with what was shown."""
    of_part = SHOWN_CONTEXT if part else {**SHOWN_CONTEXT, **SHOWN_IN_TRAINING}
    names = [name for name in (*SHOWN, *of_part) if name in shown.columns]
    found = shown.filter(pl.col("part") == part)
    lists = found.group_by("user", maintain_order=True).agg(*names, _most=pl.col("shown_after").max())
    features = {**SEQUENCE, **{name: {**SHOWN, **of_part}[name] for name in names}}
    if (coded[ROLES].to_numpy()[chosen] != TARGET).any():
        features[ROLES] = datasets.List(datasets.Value("int8"))
    else:
        coded = coded.drop(ROLES)
    if part:
        most = np.zeros(int(user.max(initial=-1)) + 1, dtype=np.int64)
        most[lists["user"].to_numpy()] = lists["_most"].to_numpy()
        count = np.cumsum(chosen) - chosen
        begins = np.flatnonzero(np.diff(user, prepend=-1))
        chosen = chosen & (count - count[begins][user] < most[user])
        clicked = found.filter(pl.col("shown_labels") == 1).group_by("user")
        targets = clicked.agg(targets=pl.col("shown_items").unique(maintain_order=True))
        lists = lists.join(targets, on="user", how="left", maintain_order="left")
        features["targets"] = TARGETS
    history = gather_rows(coded.filter(pl.Series(chosen)))
    names_of = coded.group_by("user", maintain_order=True).agg(pl.col("user_id").first())
    rows = names_of.join(history.drop("user_id"), on="user", how="left", maintain_order="left").join(
        lists, on="user", how="left", maintain_order="left"
    )
    rows = rows.with_columns(pl.col(name).fill_null([]) for name in features if name != "user_id")
    wanted = pl.col("shown_items").list.len() > 0
    if not part:
        wanted |= pl.col("items").list.len() > 1
    return rows_dataset(rows.filter(wanted), features)

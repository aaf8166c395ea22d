"""Statistics of a dataset: lengths, categories, popularity, texts, languages, duplicates, times, leaks."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import datasets
import numpy as np
import polars as pl

from ...counting import counted_of
from ..sequences.build import build_splits, resolve_split
from ..sequences.splits import SPLITS
from ..tables.event_roles import EventRoles, event_roles
from ..tables.event_times import exact_time
from ..tables.schema import ShopTables
from ..tables.table_columns import ITEM_TEXTS
from ..tables.values import read_texts
from ..text.default_encoder import local_choice
from ..text.text_columns import sampled_user_texts
from ..text.vocabulary_texts import items_table
from ..unknown_tokens import unknown_share
from ..vocabulary import ItemVocabulary

CURVE_POINTS = 200
LANGUAGE_SAMPLE = 2_000
"""Maximum number of titles for language detection."""
QUANTILES = (0, 0.25, 0.5, 0.75, 0.9, 0.99, 1)


@dataclass(repr=False)
class Inspection:
    """The report, ready for JSON.

    Args:
        name: Name of the dataset.
        rows: Rows of each table.
        users: Users with events.
        lengths: Quantiles of the events per user, by "q0" to "q100", and the mean.
        length_histogram: Users by events, in buckets that double: [from, users].
        items_without_events: Items without events.
        popularity: Points of the popularity curve: [share of items, most popular first; their share of events].
        top_shares: Share of events of the most popular 1 %, 10 % and 50 % of the items.
        categories: Items and events of each category, most events first.
        uncategorised: Items without a category.
        switch_rate: Share of consecutive events of a user whose categories differ; None without categories.
        repeat_rate: Share of events whose item is earlier in the user's history.
        event_types: Events of each type.
        missing: Items without a value, by column.
        languages: Sampled titles by language; None without a language detector.
        duplicates: Repeated events, and items with the title of another item.
        first_event: Time of the first event, seconds since 1970; None without times.
        last_event: Time of the last event.
        by_month: Events of each month.
        split: The split in the report.
        split_rows: Sequences of each part.
        leaks: Leaks between the parts of the split; each count should be 0.
        problems: Data-quality issues: repairs and warnings.
        event_roles: Role of each event type: target, context or negative.
        warnings: Decisions to make before training, in sentences.
        text_encoder: Hub id of the text encoder that `fit` chooses for the language of titles and of users' texts.
        unknown_tokens: Share of the tokens in titles and users' texts that it has no embedding for, by "titles" and
            "users". Empty if the encoder is neither cached nor installed.
    """

    name: str
    rows: dict[str, int]
    users: int
    lengths: dict[str, float]
    length_histogram: list[list[int]]
    items_without_events: int
    popularity: list[list[float]]
    top_shares: dict[str, float]
    categories: list[dict[str, Any]]
    uncategorised: int
    switch_rate: float | None
    repeat_rate: float
    event_types: dict[str, int]
    missing: dict[str, int]
    languages: dict[str, int] | None
    duplicates: dict[str, int]
    first_event: int | None
    last_event: int | None
    by_month: dict[str, int]
    split: str
    split_rows: dict[str, int]
    leaks: dict[str, int]
    problems: list[dict[str, Any]] = field(default_factory=list)
    text_encoder: str = ""
    unknown_tokens: dict[str, float] = field(default_factory=dict)
    event_roles: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        """The tables of the report and its warnings as text, without values of the tables."""
        from .page import inspection_tables

        parts = [self.name]
        for title, rows in inspection_tables(self).items():
            if rows:
                parts.append("\n".join([f"{title}:", *(f"  {label}: {value}" for label, value in rows)]))
        return "\n\n".join([*parts, *(f"warning: {warning}" for warning in self.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)


def inspect_shop(
    shop: ShopTables,
    split: str = "auto",
    tie_policy: str = "file",
    seed: int = 0,
    *,
    show_values: bool = False,
    target_event_types: Sequence[str] | None = None,
    negative_event_types: Sequence[str] | None = None,
) -> Inspection:
    """Compute the statistics of a dataset.

    Args:
        shop: Validated tables.
        split: The split whose leaks are counted.
        tie_policy: The order of a user's events at one time.
        seed: Seed of shuffled ties.
        show_values: Whether issues show values of users unmasked, for a report that is not shared.
        target_event_types: As in `event_roles`.
        negative_event_types: As in `event_roles`.

    Raises:
        ValueError: If the split is not possible for these tables, or as `event_roles`.
    """
    vocabulary = ItemVocabulary(items_table(shop.items))
    chosen = resolve_split(shop, split)
    roles = event_roles(shop.event_type_names(), target_event_types, negative_event_types)
    splits = build_splits(
        shop, vocabulary, shop.event_type_names(), split=chosen, tie_policy=tie_policy, seed=seed, roles=roles
    )  # fmt: skip
    events, items = shop.events, shop.items
    lengths = events.group_by("user_id").len()["len"]
    popularity = events.group_by("item_id").len()["len"].sort(descending=True).to_numpy()
    ordered = _in_time(events)
    times = events["timestamp"].drop_nulls()
    titles = items["title"].filter(items["title"] != "")
    encoder, unknown = _unknown_tokens(titles.to_list(), sampled_user_texts(events))
    repeated = sum(problem.count for problem in shop.problems if problem.kind == "repeated_event")
    return Inspection(
        name=shop.name,
        rows=dict(shop.report.rows),
        users=len(lengths),
        lengths=_quantiles(lengths),
        length_histogram=_doubling(lengths),
        items_without_events=items.height - len(popularity),
        popularity=_curve(popularity, items.height),
        top_shares={f"top_{p}%": _top_share(popularity, items.height, p / 100) for p in (1, 10, 50)},
        categories=_categories(items, events),
        uncategorised=items["category"].null_count(),
        switch_rate=switch_rate(ordered, items),
        repeat_rate=1 - events.select("user_id", "item_id").n_unique() / max(events.height, 1),
        event_types=_counts(events["event_type"]),
        missing={name: int((read_texts(items[name]).is_null()).sum()) for name in (*ITEM_TEXTS, "price")},
        languages=_languages(titles),
        duplicates={
            "repeated_events": repeated,
            "items_sharing_a_title": int(titles.is_duplicated().sum()),
            "distinct_titles": titles.n_unique(),
        },
        first_event=None if times.is_empty() else int(times.min()),  # type: ignore[arg-type]
        last_event=None if times.is_empty() else int(times.max()),  # type: ignore[arg-type]
        by_month=_counts(pl.from_epoch(times, time_unit="s").dt.strftime("%Y-%m"), by_name=True),
        split=chosen,
        split_rows={name: len(part) for name, part in splits.items()},
        leaks=count_leaks(splits),
        event_roles=roles.to_dict(),
        warnings=_warnings(events, chosen, roles),
        problems=[problem.to_dict(show_values) for problem in shop.problems],
        text_encoder=encoder,
        unknown_tokens=unknown,
    )


def _warnings(events: pl.DataFrame, split: str, roles: EventRoles) -> list[str]:
    """Decisions to make before training: predicted event types, and whether baskets are split."""
    found = []
    others = events["event_type"].is_in([*roles.context, *roles.negative])
    if others.any():
        found.append(
            f"{counted_of(int(others.sum()), events.height, 'event', 'have')} a type that is not predicted: {roles}; "
            "to predict them too, list them in target_event_types"
        )
    elif len(roles.targets) > 1:
        found.append(
            f"all {len(roles.targets)} event types are predicted: {', '.join(roles.targets)}; if some are context "
            "only, list the types to predict in target_event_types"
        )
    advice = SPLITS.find(split).advice(events, roles)
    return [*found, *([advice] if advice else [])]


def switch_rate(ordered: pl.DataFrame, items: pl.DataFrame) -> float | None:
    """Share of category changes among consecutive events of a user, if both events have a category.

    Args:
        ordered: Events, each user's in order of time.
        items: The items table.

    Example:
        >>> items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["x", "x", "y"]})
        >>> switch_rate(pl.DataFrame({"user_id": ["u"] * 3, "item_id": ["a", "b", "c"]}), items)
        0.5
    """
    joined = ordered.join(items.select("item_id", "category"), on="item_id", how="left", maintain_order="left")
    pairs = joined.select(
        same_user=pl.col("user_id") == pl.col("user_id").shift(1),
        differs=pl.col("category") != pl.col("category").shift(1),
    ).filter(pl.col("same_user") & pl.col("differs").is_not_null())
    return float(pairs["differs"].mean()) if pairs.height else None  # type: ignore[arg-type]


def count_leaks(splits: datasets.DatasetDict) -> dict[str, int]:
    """Count leaks: of evaluation data into training, and of targets into their histories.

    Args:
        splits: Training sequences, and `validation` and `test` with targets.

    Returns:
        `late_training_events`: training events of evaluated users beyond the history that they are evaluated with;
        `rows_in_both`: test rows that equal the user's validation row; `repeated_users`: rows of a part beyond one a
        user.

    Example:
        >>> row = {"user_id": ["u"], "items": [[2, 3]], "timestamps": [[1, 2]]}
        >>> part = datasets.Dataset.from_dict({**row, "targets": [[4]]})
        >>> train = datasets.Dataset.from_dict({**row, "items": [[2, 3, 4]], "timestamps": [[1, 2, 3]]})
        >>> found = count_leaks(datasets.DatasetDict({"train": train, "validation": part, "test": part}))
        >>> found["late_training_events"]
        2
    """
    tables = {name: _plain(part) for name, part in splits.items()}
    train = tables["train"].select("user_id", trained=pl.col("items").list.len())
    late = 0
    for name in ("validation", "test"):
        both = tables[name].select("user_id", known=pl.col("items").list.len()).join(train, on="user_id")
        beyond = pl.col("trained").cast(pl.Int64) - pl.col("known").cast(pl.Int64)
        late += int(both.select(beyond.clip(lower_bound=0).sum()).item())
    same = tables["test"].join(tables["validation"], on="user_id", suffix="_v")
    equal = same.filter((pl.col("items") == pl.col("items_v")) & (pl.col("targets") == pl.col("targets_v")))
    return {
        "late_training_events": late,
        "rows_in_both": equal.height,
        "repeated_users": sum(table.height - table["user_id"].n_unique() for table in tables.values()),
    }


def _plain(part: datasets.Dataset) -> pl.DataFrame:
    table = pl.from_arrow(part.with_format("arrow")[:])
    assert isinstance(table, pl.DataFrame)
    return table


def _in_time(events: pl.DataFrame) -> pl.DataFrame:
    clock = exact_time(events) if events["timestamp"].null_count() == 0 else pl.col("order")
    return events.select("user_id", "item_id", _clock=clock).sort("user_id", "_clock", maintain_order=True)


def _quantiles(lengths: pl.Series) -> dict[str, float]:
    found = {f"q{round(100 * q)}": float(lengths.quantile(q, "nearest") or 0) for q in QUANTILES}
    return {**found, "mean": float(lengths.mean() or 0)}  # type: ignore[arg-type]


def _doubling(lengths: pl.Series) -> list[list[int]]:
    """Users by events: 1, 2-3, 4-7, ... as [from, users]."""
    power = np.floor(np.log2(np.maximum(lengths.to_numpy(), 1))).astype(np.int64)
    return [[2**p, int(n)] for p, n in enumerate(np.bincount(power))]


def _curve(popularity: np.ndarray, items: int) -> list[list[float]]:
    if not len(popularity):
        return []
    places = np.unique(np.geomspace(1, len(popularity), CURVE_POINTS).astype(np.int64))
    reached = np.cumsum(popularity) / popularity.sum()
    return [[float(place / items), float(reached[place - 1])] for place in places]


def _top_share(popularity: np.ndarray, items: int, share: float) -> float:
    count = max(1, round(share * items))
    return float(popularity[:count].sum() / max(popularity.sum(), 1))


def _categories(items: pl.DataFrame, events: pl.DataFrame) -> list[dict[str, Any]]:
    counted = items.select("item_id", "category").join(
        events.group_by("item_id").len("events"), on="item_id", how="left"
    )  # fmt: skip
    grouped = counted.drop_nulls("category").group_by("category").agg(
        items=pl.len(), events=pl.col("events").fill_null(0).sum()
    )  # fmt: skip
    return grouped.sort(["events", "category"], descending=[True, False]).to_dicts()


def _counts(values: pl.Series, by_name: bool = False) -> dict[str, int]:
    name = values.name or "value"
    counted = values.rename(name).drop_nulls().value_counts()
    ordered = counted.sort(name) if by_name else counted.sort(["count", name], descending=[True, False])
    return dict(ordered.iter_rows())


def _unknown_tokens(titles: list[str], said: list[str]) -> tuple[str, dict[str, float]]:
    """The text encoder by language, and its shares of unknown tokens; needs only its tokenizer, and no network."""
    encoder, file = local_choice(titles, said)
    if file is None:
        return encoder, {}
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    unknown = next((i for i in map(tokenizer.token_to_id, ("[UNK]", "<unk>")) if i is not None), -1)

    def token_ids(texts: list[str]) -> list[list[int]]:
        return [found.ids for found in tokenizer.encode_batch(texts, add_special_tokens=False)]

    tokenizer.no_padding()
    groups = {"titles": titles, "users": said}
    return encoder, {name: unknown_share(texts, token_ids, unknown) for name, texts in groups.items() if texts}


def _languages(titles: pl.Series) -> dict[str, int] | None:
    if importlib.util.find_spec("py3langid") is None or titles.is_empty():
        return None
    from ..text.languages import count_languages

    step = max(1, len(titles) // LANGUAGE_SAMPLE)
    return count_languages(titles.gather_every(step).head(LANGUAGE_SAMPLE).to_list())

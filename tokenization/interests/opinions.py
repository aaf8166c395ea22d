"""Explicit feedback of users (reviews, queries, chats) from a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ..masking import mask, name_columns
from ..tables.keys import read_keys
from ..tables.schema import TableColumns
from ..tables.table_columns import QUERY, SavedFormat
from ..tables.time_columns import read_times
from ..tables.time_texts import check_time_format
from ..tables.values import read_numbers
from ..text.text_columns import TEXT_COLUMNS, joined_texts
from .entities import EntityMatcher, ModelEntities
from .keyphrases import KeyphraseExtractor
from .profiles import InterestProfile, Opinions, ProfileOptions, build_profile
from .sentiment import Sentiment, label_polarity, polarities

ENTITIES_SHOWN = 10
_SAYS = pl.col("rating").is_not_null() | (pl.col("text") != "")


@dataclass(frozen=True)
class Statements:
    """Reviews and ratings of users, one per row, in order of time.

    Args:
        table: Columns `user_id`, `item_id` (null for texts without an item), `timestamp` (Int64 seconds), `rating`
            (Float64, null for none) and `text` (cleaned, "" for none); of `read_texts` the last two alone.
        scale: Lowest and highest rating.
    """

    table: pl.DataFrame
    scale: tuple[float, float] = (1.0, 5.0)

    def of_user(self, user_id: str) -> Statements:
        """The rows of one user.

        Raises:
            ValueError: If there are none.
        """
        found = self.table.filter(pl.col("user_id") == user_id)
        if found.is_empty():
            users = self.table["user_id"]
            shapes = "".join(f", with ids such as {mask(user)!r} (masked)" for user in users.head(1))
            raise ValueError(
                f"no row has the requested user; the table has {users.n_unique():,} users{shapes}; check the id, and "
                "that user_id is mapped to the right column"
            )
        return Statements(found, self.scale)

    def with_labels(self, labels: Mapping[str, str]) -> Statements:
        """The rows with ratings from labels, which take precedence over their own ratings.

        Args:
            labels: Text to label, as `label_polarity` reads it.

        Raises:
            ValueError: If a label is not a sentiment.
        """
        low, high = self.scale
        texts = list(labels)
        ratings = low + (label_polarity([labels[text] for text in texts]) + 1) / 2 * (high - low)
        given = pl.DataFrame(
            {"text": texts, "_given": ratings}, schema_overrides={"text": pl.String, "_given": pl.Float64}
        )
        table = self.table.join(given, on="text", how="left", maintain_order="left")
        return Statements(table.with_columns(rating=pl.coalesce("_given", "rating")).drop("_given"), self.scale)


def read_statements(
    table: pl.DataFrame,
    columns: TableColumns | None = None,
    text_columns: Sequence[str] | None = None,
    *,
    time_format: str | None = None,
) -> Statements:
    """Read a table of events with texts.

    Args:
        table: One review per row: user and time, and item, rating and text if known.
        columns: Names of its columns; None for the defaults.
        text_columns: Text columns, joined in order; None for the columns of `TEXT_COLUMNS` in the table.
        time_format: Format of times, as in `load_shop`.

    Raises:
        ValueError: If there is no user or time column, neither text nor rating, or an unreadable time.
    """
    columns = (columns or TableColumns()).of_table(table.columns, "events")
    for column in ("user_id", "timestamp"):
        if columns.name_of(column) not in table.columns:
            raise ValueError(
                f"events has no column {columns.name_of(column)!r}; map it with "
                f"TableColumns({column}='its name there'); it has {name_columns(table.columns)}"
            )
    told = _ratings_and_texts(table, columns, text_columns)
    statements = told.select(
        _keys(table, columns.user_id).alias("user_id"),
        _keys(table, columns.item_id).alias("item_id"),
        _seconds(table[columns.timestamp], time_format).alias("timestamp"),
        "rating", "text",
    ).filter(pl.col("user_id").is_not_null() & _SAYS)  # fmt: skip
    return Statements(statements.sort("timestamp", maintain_order=True), _scale(statements["rating"]))


def read_texts(
    table: pl.DataFrame, columns: TableColumns | None = None, text_columns: Sequence[str] | None = None
) -> Statements:
    """Read texts and their ratings, for which neither users nor times are needed.

    Args:
        table: One text per row, with a rating if known.
        columns: As for `read_statements`.
        text_columns: As for `read_statements`.

    Returns:
        Statements with the columns `rating` and `text` alone, in the order of the table.

    Raises:
        ValueError: If there is neither text nor rating.

    Example:
        >>> read_texts(pl.DataFrame({"text": ["warm", None, "loud"], "rating": [5, None, None]})).table.rows()
        [(5.0, 'warm'), (None, 'loud')]
    """
    columns = (columns or TableColumns()).of_table(table.columns, "events")
    told = _ratings_and_texts(table, columns, text_columns).filter(_SAYS)
    return Statements(told, _scale(told["rating"]))


def _ratings_and_texts(table: pl.DataFrame, columns: TableColumns, text_columns: Sequence[str] | None) -> pl.DataFrame:
    """Columns `rating` (Float64, null for none) and `text` ("" for none), one row per row of the table."""
    usual = [columns.query if name == QUERY else name for name in TEXT_COLUMNS]
    wanted = list(text_columns) if text_columns is not None else [name for name in usual if name in table.columns]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise ValueError(f"events has no column {missing[0]!r}; it has {name_columns(table.columns)}")
    if not wanted and columns.rating not in table.columns:
        raise ValueError(
            f"events has neither a text nor the rating {columns.rating!r}; give its text columns as text_columns; it "
            f"has {name_columns(table.columns)}"
        )
    ratings = read_numbers(table[columns.rating])[0] if columns.rating in table.columns else None
    return pl.DataFrame({
        "rating": pl.Series([None] * table.height, dtype=pl.Float64) if ratings is None else ratings,
        "text": joined_texts(table, wanted),
    })  # fmt: skip


def _seconds(written: pl.Series, time_format: str | None) -> pl.Series:
    """Times as Int64 seconds.

    Raises:
        ValueError: If one cannot be read.
    """
    check_time_format(time_format)
    times = read_times(written, time_format)
    if isinstance(time_format, SavedFormat) and times.bad.any():
        times = read_times(written)
    if times.reading.question:
        raise ValueError(f"events, column {written.name!r}: {times.reading.question} Give the right one")
    unread = times.bad | times.mixed | times.values.is_null()
    if unread.any():
        row = int(unread.arg_true()[0])
        raise ValueError(
            f"events, column {written.name!r}: {unread.sum()} of {len(written)} rows hold no time that can be "
            f"read, for example {mask(written[row])!r} (masked, row {row + 1:,}); write ISO 8601 or seconds, or give "
            "time_format="
        )
    return times.values.cast(pl.Int64)


def opinions_of(
    statements: Statements,
    encode: Callable[[list[str]], np.ndarray],
    item_texts: dict[str, str],
    item_categories: dict[str, str],
    sentiment: Sentiment | None = None,
) -> Opinions:
    """Convert the reviews and ratings of one user to feedback vectors.

    Args:
        statements: Reviews and ratings of the user.
        encode: Texts to (texts, width) states.
        item_texts: Text of each item; a review of another item, or without an item, is encoded itself.
        item_categories: Category of each item.
        sentiment: Sentiment of texts without rating; None for the lexicon.
    """
    table = statements.table
    texts, items = table["text"].to_list(), table["item_id"].to_list()
    ratings = table["rating"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    about = [item_texts.get(item) or text for item, text in zip(items, texts, strict=True)]
    return Opinions(
        times=table["timestamp"].to_numpy(),
        polarities=polarities(texts, ratings, statements.scale, sentiment),
        vectors=encode(about),
        categories=[item_categories.get(item, "") for item in items],
        subjects=about,
    )


def opinions_by_user(
    statements: Statements, vectors: np.ndarray, categories: Sequence[str], sentiment: Sentiment | None = None
) -> dict[str, Opinions]:
    """Convert the reviews and ratings of all users to feedback vectors.

    Args:
        statements: Reviews and ratings.
        vectors: (statements, width) state of the subject of each.
        categories: Category of each, "" for none.
        sentiment: Sentiment of texts without rating; None for the lexicon.
    """
    table = statements.table.with_row_index("_row")
    ratings = table["rating"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    signed = polarities(table["text"].to_list(), ratings, statements.scale, sentiment)
    times = table["timestamp"].to_numpy()
    return {
        str(user): Opinions(times[rows], signed[rows], vectors[rows], [categories[row] for row in rows])
        for user, rows in table.group_by("user_id", maintain_order=True).agg("_row").iter_rows()
    }


def full_profile(
    statements: Statements,
    opinions: Opinions,
    at: int | None = None,
    options: ProfileOptions | None = None,
    entities: EntityMatcher | ModelEntities | None = None,
    keyphrases: KeyphraseExtractor | None = None,
    count: int = 8,
) -> InterestProfile:
    """Profile of a user with the entities and keyphrases of the user's texts, from rows earlier than `at`.

    Args:
        statements: Reviews and ratings of one user.
        opinions: The feedback vectors of these rows, in the same order.
        at: As for `build_profile`.
        options: As for `build_profile`.
        entities: Finder of names in texts; None for none.
        keyphrases: Extractor fitted to the texts of all users; None for no phrases.
        count: Number of phrases.
    """
    profile = build_profile(opinions, at, options)
    before = opinions.times < profile.at
    texts = [text for text, told in zip(statements.table["text"].to_list(), before, strict=True) if told]
    named: dict[tuple[str, str], list[float]] = {}
    for text, polarity in zip(texts, opinions.polarities[before].tolist(), strict=True):
        for entity in {(one.kind, one.name) for one in (entities.find(text) if entities else [])}:
            named.setdefault(entity, []).append(polarity)
    ranked = sorted(named.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:ENTITIES_SHOWN]
    phrases = keyphrases.extract([text for text in texts if text], count) if keyphrases else []
    return InterestProfile(
        profile.at, profile.opinions, profile.categories, profile.centres, tuple(phrase for phrase, _ in phrases),
        tuple((kind, name, len(seen), float(np.mean(seen))) for (kind, name), seen in ranked),
    )  # fmt: skip


def _keys(table: pl.DataFrame, name: str) -> pl.Series:
    if name not in table.columns:
        return pl.Series([None] * table.height, dtype=pl.String)
    keys = read_keys(table[name])
    if keys is None:
        raise ValueError(f"events, column {name!r} has type {table[name].dtype}; give strings or integers")
    return keys


def _scale(ratings: pl.Series) -> tuple[float, float]:
    """The scale 1 to 5 if the ratings fit, else from their minimum to their maximum."""
    found = ratings.drop_nulls()
    low, high = (float(found.min()), float(found.max())) if len(found) else (1.0, 5.0)  # type: ignore[arg-type]
    if low >= 1 and high <= 5:
        return 1.0, 5.0
    return (low, high) if high > low else (low - 1, low + 1)

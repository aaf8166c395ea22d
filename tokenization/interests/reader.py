"""Interests of users as model inputs: from the events of a dataset, or from the history of one request.

Both use `InterestReader`, so serving and training compute the same profiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ..text.cleaning import clean_text
from ..text.text_columns import TEXT_COLUMNS
from ..vocabulary import UNKNOWN_ROW, ItemVocabulary
from .opinions import Statements, opinions_by_user, read_statements
from .profiles import Opinions, ProfileOptions
from .sentiment import StateSentiment
from .snapshots import add_interests, snapshot_interests

if TYPE_CHECKING:
    import datasets

NO_INTEREST, WORDS, ITEMS = "none", "words", "items"
"""No profiles; vectors of the users' texts; vectors of the items in their reviews and ratings."""


@dataclass(frozen=True)
class InterestSettings:
    """Settings of user interests; the processor of a model that was trained with interests stores them.

    Args:
        about: "words" for vectors of the users' texts (of the item, for ratings without text), "items" for vectors of
            the rated or reviewed items (of the text, for texts without item).
        text_columns: Columns of events that hold texts.
        scale: Lowest and highest rating.
        every: Number of events between profiles.
        half_life_days: Days after which the weight of a review or rating is one half.
        sentiment: Sentiment of texts without rating, from the text states; None for the lexicon.

    Raises:
        ValueError: If `about` is unknown.
    """

    about: str = WORDS
    text_columns: tuple[str, ...] = ()
    scale: tuple[float, float] = (1.0, 5.0)
    every: int = 8
    half_life_days: float = ProfileOptions.half_life_days
    sentiment: StateSentiment | None = None

    def __post_init__(self) -> None:
        check_about(self.about)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values; without `sentiment` if it is None, as earlier versions wrote them."""
        found = {**asdict(self), "text_columns": list(self.text_columns), "scale": list(self.scale)}
        if self.sentiment is None:
            del found["sentiment"]
        else:
            found["sentiment"]["weights"] = list(self.sentiment.weights)
        return found

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> InterestSettings:
        """The reverse of `to_dict`."""
        low, high = content["scale"]
        told = content.get("sentiment")
        sentiment = None if told is None else StateSentiment(**{**told, "weights": tuple(told["weights"])})
        return cls(**{
            **content, "text_columns": tuple(content["text_columns"]), "scale": (low, high), "sentiment": sentiment,
        })  # fmt: skip


def check_about(about: str) -> None:
    """Refuse an unknown kind of interest vector.

    Raises:
        ValueError: If it is unknown.
    """
    if about not in (WORDS, ITEMS):
        raise ValueError(f"interests is {about!r}; give {NO_INTEREST}, {WORDS} or {ITEMS}")


def read_shop_statements(events: pl.DataFrame, about: str, columns: Sequence[str]) -> tuple[Statements, list[str]]:
    """Read the reviews and ratings in the events of a dataset.

    Args:
        events: Events of `ShopTables`, with text columns.
        about: As in `InterestSettings`.
        columns: Text columns; empty for the columns of `TEXT_COLUMNS` in the table.

    Returns:
        The reviews and ratings, and the columns that they were read from.

    Raises:
        ValueError: If "words" finds no texts, if there are neither texts nor ratings, or if there are no times.
    """
    check_about(about)
    found = list(columns) or [name for name in TEXT_COLUMNS if name in events.columns]
    if about == WORDS and not found:
        raise ValueError(
            f"interests={WORDS!r} reads texts of events, and events has no column {', '.join(TEXT_COLUMNS)}; "
            f"name the text columns with interest_columns=, or give interests={ITEMS!r}, which needs only ratings"
        )
    return read_statements(events, text_columns=found), found


class InterestReader:
    """Converts reviews and ratings to feedback vectors, and these to profiles along a history.

    Args:
        settings: Settings of the interests.
        vocabulary: The catalogue.
        item_vectors: Item indices to (items, width) float32 whitened text states.
        encode: Texts to (texts, width) whitened states.
    """

    def __init__(
        self,
        settings: InterestSettings,
        vocabulary: ItemVocabulary,
        item_vectors: Callable[[np.ndarray], np.ndarray],
        encode: Callable[[list[str]], np.ndarray],
    ) -> None:
        self.settings, self.vocabulary, self.item_vectors, self.encode = settings, vocabulary, item_vectors, encode
        self.profile = ProfileOptions(half_life_days=settings.half_life_days)

    def opinions(self, statements: Statements) -> dict[str, Opinions]:
        """Feedback of each user; an entry with an unknown item and without text is ignored."""
        table = statements.table
        items = table["item_id"].fill_null("")
        rows = self.vocabulary.encode(items.to_arrow()) if table.height else np.zeros(0, np.int64)
        texts = table["text"].to_list()
        written = np.array([bool(text) for text in texts], dtype=bool)
        known = rows != UNKNOWN_ROW
        worded = written if self.settings.about == WORDS else written & ~known
        vectors = self.item_vectors(rows)
        judge = self.settings.sentiment
        judged = written & table["rating"].is_null().to_numpy() & (judge is not None)
        states = self._states([text for text, chosen in zip(texts, worded | judged, strict=True) if chosen])
        if worded.any():
            vectors[worded] = states([texts[row] for row in np.flatnonzero(worded)])
        names = np.array([*self.vocabulary.categories, ""], dtype=object)
        categories = names[self.vocabulary.category_codes[rows]].tolist()
        kept = worded | known
        return opinions_by_user(
            Statements(table.filter(pl.Series(kept, dtype=pl.Boolean)), statements.scale),
            vectors[kept],
            [category for category, used in zip(categories, kept, strict=True) if used],
            None if judge is None else lambda given: judge(states(given)),
        )

    def _states(self, texts: Sequence[str]) -> Callable[[Sequence[str]], np.ndarray]:
        """Encode texts, each distinct one once; the result maps some of them to their (texts, width) states."""
        distinct = list(dict.fromkeys(texts))
        place = {text: number for number, text in enumerate(distinct)}
        found = self.encode(distinct) if distinct else np.zeros((0, 0), np.float32)
        return lambda chosen: found[[place[text] for text in chosen]]

    def add_to_rows(
        self,
        rows: Sequence[dict[str, Any]],
        histories: Sequence[Sequence[str]],
        max_history: int,
        *,
        ratings: Sequence[Sequence[float | None]] | None = None,
        timestamps: Sequence[Sequence[int | None]] | None = None,
        event_texts: Sequence[Sequence[str | None]] | None = None,
        texts: Sequence[str | Sequence[str] | None] | None = None,
    ) -> None:
        """Add the users' profiles to the rows of a request, in the same form as in a dataset.

        Args:
            rows: Rows of `XCatProcessor.history_rows`; changed in place.
            histories: External item ids of each user, oldest first.
            max_history: Events that the model reads.
            ratings: Rating of each event.
            timestamps: Seconds since 1970 of each event; if any is missing, events count as one second apart.
            event_texts: Text of the user at each event, None or "" for none.
            texts: Current text of the user; the model reads it from the last event on.
        """
        told: list[tuple[str, str | None, int, float | None, str]] = []
        clocks = []
        for user, history in enumerate(histories):
            given = None if timestamps is None else list(timestamps[user])
            clock = [int(t) for t in given if t is not None] if given else []
            if len(clock) != len(history):
                clock = list(range(len(history)))
            clocks.append(np.array(clock, dtype=np.int64))
            said = ["" for _ in history] if event_texts is None else [clean_text(t or "") for t in event_texts[user]]
            if len(said) != len(history):
                raise ValueError(f"event_texts of history {user} has {len(said)} entries for {len(history)} events")
            rated = [None for _ in history] if ratings is None else list(ratings[user])
            told += zip([str(user)] * len(history), history, clock, rated, said, strict=True)
            now = [] if texts is None or texts[user] is None else texts[user]
            now = [now] if isinstance(now, str) else list(now or ())
            # A profile at the last event uses earlier seconds only.
            told += [(str(user), None, clock[-1] - 1, None, clean_text(text)) for text in now]
        schema = {
            "user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "rating": pl.Float64, "text": pl.String,
        }  # fmt: skip
        table = pl.DataFrame(told, schema=schema, orient="row")
        said_something = pl.col("rating").is_not_null() | (pl.col("text") != "")
        table = table.filter(said_something).sort("timestamp", maintain_order=True)
        opinions = self.opinions(Statements(table, self.settings.scale))
        for user, row in enumerate(rows):
            mine = opinions.get(str(user))
            if mine is not None:
                row |= snapshot_interests(mine, clocks[user], self.settings.every, self.profile, last=max_history)


@dataclass(frozen=True)
class UserInterests:
    """Feedback of the users of a dataset, and their profiles along sequences.

    Args:
        reader: Converter of feedback to profiles.
        by_user: Feedback of each user.
        max_history: Events that the model reads.
    """

    reader: InterestReader
    by_user: Mapping[str, Opinions]
    max_history: int

    def added(self, dataset: datasets.Dataset) -> datasets.Dataset:
        """Sequences with the profiles of their users; each profile uses feedback earlier than its event.

        Args:
            dataset: Rows with `user_id` and `timestamps`. Training sequences are already cut into windows; of rows
                with `targets` the model reads the latest events.
        """
        last = self.max_history if "targets" in dataset.column_names else None
        return add_interests(dataset, self.by_user, self.reader.settings.every, self.reader.profile, last)

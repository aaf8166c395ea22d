"""The inputs of a model from requests, and embeddings of users and items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ..counting import counted_of
from ..modeling_xcat.arguments_xcat import whole_number
from ..modeling_xcat.past_xcat import XCatPast
from ..modeling_xcat.recommending_xcat import ItemRanker
from ..tokenization.interests.reader import InterestReader
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS
from .click_predictions import ClickPredictions
from .requests import Requests, read_requests
from .snapshots import of_one_state

_PER_EVENT = ("items", "event_types", "ratings", "timestamps")
"""Columns of dataset rows with one value per event."""


class Embeddings(NamedTuple):
    """Item vectors with their ids.

    Args:
        ids: Item ids.
        vectors: (items, hidden) float32, one row per id.
    """

    ids: list[str]
    vectors: np.ndarray


class UserInputs(ClickPredictions):
    """The part of a recommender that reads requests.

    Attributes:
        ranker: Ranks the catalogue.
    """

    ranker: ItemRanker
    _interests: InterestReader | None

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Event columns whose texts the model reads as interests; empty for a model that reads none."""
        return () if self._interests is None else self._interests.settings.text_columns

    @of_one_state
    def item_embeddings(self) -> Embeddings:
        """Vectors of all items of the catalogue, in its order.

        The dot product of a user vector (`user_embeddings`) and an item vector is the model's base score, before
        item-to-item weights, repeat bias, cold-item boost and re-ranker. With cosine scoring (the default)
        item vectors have length 1, so the cosine gives the same ranking.
        """
        vectors = self.ranker.items[NUM_SPECIAL_ROWS:].cpu().numpy().copy()
        return Embeddings(self.vocabulary.column("item_id").to_pylist(), vectors)

    @of_one_state
    @torch.no_grad()
    def user_embeddings(
        self, histories: Sequence[Sequence[str]], *, batch_size: int = 256, **details: Any
    ) -> np.ndarray:
        """Vectors of users by their histories; see `item_embeddings`.

        Args:
            histories: External item ids of each user, oldest first.
            batch_size: Users encoded per batch.
            **details: `event_types`, `ratings`, `timestamps`, `event_texts`, `texts`, as in `recommend_many`.

        Returns:
            (users, hidden) float32.

        Raises:
            ValueError: If an argument has the wrong shape, or a history has no item of the catalogue.
        """
        requests, batch_size = read_requests(histories, **details), whole_number("batch_size", batch_size)
        self._check_texts(requests.texts)
        missing = self.unknown_items(requests.histories) == [len(history) for history in requests.histories]
        if missing.any():
            raise ValueError(
                f"histories: {int(missing.sum()):,} of {len(missing):,} have no item of the catalogue, and users "
                "without one have no vector; leave them out"
            )
        users, parts = range(len(requests)), []
        for start in range(0, len(users), batch_size):
            states, _ = self.ranker.states(self._inputs(requests.of(users[start : start + batch_size]))[1])
            parts.append(self.model.model.query_side(states).cpu().numpy())
        return np.concatenate([np.zeros((0, self.ranker.items.shape[1]), dtype=np.float32), *parts])

    def unknown_items(self, histories: Sequence[Sequence[str]]) -> np.ndarray:
        """(users,) number of events per history whose item is not in the catalogue."""
        rows = self.vocabulary.encode([item for history in histories for item in history])
        users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        counts: np.ndarray = np.bincount(users[rows < NUM_SPECIAL_ROWS], minlength=len(histories))
        return counts

    def _inputs(
        self, requests: Requests, pasts: Sequence[XCatPast] | None = None
    ) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
        """Dataset rows of some users, and the model inputs made from them; with `pasts`, of their windows."""
        details: dict[str, Any] = {"ratings": requests.ratings, "timestamps": requests.timestamps}
        rows = self.processor.history_rows(requests.histories, event_types=requests.event_types, **details)
        most = [self.processor.max_history] * len(rows)
        if pasts is not None:
            most = [past.window(len(row["items"]), last) for past, row, last in zip(pasts, rows, most, strict=True)]
        if self._interests is not None:
            for last in sorted(set(most)):
                part = [user for user, own in enumerate(most) if own == last]
                own = requests.of(part)
                self._interests.add_to_rows(
                    [rows[user] for user in part], own.histories, last, event_texts=own.event_texts, texts=own.texts,
                    ratings=own.ratings, timestamps=own.timestamps,
                )  # fmt: skip
        read = requests.texts if self.model.model.reads_user_texts else None
        windows = rows if pasts is None else [_window(row, last) for row, last in zip(rows, most, strict=True)]
        return rows, self.processor.inputs_of(windows, read, layout="right")

    def _check_texts(self, texts: Sequence[str | Sequence[str] | None] | None, clicks: bool = False) -> None:
        """Refuse texts that would have no effect: the memory source "user_text" has none on `clicks`."""
        reads = self._interests is not None or (self.model.model.reads_user_texts and not clicks)
        if not reads and any(texts or ()):
            having = counted_of(sum(map(bool, texts or ())), len(texts or ()), "user", "have")
            raise ValueError(
                f"texts: {having} texts, and this model does not read texts of users; leave texts= out, or train a "
                "model with interests='words'"
            )


def _window(row: dict[str, Any], last: int) -> dict[str, Any]:
    """A dataset row with its last events only; profiles of interests keep their event."""
    dropped = len(row["items"]) - last
    if dropped <= 0:
        return row
    cut = {name: values[dropped:] if name in _PER_EVENT else values for name, values in row.items()}
    if "interest_positions" in row:
        cut["interest_positions"] = [position - dropped for position in row["interest_positions"]]
    return cut

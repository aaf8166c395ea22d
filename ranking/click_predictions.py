"""Click probabilities of a checkpoint: external ids in, probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from ..modeling_xcat.arguments_xcat import is_missing, kind_of, listed
from ..modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.past_xcat import XCatPast
from ..tokenization.masking import mask
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.progress import stage
from ..tokenization.sequences.click_context import ClickContext
from ..tokenization.sequences.click_options import saved_clicks
from ..tokenization.sequences.showings import Row, Showings, read_showings, showing_inputs
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from .requests import Requests, one_history, read_requests
from .snapshots import Snapshots, of_one_state

if TYPE_CHECKING:  # not imported for recommendations
    from datasets import Dataset

_ROWS_AT_ONCE = 256
_SHOWN = ("items", "shown_items", "shown_labels", "shown_after")
"""Columns of rows that are read."""


class ClickPredictions(Snapshots):
    """The part of a recommender that predicts clicks, for a model that was trained with `task="click"`.

    Attributes:
        model: The model.
        processor: Its processor.
        vocabulary: Its catalogue.
    """

    model: XCatForNextItem
    processor: XCatProcessor
    vocabulary: ItemVocabulary

    @property
    def predicts_clicks(self) -> bool:
        """Whether the model predicts clicks."""
        return isinstance(self.model, XCatForClickPrediction)

    @property
    def click_context(self) -> ClickContext:
        """Columns of impressions that the model reads, with their means and categories."""
        saved = saved_clicks(self.processor.event_settings)
        return ClickContext() if saved is None else ClickContext.from_dict(saved["context"])

    @of_one_state
    def click_probability(
        self,
        history: Sequence[str],
        items: Sequence[str],
        *,
        context: Mapping[str, Any] | None = None,
        texts: str | Sequence[str] | None = None,
        event_types: Sequence[str] | None = None,
        ratings: Sequence[float | None] | None = None,
        timestamps: Sequence[Any] | None = None,
        event_texts: Sequence[str | None] | None = None,
    ) -> np.ndarray:
        """Calibrated probabilities that a user clicks items that are shown now.

        A model that was trained with sampled negatives was never told what was shown: its probabilities are those of
        an item among one positive and `eval_negatives` negatives of its kind.

        Args:
            history: External item ids, oldest first; `[]` for a new customer.
            items: External ids of the shown items.
            context: Column name to a value per item, or to one value for all items, for a model with context
                features. None, NaN, numbers beyond float32 and categories without training are missing; 1, 1.0 and
                "1" are one category, and so are True and "true".
            texts: As in `recommend`, and so are the other arguments.
            event_types: Type of each event.
            ratings: Rating of each event.
            timestamps: Time of each event.
            event_texts: Text written at each event.

        Returns:
            (items,) float64 probabilities.

        Raises:
            ValueError: If the model predicts no clicks, an item is not in the catalogue, a context column is missing
                or unknown, or an argument has the wrong shape.

        Example (not run: it needs a checkpoint):
            recommender.click_probability(["B0001"], ["B0002", "B0003"], context={"price": [9.5, 20]})
        """
        self.check_clicks()
        given = {
            "texts": texts, "event_types": event_types, "ratings": ratings, "timestamps": timestamps,
            "event_texts": event_texts,
        }  # fmt: skip
        of_one = {name: None if value is None else [value] for name, value in given.items()}
        requests = read_requests([one_history(history)], **of_one)
        return self._of_requests(requests, [items], [{} if context is None else context], [""])[0]

    @of_one_state
    def click_probability_many(
        self,
        histories: Sequence[Sequence[str]],
        items: Sequence[Sequence[str]],
        *,
        contexts: Sequence[Mapping[str, Any] | None] | None = None,
        **details: Any,
    ) -> list[np.ndarray]:
        """As `click_probability`, for several users at once.

        Args:
            histories: External item ids of each user, oldest first.
            items: External ids of the items that are shown to each user.
            contexts: `context` of each user; None for models without context features.
            **details: `texts`, `event_types`, `ratings`, `timestamps` and `event_texts`, one entry per user.

        Returns:
            (items,) float64 probabilities of each user.

        Raises:
            ValueError: As `click_probability`; or if there is not one entry per user.

        Example (not run: it needs a checkpoint):
            recommender.click_probability_many([["B0001"], []], [["B0002", "B0003"], ["B0002"]])
        """
        self.check_clicks()
        requests = read_requests(histories, **details)
        given = {"items": listed("items", items, "lists of item ids, one per history")}
        if contexts is not None:
            given["contexts"] = listed("contexts", contexts, "mappings, one per history")
        for name, entries in given.items():
            if len(entries) != len(requests):
                raise ValueError(f"{name} must have one entry per history: {len(requests)}, got {len(entries)}")
        named = [f" of history {number}" for number in range(len(requests))]
        own = [{} if one is None else one for one in given.get("contexts", [{}] * len(requests))]
        return self._of_requests(requests, given["items"], own, named)

    def _of_requests(
        self, requests: Requests, items: Sequence[Any], contexts: Sequence[Mapping[str, Any]], named: Sequence[str]
    ) -> list[np.ndarray]:
        """Probabilities of each user; `named` is put behind the names of arguments in messages."""
        shown = [
            listed(f"items{of}", own, "item ids, such as ['B0001']") for own, of in zip(items, named, strict=True)
        ]
        counts = [len(own) for own in shown]
        if not sum(counts):
            return [np.zeros(0) for _ in shown]
        rows = np.concatenate([self._known_rows(own, of) for own, of in zip(shown, named, strict=True)])
        tables = [self._context_table(*one) for one in zip(contexts, counts, named, strict=True)]
        found = self.predict_showings(requests, np.repeat(np.arange(len(shown)), counts), rows, pl.concat(tables))
        return np.split(found, np.cumsum(counts)[:-1])

    @of_one_state
    def predict_showings(
        self, requests: Requests, owners: np.ndarray, items: np.ndarray, context: pl.DataFrame
    ) -> np.ndarray:
        """Calibrated probabilities of items that are shown after whole histories.

        Args:
            requests: The histories.
            owners: (showings,) number of the history that each showing follows, ascending.
            items: (showings,) item indices.
            context: One row per showing, with the columns of `click_context`.

        Returns:
            (showings,) float64 probabilities.

        Raises:
            ValueError: If the model predicts no clicks, or there are texts that it does not read.
        """
        self.check_clicks()
        self._check_texts(requests.texts, clicks=True)
        dense, categorical = self.click_context.encode(context)
        parts, users = [np.zeros(0)], len(requests)
        with stage("predicting clicks", users, "users", shown=users > _ROWS_AT_ONCE) as running:
            for start in range(0, users, _ROWS_AT_ONCE):
                some = range(start, min(start + _ROWS_AT_ONCE, users))
                chosen = slice(*np.searchsorted(owners, [some.start, some.stop]).tolist())
                if (own := owners[chosen] - start).size:
                    rows, _ = self._inputs(requests.of(some))
                    ends = [len(row["items"]) * bool(requests.histories[n]) for n, row in zip(some, rows, strict=True)]
                    showings = Showings(
                        own, np.array(ends)[own], items[chosen], np.zeros(len(own), dtype=np.int64), dense[chosen],
                        categorical[chosen].astype(np.int64),
                    )  # fmt: skip
                    parts.append(self._probabilities(rows, showings, "right"))
                running.advance(len(some))
        return np.concatenate(parts)

    @of_one_state
    def click_probabilities(self, rows: Dataset) -> np.ndarray:
        """(showings,) calibrated probabilities of rows of `split_clicks`, in the order of `as_pairs(rows)`.

        Rows of another catalogue or with another encoding of the context give wrong probabilities. Only an index
        beyond the catalogue, or another number of context columns, can be refused. `predict_clicks` reads any tables.

        Args:
            rows: Validation or test rows of the training of this model, or of `split_clicks` with its `vocabulary`,
                `event_types` and `context` (`click_context`).

        Raises:
            ValueError: If the model predicts no clicks, or the rows lack showings or are of another model.
        """
        self.check_clicks()
        names = getattr(rows, "column_names", _SHOWN if isinstance(rows, Sequence) else None)
        lacking = None if names is None else next((name for name in _SHOWN if name not in names), None)
        if names is None or lacking:
            what = f"have no column {lacking}" if lacking else f"are {kind_of(rows)}"
            raise ValueError(f"rows {what}; give validation or test rows of split_clicks")
        parts = [np.zeros(0)]
        with stage("predicting clicks", len(rows), "users", shown=len(rows) > _ROWS_AT_ONCE) as running:
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                some = [rows[i] for i in range(start, min(start + _ROWS_AT_ONCE, len(rows)))]
                showings = read_showings(some)
                self._check_rows(some, showings)
                parts.append(self._probabilities(some, showings, "packed"))
                running.advance(len(some))
        return np.concatenate(parts)

    def _check_rows(self, rows: Sequence[Row], showings: Showings) -> None:
        """Refuse rows whose indices or context columns cannot be those of the model."""
        size, context = len(self.vocabulary), self.click_context
        highest = max(int(np.max(items, initial=0)) for items in (showings.items, *(row["items"] for row in rows)))
        widths = {"dense": (showings.dense, context.dense), "categorical": (showings.categorical, context.categorical)}
        found = [f"the item index {highest}, and the catalogue has {size} rows"] if highest >= size else []
        found += [
            f"{values.shape[1]} {name} context columns, and the model was trained with {', '.join(columns) or 'none'}"
            for name, (values, columns) in widths.items() if values.shape[1] != len(columns)
        ]  # fmt: skip
        if found:
            raise ValueError(
                f"rows have {found[0]}; give rows that split_clicks makes with the catalogue and the context of "
                "this model, or use predict_clicks for other tables"
            )

    @torch.no_grad()
    def _probabilities(self, rows: Sequence[Row], showings: Showings, layout: str) -> np.ndarray:
        inputs = showing_inputs(self.processor, rows, showings, layout)
        model = self.model.eval()
        logits = model(**{name: value.to(model.device) for name, value in inputs.items()}, return_dict=True).logits
        found: np.ndarray = torch.sigmoid(logits.double()).cpu().numpy()
        return found

    def check_clicks(self) -> None:
        """Refuse a model that predicts no clicks.

        Raises:
            ValueError: If it does not.
        """
        if not self.predicts_clicks:
            raise ValueError("this model predicts no clicks; train one with task='click'")

    def _known_rows(self, items: Sequence[str], of: str) -> np.ndarray:
        """Item indices of shown items; refuses items outside the catalogue."""
        indices = self.vocabulary.encode(items)
        unknown = [item for item, row in zip(items, indices, strict=True) if row < NUM_SPECIAL_ROWS]
        if unknown:
            raise ValueError(
                f"items{of}: {len(unknown)} of {len(items)} are not in the catalogue, for example {unknown[0]!r}; "
                "give ids of its items, or add the items with xcat catalogue"
            )
        return np.asarray(indices, dtype=np.int64)

    def _context_table(self, context: Mapping[str, Any], count: int, of: str) -> pl.DataFrame:
        """One row per shown item with the context columns."""
        if not isinstance(context, Mapping):
            raise ValueError(
                f"context{of} is {kind_of(context)}; give a mapping of column names to values, such as "
                "{'price': [9.5, 20]}, or of a data frame its to_dict"
            )
        wanted = (*self.click_context.dense, *self.click_context.categorical)
        known = ", ".join(wanted) or "none"
        for name in (*context, *wanted):
            if name not in wanted:
                raise ValueError(f"context{of} has {name!r}, which the model was not trained with; it has {known}")
            if name not in context:
                raise ValueError(
                    f"context{of} lacks {name!r}, which the model was trained with; add it to context=, with one "
                    "value per item, None for a missing one"
                )
        columns = {}
        for name, values in context.items():
            where = f"context{of}[{name!r}]"
            one = isinstance(values, str) or not hasattr(values, "__len__")
            column = [values] * count if one else listed(where, values, "one value per item")
            if len(column) != count:
                raise ValueError(f"{where} has {len(column)} values for {count} items; give one per item")
            numeric = name in self.click_context.dense
            columns[name] = _column(where, name, column, numeric)
        return pl.DataFrame(columns) if columns else pl.DataFrame({"_": [0] * count})

    def _check_texts(self, texts: Any, clicks: bool = False) -> None:
        raise NotImplementedError("a recommender checks the texts of users")

    def _inputs(
        self, requests: Requests, pasts: Sequence[XCatPast] | None = None
    ) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
        raise NotImplementedError("a recommender makes rows of requests")


def _column(named: str, name: str, values: Sequence[Any], numeric: bool) -> pl.Series:
    """A context column as numbers or texts."""
    if not numeric:
        return pl.Series(name, [None if is_missing(value) else str(value) for value in values], dtype=pl.String)
    try:
        return pl.Series(name, [None if is_missing(value) else float(value) for value in values], dtype=pl.Float64)
    except (TypeError, ValueError, OverflowError):
        wrong = next(value for value in values if not is_missing(value) and not _is_number(value))
        raise ValueError(f"{named} holds {mask(str(wrong))!r} (masked); give numbers") from None


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True

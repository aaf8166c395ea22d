"""Training windows of rows whose showings have labels of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from datasets import Dataset, IterableDataset

from .windows import map_rows

Rows = TypeVar("Rows", Dataset, IterableDataset)
MOST_SHOWINGS = 256
"""Most showings of a training row; the memory of a batch grows with its rows times the most showings of one."""


def click_windows(dataset: Rows, max_history: int, max_events: int | None = None) -> Rows:
    """Cut training rows into windows of at most `max_history` events, each with the showings that follow its events.

    As in `training_windows`, windows are cut from the end and adjacent ones share an event. A showing belongs to the
    earliest window that has the last event before it. Rows with neither a showing nor two events are left out.
    A window with more than `MOST_SHOWINGS` showings is repeated with the next ones, until all are in a row.

    Args:
        dataset: Training rows with the columns of `SHOWN`.
        max_history: Events that a model reads.
        max_events: Latest events used per user; None for all. Showings before them are left out.
    """
    shared = int(max_history > 1)

    def cut(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        windows: dict[str, list[Any]] = {name: [] for name in batch}
        for i, items in enumerate(batch["items"]):
            after = batch["shown_after"][i]
            end = len(items)
            first = 0 if max_events is None else max(0, end - max_events)
            while True:
                start = max(first, end - max_history)
                least = start if start == first else start + shared + 1
                shown = [place for place, count in enumerate(after) if least <= count <= end]
                for part in _parts(shown) if shown else [[]] if end - start > 1 else ():
                    for name, values in batch.items():
                        windows[name].append(_part(name, values[i], start, end, part))
                if start == first:
                    break
                end = start + shared
        return windows

    return map_rows(dataset, cut, "Cutting windows")


def showing_rows(dataset: Rows, max_history: int, max_events: int | None = None) -> Rows:
    """Cut training rows for models that read each showing with its own history.

    A row has at most `MOST_SHOWINGS` showings and the events that they need: the latest `max_history` before each.
    Rows without a showing are left out.

    Args:
        dataset: Training rows with the columns of `SHOWN`.
        max_history: Events that a model reads.
        max_events: Latest events used per user; None for all. Showings before them are left out.
    """

    def cut(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        rows: dict[str, list[Any]] = {name: [] for name in batch}
        for i, items in enumerate(batch["items"]):
            after = batch["shown_after"][i]
            first = 0 if max_events is None else max(0, len(items) - max_events)
            places = sorted((place for place, count in enumerate(after) if count >= first), key=after.__getitem__)
            for part in _parts(places):
                start, end = max(first, after[part[0]] - max_history), after[part[-1]]
                for name, values in batch.items():
                    rows[name].append(_part(name, values[i], start, end, part))
        return rows

    return map_rows(dataset, cut, "Cutting histories")


def _parts(places: list[int]) -> Iterator[list[int]]:
    """Lists of at most `MOST_SHOWINGS` places, in their order."""
    for start in range(0, len(places), MOST_SHOWINGS):
        yield places[start : start + MOST_SHOWINGS]


def _part(name: str, value: Any, start: int, end: int, shown: list[int]) -> Any:
    """The value of a row's column in a window."""
    if not isinstance(value, list):
        return value
    if name == "shown_after":
        return [value[place] - start for place in shown]
    return [value[place] for place in shown] if name.startswith("shown_") else value[start:end]

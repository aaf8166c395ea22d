"""Training windows of rows whose showings have labels of their own."""

from __future__ import annotations

from typing import Any, TypeVar

from datasets import Dataset, IterableDataset

from .windows import map_rows

Rows = TypeVar("Rows", Dataset, IterableDataset)


def click_windows(dataset: Rows, max_history: int, max_events: int | None = None) -> Rows:
    """Cut training rows into windows of at most `max_history` events, each with the showings that follow its events.

    As in `training_windows`, windows are cut from the end and adjacent ones share an event. A showing belongs to the
    earliest window that has the last event before it. Rows with neither a showing nor two events are left out.

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
                if shown or end - start > 1:
                    for name, values in batch.items():
                        windows[name].append(_part(name, values[i], start, end, shown))
                if start == first:
                    break
                end = start + shared
        return windows

    return map_rows(dataset, cut, "Cutting windows")


def _part(name: str, value: Any, start: int, end: int, shown: list[int]) -> Any:
    """The value of a row's column in a window."""
    if not isinstance(value, list):
        return value
    if name == "shown_after":
        return [value[place] - start for place in shown]
    return [value[place] for place in shown] if name.startswith("shown_") else value[start:end]

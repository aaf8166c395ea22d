"""Events of users whom training never sees: each is one more that a model can be asked for."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from ..tokenization.vocabulary import NUM_SPECIAL_ROWS

_OF_HISTORY = ("items", "event_types", "ratings", "timestamps")


def with_earlier_targets(queries: Dataset, train: Dataset) -> Dataset:
    """Ask for every event of users whom training never sees, in place of the held-out ones alone.

    Where users are split, and not events, the histories of held-out users are as new to a model as their targets, so
    an event of theirs can be asked for from those before it, if they are as many as the shortest held-out history has;
    unknown items are not.
    Nothing is added where training has seen any of the users, nor to rows with several targets, which are of one
    basket and follow what no single event does, nor to rows with further columns: a profile of interests knows what
    came later.

    Args:
        queries: Rows with `user_id`, `targets` and lists of a history's length: `items` and what is known of them.
        train: Training sequences or windows with `user_id`.

    Returns:
        The rows, a user's earlier events in front of what is held out; the same dataset where nothing is added.

    Example:
        >>> held = Dataset.from_dict(
        ...     {"user_id": ["ann", "cyd"], "items": [[5, 6, 7, 8], [3, 4]], "targets": [[9], [2]]}
        ... )
        >>> more = with_earlier_targets(held, Dataset.from_dict({"user_id": ["bob"]}))
        >>> more["items"][:], more["targets"][:]
        ([[5, 6], [5, 6, 7], [5, 6, 7, 8], [3, 4]], [[7], [8], [9], [2]])
    """
    columns = set(queries.column_names)
    if "user_id" not in columns.intersection(train.column_names) or columns - {"user_id", "targets", *_OF_HISTORY}:
        return queries
    asked = queries.with_format(None)
    if not len(queries) or not set(train.with_format(None)["user_id"]).isdisjoint(asked["user_id"]):
        return queries
    shortest = max(1, min(map(len, asked["items"])))

    def ask(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        rows: dict[str, list[Any]] = {name: [] for name in batch}
        for i, (items, targets) in enumerate(zip(batch["items"], batch["targets"], strict=True)):
            earlier = range(shortest, len(items)) if len(targets) == 1 else ()
            for end in (*(end for end in earlier if items[end] >= NUM_SPECIAL_ROWS), len(items)):
                for name, values in batch.items():
                    rows[name].append(values[i][:end] if name in _OF_HISTORY else values[i])
                rows["targets"][-1] = targets if end == len(items) else [items[end]]
        return rows

    return queries.map(ask, batched=True, desc="Asking for earlier events")

"""The sequences of a dataset, split: inputs of training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict

from ..progress import stage
from ..tables.event_roles import EventRoles
from ..tables.schema import ShopTables
from ..text.vocabulary_texts import text_vocabulary
from ..vocabulary import ItemVocabulary
from .build import build_splits, resolve_split
from .event_options import EVENT_OPTIONS, EventOptions, event_settings, select_events
from .held_out_items import choose_cold_items, without_items
from .split_cache import cached_splits
from .timeline import SplitName

_NEEDED = {
    SplitName.LEAVE_ONE_OUT: "users need three events each for it, four for training",
    SplitName.LAST_BASKET: "users need three baskets each for it",
    SplitName.GLOBAL_TIME: "it needs users with events before and after four fifths, and nine tenths, of all events",
    SplitName.COLUMN: "the column split must mark events for it, of users with earlier events",
    SplitName.USER_LEVEL: "it uses one user in ten of the users with two events or more",
    SplitName.COLD_ITEMS: "it needs users of the newest items with earlier events",
}


@dataclass
class SplitData:
    """Result of `ShopTables.split`.

    Args:
        vocabulary: The item vocabulary of the indices in the sequences.
        event_types: Event types, coded from 1 in the sequences.
        splits: Training sequences, and histories with targets for validation and test, from `build_splits`.
        options: The options in use; for a prepared folder the options of its preparation.
        shop: The original tables.
        selected: The tables with the selected events.
    """

    vocabulary: ItemVocabulary
    event_types: list[str]
    splits: DatasetDict
    options: EventOptions
    shop: ShopTables
    selected: ShopTables

    @property
    def train(self) -> Dataset:
        """Training sequences."""
        return self.splits["train"]

    @property
    def validation(self) -> Dataset:
        """Histories with targets, for model selection."""
        return self.splits["validation"]

    @property
    def test(self) -> Dataset:
        """Histories with targets, for evaluation."""
        return self.splits["test"]

    @property
    def split(self) -> SplitName:
        """The split in use, if the options have "auto"."""
        return resolve_split(self.selected, self.options.split)

    @property
    def roles(self) -> EventRoles:
        """Roles of the event types."""
        return self.shop.event_roles(self.options)

    @property
    def settings(self) -> dict[str, Any]:
        """Selection and split of the events, as a processor stores it."""
        return {**event_settings(self.shop, self.options), "split": str(self.split)}

    def require(self, *parts: str) -> None:
        """Refuse a split without users in a part.

        Args:
            *parts: `train`, `validation` or `test`.

        Raises:
            ValueError: If a part has no user.
        """
        for part in parts:
            if len(self.splits[part]):
                continue
            rows = self.selected.num_events
            if part == "train":
                raise ValueError(
                    f"events: split {self.options.split!r} leaves no user with two training events "
                    f"({rows} rows); give more events or another split"
                )
            raise ValueError(
                f"events: split {str(self.split)!r} leaves no user in {part} ({rows} rows); {_NEEDED[self.split]}, "
                "or choose another split="
            )


def split_log(
    shop: ShopTables,
    options: EventOptions,
    *,
    vocabulary: ItemVocabulary | None,
    event_types: list[str] | None,
    text_fields: Sequence[str],
    cache_dir: Path | None,
) -> SplitData:
    """Select and split events; arguments as of `ShopTables.split`."""
    with stage("splitting events"):
        selected = select_events(shop, options)
        kinds = selected.event_type_names() if event_types is None else event_types
        rows = text_vocabulary(selected.items, text_fields) if vocabulary is None else vocabulary
        seed, roles = options.event_seed, selected.event_roles(options)

        def make() -> DatasetDict:
            made = build_splits(
                selected, rows, kinds, split=options.split, tie_policy=options.tie_policy, seed=seed, roles=roles
            )
            return without_cold_items(made, options)

        settings = {**{name: getattr(options, name) for name in EVENT_OPTIONS}, "seed": seed, "kinds": kinds}
        settings |= {"target_event_types": roles.targets, "negative_event_types": roles.negative}
        splits = cached_splits(make, selected, rows, settings, cache_dir)
    return SplitData(rows, kinds, splits, options, shop, selected)


def without_cold_items(splits: DatasetDict, options: EventOptions) -> DatasetDict:
    """The splits without the training events of the cold items in the options."""
    cold = choose_cold_items(splits["train"], options.cold_items, options.cold_policy, options.event_seed)
    if len(cold):
        splits["train"] = without_items(splits["train"], cold)
    return splits

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
from .split import Split
from .split_cache import cached_splits
from .splits import SPLITS


@dataclass(repr=False)
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

    def __repr__(self) -> str:
        """The split, the number of items, and the rows of each part."""
        rows = ", ".join(f"{name} {len(part):,}" for name, part in self.splits.items())
        return f"{type(self).__name__}({self.split}; {self.vocabulary.num_items:,} items; rows: {rows})"

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
    def split(self) -> str:
        """The split in use, if the options have "auto"."""
        return resolve_split(self.selected, self.options.split)

    @property
    def roles(self) -> EventRoles:
        """Roles of the event types."""
        return self.shop.event_roles(self.options)

    @property
    def settings(self) -> dict[str, Any]:
        """Selection and split of the events, as a processor stores it."""
        return {**event_settings(self.shop, self.options), "split": self.split}

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
                f"events: split {self.split!r} leaves no user in {part} ({rows} rows); {self._needs}, "
                "or choose another split="
            )

    @property
    def _needs(self) -> str:
        # Sequences may be prepared with a split of a package that is not imported.
        return SPLITS.get(self.split, Split()).needs


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
        if _is_ours(resolve_split(selected, options.split)):
            splits = cached_splits(make, selected, rows, settings, cache_dir)
        else:  # the cache would not notice that its code has changed
            splits = make()
    return SplitData(rows, kinds, splits, options, shop, selected)


def _is_ours(split: str) -> bool:
    """Whether a split belongs to this package."""
    return type(SPLITS.find(split)).__module__.partition(".")[0] == __name__.partition(".")[0]


def without_cold_items(splits: DatasetDict, options: EventOptions) -> DatasetDict:
    """The splits without the training events of the cold items in the options."""
    cold = choose_cold_items(splits["train"], options.cold_items, options.cold_policy, options.event_seed)
    if len(cold):
        splits["train"] = without_items(splits["train"], cold)
    return splits

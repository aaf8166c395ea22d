"""Which events of a log are used and how they are split: the options, and what they mean for a shop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from datasets import DatasetDict

from ..out_of_core.prepared_folder import PreparedShop
from ..tables.column_guess import changed_columns
from ..tables.event_roles import EventRoles, event_roles, saved_roles
from ..tables.schema import ShopTables
from ..vocabulary import ItemVocabulary
from .baskets import basket_advice
from .build import build_splits, event_type_names, resolve_split
from .filters import check_filters, filter_events
from .held_out_items import check_cold, choose_cold_items, without_items
from .split_cache import cached_splits
from .timeline import SplitName, TiePolicy


@dataclass
class EventOptions:
    """Which events of a log are used, and how they are split; training and `prepare_tables` share these options.

    Args:
        split: leave-one-out, last-basket, global-time, column, user-level, cold-items, or auto.
        tie_policy: "file" keeps the file's order of events at one time, "shuffle" draws it.
        seed: Seed of shuffled ties and of cold items.
        repeats: A user's further events with an item: keep, collapse (the first of those in a row), or first.
        min_user_events: Events that a user must have to be used; 0 for any number.
        min_item_events: Events that an item must have to be in the catalogue; 0 for any number.
        session_gap: Seconds without an event after which a session ends; sessions become baskets. 0 for none.
        cold_items: Share of the items, from 0 to 0.5, whose training events are taken away.
        cold_policy: Which items: random or newest.
        target_event_types: Event types that are predicted; None for the default by their names, see `event_roles`.
            Events of other types only stand in histories.
        negative_event_types: Event types that are negative, such as returns; None for the default by their names.

    Raises:
        ValueError: If a value is out of range; it names the field.
    """

    split: str = "auto"
    tie_policy: str = "file"
    seed: int = 0
    repeats: str = "keep"
    min_user_events: int = 0
    min_item_events: int = 0
    session_gap: int = 0
    cold_items: float = 0.0
    cold_policy: str = "random"
    target_event_types: tuple[str, ...] | None = None
    negative_event_types: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_filters(self.repeats, self.min_user_events, self.min_item_events, self.session_gap)
        check_cold(self.cold_items, self.cold_policy)
        if self.split != "auto" and self.split not in list(SplitName):
            raise ValueError(f"split is {self.split!r}; give auto or one of {', '.join(SplitName)}")
        if self.tie_policy not in list(TiePolicy):
            raise ValueError(f"tie_policy is {self.tie_policy!r}; give one of {', '.join(TiePolicy)}")

    @property
    def event_seed(self) -> int:
        """Seed of shuffled ties and of cold items."""
        return self.seed


Options = TypeVar("Options", bound=EventOptions)

EVENT_OPTIONS = (
    "split", "tie_policy", "repeats", "min_user_events", "min_item_events", "session_gap", "target_event_types",
    "negative_event_types", "cold_items", "cold_policy",
)  # fmt: skip
"""Options that choose and split events; sequences that were prepared have theirs."""


def resolve_options(shop: ShopTables, options: Options) -> Options:
    """The options with those that a prepared shop was made with; of a log, the options themselves.

    Raises:
        ValueError: If others are wanted than the shop was made with.
    """
    if not isinstance(shop, PreparedShop):
        return options
    # Cold items can be made to order of sequences too, once.
    names = EVENT_OPTIONS if shop.made.get("cold_items") else EVENT_OPTIONS[:-2]
    wanted, defaults = ({name: getattr(o, name) for name in names} for o in (options, EventOptions()))
    return replace(options, **shop.check_options(wanted, defaults))


def select_events(shop: ShopTables, options: EventOptions) -> ShopTables:
    """The shop with the events and items that are to be used, as `filter_events` chooses them.

    Args:
        shop: Validated tables; of a prepared shop they were chosen before.
        options: What to make of them.
    """
    if isinstance(shop, PreparedShop):
        return shop
    return filter_events(
        shop,
        repeats=options.repeats,
        min_user_events=options.min_user_events,
        min_item_events=options.min_item_events,
        session_gap=options.session_gap,
    )


def split_events(
    shop: ShopTables,
    options: EventOptions,
    vocabulary: ItemVocabulary,
    kinds: list[str],
    *,
    cache_dir: Path | None = None,
) -> DatasetDict:
    """The splits of events that were chosen, without the training events of items that are to be cold.

    Args:
        shop: Validated tables, after `select_events`.
        options: What to make of them, after `resolve_options`.
        vocabulary: The item vocabulary.
        kinds: The kinds of event.
        cache_dir: Folder where splits are cached; None for the cache of `datasets`.
    """
    if isinstance(shop, PreparedShop):
        return without_cold(shop.splits_for(vocabulary, kinds), shop, options)
    seed, roles = options.event_seed, roles_of(shop, options)

    def make() -> DatasetDict:
        made = build_splits(
            shop, vocabulary, kinds, split=options.split, tie_policy=options.tie_policy, seed=seed, roles=roles
        )
        return without_cold(made, shop, options)

    settings = {**{name: getattr(options, name) for name in EVENT_OPTIONS}, "seed": seed, "kinds": kinds}
    settings |= {"target_event_types": roles.targets, "negative_event_types": roles.negative}
    return cached_splits(make, shop, vocabulary, settings, cache_dir)


def without_cold(splits: DatasetDict, shop: ShopTables, options: EventOptions) -> DatasetDict:
    """The splits without the training events of the items that the options make cold."""
    if isinstance(shop, PreparedShop) and shop.made.get("cold_items"):
        return splits  # taken away before
    cold = choose_cold_items(splits["train"], options.cold_items, options.cold_policy, options.event_seed)
    if len(cold):
        splits["train"] = without_items(splits["train"], cold)
    return splits


_NEEDED = {
    SplitName.LEAVE_ONE_OUT: "users need three events each for it, four to be trained on",
    SplitName.LAST_BASKET: "users need three baskets each for it",
    SplitName.GLOBAL_TIME: "it takes users with events before and after four fifths, and nine tenths, of all events",
    SplitName.COLUMN: "the column split has to give events to it, of users with earlier ones",
    SplitName.USER_LEVEL: "it takes one user in ten, of those with two events or more",
    SplitName.COLD_ITEMS: "it takes users of the newest items with earlier events",
}


def check_parts(shop: ShopTables, splits: DatasetDict, split: str, parts: Sequence[str]) -> None:
    """Refuse splits without users in a part that is needed.

    Args:
        shop: The tables.
        splits: What was made of them.
        split: Name of the split, "auto" included.
        parts: Names of the parts.

    Raises:
        ValueError: If a part has no user.
    """
    for part in parts:
        if not len(splits[part]):
            name = resolve_split(shop, split)
            raise ValueError(
                f"events: split {str(name)!r} leaves no user in {part} ({shop.events.height} rows); {_NEEDED[name]}, "
                "or choose another split="
            )


def roles_of(shop: ShopTables, options: EventOptions) -> EventRoles:
    """Roles of the event types of a shop; of a prepared one, those it was prepared with.

    Raises:
        ValueError: As `event_roles`.
    """
    if isinstance(shop, PreparedShop):
        return saved_roles(shop.event_types, shop.made)
    return event_roles(event_type_names(shop), options.target_event_types, options.negative_event_types)


def split_advice(shop: ShopTables, options: EventOptions) -> str | None:
    """What to know of the split where events come in baskets; None where there is nothing to say."""
    if isinstance(shop, PreparedShop):
        return None
    return basket_advice(shop.events, resolve_split(shop, options.split), roles_of(shop, options))


def event_settings(shop: ShopTables, options: EventOptions) -> dict[str, Any]:
    """How the events of a shop are chosen and split, as a processor keeps it: `EVENT_OPTIONS` and their seed."""
    options = resolve_options(shop, options)
    settings = {name: getattr(options, name) for name in EVENT_OPTIONS}
    roles = roles_of(shop, options)
    settings |= {"target_event_types": list(roles.targets), "negative_event_types": list(roles.negative)}
    named = changed_columns(shop.columns)
    settings |= {"columns": named} if named else {}
    formats = {"time_format": shop.time_format, "encoding": shop.encoding}
    settings |= {name: value for name, value in formats.items() if value is not None}
    plain = {name: str(value) if isinstance(value, str) else value for name, value in settings.items()}
    return {**plain, "split": str(resolve_split(shop, options.split)), "seed": options.event_seed}

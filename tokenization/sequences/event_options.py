"""Options that select and split events, and their values for a given dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..tables.column_guess import changed_columns
from ..tables.event_roles import saved_roles
from ..tables.schema import ShopTables
from .build import resolve_split
from .filters import check_filters, filter_events
from .held_out_items import check_cold
from .splits import AUTO, SPLITS, check_split_name
from .timeline import TiePolicy


@dataclass
class EventOptions:
    """Selection and split of events; training and `prepare_tables` share these options.

    Args:
        split: leave-one-out, last-basket, global-time, column, user-level, cold-items, auto, or a registered split.
        tie_policy: Order of events with equal times: "file" keeps the file's order, "shuffle" draws a random one.
        seed: Seed of shuffled ties and of cold items.
        repeats: Repeated events of a user with an item: keep, collapse (keep the first of a run), or first.
        min_user_events: Minimum events per user; 0 for any number.
        min_item_events: Minimum events per item in the catalogue; 0 for any number.
        session_gap: Seconds without an event that end a session, such as 1800; sessions become baskets. 0 for none.
        cold_items: Share of the items, from 0 to 0.5, whose training events are removed.
        cold_policy: Choice of these items: random or newest.
        target_event_types: Event types to predict; None for the default by their names, see `event_roles`. Events of
            other types are only used in histories.
        negative_event_types: Negative event types, such as return,hide; None for the default by their names.

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
        check_split_name(self.split)
        if self.tie_policy not in list(TiePolicy):
            raise ValueError(f"tie_policy is {self.tie_policy!r}; give one of {', '.join(TiePolicy)}")

    @property
    def event_seed(self) -> int:
        """Seed of shuffled ties and of cold items."""
        return self.seed


EVENT_OPTIONS = (
    "split", "tie_policy", "repeats", "min_user_events", "min_item_events", "session_gap", "target_event_types",
    "negative_event_types", "cold_items", "cold_policy",
)  # fmt: skip
"""Options that select and split events; prepared sequences keep the options of their preparation."""

COLD_OPTIONS = ("cold_items", "cold_policy")
"""Options that remove events of cold items; they work on prepared sequences too."""


def select_events(shop: ShopTables, options: EventOptions) -> ShopTables:
    """A dataset with the selected events and items; see `filter_events`."""
    return filter_events(
        shop,
        repeats=options.repeats,
        min_user_events=options.min_user_events,
        min_item_events=options.min_item_events,
        session_gap=options.session_gap,
    )


def event_settings(shop: ShopTables, options: EventOptions) -> dict[str, Any]:
    """Selection and split of a dataset's events, as a processor stores it: `EVENT_OPTIONS` and their seed."""
    options = shop.resolved(options)
    settings = {name: getattr(options, name) for name in EVENT_OPTIONS}
    roles = shop.event_roles(options)
    settings |= {"target_event_types": list(roles.targets), "negative_event_types": list(roles.negative)}
    named = changed_columns(shop.columns)
    settings |= {"columns": named} if named else {}
    formats = {"time_format": shop.time_format, "encoding": shop.encoding}
    settings |= {name: value for name, value in formats.items() if value is not None}
    plain = {name: str(value) if isinstance(value, str) else value for name, value in settings.items()}
    return {**plain, "split": resolve_split(shop, options.split), "seed": options.event_seed}


def options_of_training(shop: ShopTables, saved: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Event options of an earlier training, for another dataset.

    Args:
        shop: The dataset.
        saved: Event settings of the training, from a processor.
        given: Options that take precedence.

    Returns:
        Options by name, without the given ones. The split is only included if the table has its columns.
    """
    own = {name: saved[name] for name in (*EVENT_OPTIONS, "seed") if name in saved}
    if given.get("target_event_types") is None:
        roles = saved_roles(shop.event_type_names(), saved)
        targets = tuple(name for name in roles.targets if name not in given.get("negative_event_types", ()))
        own |= {"target_event_types": targets, "negative_event_types": roles.negative}
    else:
        own.pop("negative_event_types", None)  # use the default, because a target may be one of them
    if own.get("split", AUTO) != AUTO and "split" not in given and not SPLITS.find(own["split"]).fits(shop.events):
        own["split"] = AUTO
    return {name: value for name, value in own.items() if name not in given}

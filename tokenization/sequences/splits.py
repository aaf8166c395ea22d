"""The splits. `register_split` adds one.

Events are sorted in one timeline, user after user. A split marks each event as training or not and as target or not,
and sets the end of the history before each user's targets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import polars as pl

from ...counting import agreed
from ...modeling_xcat.registry_xcat import Registry
from ..masking import mask
from ..tables.event_roles import EventRoles
from .baskets import missing_baskets, single_event_advice
from .held_targets import first_position, first_unit, first_units, hold, hold_in_unit, last_targets, target_units
from .split import AllEvents, Cut, Split, no_times
from .timeline import Timeline, Unit

AUTO, LEAVE_ONE_OUT, COLUMN = "auto", "leave-one-out", "column"
"""The name for `auto_split`, and the two splits that it chooses from."""
VALIDATION_QUANTILE, TEST_QUANTILE = 0.8, 0.9
"""Positions of the two cuts: share of events in `global-time`, of users in `user-level`, and of items (oldest first)
in `cold-items`."""

_TRAIN, _VALIDATION, _TEST = 0, 1, 2
_HELD_OUT_LABELS = {
    "valid": _VALIDATION,
    "val": _VALIDATION,
    "validation": _VALIDATION,
    "dev": _VALIDATION,
    "test": _TEST,
}

SPLITS: Registry[Split] = Registry("split", also=(AUTO,))
"""Splits by name; `register_split` adds one."""

S = TypeVar("S", bound=type[Split])


def register_split(name: str) -> Callable[[S], S]:
    """Add the decorated subclass of `Split` under a name, for `split=` in Python and `--split` of the commands.

    A split of another package is named with its module, `my_package.splits:weekly`: commands and other processes then
    import the module, which registers it.

    Args:
        name: Its name; "MODULE:NAME" outside this package.

    Raises:
        ValueError: If another class has the name.
    """

    def add(kind: S) -> S:
        split = kind()
        split.name = name
        SPLITS.add(name, split, kind)
        return kind

    return add


def check_split_name(split: str) -> None:
    """Refuse an unknown split.

    "MODULE:NAME" is looked up when events are split: a prepared folder stores it, and needs no such module.

    Raises:
        ValueError: If the name is unknown.
    """
    if split != AUTO and ":" not in split:
        SPLITS.find(split)


def auto_split(no_split: int) -> str:
    """The split for "auto": by the column `split` if all events have a value in it, else leave-one-out.

    Args:
        no_split: Number of events without a value.
    """
    return LEAVE_ONE_OUT if no_split else COLUMN


@register_split(LEAVE_ONE_OUT)
class LeaveOneOut(Split):
    """A user's last event that can be a target is test, the one before it validation.

    Units before the validation unit are training. Events after a target, such as its return, are never in its history.
    Users with fewer than three units with targets are training only.
    """

    needs = "users need three events each for it, four for training"
    out_of_core = True

    def cut(self, timeline: Timeline, shared: Any) -> Cut:
        """See `Split.cut`."""
        number, units = target_units(timeline)
        held = (units >= 3)[timeline.user]
        from_end = np.where(number >= 0, units[timeline.user] - 1 - number, -1)
        test, validation = held & (from_end == 0), held & (from_end == 1)
        before = timeline.unit < first_unit(timeline, validation)[timeline.user]
        return Cut(~held | before, hold_in_unit(timeline, validation), hold_in_unit(timeline, test))

    def advice(self, events: pl.DataFrame, roles: EventRoles) -> str | None:
        """Advice if most users have baskets of several events."""
        return single_event_advice(events, roles)


@register_split("last-basket")
class LastBasket(LeaveOneOut):
    """Like `LeaveOneOut` for baskets; events without a basket are one basket if their times are equal."""

    unit = Unit.BASKET_OR_TIME
    needs = "users need three baskets each for it"

    def advice(self, events: pl.DataFrame, roles: EventRoles) -> str | None:
        """A note if no event has a basket."""
        return missing_baskets(events)


@register_split("global-time")
class GlobalTime(Split):
    """Events before the 80 % quantile of event times are training.

    A user's first unit between this and the 90 % quantile is validation, and the first one after the 90 % quantile is
    test, for users with earlier events.
    """

    unit = Unit.BASKET
    needs = "it needs users with events before and after four fifths, and nine tenths, of all events"
    out_of_core = True

    def shared(self, events: AllEvents) -> tuple[int, int]:
        """The two quantiles, in microseconds since 1970."""
        if events.no_time:
            raise no_times(events, self.name, "use leave-one-out")
        times = events.times()
        places = [min(int(share * len(times)), len(times) - 1) for share in (VALIDATION_QUANTILE, TEST_QUANTILE)]
        times.partition(places)
        return int(times[places[0]]), int(times[places[1]])

    def cut(self, timeline: Timeline, shared: tuple[int, int]) -> Cut:
        """See `Split.cut`."""
        times, (first, second) = timeline.unit_time, shared
        assert times is not None
        return Cut(
            times < first,
            hold_in_unit(timeline, first_units(timeline, timeline.predictable & (times >= first) & (times < second))),
            hold_in_unit(timeline, first_units(timeline, timeline.predictable & (times >= second))),
        )

    def parts(self, timeline: Timeline, shared: tuple[int, int]) -> np.ndarray:
        """All impressions between the quantiles; see `Split.parts`."""
        assert timeline.unit_time is not None
        return np.searchsorted(np.array(shared), timeline.unit_time, side="right").astype(np.int8)


@register_split(COLUMN)
class ByColumn(Split):
    """A column of the events table assigns events to splits.

    If `is_target` marks events, the marked events of validation and test users are the targets. Otherwise every event
    of the split is a target; of a user with all events in one split (users are split, not events) only the last one.
    Only events of target types can be targets. The history is everything before the first target. Training ends at a
    user's first held-out event.
    """

    needs = "the column split must mark events for it, of users with earlier events"
    out_of_core = True

    def shared(self, events: AllEvents) -> bool:
        """Whether `is_target` marks any event."""
        if events.no_split:
            raise ValueError(
                f"events, column split: {events.no_split} of {events.total} rows have no value; "
                "fill them with train, validation or test, or use another split"
            )
        return events.marked

    def cut(self, timeline: Timeline, shared: bool) -> Cut:
        """See `Split.cut`.

        Raises:
            ValueError: If the column has unknown values.
        """
        label = _labels(timeline.events["split"])
        marks = timeline.events["is_target"].fill_null(False).to_numpy()
        whole = timeline.starts[timeline.user + 1] - timeline.starts[timeline.user]
        last = last_targets(timeline)
        held = []
        for kind in (_VALIDATION, _TEST):
            inside = label == kind
            if shared:
                held.append(hold(timeline, inside & marks & timeline.predictable))
            else:
                only = np.bincount(timeline.user[inside], minlength=len(timeline.starts) - 1)[timeline.user] == whole
                held.append(hold(timeline, inside & np.where(only, last, timeline.predictable)))
        first_held = first_position(timeline, (label != _TRAIN) | held[0].target | held[1].target)
        return Cut((label == _TRAIN) & (timeline.position < first_held[timeline.user]), held[0], held[1])

    def parts(self, timeline: Timeline, shared: bool) -> np.ndarray:
        """The values of the column; see `Split.parts`."""
        return _labels(timeline.events["split"]).astype(np.int8)

    def fits(self, events: pl.DataFrame) -> bool:
        """Whether the column has a value for every event."""
        return not events["split"].null_count()


@register_split("user-level")
class UserLevel(Split):
    """Users are split: 80 % are training, 10 % validation and 10 % test, each with their last target.

    The part of a user depends only on a hash of the id, so it stays the same when other users are added or removed,
    and on every machine.
    """

    needs = "it uses one user in ten of the users with two events or more"
    out_of_core = True

    def cut(self, timeline: Timeline, shared: Any) -> Cut:
        """See `Split.cut`."""
        part, last = _shares(timeline), last_targets(timeline)
        validation = last & (part >= VALIDATION_QUANTILE) & (part < TEST_QUANTILE)
        return Cut(
            part < VALIDATION_QUANTILE, hold(timeline, validation), hold(timeline, last & (part >= TEST_QUANTILE))
        )

    def parts(self, timeline: Timeline, shared: Any) -> np.ndarray:
        """All impressions of the part's users; see `Split.parts`."""
        cuts = np.array([VALIDATION_QUANTILE, TEST_QUANTILE])
        return np.searchsorted(cuts, _shares(timeline), side="right").astype(np.int8)


@register_split("cold-items")
class ColdItems(Split):
    """The newest items are cold: the newest 10 % of all items are test, the 10 % before them validation.

    The targets of a part are its cold items in a user's first event (or basket) with any of them. Training ends before
    a user's first event (or basket) with any cold item, so cold items and later events are never trained on.
    """

    unit = Unit.BASKET
    needs = "it needs users of the newest items with earlier events"
    out_of_core = True
    two_passes = True

    def shared(self, events: AllEvents) -> pl.DataFrame:
        """The cold items: `item_id`, and `part`, 1 for validation and 2 for test."""
        if events.no_time:
            raise no_times(events, self.name, "use cold_items= with another split")
        items = events.items_by_age()
        age = np.arange(len(items)) / max(len(items), 1)
        part = (age >= VALIDATION_QUANTILE).astype(np.int8) + (age >= TEST_QUANTILE)
        return pl.DataFrame({"item_id": items, "part": part}).filter(pl.col("part") != _TRAIN)

    def cut(self, timeline: Timeline, shared: pl.DataFrame) -> Cut:
        """See `Split.cut`."""
        items = timeline.events["item_id"]
        parts = items.replace_strict(
            shared["item_id"], shared["part"], default=_TRAIN, return_dtype=pl.Int8
        ).to_numpy()
        before = timeline.unit < first_unit(timeline, parts != _TRAIN)[timeline.user]
        return Cut(
            before,
            *(
                hold_in_unit(timeline, first_units(timeline, timeline.predictable & (parts == part)))
                for part in (_VALIDATION, _TEST)
            ),
        )


def share_of(name: str) -> float:
    """A number from 0 to 1 (exclusive) that depends only on a name.

    Example:
        >>> round(share_of("ann"), 4) == round(share_of("ann"), 4), 0 <= share_of("bob") < 1
        (True, True)
    """
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest()) / 2**48


def _shares(timeline: Timeline) -> np.ndarray:
    """(events,) the user's `share_of`."""
    ids = timeline.events["user_id"].gather(timeline.starts[:-1]).to_list()
    return np.array([share_of(name) for name in ids])[timeline.user] if ids else np.zeros(0)


def _labels(split: pl.Series) -> np.ndarray:
    clean = split.str.to_lowercase()
    names = clean.unique(maintain_order=True).to_list()
    known = {**_HELD_OUT_LABELS, **{name: _TRAIN for name in names if name.startswith("train")}}
    strange = [name for name in names if name not in known]
    if strange:
        count = int(clean.is_in(strange).sum())
        told = agreed(f"{count} rows have a value that is not a split")
        raise ValueError(
            f"events, column split: {told}, for example {mask(strange[0])!r} (masked); write train, validation or test"
        )
    return clean.replace_strict(known, return_dtype=pl.Int8).to_numpy()

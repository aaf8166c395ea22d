"""From validated tables to training, validation and test sequences."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .build import build_splits as build_splits
    from .build import target_histories as target_histories
    from .build import target_items as target_items
    from .click_labels import label_impressions as label_impressions
    from .click_options import ClickOptions as ClickOptions
    from .click_pairs import as_pairs as as_pairs
    from .click_rows import ClickData as ClickData
    from .click_rows import split_clicks as split_clicks
    from .event_options import EventOptions as EventOptions
    from .filters import filter_events as filter_events
    from .held_out_items import choose_cold_items as choose_cold_items
    from .held_targets import hold as hold
    from .held_targets import hold_in_unit as hold_in_unit
    from .histories import Histories as Histories
    from .histories import read_histories as read_histories
    from .negatives import NegativeSampler as NegativeSampler
    from .sampled_clicks import with_negatives as with_negatives
    from .split import AllEvents as AllEvents
    from .split import Cut as Cut
    from .split import Held as Held
    from .split import Split as Split
    from .split import no_times as no_times
    from .split_data import SplitData as SplitData
    from .splits import SPLITS as SPLITS
    from .splits import register_split as register_split
    from .timeline import TiePolicy as TiePolicy
    from .timeline import Timeline as Timeline
    from .timeline import Unit as Unit

_EXPORTS = {
    "EventOptions": ".event_options",  # selection and split of events
    "SplitData": ".split_data",  # result of `ShopTables.split`: vocabulary, parts, options
    "build_splits": ".build",  # sequences of all parts
    "SPLITS": ".splits",  # registry: leave-one-out, last-basket, global-time, column, user-level, cold-items
    "register_split": ".splits",  # adds a split to it
    "Split": ".split",  # base class of a split
    "Cut": ".split",  # result of a split
    "Held": ".split",  # held-out targets of a part
    "no_times": ".split",  # error of a split that needs times
    "AllEvents": ".split",  # values of all events that a split may read
    "Timeline": ".timeline",  # the sorted events that a split gets
    "Unit": ".timeline",  # events or baskets as units of a timeline
    "hold": ".held_targets",  # targets, with the history before the first
    "hold_in_unit": ".held_targets",  # the same, with the history before the target's basket
    "TiePolicy": ".timeline",  # order of events at one time
    "filter_events": ".filters",  # filters: repeats, k-core, sessions
    "read_histories": ".histories",  # histories of users from a table
    "Histories": ".histories",  # result of `read_histories`
    "choose_cold_items": ".held_out_items",  # items without training events, for a test of cold items
    "label_impressions": ".click_labels",  # impressions with clicks as labels
    "ClickOptions": ".click_options",  # labels, negatives and context of rows for click prediction
    "split_clicks": ".click_rows",  # rows for click prediction
    "ClickData": ".click_rows",  # result of `split_clicks`
    "NegativeSampler": ".negatives",  # draws items that a user has no event with
    "with_negatives": ".sampled_clicks",  # training rows with negatives
    "as_pairs": ".click_pairs",  # one row per showing
    "target_items": ".build",  # targets of sequences
    "target_histories": ".build",  # histories before the targets
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

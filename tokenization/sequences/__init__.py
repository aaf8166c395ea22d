"""From validated tables to training, validation and test sequences."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .baskets import basket_advice as basket_advice
    from .build import build_splits as build_splits
    from .build import target_histories as target_histories
    from .build import target_items as target_items
    from .click_labels import label_impressions as label_impressions
    from .event_options import EventOptions as EventOptions
    from .filters import filter_events as filter_events
    from .held_out_items import choose_cold_items as choose_cold_items
    from .histories import Histories as Histories
    from .histories import read_histories as read_histories
    from .split_data import SplitData as SplitData
    from .timeline import SplitName as SplitName
    from .timeline import TiePolicy as TiePolicy

_EXPORTS = {
    "EventOptions": ".event_options",  # selection and split of events
    "SplitData": ".split_data",  # result of `ShopTables.split`: vocabulary, parts, options
    "build_splits": ".build",  # sequences of all parts
    "SplitName": ".timeline",  # names of the splits
    "TiePolicy": ".timeline",  # order of events at one time
    "filter_events": ".filters",  # filters: repeats, k-core, sessions
    "read_histories": ".histories",  # histories of users from a table
    "Histories": ".histories",  # result of `read_histories`
    "choose_cold_items": ".held_out_items",  # items without training events, for a test of cold items
    "label_impressions": ".click_labels",  # impressions with clicks as labels
    "target_items": ".build",  # targets of sequences
    "target_histories": ".build",  # histories before the targets
    "basket_advice": ".baskets",  # whether a split by baskets fits the data better
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

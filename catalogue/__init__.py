"""Floor 2: the item data of a model, and filling, extending or replacing its catalogue."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .added_items import AddedItems as AddedItems
    from .added_items import add_items as add_items
    from .change import change_catalogue as change_catalogue
    from .cold_start import add_cold_start_neighbors as add_cold_start_neighbors
    from .interests import interest_reader as interest_reader
    from .item_table import add_repurchases as add_repurchases
    from .item_table import fill_catalogue as fill_catalogue
    from .item_table import fill_neighbors as fill_neighbors
    from .item_table import fill_transitions as fill_transitions

_EXPORTS = {
    "fill_catalogue": ".item_table",  # texts, features and categories of all items
    "fill_neighbors": ".item_table",  # item-to-item weights, from training histories
    "fill_transitions": ".item_table",  # first-order item transitions, from training histories
    "add_repurchases": ".item_table",  # repurchase counts per item
    "add_items": ".added_items",  # new items in a trained model
    "AddedItems": ".added_items",  # result of `add_items`
    "change_catalogue": ".change",  # another catalogue in a trained model
    "add_cold_start_neighbors": ".cold_start",  # text-based neighbours of cold items
    "interest_reader": ".interests",  # reader of interest profiles that a model was trained with
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

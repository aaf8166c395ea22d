"""Floor 1: standard models to compare with, one family per file."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .knn import ItemKNNConfig as ItemKNNConfig
    from .knn import ItemKNNModel as ItemKNNModel
    from .knn import ItemRegressionConfig as ItemRegressionConfig
    from .knn import ItemRegressionModel as ItemRegressionModel
    from .knn import TextKNNConfig as TextKNNConfig
    from .knn import TextKNNModel as TextKNNModel
    from .popularity import PopularityConfig as PopularityConfig
    from .popularity import PopularityModel as PopularityModel
    from .popularity import RecentPopularityConfig as RecentPopularityConfig
    from .popularity import RecentPopularityModel as RecentPopularityModel
    from .popularity import RepeatPurchaseConfig as RepeatPurchaseConfig
    from .popularity import RepeatPurchaseModel as RepeatPurchaseModel

_EXPORTS = {
    "PopularityModel": ".popularity",  # items by number of interactions
    "RecentPopularityModel": ".popularity",  # items by number of interactions in the last weeks
    "RepeatPurchaseModel": ".popularity",  # the user's own items first, then popular ones
    "ItemKNNModel": ".knn",  # cosine between item columns
    "ItemRegressionModel": ".knn",  # item-to-item regression (EASE / SLIM)
    "TextKNNModel": ".knn",  # cosine between item texts
    "PopularityConfig": ".popularity",  # options of `PopularityModel`
    "RecentPopularityConfig": ".popularity",  # options of `RecentPopularityModel`
    "RepeatPurchaseConfig": ".popularity",  # options of `RepeatPurchaseModel`
    "ItemKNNConfig": ".knn",  # options of `ItemKNNModel`
    "ItemRegressionConfig": ".knn",  # options of `ItemRegressionModel`
    "TextKNNConfig": ".knn",  # options of `TextKNNModel`
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

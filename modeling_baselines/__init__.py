"""Floor 1: standard models to compare with, one family per file."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .click_inputs import ClickOutput as ClickOutput
    from .click_model import ClickConfig as ClickConfig
    from .click_model import ClickModel as ClickModel
    from .knn import ItemKNNConfig as ItemKNNConfig
    from .knn import ItemKNNModel as ItemKNNModel
    from .knn import ItemRegressionConfig as ItemRegressionConfig
    from .knn import ItemRegressionModel as ItemRegressionModel
    from .knn import TextKNNConfig as TextKNNConfig
    from .knn import TextKNNModel as TextKNNModel
    from .neural_collaborative_filtering import GMFConfig as GMFConfig
    from .neural_collaborative_filtering import GMFModel as GMFModel
    from .neural_collaborative_filtering import MatrixFactorizationConfig as MatrixFactorizationConfig
    from .neural_collaborative_filtering import MatrixFactorizationModel as MatrixFactorizationModel
    from .neural_collaborative_filtering import NeuMFConfig as NeuMFConfig
    from .neural_collaborative_filtering import NeuMFModel as NeuMFModel
    from .neural_collaborative_filtering import NeuralMLPConfig as NeuralMLPConfig
    from .neural_collaborative_filtering import NeuralMLPModel as NeuralMLPModel
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
    "ClickModel": ".click_model",  # base class of models of P(click | history, candidate)
    "ClickOutput": ".click_inputs",  # loss, logits and auxiliary loss of a click model
    "MatrixFactorizationModel": ".neural_collaborative_filtering",  # dot product of user and candidate
    "GMFModel": ".neural_collaborative_filtering",  # weighted product of user and candidate
    "NeuralMLPModel": ".neural_collaborative_filtering",  # MLP of user and candidate
    "NeuMFModel": ".neural_collaborative_filtering",  # GMF and MLP with one output layer
    "PopularityConfig": ".popularity",  # options of `PopularityModel`
    "RecentPopularityConfig": ".popularity",  # options of `RecentPopularityModel`
    "RepeatPurchaseConfig": ".popularity",  # options of `RepeatPurchaseModel`
    "ItemKNNConfig": ".knn",  # options of `ItemKNNModel`
    "ItemRegressionConfig": ".knn",  # options of `ItemRegressionModel`
    "TextKNNConfig": ".knn",  # options of `TextKNNModel`
    "ClickConfig": ".click_model",  # options of all click models
    "MatrixFactorizationConfig": ".neural_collaborative_filtering",  # options of `MatrixFactorizationModel`
    "GMFConfig": ".neural_collaborative_filtering",  # options of `GMFModel`
    "NeuralMLPConfig": ".neural_collaborative_filtering",  # options of `NeuralMLPModel`
    "NeuMFConfig": ".neural_collaborative_filtering",  # options of `NeuMFModel`
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

"""Floor 1: standard models to compare with, one family per file."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .behavior_sequence import BSTConfig as BSTConfig
    from .behavior_sequence import BSTModel as BSTModel
    from .click_floors import CandidateKNNConfig as CandidateKNNConfig
    from .click_floors import CandidateKNNModel as CandidateKNNModel
    from .click_floors import CandidatePopularityConfig as CandidatePopularityConfig
    from .click_floors import CandidatePopularityModel as CandidatePopularityModel
    from .click_floors import CategoryMatchConfig as CategoryMatchConfig
    from .click_floors import CategoryMatchModel as CategoryMatchModel
    from .click_floors import LogisticRegressionConfig as LogisticRegressionConfig
    from .click_floors import LogisticRegressionModel as LogisticRegressionModel
    from .click_inputs import ClickOutput as ClickOutput
    from .click_model import ClickConfig as ClickConfig
    from .click_model import ClickModel as ClickModel
    from .deep_interest import DINConfig as DINConfig
    from .deep_interest import DINModel as DINModel
    from .deep_interest import MeanPoolingConfig as MeanPoolingConfig
    from .deep_interest import MeanPoolingModel as MeanPoolingModel
    from .interest_evolution import DIENConfig as DIENConfig
    from .interest_evolution import DIENModel as DIENModel
    from .knn import ItemKNNConfig as ItemKNNConfig
    from .knn import ItemKNNModel as ItemKNNModel
    from .knn import ItemRegressionConfig as ItemRegressionConfig
    from .knn import ItemRegressionModel as ItemRegressionModel
    from .knn import TextKNNConfig as TextKNNConfig
    from .knn import TextKNNModel as TextKNNModel
    from .multi_interest import DMINConfig as DMINConfig
    from .multi_interest import DMINModel as DMINModel
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
    "BSTModel": ".behavior_sequence",  # transformer over history and candidate (BST)
    "CandidatePopularityModel": ".click_floors",  # popularity of the candidate
    "CategoryMatchModel": ".click_floors",  # share of the history in the candidate's category
    "CandidateKNNModel": ".click_floors",  # cosine between candidate and history
    "LogisticRegressionModel": ".click_floors",  # logistic regression over ids, categories and context
    "MeanPoolingModel": ".deep_interest",  # mean of the history, candidate and an MLP
    "DINModel": ".deep_interest",  # history weighted by an activation unit (DIN)
    "DIENModel": ".interest_evolution",  # GRU, auxiliary loss and a GRU with attention (DIEN)
    "DMINModel": ".multi_interest",  # self-attention with several interests (DMIN)
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
    "BSTConfig": ".behavior_sequence",  # options of `BSTModel`
    "CandidatePopularityConfig": ".click_floors",  # options of `CandidatePopularityModel`
    "CategoryMatchConfig": ".click_floors",  # options of `CategoryMatchModel`
    "CandidateKNNConfig": ".click_floors",  # options of `CandidateKNNModel`
    "LogisticRegressionConfig": ".click_floors",  # options of `LogisticRegressionModel`
    "MeanPoolingConfig": ".deep_interest",  # options of `MeanPoolingModel`
    "DINConfig": ".deep_interest",  # options of `DINModel`
    "DIENConfig": ".interest_evolution",  # options of `DIENModel`
    "DMINConfig": ".multi_interest",  # options of `DMINModel`
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

"""Re-ranking rules: diversity, calibration, limits, rules of the shop, exploration."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .calibration import Calibrate as Calibrate
    from .diversity import DPP as DPP
    from .diversity import MMR as MMR
    from .diversity import Unexpectedness as Unexpectedness
    from .knob import exploration_rules as exploration_rules
    from .limits import AtLeast as AtLeast
    from .limits import MaxPer as MaxPer
    from .limits import MaxPerCategory as MaxPerCategory
    from .limits import OnePerProduct as OnePerProduct
    from .merchandising import Boost as Boost
    from .merchandising import Bury as Bury
    from .merchandising import Pin as Pin
    from .popularity import Freshness as Freshness
    from .popularity import LogitAdjustment as LogitAdjustment
    from .popularity import PopularityDiscount as PopularityDiscount
    from .sampling import PlackettLuce as PlackettLuce
    from .shares import Share as Share
    from .words import RERANKERS as RERANKERS
    from .words import read_rerankers as read_rerankers

_EXPORTS = {
    "MMR": ".diversity",  # maximal marginal relevance
    "DPP": ".diversity",  # determinantal point process, fast greedy
    "Unexpectedness": ".diversity",  # distance to the history
    "Calibrate": ".calibration",  # categories in the shares of the history
    "MaxPerCategory": ".limits",  # at most N items per category at the front
    "MaxPer": ".limits",  # the same for any column
    "AtLeast": ".limits",  # at least N items that keep a condition
    "OnePerProduct": ".limits",  # one variant per product
    "Boost": ".merchandising",  # raise items that keep a condition
    "Bury": ".merchandising",  # move them to the end
    "Pin": ".merchandising",  # put items first
    "PopularityDiscount": ".popularity",  # lower popular items
    "LogitAdjustment": ".popularity",  # subtract a part of the log of the training events
    "Share": ".shares",  # a guaranteed share of a group of items
    "Freshness": ".popularity",  # raise new items
    "PlackettLuce": ".sampling",  # draw at random, with propensities
    "exploration_rules": ".knob",  # rules of familiar, balanced, adventurous
    "read_rerankers": ".words",  # rules from mmr=0.3,calibrate=0.5
    "RERANKERS": ".words",  # their names
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

"""Interest profiles of users, from their events, ratings and reviews."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .entities import EntityMatcher as EntityMatcher
    from .entities import ModelEntities as ModelEntities
    from .keyphrases import KeyphraseExtractor as KeyphraseExtractor
    from .opinions import Statements as Statements
    from .opinions import full_profile as full_profile
    from .opinions import read_statements as read_statements
    from .profiles import InterestProfile as InterestProfile
    from .profiles import ProfileOptions as ProfileOptions
    from .profiles import build_profile as build_profile
    from .reader import InterestReader as InterestReader
    from .reader import InterestSettings as InterestSettings
    from .reader import UserInterests as UserInterests
    from .self_training import SelfTraining as SelfTraining
    from .self_training import SelfTrainingOptions as SelfTrainingOptions
    from .self_training import self_train as self_train
    from .sentiment import LearnedSentiment as LearnedSentiment
    from .sentiment import ModelSentiment as ModelSentiment
    from .sentiment import lexicon_sentiment as lexicon_sentiment

_EXPORTS = {
    "InterestProfile": ".profiles",  # categories, interest clusters and feedback of a user
    "ProfileOptions": ".profiles",  # options of `build_profile`
    "build_profile": ".profiles",  # profile of one user
    "InterestReader": ".reader",  # profiles as vectors for a model
    "UserInterests": ".reader",  # profiles of all users
    "InterestSettings": ".reader",  # settings that a checkpoint stores
    "read_statements": ".opinions",  # reviews, ratings and other texts of users
    "Statements": ".opinions",  # result of `read_statements`
    "full_profile": ".opinions",  # profile from events and reviews
    "EntityMatcher": ".entities",  # items and brands named in a text
    "ModelEntities": ".entities",  # the same by a model for named entities
    "KeyphraseExtractor": ".keyphrases",  # phrases typical of a group of texts
    "LearnedSentiment": ".sentiment",  # sentiment learned from rated texts
    "self_train": ".self_training",  # the same, with pseudo-labels of other texts
    "SelfTraining": ".self_training",  # its result
    "SelfTrainingOptions": ".self_training",  # its options
    "ModelSentiment": ".sentiment",  # sentiment by a model
    "lexicon_sentiment": ".sentiment",  # sentiment by word lists
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

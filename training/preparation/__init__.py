"""From validated tables to a model, a processor and splits for a trainer."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .from_base import prepare_from_base as prepare_from_base
    from .options import InterestOptions as InterestOptions
    from .options import ModelOptions as ModelOptions
    from .options import PreparationOptions as PreparationOptions
    from .options import PreparedTraining as PreparedTraining
    from .options import TextOptions as TextOptions
    from .prepare import prepare_training as prepare_training
    from .windows import training_windows as training_windows

_EXPORTS = {
    "prepare_training": ".prepare",  # a new model and its data
    "prepare_from_base": ".from_base",  # a trained checkpoint and its data
    "PreparationOptions": ".options",  # options of both: those of events and the three groups below
    "TextOptions": ".options",  # item texts and their encoder
    "InterestOptions": ".options",  # interest profiles
    "ModelOptions": ".options",  # item attributes and fields of the configuration
    "PreparedTraining": ".options",  # result of `prepare_training`
    "training_windows": ".windows",  # windows of long histories
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

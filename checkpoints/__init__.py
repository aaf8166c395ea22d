"""Floor 3: checkpoints and adapters are checked and loaded here, without the training loop."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .adapters import add_adapter as add_adapter
    from .adapters import load_adapted as load_adapted
    from .adapters import target_modules as target_modules
    from .check import check_adapter as check_adapter
    from .check import check_checkpoint as check_checkpoint
    from .load import load_base as load_base
    from .load import load_model as load_model

_EXPORTS = {
    "load_base": ".load",  # model and processor of a checkpoint
    "load_model": ".load",  # model of a checkpoint folder
    "check_checkpoint": ".check",  # refuses damaged and harmful checkpoints
    "check_adapter": ".check",  # refuses damaged and harmful adapters
    "add_adapter": ".adapters",  # a new adapter on a model (LoRA, DoRA, LoHa)
    "load_adapted": ".adapters",  # an adapter with its base
    "target_modules": ".adapters",  # linear layers of parts of a model, for peft
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

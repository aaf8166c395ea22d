"""Floor 5: training with `transformers.Trainer`."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .arguments import XCatTrainingArguments as XCatTrainingArguments
    from .collators import PackingCollator as PackingCollator
    from .collators import QueryCollator as QueryCollator
    from .optimizers import RowAdamW as RowAdamW
    from .samplers import TokenBatchSampler as TokenBatchSampler
    from .trainer import XCatTrainer as XCatTrainer

_EXPORTS = {
    "XCatTrainer": ".trainer",  # the trainer
    "XCatTrainingArguments": ".arguments",  # its arguments
    "PackingCollator": ".collators",  # batches of packed sequences
    "QueryCollator": ".collators",  # batches of evaluation queries
    "RowAdamW": ".optimizers",  # AdamW for large embedding tables
    "TokenBatchSampler": ".samplers",  # batches by number of events
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

"""Floor 0: the files stored in a checkpoint. Flat, so that `transformers` can copy them next to the weights."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .attention_xcat import XCatAttentionBlock as XCatAttentionBlock
    from .behavior_xcat import BEHAVIOR_ENCODERS as BEHAVIOR_ENCODERS
    from .configuration_xcat import XCatConfig as XCatConfig
    from .filters_xcat import Filters as Filters
    from .fusion_xcat import FUSION_BLOCKS as FUSION_BLOCKS
    from .layout_xcat import SequenceLayout as SequenceLayout
    from .memory_xcat import MEMORY_SOURCES as MEMORY_SOURCES
    from .memory_xcat import MemoryInputs as MemoryInputs
    from .memory_xcat import MemorySource as MemorySource
    from .memory_xcat import MemoryTokens as MemoryTokens
    from .modeling_click_xcat import XCatForClickPrediction as XCatForClickPrediction
    from .modeling_pretraining_xcat import XCatForPreTraining as XCatForPreTraining
    from .modeling_xcat import XCatForNextItem as XCatForNextItem
    from .modeling_xcat import XCatModel as XCatModel
    from .objectives_xcat import OBJECTIVES as OBJECTIVES
    from .objectives_xcat import LabelledEvents as LabelledEvents
    from .objectives_xcat import Objective as Objective
    from .recommending_xcat import Recommendation as Recommendation
    from .recommending_xcat import Recommendations as Recommendations

_EXPORTS = {
    "XCatConfig": ".configuration_xcat",  # sizes and options of a model
    "XCatModel": ".modeling_xcat",  # states and scores
    "XCatForNextItem": ".modeling_xcat",  # XCatModel with a training loss
    "XCatForClickPrediction": ".modeling_click_xcat",  # XCatForNextItem that also predicts clicks
    "XCatForPreTraining": ".modeling_pretraining_xcat",  # XCatForNextItem with self-supervised losses
    "BEHAVIOR_ENCODERS": ".behavior_xcat",  # registry: transformer, gru, lstm, bidirectional
    "FUSION_BLOCKS": ".fusion_xcat",  # registry: cross-attention to memory tokens
    "MEMORY_SOURCES": ".memory_xcat",  # registry: sources of memory tokens
    "OBJECTIVES": ".objectives_xcat",  # registry: softmax, sampled_softmax, gbce, bpr_max, cloze
    "Objective": ".objectives_xcat",  # base class of a training loss
    "LabelledEvents": ".objectives_xcat",  # inputs of an objective
    "MemorySource": ".memory_xcat",  # base class of a memory source
    "MemoryInputs": ".memory_xcat",  # inputs of a memory source
    "MemoryTokens": ".memory_xcat",  # output of a memory source
    "SequenceLayout": ".layout_xcat",  # mapping of a batch's events to histories
    "XCatAttentionBlock": ".attention_xcat",  # pre-norm transformer block
    "Filters": ".filters_xcat",  # filters on recommended items
    "Recommendation": ".recommending_xcat",  # one recommended item, with its reasons
    "Recommendations": ".recommending_xcat",  # list of recommended items
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

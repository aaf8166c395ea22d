"""Floor 0: the files that a checkpoint carries. Flat, so that `transformers` can copy them beside the weights."""

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
    "XCatForNextItem": ".modeling_xcat",  # the same with the training loss
    "BEHAVIOR_ENCODERS": ".behavior_xcat",  # registry: transformer, gru, lstm
    "FUSION_BLOCKS": ".fusion_xcat",  # registry: cross-attention to memory tokens
    "MEMORY_SOURCES": ".memory_xcat",  # registry: where memory tokens come from
    "OBJECTIVES": ".objectives_xcat",  # registry: softmax, sampled_softmax, gbce
    "Objective": ".objectives_xcat",  # base class of a training loss
    "LabelledEvents": ".objectives_xcat",  # what an objective reads
    "MemorySource": ".memory_xcat",  # base class of a memory source
    "MemoryInputs": ".memory_xcat",  # what a memory source reads
    "MemoryTokens": ".memory_xcat",  # what it returns
    "SequenceLayout": ".layout_xcat",  # which event of a batch belongs to which history
    "XCatAttentionBlock": ".attention_xcat",  # pre-norm transformer block
    "Filters": ".filters_xcat",  # which items may be recommended
    "Recommendation": ".recommending_xcat",  # one recommended item, with its reasons
    "Recommendations": ".recommending_xcat",  # a list of them
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

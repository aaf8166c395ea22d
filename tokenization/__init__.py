"""Floor 1: from a merchant's tables to vocabularies, sequences and tensors."""

from __future__ import annotations

from ..lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .packing import pack_histories as pack_histories
    from .processing_xcat import XCatProcessor as XCatProcessor
    from .vocabulary import ItemVocabulary as ItemVocabulary

_EXPORTS = {
    "XCatProcessor": ".processing_xcat",  # histories of item ids to tensors
    "ItemVocabulary": ".vocabulary",  # item ids to item indices, with the columns of the items table
    "pack_histories": ".packing",  # several histories in one row
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

"""Preparation of interaction logs larger than memory: read in chunks, partitioned by user, written to disk."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .inputs import PreparationInputs as PreparationInputs
    from .prepare import PrepareOptions as PrepareOptions
    from .prepare import prepare_tables as prepare_tables
    from .prepared_folder import PreparedFolder as PreparedFolder
    from .prepared_folder import PreparedShop as PreparedShop
    from .prepared_folder import open_prepared as open_prepared

_EXPORTS = {
    "prepare_tables": ".prepare",  # prepares a folder from tables
    "PrepareOptions": ".prepare",  # options of `prepare_tables`
    "PreparationInputs": ".inputs",  # input tables, read in chunks
    "PreparedFolder": ".prepared_folder",  # a prepared folder
    "PreparedShop": ".prepared_folder",  # a prepared folder as validated tables
    "open_prepared": ".prepared_folder",  # checks and opens a prepared folder
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

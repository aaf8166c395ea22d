"""Indexes of a catalogue's items: kinds, recall, files, and changes while requests are answered."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .approximate import ApproximateIndex as ApproximateIndex
    from .build import build_index as build_index
    from .catalogue_index import CatalogueIndex as CatalogueIndex
    from .catalogue_index import IndexReport as IndexReport
    from .folder import IndexFilesError as IndexFilesError
    from .kinds import KINDS as KINDS

_EXPORTS = {
    "KINDS": ".kinds",  # names of the kinds, with a description each
    "build_index": ".build",  # an index of a recommender's items, with its recall
    "CatalogueIndex": ".catalogue_index",  # a searchable index with its deleted items
    "IndexReport": ".catalogue_index",  # recall, time and size of an index
    "ApproximateIndex": ".approximate",  # exact scores of a pool that a finder found
    "IndexFilesError": ".folder",  # files of an index are missing, damaged or of another checkpoint
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

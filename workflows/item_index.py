"""Build, change and repair the index of a checkpoint's items."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalogue.added_items import AddedItems
from ..ranking.index.build import build_index
from ..ranking.index.catalogue_index import IndexReport
from ..ranking.index.folder import AGAIN, MANIFEST, IndexFilesError, check_index_folder, kept_parts
from ..ranking.index.kinds import check_kind
from ..ranking.index.qdrant_finder import COLLECTION
from ..ranking.recommender import XCatRecommender
from ..tokenization.digests import catalogue_digest

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource
    from ..tokenization.tables.schema import TableColumns


@dataclass(frozen=True)
class WrittenIndex:
    """Result of `index_items`.

    Args:
        output: Folder of the index.
        report: Its kind, recall, time of the build and size.
        bytes: Size of its files.
        added: Numbers of added and changed items; None if none were given.
        deleted: Number of items deleted now.
        notes: Sentences about what was repaired.
    """

    output: Path
    report: IndexReport
    bytes: int
    added: AddedItems | None = None
    deleted: int = 0
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        added = None if self.added is None else {"num_new": self.added.new, "num_changed": self.added.changed}
        return {
            "output": str(self.output), **self.report.to_dict(), "bytes": self.bytes, "added": added,
            "num_deleted": self.deleted, "notes": list(self.notes),
        }  # fmt: skip


def index_items(
    checkpoint: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    kind: str | None = None,
    add: TableSource | None = None,
    delete: Sequence[str] = (),
    recall: float = 0.95,
    columns: TableColumns | None = None,
    encoding: str | None = None,
    url: str | None = None,
    collection: str = COLLECTION,
    revision: str | None = None,
) -> WrittenIndex:
    """Write the index of a checkpoint's items into a folder, or change the index in it.

    An index in the folder is kept and changed, unless `kind` is another one. A damaged one, or one of other weights,
    is built again. Items that were added to it or deleted stay so, as far as their files are whole.

    Args:
        checkpoint: A folder, or NAMESPACE/NAME on the hub.
        output: Folder of the index.
        kind: A kind of `KINDS`; None for the kind of the index in the folder, or "exact".
        add: Items table with items to add or to change: a file or a data frame.
        delete: Ids of items to delete.
        recall: Wanted recall at 100, for an approximate index.
        columns: Column names of `add`; None for the names in the checkpoint's training.
        encoding: Encoding of `add`; None to detect it.
        url: Address of the server, for the kind "qdrant".
        collection: Name of the collection on the server.
        revision: Branch, tag or commit of a hub repository.

    Raises:
        ValueError: If an argument is invalid, or the table cannot be used.
        OSError: If there is no such checkpoint, or the folder has other files.

    Example (not run: it needs a checkpoint):
        index_items("CKPT", "INDEX", kind="int8").report.recall
    """
    output, name = Path(output), os.fspath(checkpoint)
    check_kind(kind or "exact")
    check_index_folder(output)
    recommender = XCatRecommender.from_pretrained(name, revision=revision)
    notes, known = _opened(recommender, output) if (output / MANIFEST).exists() else ((), None)
    added = None if add is None else recommender.add_items(add, columns=columns, encoding=encoding)
    deleted = recommender.delete_items(delete) if len(delete) else 0
    wanted = kind or known or "exact"
    if wanted != recommender.index.kind or kind == "qdrant":
        recommender.index = build_index(recommender, wanted, recall=recall, url=url, collection=collection)
    live = replace(recommender.index.report, num_items=recommender.index.num_items)
    recommender.index = replace(recommender.index, report=live)
    recommender.save_index(output)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    return WrittenIndex(output, live, size, added, deleted, (*notes, *(added.notes if added else ())))


def _opened(recommender: XCatRecommender, folder: Path) -> tuple[tuple[str, ...], str | None]:
    """Load the index of a folder, or what is whole of it; notes about that, and the kind that the index had."""
    try:
        recommender.load_index(folder)
        return (), recommender.index.kind
    except IndexFilesError as error:
        reason = str(error).removesuffix(f"; {AGAIN.format(folder=os.fspath(folder))}")
    kept = kept_parts(folder, catalogue_digest(recommender.vocabulary), recommender.vocabulary)
    if kept.catalogue is not None:
        recommender.restore_items(kept.catalogue)
    if kept.deleted:
        recommender.delete_items(kept.deleted)
    lost = "; items that were added to it or deleted may be lost: give them again" if kept.lost else ""
    return (f"{reason}, so the index is built again{lost}",), kept.kind

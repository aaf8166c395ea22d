"""Files of an index: written whole, with a version and checksums; a file that changed is refused.

A folder has `index.json` and a folder of files per version. A new version is written beside the old one, then
`index.json` is replaced in one step, then the old files are removed. So after a kill the folder has the old version or
the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ...modeling_xcat.ranking_xcat import ItemIndex
from ...modeling_xcat.saving_xcat import usual_permissions
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from .approximate import ApproximateIndex
from .catalogue_index import CatalogueIndex, IndexReport
from .faiss_finder import FaissFinder
from .kinds import KINDS, Finder
from .locking import LOCK_FILE
from .qdrant_finder import QdrantFinder

FORMAT = 1
"""Version of the layout of the files."""
MANIFEST = "index.json"
TENSORS, CATALOGUE, GRAPH = "index.safetensors", "items.arrow", "index.faiss"
AGAIN = "build the index again in {folder!r} (xcat index, or index_items)"
"""The remedy for files that cannot be used."""
_VERSION = re.compile(r"version-\d+")
_BLOCK = 1 << 22


class IndexFilesError(ValueError):
    """Files of an index are missing, damaged, or of another checkpoint."""


@dataclass(frozen=True)
class IndexFiles:
    """What a folder of an index has.

    Args:
        folder: The folder.
        version: Number of the version; every save adds 1.
        checkpoint: Fingerprint of the items of the checkpoint; see `catalogue_digest`.
        catalogue: The catalogue after items were added or changed; None if it is that of the checkpoint.
        tensors: Contents of `index.safetensors`.
        report: Facts about the build.
        search: Settings of the search.
    """

    folder: Path
    version: int
    checkpoint: str
    catalogue: ItemVocabulary | None
    tensors: dict[str, torch.Tensor]
    report: IndexReport
    search: dict[str, Any]

    def to_index(self, device: torch.device) -> CatalogueIndex:
        """The index on a device.

        Raises:
            ImportError: If a package that its kind needs is not installed.
        """
        items, deleted = self.tensors["items"].to(device), self.tensors["deleted"].to(device)
        search: ItemIndex | ApproximateIndex
        if self.report.kind == "exact":
            search = ItemIndex(items, first_row=NUM_SPECIAL_ROWS)
        else:
            rows = self.tensors["entries"].numpy()
            finder: Finder
            if self.report.kind == "qdrant":
                finder = QdrantFinder.connected(self.search["url"], self.search["collection"], rows)
            else:
                finder = FaissFinder.load(self.report.kind, self._path(GRAPH), rows)
            search = ApproximateIndex(
                items, finder, self.report.effort, self.tensors["fresh"].to(device), self.search["cold_row"],
                self.search["segments"],
            )  # fmt: skip
        return CatalogueIndex(search, deleted, self.report, self.catalogue is not None)

    def _path(self, name: str) -> Path:
        return self.folder / f"version-{self.version}" / name


def save_index(
    folder: str | os.PathLike[str], index: CatalogueIndex, catalogue: ItemVocabulary, checkpoint: str
) -> Path:
    """Write an index, whole or not at all.

    Args:
        folder: Its folder; an index in it is replaced.
        index: The index.
        catalogue: The items.
        checkpoint: Fingerprint of the items of the checkpoint.

    Returns:
        The folder.

    Raises:
        OSError: If the folder cannot be written, or has other files.
    """
    folder = Path(folder)
    check_index_folder(folder)
    version = 1 + max((int(path.name[8:]) for path in folder.glob("version-*") if _is_version(path)), default=0)
    with _unfinished(folder, version) as place:
        search, settings = index.search, dict[str, Any]()
        tensors = {"items": index.items.cpu(), "deleted": index.deleted.cpu()}
        if isinstance(search, ApproximateIndex):
            settings = {"cold_row": search.cold_row, "segments": search.segments}
            tensors |= {"entries": torch.from_numpy(search.finder.rows), "fresh": search.fresh.cpu()}
            if isinstance(search.finder, QdrantFinder):
                settings |= {"url": search.finder.url, "collection": search.finder.collection}
            elif isinstance(search.finder, FaissFinder):
                search.finder.save(place / GRAPH)
        save_file({name: value.contiguous() for name, value in tensors.items()}, place / TENSORS)
        if index.grown:
            catalogue.save(place)
        files = sorted(path for path in place.iterdir() if path.is_file())
        usual_permissions(files)
        manifest = {
            "format": FORMAT, "version": version, "checkpoint": checkpoint, "report": index.report.to_dict(),
            "search": settings, "files": {path.name: _facts(path) for path in files},
        }  # fmt: skip
    _write_manifest(folder, {**manifest, "sha256": _digest_of(manifest)})
    for old in folder.glob("version-*"):
        if _is_version(old) and old.name != f"version-{version}":
            shutil.rmtree(old, ignore_errors=True)
    return folder


def check_index_folder(folder: Path) -> None:
    """Refuse a folder with files that are not of an index, and a file.

    Raises:
        OSError: If it is so.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"folder {folder}: {there} is a file; give another folder")
    others = [path for path in folder.iterdir() if not _is_ours(path)] if folder.is_dir() else []
    if others:
        raise FileExistsError(f"{folder} has {others[0].name}, which is not of an index; give another folder")


def read_index(folder: str | os.PathLike[str], checkpoint: str) -> IndexFiles:
    """Read the files of an index, and check every byte.

    Args:
        folder: The folder.
        checkpoint: Fingerprint of the items of the checkpoint.

    Raises:
        IndexFilesError: If a file is missing or changed, or the index is of another checkpoint.
    """
    folder = Path(folder)
    again = AGAIN.format(folder=str(folder))
    manifest = _read_manifest(folder, again)
    if manifest["checkpoint"] != checkpoint:
        raise IndexFilesError(f"{folder} is the index of a checkpoint with other items; {again}")
    place = folder / f"version-{manifest['version']}"
    for file, facts in manifest["files"].items():
        if not (place / file).is_file():
            raise IndexFilesError(f"{folder} has no {place.name}/{file}; {again}")
        found = _facts(place / file)
        if found != facts:
            raise IndexFilesError(
                f"{place / file} was changed or cut: it has {found['bytes']:,} bytes and {MANIFEST} states "
                f"{facts['bytes']:,}, or their checksums differ; {again}"
            )
    try:
        tensors = load_file(place / TENSORS)
    except SafetensorError as error:
        raise IndexFilesError(f"{place / TENSORS} is damaged ({error}); {again}") from error
    catalogue = ItemVocabulary.load(place / CATALOGUE) if CATALOGUE in manifest["files"] else None
    return IndexFiles(
        folder, manifest["version"], checkpoint, catalogue, tensors, IndexReport(**manifest["report"]),
        manifest["search"],
    )  # fmt: skip


@dataclass(frozen=True)
class KeptParts:
    """Parts of a damaged index whose files are whole, to build it again with them.

    Args:
        catalogue: The catalogue after items were added or changed; None without changes, or if its file is damaged.
        deleted: Ids of deleted items; None if the file is damaged.
        kind: Kind of the index; None if it is unknown.
        lost: Whether added, changed or deleted items may be lost.
    """

    catalogue: ItemVocabulary | None = None
    deleted: list[str] | None = None
    kind: str | None = None
    lost: bool = True


def kept_parts(folder: Path, checkpoint: str, items: ItemVocabulary) -> KeptParts:
    """The whole files of a damaged index.

    Args:
        folder: The folder.
        checkpoint: Fingerprint of the items of the checkpoint.
        items: Items of the checkpoint.
    """
    try:
        manifest = _read_manifest(folder, "")
    except IndexFilesError:
        return KeptParts()
    if manifest["checkpoint"] != checkpoint:
        return KeptParts(kind=manifest["report"]["kind"])
    place = folder / f"version-{manifest['version']}"
    whole = {
        name for name, facts in manifest["files"].items() if (place / name).is_file() and _facts(place / name) == facts
    }
    catalogue = ItemVocabulary.load(place / CATALOGUE) if CATALOGUE in whole else None
    known = catalogue is not None or CATALOGUE not in manifest["files"]
    deleted = None
    if TENSORS in whole and known:
        rows = load_file(place / TENSORS)["deleted"].nonzero()[:, 0].numpy()
        deleted = (catalogue or items).decode(rows)
    return KeptParts(catalogue, deleted, manifest["report"]["kind"], not known or deleted is None)


def _read_manifest(folder: Path, again: str) -> dict[str, Any]:
    file = folder / MANIFEST
    if not file.is_file():
        raise IndexFilesError(f"{folder} has no {MANIFEST}, so it is not the folder of an index; {again}")
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        digest = manifest.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise IndexFilesError(f"{file} is damaged ({error}); {again}") from error
    if digest != _digest_of(manifest):
        raise IndexFilesError(f"{file} was changed: its checksum is another one; {again}")
    if manifest["format"] != FORMAT or manifest["report"]["kind"] not in KINDS:
        raise IndexFilesError(f"{file} has format {manifest['format']}, and this version reads {FORMAT}; {again}")
    return manifest


@contextmanager
def _unfinished(folder: Path, version: int) -> Iterator[Path]:
    """A folder to write a version to, which gets its name when all files are on the disk."""
    place = folder / f".version-{version}.unfinished"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        yield place
        for path in [*place.iterdir(), place]:
            _sync(path)
        os.replace(place, folder / f"version-{version}")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    unfinished = folder / f".{MANIFEST}.unfinished"
    unfinished.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    _sync(unfinished)
    os.replace(unfinished, folder / MANIFEST)
    _sync(folder)


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _facts(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _digest_of(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _is_version(path: Path) -> bool:
    return _VERSION.fullmatch(path.name) is not None


def _is_ours(path: Path) -> bool:
    return path.name in (MANIFEST, LOCK_FILE) or _is_version(path) or path.name.endswith(".unfinished")

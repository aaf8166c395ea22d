"""A folder of prepared sequences: its manifest, and how it is read again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import polars as pl

from .data_card import DataCard
from .partitions import SPLITS
from .problems import TableProblem
from .schema import EVENT_SCHEMA, ShopTables
from .vocabulary import VOCABULARY_FILE, ItemVocabulary

MANIFEST = "preparation.json"
WORK = "unfinished"
"""Folder of what a killed run goes on from; gone when all is done."""


@dataclass(frozen=True)
class PreparedFolder:
    """A folder with the item vocabulary and the shards of the splits.

    Args:
        folder: The folder.
        manifest: Which tables, options and hashes it was made of, and what it holds.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def split(self) -> str:
        """The split that was made."""
        return str(self.manifest["split"])

    @property
    def event_types(self) -> list[str]:
        """Kinds of event, in the order of their codes."""
        return list(self.manifest["event_types"])

    def vocabulary(self) -> ItemVocabulary:
        """The item vocabulary."""
        return ItemVocabulary.load(self.folder)

    def splits(self) -> datasets.DatasetDict:
        """The splits; `datasets` converts the shards once and finds them in its cache afterwards."""
        shards = {name: sorted(str(path) for path in (self.folder / name).glob("*.parquet")) for name in SPLITS}
        found = {name: datasets.Dataset.from_parquet(shards[name]) for name in SPLITS if shards[name]}
        features = datasets.Features({**found["train"].features, "targets": datasets.List(datasets.Value("int32"))})
        empty = datasets.Dataset.from_dict({name: [] for name in features}, features=features)
        return datasets.DatasetDict({name: found.get(name, empty) for name in SPLITS})

    def problems(self) -> list[TableProblem]:
        """What was repaired in the tables or should be known of them."""
        return [TableProblem(**problem) for problem in self.manifest["problems"]]


@dataclass
class PreparedShop(ShopTables):
    """A shop whose events are sequences already.

    Its `events` are not the log: two rows with the first and last time and the lowest and highest rating, for that is
    all that is read of a log once its sequences are there.

    Args:
        sequences: The splits.
        split: The split that was made.
        event_types: Kinds of event, in the order of their codes.
        tie_policy: The order of a user's events at one time that was taken.
    """

    sequences: datasets.DatasetDict = field(default_factory=datasets.DatasetDict)
    split: str = ""
    event_types: list[str] = field(default_factory=list)
    tie_policy: str = "file"

    def check_options(self, split: str, tie_policy: str, filters: Mapping[str, object], own_rows: bool) -> None:
        """Refuse what would need the log itself.

        Args:
            split: The split that is wanted; "auto" takes the one that was made.
            tie_policy: The policy that is wanted; "file", the default, takes the one that was followed.
            filters: Values of options that choose among events; none may be set.
            own_rows: Whether the sequences are to have other item rows than those of this catalogue.

        Raises:
            ValueError: If anything is wanted that the sequences were not made with.
        """
        if split not in ("auto", self.split):
            raise ValueError(f"--split is {split}, and {self.name} was prepared with {self.split}; prepare it anew")
        if tie_policy not in ("file", self.tie_policy):
            raise ValueError(f"--tie-policy is {tie_policy}, and {self.name} was prepared with {self.tie_policy}")
        chosen = [name for name, value in filters.items() if value]
        if chosen:
            option = chosen[0].replace("_", "-")
            raise ValueError(f"--{option} chooses among events, and {self.name} holds sequences; fit the tables")
        if own_rows:
            raise ValueError(f"{self.name} holds sequences of its own catalogue; fit the tables on another's")


def is_prepared(folder: str | Path | None) -> bool:
    """Whether a folder was written by `prepare_tables`, finished or not."""
    return folder is not None and (Path(folder).expanduser() / MANIFEST).is_file()


def open_prepared(folder: str | Path) -> PreparedFolder:
    """Open a folder that `prepare_tables` has written.

    Raises:
        ValueError: If it is unfinished, damaged, or none.
    """
    folder = Path(folder).expanduser()
    file = folder / MANIFEST
    if not file.is_file():
        raise ValueError(f"folder {folder} has no {MANIFEST}; make it with xcat prepare")
    manifest = _read(file)
    if not manifest.get("complete"):
        raise ValueError(f"folder {folder} holds an unfinished preparation; run the same xcat prepare again")
    for name, shards in manifest["shards"].items():
        there = len(list((folder / name).glob("*.parquet")))
        if there != shards:
            raise ValueError(f"folder {folder} has {there} of {shards} shards of {name}; prepare it anew")
    return PreparedFolder(folder, manifest)


def load_prepared(folder: str | Path) -> PreparedShop:
    """The shop of a prepared folder, for training.

    Raises:
        ValueError: As `open_prepared`.
    """
    prepared = open_prepared(folder)
    manifest = prepared.manifest
    items = pl.from_arrow(prepared.vocabulary().table)
    assert isinstance(items, pl.DataFrame)
    extremes = pl.DataFrame(
        {"timestamp": manifest["times"] or [None, None], "rating": manifest["ratings"] or [None, None]},
        schema={"timestamp": pl.Int64, "rating": pl.Float64},
    )
    empty = pl.DataFrame(schema=EVENT_SCHEMA)
    events = pl.concat([empty, extremes], how="diagonal").select(list(EVENT_SCHEMA))
    times = manifest["times"] or (None, None)
    card = DataCard(
        manifest["name"], rows={"items": items.height, "events": manifest["events"]}, users=manifest["users"],
        first_event=times[0], last_event=times[1],
    )  # fmt: skip
    return PreparedShop(
        items, events, prepared.problems(), manifest["name"], card=card, sequences=prepared.splits(),
        split=prepared.split, event_types=prepared.event_types,
        tie_policy=manifest["request"]["options"]["tie_policy"],
    )  # fmt: skip


def check_folder(folder: Path, request: dict[str, Any], overwrite: bool) -> PreparedFolder | None:
    """Look at what is in an output folder before any work is done.

    Returns:
        The finished preparation of the same request, or None if there is work to do.

    Raises:
        ValueError: If the folder is a file or holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--output {folder} is a file; give a folder")
    if not folder.exists() or not any(folder.iterdir()):
        return None
    if not (folder / MANIFEST).is_file():
        raise ValueError(f"--output {folder} is not empty; give another folder")
    manifest = _read(folder / MANIFEST)
    if manifest.get("request") == json.loads(json.dumps(request)):
        return open_prepared(folder) if manifest["complete"] else None
    if not overwrite:
        raise ValueError(
            f"--output {folder} holds a preparation of other tables or with other options; give another folder, "
            "or add --overwrite"
        )
    for name in (*SPLITS, WORK):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (MANIFEST, VOCABULARY_FILE, "users.parquet", "promotions.parquet", "README.md"):
        (folder / name).unlink(missing_ok=True)
    return None


def write_manifest(folder: Path, manifest: dict[str, Any]) -> PreparedFolder:
    """Write the manifest, whole or not at all."""
    unfinished = folder / f"{MANIFEST}.unfinished"
    unfinished.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(folder / MANIFEST)
    return PreparedFolder(folder, manifest)


def _read(file: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}); prepare into another folder") from error
    return manifest

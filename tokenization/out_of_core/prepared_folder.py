"""A folder of prepared sequences: its manifest, and loading it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ..tables.data_card import DataCard
from ..tables.event_roles import EventRoles, saved_roles
from ..tables.problems import TableProblem
from ..tables.schema import EVENT_SCHEMA, Options, ShopTables, TableColumns, rows_hash
from ..tables.table_columns import SavedColumns, is_chosen
from ..text.item_text import DEFAULT_TEXT_FIELDS
from ..vocabulary import NUM_SPECIAL_ROWS, VOCABULARY_FILE, ItemVocabulary
from .recoded import recoded

if TYPE_CHECKING:
    import datasets

    from ..images.image_options import ImageOptions
    from ..images.item_images import ItemImages
    from ..sequences.event_options import EventOptions
    from ..sequences.split_data import SplitData

MANIFEST = "preparation.json"
PARTS = ("train", "validation", "test")
WORK = "unfinished"
"""Work folder of an unfinished preparation; removed at the end."""


@dataclass(frozen=True)
class PreparedFolder:
    """A folder with the item vocabulary and the shards of the splits.

    Args:
        folder: The folder.
        manifest: Tables, options and hashes that it was made from, and its content.
        found: Issues with unmasked values of users, if the folder is new; issues in the manifest are masked.
    """

    folder: Path
    manifest: dict[str, Any]
    found: tuple[TableProblem, ...] = field(default=(), repr=False, compare=False)

    @property
    def split(self) -> str:
        """The split of these sequences."""
        return str(self.manifest["split"])

    @property
    def event_types(self) -> list[str]:
        """Event types, in the order of their codes."""
        return list(self.manifest["event_types"])

    @property
    def roles(self) -> EventRoles:
        """Roles of the event types."""
        return saved_roles(self.event_types, self.manifest)

    def vocabulary(self) -> ItemVocabulary:
        """The item vocabulary."""
        return ItemVocabulary.load(self.folder)

    def splits(self) -> datasets.DatasetDict:
        """The splits; `datasets` converts the shards once and then uses its cache."""
        import datasets

        shards = {name: sorted(str(path) for path in (self.folder / name).glob("*.parquet")) for name in PARTS}
        found = {name: datasets.Dataset.from_parquet(shards[name]) for name in PARTS if shards[name]}
        features = datasets.Features({**found["train"].features, "targets": datasets.List(datasets.Value("int32"))})
        empty = datasets.Dataset.from_dict({name: [] for name in features}, features=features)
        return datasets.DatasetDict({name: found.get(name, empty) for name in PARTS})

    def problems(self) -> list[TableProblem]:
        """Data-quality issues of the tables: repairs and warnings."""
        return [TableProblem(**problem) for problem in self.manifest["problems"]]


def _no_sequences() -> datasets.DatasetDict:
    import datasets

    return datasets.DatasetDict()


@dataclass
class PreparedShop(ShopTables):
    """A dataset whose events are already sequences.

    Its `events` has only two rows, with the first and last time and the lowest and highest rating. Nothing else of the
    interaction log is needed if the sequences exist.

    Args:
        sequences: The splits.
        event_types: Event types, in the order of their codes.
        made: Options of their preparation, as in `PrepareOptions`.
        made_from: The whole request of the preparation, with hashes of the tables.
        images: Facts of its images, from `prepare_images`; None for none.
    """

    sequences: datasets.DatasetDict = field(default_factory=_no_sequences)
    event_types: list[str] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)
    made_from: dict[str, Any] = field(default_factory=dict)
    images: dict[str, Any] | None = None

    def item_images(
        self, options: ImageOptions, *, encoder: Any = None, cache_dir: Path | None = None
    ) -> ItemImages | None:
        """The images of the preparation, as `load_images`."""
        from .prepared_images import load_images

        return load_images(self.folder, self.images, options, encoder)

    def hashes(self) -> dict[str, str]:
        """Hash of the catalogue, and of the events: of the request that the folder was made for."""
        request = json.dumps(self.made_from, sort_keys=True, default=str)
        return {"items": rows_hash(self.items), "events": hashlib.sha256(request.encode()).hexdigest()}

    @property
    def num_events(self) -> int:
        """Number of events in the prepared tables."""
        return int(self.card.rows["events"])

    def split(
        self,
        events: EventOptions | None = None,
        *,
        vocabulary: ItemVocabulary | None = None,
        event_types: list[str] | None = None,
        text_fields: Sequence[str] = DEFAULT_TEXT_FIELDS,
        cache_dir: Path | None = None,
    ) -> SplitData:
        """The prepared sequences; arguments as of `ShopTables.split`, without a cache.

        Raises:
            ValueError: If an option differs from the preparation.
        """
        from datasets import DatasetDict

        from ..sequences.event_options import EventOptions
        from ..sequences.split_data import SplitData, without_cold_items
        from ..text.vocabulary_texts import text_vocabulary

        options = self.resolved(events or EventOptions())
        if vocabulary is None or event_types is None:
            vocabulary, event_types = text_vocabulary(self.items, text_fields), self.event_types
            splits = DatasetDict(self.sequences)
        else:
            splits = self.splits_for(vocabulary, event_types)
        if not self.made.get("cold_items"):  # else their events are already removed
            splits = without_cold_items(splits, options)
        return SplitData(vocabulary, event_types, splits, options, self, self)

    def resolved(self, options: Options) -> Options:
        """The options, with those of the preparation.

        Raises:
            ValueError: If an option differs from the preparation and needs the original events.
        """
        from ..sequences.event_options import COLD_OPTIONS, EVENT_OPTIONS, EventOptions

        # Prepared sequences can still get cold items, once.
        names = [n for n in EVENT_OPTIONS if self.made.get("cold_items") or n not in COLD_OPTIONS]
        defaults = EventOptions()
        made = {name: self.made.get(name, getattr(defaults, name)) for name in names} | {"split": self.made_split}
        for name in names:
            value = getattr(options, name)
            if value not in (getattr(defaults, name), made[name]):
                raise ValueError(
                    f"{name} is {value!r}, and {self.name} was prepared with {made[name]!r}; prepare the original "
                    f"tables again with {name}={value!r}, or give these tables instead"
                )
        policy = getattr(options, "policy", None)
        kept = {"policy": self.made["policy"]} if policy is None and self.made.get("policy") is not None else {}
        return replace(options, **made, **kept)

    def event_type_names(self) -> list[str]:
        """Event types, in the order of their codes."""
        return list(self.event_types)

    def event_roles(self, options: EventOptions) -> EventRoles:
        """Roles of the event types, as the folder was made."""
        return saved_roles(self.event_types, self.made)

    def split_advice(self, options: EventOptions) -> str | None:
        """None: the split was chosen during preparation."""
        return None

    def options_of_training(self, saved: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Saved options of cold items, unless the folder has cold items; all other options are the folder's."""
        from ..sequences.event_options import COLD_OPTIONS

        later = () if self.made.get("cold_items") else (*COLD_OPTIONS, "seed")
        return {name: saved[name] for name in later if name in saved and name not in given}

    def log(self, reason: str) -> pl.DataFrame:
        """Refuse: a prepared folder does not contain the interaction log.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"{reason}, and the prepared {self.name} does not contain them; give the original tables")

    def splits_for(self, vocabulary: ItemVocabulary, event_types: Sequence[str]) -> datasets.DatasetDict:
        """The splits with the indices and codes of another catalogue; missing items become unknown, and never targets.

        Args:
            vocabulary: The catalogue.
            event_types: Event types of the catalogue's model; a missing type has code 0.
        """
        import datasets

        ids = self.items["item_id"].to_arrow()
        rows = np.concatenate([np.arange(NUM_SPECIAL_ROWS), vocabulary.encode(ids)]).astype(np.int32)
        place = {name: code for code, name in enumerate(event_types, start=1)}
        codes = np.array([0, *(place.get(name, 0) for name in self.event_types)], dtype=np.int32)
        return datasets.DatasetDict({name: recoded(split, rows, codes) for name, split in self.sequences.items()})


def load_prepared_data(
    folder: str | Path, columns: TableColumns | None, time_format: str | None, encoding: str | None
) -> PreparedShop:
    """Like `load_prepared`; refuses arguments of `load_shop` about the format of tables.

    Raises:
        ValueError: As `open_prepared`; and if column names, a time format or an encoding is given.
    """
    if is_chosen(time_format) or is_chosen(encoding):
        raise ValueError(
            f"{folder} was prepared, and its times are already read; leave time_format= and encoding= out"
        )
    if columns not in (None, TableColumns()) and not isinstance(columns, SavedColumns):
        raise ValueError(f"{folder} was prepared, and its columns already have our names; leave columns= out")
    return load_prepared(folder)


def refuse_prepared(folder: object, use: str) -> None:
    """Refuse a prepared folder if the original tables are needed.

    Args:
        folder: The given folder; anything else is not a prepared folder.
        use: The intended use of the tables, such as "inspect".

    Raises:
        ValueError: If it is a prepared folder; the message lists its original tables.
    """
    if not is_prepared(folder):
        return
    inputs = _read(Path(str(folder)).expanduser() / MANIFEST).get("request", {}).get("inputs", {})
    tables = [name for name in inputs if Path(name).is_absolute()]
    named = f": {', '.join(tables)}" if tables else ""
    raise ValueError(
        f"{folder} contains sequences made by xcat prepare, not an events table; {use} the original tables "
        f"instead{named}"
    )


def is_prepared(folder: object) -> bool:
    """Whether a folder was written by `prepare_tables`, finished or not."""
    return isinstance(folder, str | os.PathLike) and (Path(folder).expanduser() / MANIFEST).is_file()


def open_prepared(folder: str | Path) -> PreparedFolder:
    """Open a folder that `prepare_tables` has written.

    Raises:
        ValueError: If it is unfinished, damaged, or not a prepared folder.
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
            raise ValueError(f"folder {folder} has {there} of {shards} shards of {name}; prepare it again")
    return PreparedFolder(folder, manifest)


def load_prepared(folder: str | Path) -> PreparedShop:
    """The dataset of a prepared folder, for training.

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
    times, request = manifest["times"] or (None, None), manifest["request"]
    card = DataCard(
        manifest["name"], rows={"items": items.height, "events": manifest["events"]}, users=manifest["users"],
        first_event=times[0], last_event=times[1],
    )  # fmt: skip
    return PreparedShop(
        items, events, prepared.problems(), manifest["name"], card=card, sequences=prepared.splits(),
        made_split=prepared.split, event_types=prepared.event_types, made=_made(manifest),
        made_from=_without_places(request),
        columns=TableColumns(**request.get("columns", {})), time_format=request.get("time_format"),
        encoding=request.get("encoding"), folder=prepared.folder, images=manifest.get("images"),
    )  # fmt: skip


def _without_places(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request without the folders of its tables."""
    return {**request, "inputs": sorted(map(str, request.get("inputs", {}).values()))}


def _made(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a preparation, with the event-type roles that it found; old folders have no roles."""
    found = {
        name: tuple(manifest[name]) for name in ("target_event_types", "negative_event_types") if name in manifest
    }
    return {**manifest["request"]["options"], **found}


def check_content(folder: Path) -> bool:
    """Whether an output folder has a preparation, finished or not.

    Raises:
        ValueError: If the folder is a file or has other content.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder {folder} is a file; give another folder")
    if not folder.exists() or not any(folder.iterdir()):
        return False
    if not (folder / MANIFEST).is_file():
        raise ValueError(f"folder {folder} is not empty; give another folder")
    return True


def check_folder(folder: Path, request: dict[str, Any], overwrite: bool) -> PreparedFolder | None:
    """Check the content of an output folder before any work.

    Returns:
        The finished preparation of the same request, or None if there is work to do.

    Raises:
        ValueError: If the folder is a file or has other content.
    """
    if not check_content(folder):
        return None
    manifest = _read(folder / MANIFEST)
    if manifest.get("request") == json.loads(json.dumps(request)):
        return open_prepared(folder) if manifest["complete"] else None
    if not overwrite:
        raise ValueError(
            f"folder {folder} holds a preparation of other tables or with other options; give another folder, "
            "or overwrite=True"
        )
    empty_folder(folder)
    return None


def empty_folder(folder: Path) -> None:
    """Remove the files of a preparation, and no others."""
    for name in (*PARTS, WORK):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (MANIFEST, VOCABULARY_FILE, "images.parquet", "users.parquet", "promotions.parquet", "README.md"):
        (folder / name).unlink(missing_ok=True)


def write_manifest(folder: Path, manifest: dict[str, Any]) -> PreparedFolder:
    """Write the manifest atomically."""
    unfinished = folder / f"{MANIFEST}.unfinished"
    unfinished.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(folder / MANIFEST)
    return PreparedFolder(folder, manifest)


def _read(file: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is damaged ({error}); prepare into another folder") from error
    return manifest

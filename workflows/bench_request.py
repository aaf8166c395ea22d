"""Inputs and result of a run of a benchmark, and what all its runs have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..evaluation.categories import check_category_column
from ..modeling_xcat.hub_xcat import is_local
from ..tokenization.interests.reader import NO_INTEREST
from ..tokenization.sequences.split_data import SplitData
from ..tokenization.tables.schema import ShopTables
from ..tokenization.text.vocabulary_texts import items_table
from ..training.preparation.options import PreparationOptions
from ..training.provenance import describe_machine, installed_versions, peak_memory_mb, source_commit
from ..training.recipes import Recipe
from .read_shop import read_shop

PROBABILITY, LABEL, USER = "probability", "label", "user"
"""Arrays of a run of clicks: one value per impression of the test split."""
SPLIT_SEED = 0
"""Default seed of ties and cold items, the same for every run; the run's own seed is for its training."""


@dataclass(frozen=True)
class BenchRequest:
    """Inputs of a run.

    Args:
        model: One of `BASELINES` or `FROM_BASE`, or a name of `RECIPES`.
        seed: Seed of weights and training.
        data: As in `load_shop`.
        items: As in `load_shop`.
        events: As in `load_shop`.
        columns: Column names, as `parse_columns` reads them; None for the names in the base's training, for every
            model of the file, or the default names.
        unknown_items: "error" or "drop".
        missing_users: "error" or "drop".
        time_format: As in `load_shop`; None for the format in the base's training, or to detect it.
        encoding: Likewise.
        fields: Fields of `PreparationOptions`, `XCatConfig` and `XCatTrainingArguments` by name; the latter two
            apply to trained models.
        base: Checkpoint that the models of `FROM_BASE` start from, a folder or repository.
        category_column: Column of the items table by which metrics are also grouped; None for no grouping.
        asks: Kinds of queries to measure the ranking with, separated by commas; None for none.
        task: Name of the task of trained models; None for next-item prediction.
        task_options: Options of the task, such as fields of `ClickOptions`.
        judged: Required `evaluation_fingerprint` of the test split, if other runs used it already; None for any.
        hashes: Required `table_hashes` of the tables, if other runs used them already; None for any.
    """

    model: str
    seed: int = 0
    data: str | None = None
    items: str | None = None
    events: str | None = None
    columns: str | None = None
    unknown_items: str = "error"
    missing_users: str = "error"
    time_format: str | None = None
    encoding: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    base: str | None = None
    category_column: str | None = None
    asks: str | None = None
    task: str | None = None
    task_options: Mapping[str, Any] = field(default_factory=dict)
    judged: str | None = None
    hashes: Mapping[str, str] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """All options except model and seed, in JSON types and without folders; equal for all rows of one file."""
        named = {name: Path(value).name for name in ("data", "items", "events") if (value := getattr(self, name))}
        if self.base is not None:
            named["base"] = Path(self.base).resolve().name if is_local(self.base) else self.base
        if self.category_column is not None:
            named["category_column"] = self.category_column
        if self.asks is not None:
            named["asks"] = self.asks
        if self.task is not None:
            named["task"] = self.task
        formats = {"time_format": self.time_format, "encoding": self.encoding}
        named |= {name: value for name, value in formats.items() if value is not None}
        if self.missing_users != "error":
            named["missing_users"] = self.missing_users
        fields = {name: value for name, value in self.fields.items() if name != "cache_dir"}
        encoder = fields.get("text_encoder")
        if isinstance(encoder, str) and Path(encoder).is_dir():
            fields["text_encoder"] = Path(encoder).resolve().name
        told = {
            **named, "columns": self.columns, "unknown_items": self.unknown_items, **fields, **self.task_options
        }  # fmt: skip
        plain: dict[str, Any] = json.loads(json.dumps(told, default=str))
        return plain


@dataclass(frozen=True)
class BenchRun:
    """Result of a run.

    Args:
        row: The object in the file.
        per_user: Metric name to (users of the test split,) values; NaN for users without such a target. For clicks,
            `PROBABILITY`, `LABEL` and `USER` of each impression.
        notes: Warnings about the data, in sentences.
    """

    row: dict[str, Any]
    per_user: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()


def stored_arrays(per_user: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Values of a run as its process writes them: probabilities as they are, others in float32.

    Probabilities of a weak model differ so little that float32 would change ranks, AUC and ECE.

    Args:
        per_user: As of `BenchRun`.
    """
    return {name: found if name == PROBABILITY else found.astype(np.float32) for name, found in per_user.items()}


def read_run(request: BenchRequest, preparation: Mapping[str, Any]) -> tuple[ShopTables, PreparationOptions]:
    """Load the tables of a run, and the options of its preparation.

    Args:
        request: The run.
        preparation: Its fields of `PreparationOptions`.

    Raises:
        ValueError: If the tables or a field cannot be used, or other runs had other tables.
    """
    shop = read_shop(
        request.data, items=request.items, events=request.events, columns=request.columns,
        time_format=request.time_format, encoding=request.encoding,
        unknown_items="drop" if request.unknown_items == "drop" else "error",
        missing_users="drop" if request.missing_users == "drop" else "error", saved=request.base,
    )  # fmt: skip
    check_tables(request.hashes, shop)
    if request.category_column is not None:
        check_category_column(items_table(shop.items.head(0)).schema, request.category_column)
    options = PreparationOptions(**{"split_seed": SPLIT_SEED, **preparation, "seed": request.seed})
    return shop, shop.resolved(options)


def table_hashes(shop: ShopTables) -> dict[str, str]:
    """Hash of each table, and the version of polars, within which they are stable."""
    return {**shop.hashes(), "polars": pl.__version__}


def check_tables(hashes: Mapping[str, str] | None, shop: ShopTables) -> None:
    """Refuse tables that differ from those of other runs; hashes of another version of polars are not compared.

    Args:
        hashes: `table_hashes` of the other runs; None for no other runs, or runs of an older version.
        shop: The tables.

    Raises:
        ValueError: If a table differs; its rows, their order, its columns or types.
    """
    if hashes is None or hashes.get("polars") != pl.__version__:
        return
    for name, value in table_hashes(shop).items():
        if hashes.get(name) != value:
            raise ValueError(
                f"the {name} table of {shop.name} differs from that of the other runs in the file (hash {value[:12]}, "
                f"{str(hashes.get(name))[:12]} in the file); give the same tables, or another output="
            )


def check_judged(request: BenchRequest, data: SplitData, judged: str) -> str:
    """The fingerprint of the test split, after checking that other runs used it.

    Args:
        request: The run.
        data: The split data.
        judged: `evaluation_fingerprint` of its test split.

    Raises:
        ValueError: If other runs had another test split.
    """
    if request.judged not in (None, judged):
        raise ValueError(
            f"the test split of {data.shop.name}, {len(data.test):,} users, differs from the test split of "
            f"the other runs in the file: users, histories, targets or items differ (fingerprint {judged[:12]}, "
            f"{str(request.judged)[:12]} in the file); give the same tables, or another output="
        )
    return judged


def describe_split(data: SplitData, options: PreparationOptions) -> dict[str, Any]:
    """The data set and its split, for the `data` of a row."""
    shop = data.selected
    return {
        "name": shop.name,
        "hashes": table_hashes(data.shop),
        "users": shop.card.users,
        "items": data.vocabulary.num_items,
        "events": shop.card.rows["events"],
        "split": str(data.split),
        "tie_policy": str(options.tie_policy),
        "split_seed": options.split_seed,
        "cold_items": options.cold_items,
        "cold_policy": str(options.cold_policy) if options.cold_items else None,
        "notes": [str(problem) for problem in shop.problems],
        "event_roles": data.roles.to_dict(),
    }


def describe_run(request: BenchRequest, precision: str) -> dict[str, Any]:
    """Options, memory, machine and versions of a run, for its row."""
    return {
        "peak_memory_mb": round(peak_memory_mb()),
        "options": request.options,
        "machine": describe_machine(precision),
        "versions": installed_versions(),
        "commit": source_commit(),
    }


def use_recipe(recipe: Recipe, options: PreparationOptions, config: Mapping[str, Any]) -> None:
    """Set the configuration of a recipe in the options of a preparation; given fields take precedence.

    Args:
        recipe: The recipe.
        options: The options, changed in place.
        config: Given fields of `XCatConfig`.
    """
    options.config = {**recipe.config, **config}
    if options.item_features is not None and "item_features" not in config:
        options.config.pop("item_features", None)  # given columns take precedence over the recipe
    if not (options.config.get("use_text", True) and options.config.get("num_fusion_layers", 1)):
        options.interests = NO_INTEREST  # a model without text cannot use them

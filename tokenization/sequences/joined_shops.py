"""Several datasets as one, for pretraining: each is split on its own, and no item or user id is shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, DatasetDict, Features, List, Value

from ..out_of_core.prepared_folder import PreparedShop
from ..tables.data_card import DataCard
from ..tables.event_roles import ROLES, TARGET, EventRoles
from ..tables.schema import EVENT_SCHEMA, ShopTables
from ..text.item_text import DEFAULT_TEXT_FIELDS, item_texts
from ..text.vocabulary_texts import text_vocabulary
from ..text_language import TextLanguage, find_language
from ..vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from .event_options import EventOptions
from .split_data import SplitData
from .splits import AUTO

SHOP = "shop"
"""Column of the joined items table with the name of the dataset of each item."""


@dataclass
class JoinedShops(ShopTables):
    """Several datasets as one; `join_shops` makes it.

    An id is the name of its dataset, a slash and the id there, so equal ids of two datasets are different items and
    users. Ratings are left out, because their scales differ. Items have the column `shop`, in the order of `shops`.

    Args:
        shops: The datasets.
    """

    shops: Sequence[ShopTables] = field(default_factory=tuple)

    def hashes(self) -> dict[str, str]:
        """Hash of each table of each dataset."""
        return {f"{shop.name}: {name}": value for shop in self.shops for name, value in shop.hashes().items()}

    def event_roles(self, options: EventOptions) -> EventRoles:
        """Roles in any of the datasets: a type is a target if it is one in some dataset."""
        roles = [shop.event_roles(_options_for(shop, options)) for shop in self.shops]
        targets = {name for found in roles for name in found.targets}
        negative = {name for found in roles for name in found.negative} - targets
        names = self.event_type_names()
        context = [name for name in names if name not in targets | negative]
        return EventRoles(
            tuple(name for name in names if name in targets),
            tuple(context),
            tuple(name for name in names if name in negative),
        )

    def split_advice(self, options: EventOptions) -> str | None:
        """None: each dataset has its own split."""
        return None

    def split(
        self,
        events: EventOptions | None = None,
        *,
        vocabulary: ItemVocabulary | None = None,
        event_types: list[str] | None = None,
        text_fields: Sequence[str] = DEFAULT_TEXT_FIELDS,
        cache_dir: Path | None = None,
    ) -> SplitData:
        """Split each dataset on its own, and join the sequences; arguments as of `ShopTables.split`.

        Raises:
            ValueError: If a dataset has no training sequence; or as `ShopTables.split`.
        """
        options = events or EventOptions()
        kinds = self.event_type_names() if event_types is None else event_types
        parts = []
        for shop in self.shops:
            part = shop.split(_options_for(shop, options), event_types=kinds, text_fields=(), cache_dir=cache_dir)
            if not len(part.train):
                raise ValueError(
                    f"{shop.name}: split {part.split!r} leaves no user with two training events "
                    f"({part.selected.num_events} rows); give more events, another split, or leave the dataset out"
                )
            parts.append(part)
        selected = join_tables([part.selected for part in parts])
        rows = text_vocabulary(selected.items, text_fields) if vocabulary is None else vocabulary
        splits = DatasetDict({
            name: _joined([_renamed(part.splits[name], part.vocabulary, rows, part.shop.name) for part in parts])
            for name in ("train", "validation", "test")
        })  # fmt: skip
        names = {part.split for part in parts}
        selected.made_split = names.pop() if len(names) == 1 else AUTO
        return SplitData(rows, kinds, splits, options, self, selected)


def join_shops(shops: Sequence[ShopTables], text_fields: Sequence[str] = DEFAULT_TEXT_FIELDS) -> JoinedShops:
    """Join datasets for pretraining.

    Args:
        shops: Two datasets or more. Equal names get numbers.
        text_fields: Columns of the items tables that form an item's text; a dataset may lack some of them.

    Raises:
        ValueError: If there are fewer than two, one is given twice, is a prepared folder, or has no items, no events
            or no item texts.
    """
    if len(shops) < 2:
        raise ValueError(
            f"pretraining needs the logs of several datasets, and got {len(shops)}; give two or more, or train on one "
            "with fit"
        )
    for shop in shops:
        _check(shop, text_fields)
    hashes = [tuple(shop.hashes().values()) for shop in shops]
    for place, found in enumerate(hashes):
        if found in hashes[:place]:
            raise ValueError(
                f"{shops[place].name} has the same tables as {shops[hashes.index(found)].name}; give each dataset once"
            )
    return join_tables(_named_apart(shops))


def join_tables(shops: Sequence[ShopTables]) -> JoinedShops:
    """Join the tables of datasets with different names."""
    items = [
        shop.items.with_columns(_id(shop, "item_id"), pl.lit(shop.name).alias(SHOP)) for shop in shops
    ]  # fmt: skip
    events = [
        shop.events.select(*EVENT_SCHEMA).with_columns(
            _id(shop, "user_id"), _id(shop, "item_id"), pl.lit(None, pl.Float64()).alias("rating")
        )
        for shop in shops
    ]  # fmt: skip
    name = ", ".join(shop.name for shop in shops)
    table, log = pl.concat(_of_one_type(items), how="diagonal"), pl.concat(events)
    problems = [replace(problem, table=f"{shop.name}: {problem.table}") for shop in shops for problem in shop.problems]
    licences = {shop.name: shop.card.licence for shop in shops if shop.card.licence}
    card = DataCard(name, licence="; ".join(f"{key}: {value}" for key, value in licences.items()))
    return JoinedShops(table, log, problems, name, card=card.counted(table, log), shops=tuple(shops))


def languages_of(shops: JoinedShops, text_fields: Sequence[str] = DEFAULT_TEXT_FIELDS) -> dict[str, TextLanguage]:
    """Language of the item texts of each dataset, by its name; datasets without letters are left out.

    Args:
        shops: The datasets.
        text_fields: Columns of an item's text.
    """
    found = {shop.name: find_language(_texts(shop, text_fields)) for shop in shops.shops}
    return {name: language for name, language in found.items() if language is not None}


def _check(shop: ShopTables, text_fields: Sequence[str]) -> None:
    """Refuse a dataset that nothing can be pretrained on."""
    if isinstance(shop, PreparedShop):
        raise ValueError(
            f"{shop.name} is a prepared folder, and pretraining needs the tables of each dataset; give those"
        )
    for name, table in (("items", shop.items), ("events", shop.events)):
        if not table.height:
            raise ValueError(f"{shop.name}: the table {name} has no rows; give more, or leave the dataset out")
    if not any(_texts(shop, text_fields)):
        raise ValueError(
            f"{shop.name}: none of {shop.items.height:,} items has a text in {', '.join(text_fields)}, and "
            "pretraining reads texts alone; give columns= for the titles, or leave the dataset out"
        )


def _texts(shop: ShopTables, text_fields: Sequence[str]) -> list[str]:
    return item_texts(shop.items, [name for name in text_fields if name in shop.items.columns])


def _named_apart(shops: Sequence[ShopTables]) -> list[ShopTables]:
    """The datasets with different names: the second "shop" is called "shop-2"."""
    seen: Counter[str] = Counter()
    named = []
    for shop in shops:
        seen[shop.name] += 1
        count = seen[shop.name]
        named.append(shop if count == 1 else replace(shop, name=f"{shop.name}-{count}"))
    return named


def _id(shop: ShopTables, column: str) -> pl.Expr:
    return pl.concat_str(pl.lit(f"{shop.name}/"), pl.col(column)).alias(column)


def _of_one_type(tables: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Tables whose columns of one name have one type; a column of several types is left out, unless all are texts."""
    kinds: dict[str, set[str]] = {}
    for table in tables:
        for name, kind in table.schema.items():
            kinds.setdefault(name, set()).add(str(kind))
    return [table.select(name for name in table.columns if len(kinds[name]) == 1) for table in tables]


def _options_for(shop: ShopTables, options: EventOptions) -> EventOptions:
    """The options, with the given target and negative event types that the dataset has."""
    own = set(shop.event_type_names())
    kept: dict[str, Any] = {
        name: tuple(kind for kind in given if kind in own)
        for name in ("target_event_types", "negative_event_types")
        if (given := getattr(options, name)) is not None
    }
    if "target_event_types" in kept and not kept["target_event_types"]:
        raise ValueError(
            f"target_event_types is {','.join(options.target_event_types or ())}, and {shop.name} has none of them; "
            f"it has {', '.join(sorted(own))}"
        )
    return replace(options, **kept)


def _renamed(rows: Dataset, own: ItemVocabulary, joined: ItemVocabulary, name: str) -> pa.Table:
    """Sequences with the item indices of the joined catalogue and with joined user ids."""
    places = np.arange(len(own), dtype=np.int32)
    ids = pc.binary_join_element_wise(name, pc.cast(own.column("item_id"), pa.string()), "/")
    places[NUM_SPECIAL_ROWS:] = joined.encode(ids)
    table = rows.with_format("arrow")[:]
    for column in {"items", "targets"} & set(table.column_names):
        table = table.set_column(table.column_names.index(column), column, _mapped(table[column], places))
    users = pc.binary_join_element_wise(name, pc.cast(table["user_id"], pa.string()), "/")
    return table.set_column(table.column_names.index("user_id"), "user_id", users)


def _mapped(column: pa.ChunkedArray, places: np.ndarray) -> pa.Array:
    """A list column with other values."""
    lists = column.combine_chunks()
    ends = np.append(0, np.cumsum(pc.list_value_length(lists).to_numpy(zero_copy_only=False))).astype(np.int32)
    values = places[lists.flatten().to_numpy(zero_copy_only=False)]
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values, pa.int32()))


def _joined(tables: list[pa.Table]) -> Dataset:
    """One data set of sequences; where only some have roles, all events of the others are targets."""
    if any(ROLES in table.column_names for table in tables):
        tables = [table if ROLES in table.column_names else _with_roles(table) for table in tables]
    whole = pa.concat_tables([table.select(tables[0].column_names) for table in tables], promote_options="permissive")
    features = {name: Value("string") if name == "user_id" else _LISTS[name] for name in whole.column_names}
    return Dataset(whole.cast(Features(features).arrow_schema))


def _with_roles(table: pa.Table) -> pa.Table:
    lengths = pc.list_value_length(table["items"].combine_chunks()).to_numpy(zero_copy_only=False)
    ends = pa.array(np.append(0, np.cumsum(lengths)).astype(np.int32))
    roles = pa.ListArray.from_arrays(ends, pa.array(np.full(int(lengths.sum()), TARGET, dtype=np.int8)))
    return table.append_column(ROLES, roles)


_LISTS: dict[str, List] = {
    "items": List(Value("int32")),
    "event_types": List(Value("int32")),
    "ratings": List(Value("float32")),
    "timestamps": List(Value("int64")),
    ROLES: List(Value("int8")),
    "targets": List(Value("int32")),
}

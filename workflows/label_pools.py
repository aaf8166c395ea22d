"""Pools of candidates for labels from the tables of a dataset: texts, items and users."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ..counting import counted
from ..modeling_xcat.filters_xcat import Filters
from ..tokenization.interests.opinions import Statements
from ..tokenization.interests.sentiment import rating_polarity
from ..tokenization.sequences.timeline import TiePolicy, Unit, sort_events
from ..tokenization.sources.labels import known_labels
from ..tokenization.tables.schema import ShopTables
from ..tokenization.tables.values import read_texts
from ..tokenization.text import DEFAULT_TEXT_FIELDS, item_texts
from ..tokenization.text.text_columns import TEXT_COLUMNS
from ..training.labelling.label_pool import LabelPool, check_candidates

if TYPE_CHECKING:
    from ..ranking.recommender import XCatRecommender

Encode = Callable[[list[str]], np.ndarray]
"""Texts to (texts, width) states."""

TEXT, ITEM, USER = "text", "item_id", "user_id"
LATEST_EVENTS = 50
"""Latest events of a user that make the user's vector."""
_SIDES = {1.0: "positive", -1.0: "negative", 0.0: "neutral"}


def text_pool(statements: Statements, labels: Mapping[str, str], most: int, encode: Encode) -> LabelPool:
    """Distinct texts of users; a rating or a given label says whether a text is positive, negative or neutral.

    Args:
        statements: Texts and ratings.
        labels: Text to given label, which takes precedence over a rating.
        most: Most candidates, and most labelled texts, evenly spread.
        encode: Texts to states.

    Raises:
        ValueError: If there are no texts, or a label is not a sentiment.
    """
    written = set(statements.table["text"]) - {""}
    if not written:
        raise ValueError(
            "events have no texts; name their columns with text_columns=; by default they are "
            f"{', '.join(TEXT_COLUMNS)}"
        )
    table = statements.with_labels(known_labels(labels, written, TEXT)).table.filter(pl.col("text") != "")
    rated = table.group_by("text", maintain_order=True).agg(pl.col("rating").drop_nulls().last())
    texts = rated["text"].to_list()
    found = np.sign(
        rating_polarity(rated["rating"].cast(pl.Float64).fill_null(float("nan")).to_numpy(), *statements.scale)
    )
    sides = ["" if np.isnan(side) else _SIDES[float(side)] for side in found]
    check_candidates(TEXT, sides)
    rows = _spread(sides, most)
    chosen = [texts[row] for row in rows]
    return LabelPool(TEXT, chosen, chosen, encode(chosen), [sides[row] for row in rows])


def item_pool(shop: ShopTables, column: str, labels: Mapping[str, str], most: int, encode: Encode) -> LabelPool:
    """Items; the value of a column, such as the category, or a given label is the label of an item.

    The vectors are states of the items' other text fields, without the column.

    Args:
        shop: The tables.
        column: The column of items that is labelled.
        labels: Item id to given label, which takes precedence.
        most: As for `text_pool`.
        encode: Texts to states.

    Raises:
        ValueError: If there is no such column.
    """
    items = shop.items
    if column not in items.columns or column == ITEM:
        raise ValueError(f"column is {column!r}, which items does not have; it has {', '.join(items.columns)}")
    fields = [name for name in DEFAULT_TEXT_FIELDS if name in items.columns and name != column]
    texts = item_texts(items, fields)
    if not any(texts):
        raise ValueError(f"items have no texts besides {column}; a suggestion needs titles")
    ids = items[ITEM].to_list()
    given = known_labels(labels, set(ids), ITEM)
    values = [given.get(one, value or "") for one, value in zip(ids, read_texts(items[column]), strict=True)]
    # An item without text cannot be told from another one by a person either.
    usable = [row for row, text in enumerate(texts) if text]
    check_candidates(ITEM, [values[row] for row in usable])
    rows = [usable[place] for place in _spread([values[row] for row in usable], most)]
    chosen = [texts[row] for row in rows]
    return LabelPool(ITEM, [ids[row] for row in rows], chosen, encode(chosen), [values[row] for row in rows])


def user_pool(
    shop: ShopTables,
    labels: Mapping[str, str],
    most: int,
    encode: Encode | None,
    recommender: XCatRecommender | None = None,
) -> LabelPool:
    """Users; their label is given only, such as the name of a segment. The prior is the next category.

    The vector of a user is the mean of the text states of the items of the latest 50 events. The next category is
    predicted by a checkpoint, or by the user's counts and one pseudo-count that has the shop's shares.

    Args:
        shop: The tables.
        labels: User id to given label.
        most: As for `text_pool`.
        encode: Texts to states; None for the states of the checkpoint.
        recommender: The checkpoint; None for counts.
    """
    timeline = sort_events(shop.events, Unit.EVENT, TiePolicy.FILE, 0)
    log = timeline.events.group_by(USER, maintain_order=True).agg(ITEM).sort(USER)
    histories = dict(zip(log[USER], log[ITEM].to_list(), strict=True))
    ids = list(histories)
    given = known_labels(labels, set(ids), USER)
    check_candidates(USER, [given.get(one, "") for one in ids])
    rows = _spread([given.get(one, "") for one in ids], most)
    ids = [ids[row] for row in rows]
    items = [histories[one] for one in ids]
    latest = [history[-LATEST_EVENTS:] for history in items]
    titles = dict(zip(shop.items[ITEM], item_texts(shop.items, _fields(shop)), strict=True))
    vectors = _mean_states(latest, titles, encode, recommender)
    prior, names = _next_categories(shop, items, recommender)
    shown = [
        f"{counted(len(own), 'event')}, latest: {'; '.join(titles[item] for item in own[:-4:-1])}" for own in items
    ]
    return LabelPool(USER, ids, shown, vectors, [given.get(one, "") for one in ids], prior, names, "next category")


def _fields(shop: ShopTables) -> list[str]:
    return [name for name in DEFAULT_TEXT_FIELDS if name in shop.items.columns]


def _mean_states(
    histories: Sequence[Sequence[str]], titles: Mapping[str, str], encode: Encode | None,
    recommender: XCatRecommender | None,
) -> np.ndarray:  # fmt: skip
    """(users, width) mean state of the items of each history."""
    distinct = sorted({item for history in histories for item in history})
    if encode is not None:
        states = encode([titles[item] for item in distinct])
    else:
        import torch

        assert recommender is not None
        states = recommender.item_data.vectors(torch.from_numpy(recommender.vocabulary.encode(distinct)))
    place = {item: row for row, item in enumerate(distinct)}
    return np.stack([states[[place[item] for item in history]].mean(axis=0) for history in histories])


def _next_categories(
    shop: ShopTables, histories: Sequence[Sequence[str]], recommender: XCatRecommender | None
) -> tuple[np.ndarray | None, list[str]]:
    """(users, categories) probabilities of the next category, and the categories; None without categories."""
    if recommender is not None:
        return _predicted_categories(histories, recommender)
    if "category" not in shop.items.columns:
        return None, []
    of_item = dict(zip(shop.items[ITEM], shop.items["category"], strict=True))
    names = sorted({name for name in of_item.values() if name})
    if len(names) < 2:
        return None, []
    place = {name: column for column, name in enumerate(names)}
    counts = np.zeros((len(histories), len(names)))
    for user, history in enumerate(histories):
        for item in history:
            if of_item[item]:
                counts[user, place[of_item[item]]] += 1
    shares = counts.sum(axis=0) / max(counts.sum(), 1)
    return (counts + shares) / (counts + shares).sum(axis=1, keepdims=True), names


def _predicted_categories(
    histories: Sequence[Sequence[str]], recommender: XCatRecommender
) -> tuple[np.ndarray | None, list[str]]:
    """The same by a checkpoint, with the items of the history."""
    try:
        found = recommender.recommend_targets_many(
            histories, "category", len(recommender.vocabulary), filters=Filters(exclude_seen=False), explain=False
        )
    except ValueError:  # the catalogue has no categories
        return None, []
    names = sorted({one.name for each in found for one in each})
    place = {name: column for column, name in enumerate(names)}
    prior = np.zeros((len(histories), len(names)))
    for user, each in enumerate(found):
        for one in each:
            prior[user, place[one.name]] = one.probability
    return (prior, names) if len(names) > 1 else (None, [])


def _spread(labels: Sequence[str], most: int) -> list[int]:
    """Positions of at most so many labelled and so many other things, evenly spread."""
    labelled = [row for row, label in enumerate(labels) if label]
    others = [row for row, label in enumerate(labels) if not label]
    parts = [
        [part[row] for row in np.unique(np.linspace(0, len(part) - 1, min(most, len(part))).astype(int))]
        for part in (labelled, others)
        if part
    ]
    return [row for part in parts for row in part]

"""Items of `POST /items`, checked before they are added: their columns, ids, titles and prices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...modeling_xcat.arguments_xcat import kind_of
from ...ranking.recommender import XCatRecommender
from ...tokenization.tables.table_columns import saved_columns
from .errors import InvalidRequestError
from .ids import checked_id

_OURS = ("item_id", "title", "description", "category", "brand", "price")
MOST_LETTERS, MOST_NAME, MOST_PRICE = 20_000, 1_000, 1e12


def check_items(items: Sequence[Mapping[str, Any]], recommender: XCatRecommender) -> None:
    """Refuse items with a misspelt column or a value that no item has.

    Args:
        items: The items, with our names of columns or those of the checkpoint's training.
        recommender: The recommender, whose catalogue says which columns there are.

    Raises:
        InvalidRequestError: If an item is refused; it names the item by its place, and the column.
    """
    saved = saved_columns(recommender.processor.event_settings)
    names = {ours: ours if saved is None else str(getattr(saved, ours)) for ours in _OURS}
    known = {*names.values(), *_OURS, *recommender.vocabulary.table.column_names}
    for place, item in enumerate(items):
        fault = _fault(item, names, known)
        if fault is not None:
            raise InvalidRequestError(f"items.{place}.{fault}")


def _fault(item: Mapping[str, Any], names: Mapping[str, str], known: Collection[str]) -> str | None:
    """What is wrong with an item, beginning with the column; None if nothing is."""
    for name in item:
        if name not in known:
            return f"{name:.100} is not a column of the catalogue; it has {', '.join(sorted(known))}"
    given = {ours: item.get(column, item.get(ours)) for ours, column in names.items()}
    try:
        checked_id(given["item_id"])
    except ValueError as error:
        return f"item_id: {error}"
    if (price := given.pop("price")) is not None and (fault := _price(price)) is not None:
        return f"price {fault}"
    for name in ("title", "brand"):
        if given[name] is not None and not isinstance(given[name], str):
            return f"{name} is {kind_of(given[name])}; give a text"
    for name, value in item.items():
        most = MOST_LETTERS if name == names["description"] else MOST_NAME
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict | list):
                return f"{name} is {kind_of(one)}; give a text, a number, or a list of them"
            if isinstance(one, str) and len(one) > most:
                return f"{name} has {len(one):,} characters; give {most:,} at most"
    return None


def _price(value: Any) -> str | None:
    """What is wrong with a price; a text is read as in a table, and noted if it is no number."""
    if isinstance(value, str):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {kind_of(value)}; give a number"
    if not 0 <= value <= MOST_PRICE:
        shown = value if isinstance(value, float) or abs(value) < 10**20 else "too large"  # it can have many digits
        return f"is {shown}; give a number from 0 to {MOST_PRICE:,.0f}"
    return None

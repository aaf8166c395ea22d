"""The catalogue as visitors of a page see it: search, titles, prices and pictures of its items."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_PICTURE_NAME = re.compile(
    r"((main|primary|product|item)[_ ]?)?(image|img|im|picture|pic|photo|thumbnail)s?([_ ]?(url|uri|link|src)s?)?",
    re.IGNORECASE,
)
_PICTURE_KINDS = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"))


class Catalogue:
    """Items that a visitor can search and look at.

    Args:
        table: One row per item, with `item_id`; `title`, `price`, `currency` and picture columns are used if
            the table has them.
        counts: (items,) training events of each item; the more popular of two matches comes first.

    Example:
        >>> table = pa.table({"item_id": ["A1", "B2", "C3"], "title": ["Steak knife", "Green tea", "Tea pot"]})
        >>> catalogue = Catalogue(table, np.array([9, 1, 5]))
        >>> catalogue.search("tea"), catalogue.search("TEA green"), catalogue.search("b2", 1)
        ((['C3', 'B2', 'A1'], 3), (['B2'], 1), (['B2'], 1))
    """

    def __init__(self, table: pa.Table, counts: np.ndarray) -> None:
        self.table, self.counts = table, counts
        self._ids: list[str] = table["item_id"].to_pylist()
        self._rows = {item: row for row, item in enumerate(self._ids)}
        self._folded_ids = folded(table["item_id"])
        titles = table["title"] if "title" in table.column_names else pa.nulls(table.num_rows)
        text = pc.fill_null(pc.cast(titles, pa.large_string()), "")
        self._searched = pc.binary_join_element_wise(self._folded_ids, folded(text), pa.scalar(" ", pa.large_string()))
        self._pictures = [name for name in table.column_names if _PICTURE_NAME.fullmatch(name)]

    def __contains__(self, item: str) -> bool:
        return item in self._rows

    def search(self, query: str, limit: int = 20) -> tuple[list[str], int]:
        """Items that have every word of a query in their title or id, in any order; all items for an empty query.

        Case and accents make no difference. An item with exactly that id comes first, then items in which every word
        begins a word ("tea" finds "tea pot" before "steak"), each group by popularity.

        Args:
            query: Words.
            limit: Maximum number of returned items.

        Returns:
            Ids, best first, and the number of matches.
        """
        text: str = folded(pa.array([query]))[0].as_py()
        words = text.split()
        match = np.ones(len(self._ids), dtype=bool)
        for word in words:
            match &= _flags(pc.match_substring(self._searched, word))
        rows = match.nonzero()[0]
        inside = self._searched.take(pa.array(rows))
        begins = np.ones(len(rows), dtype=bool)
        for word in words:
            begins &= _flags(pc.match_substring_regex(inside, r"(^|[^\pL\pN])" + re.escape(word)))
        same = _flags(pc.equal(self._folded_ids.take(pa.array(rows)), pa.scalar(text.strip(), pa.large_string())))
        order = np.lexsort((rows, -self.counts[rows], ~begins, ~same))[:limit]
        return [self._ids[row] for row in rows[order]], len(rows)

    def item(self, item: str) -> dict[str, Any]:
        """All columns of an item; only the id for an item that is not in the catalogue."""
        row = self._rows.get(item)
        values: dict[str, Any] = {"item_id": item} if row is None else self.table.slice(row, 1).to_pylist()[0]
        return values

    def title(self, item: str) -> str:
        """Title of an item, or its id without a title."""
        return str(self.item(item).get("title") or item)

    def price(self, item: str) -> str:
        """Price of an item as text, with its currency if the catalogue has one; empty without a price."""
        return price_text(self.item(item))

    def picture(self, item: str) -> str | None:
        """Address of an item's picture, possibly with the picture in it; None without a picture."""
        values = self.item(item)
        return next((found for name in self._pictures if (found := picture_address(values.get(name)))), None)


def price_text(values: Mapping[str, Any]) -> str:
    """Price of an item from its columns, with its currency if it has one; empty without a price.

    Example:
        >>> price_text({"price": 1234.5, "currency": "EUR"}), price_text({"price": None})
        ('1,234.50 EUR', '')
    """
    price, currency = values.get("price"), values.get("currency")
    if price is None or price != price:  # NaN
        return ""
    text = str(price) if isinstance(price, str) else f"{price:,.2f}"
    return f"{text} {currency}" if currency else text


def folded(texts: Any) -> Any:
    """Texts without case and accents, as a `large_string` array of Arrow.

    Example:
        >>> folded(pa.array(["Café NOIR"])).to_pylist()
        ['cafe noir']
    """
    plain = pc.utf8_normalize(pc.cast(texts, pa.large_string()), form="NFKD")
    plain = pc.utf8_lower(pc.replace_substring_regex(plain, pattern=r"\p{M}", replacement=""))
    return plain.combine_chunks() if isinstance(plain, pa.ChunkedArray) else plain


def picture_address(value: Any) -> str | None:
    """Address of a picture for a page.

    Args:
        value: A web address, the bytes of a picture, a list of them, or a mapping that holds one (as a picture of
            `datasets`). File paths are not addresses.

    Example:
        >>> picture_address([{"path": "C:/a.png", "large": "//shop.example/a.png"}])
        'https://shop.example/a.png'
    """
    if isinstance(value, str):
        if value.startswith("//"):
            value = f"https:{value}"
        return value if re.match(r"https?://|data:image/", value, re.IGNORECASE) else None
    if isinstance(value, bytes):
        kind = next((kind for start, kind in _PICTURE_KINDS if value.startswith(start)), None)
        return kind and f"data:image/{kind};base64,{base64.b64encode(value).decode()}"
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return next((found for one in inside if (found := picture_address(one))), None)


def reason_name(title: str, item_id: str, recommended: str) -> str:
    """The title of a reason; "itself" if it is the recommended item, which the history has, too.

    Args:
        title: Its title.
        item_id: Its id.
        recommended: Id of the recommended item.
    """
    return "itself" if item_id == recommended else title


def _flags(found: Any) -> np.ndarray:
    flags: np.ndarray = np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)
    return flags

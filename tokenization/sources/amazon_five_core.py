"""Amazon reviews of 2014 and 2018: the five-core files (users and items with five reviews or more).

Source: He and McAuley 2016 (2014), Ni et al. 2019 (2018), https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from ..tables.data_card import DataCard
from ..tables.schema import ShopTables
from .amazon_files import amazon_shop, is_literal, literal_lines, read_lines
from .source import DataSource, SourceRequest

_SUFFIX = r"\.json(?:\.gz)?"
_REVIEWS = {2014: rf"reviews_(.+?)(?:_5)?{_SUFFIX}", 2018: rf"(?!reviews_|meta_)(.+?)(?:_5)?{_SUFFIX}"}
_CARDS = {
    2014: DataCard(
        "amazon-2014",
        "Reviews and metadata of products of Amazon, May 1996 to July 2014.",
        licence="none stated by the authors; for research",
        citation="Ruining He, Julian McAuley. 2016. Ups and Downs: Modeling the Visual Evolution of Fashion Trends "
        "with One-Class Collaborative Filtering. WWW",
        homepage="https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
    ),
    2018: DataCard(
        "amazon-2018",
        "Reviews and metadata of products of Amazon, May 1996 to October 2018.",
        licence="none stated by the authors; for research",
        citation="Jianmo Ni, Jiacheng Li, Julian McAuley. 2019. Justifying Recommendations using Distantly-Labeled "
        "Reviews and Fine-Grained Aspects. EMNLP-IJCNLP",
        homepage="https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/",
    ),
}
_REVIEW = ("reviewerID", "asin", "unixReviewTime", "overall", "summary", "reviewText")
_META = ("asin", "title", "description", "brand", "price", "categories", "category", "main_cat")


def read_five_core(request: SourceRequest, year: int) -> ShopTables:
    """Read the departments of a folder: `reviews_X_5.json.gz` (2014) or `X_5.json.gz` (2018), and `meta_X.json.gz`.

    The metadata of 2014 are Python lines; see `literal_lines`.

    Args:
        request: The folder, and the departments to read.
        year: 2014 or 2018.

    Raises:
        FileNotFoundError: If there is no file of reviews.
        ValueError: If a line cannot be read, or a file is truncated.
    """
    reviews = request.find(_REVIEWS[year])
    if not reviews:
        name = "reviews_X_5.json.gz" if year == 2014 else "X_5.json.gz"
        raise FileNotFoundError(f"folder {request.folder} has no reviews: no {name}, plain or .gz")
    events = read_lines(reviews, _REVIEW).select(
        user_id="reviewerID", item_id="asin", timestamp="unixReviewTime", rating="overall",
        review_title="summary", review_text="reviewText", domain="domain",
    )  # fmt: skip
    wanted = set(events["item_id"].drop_nulls())
    parts = {part for _, part in reviews}
    meta = [_meta(path, part, wanted) for path, part in request.find(rf"meta_(.+?){_SUFFIX}") if part in parts]
    described = pl.concat([*meta, read_lines([], _META)]).rename({"asin": "item_id"})
    return amazon_shop(described, events, ("categories", "category", "main_cat"), _CARDS[year])


def _meta(path: Path, part: str, wanted: set[str]) -> pl.DataFrame:
    if is_literal(path):
        return literal_lines(path, _META, "asin", wanted).with_columns(domain=pl.lit(part))
    return read_lines([(path, part)], _META)


def _source(year: int, pattern: str) -> DataSource:
    return DataSource(
        f"amazon-{year}",
        f"Amazon reviews of {year}: {'reviews_*_5' if year == 2014 else '*_5'}.json.gz and meta_*.json.gz",
        _reader(year),
        lambda names: any(re.fullmatch(pattern, name) for name in names),
        _patterns,
    )


def _reader(year: int) -> Callable[[SourceRequest], ShopTables]:
    return lambda request: read_five_core(request, year)


def _patterns(selection: Sequence[str]) -> list[str]:
    return [f"*{part}*.json*" for part in selection or [""]]


AMAZON_2014 = _source(2014, rf"reviews_.+{_SUFFIX}")
AMAZON_2018 = _source(2018, rf"(?!reviews_|meta_).+_5{_SUFFIX}")

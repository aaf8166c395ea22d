"""Amazon Reviews 2023 in its published layout: one file of reviews and one of metadata per department.

Source: Hou et al. 2024, Bridging Language and Items for Retrieval and Recommendation, https://amazon-reviews-2023.github.io
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from ..tables.data_card import DataCard
from ..tables.schema import ShopTables
from .amazon_files import amazon_shop, read_lines
from .source import DataSource, SourceRequest

_CARD = DataCard(
    "amazon-2023",
    "Reviews and metadata of products of Amazon, May 1996 to September 2023; an item is a parent product.",
    licence="none stated by the authors; for research",
    citation="Yupeng Hou, Jiacheng Li, Zhankui He, An Yan, Xiusi Chen, Julian McAuley. 2024. Bridging Language and "
    "Items for Retrieval and Recommendation. arXiv:2403.03952",
    homepage="https://amazon-reviews-2023.github.io",
)
_SUFFIX = r"\.jsonl(?:\.gz)?"
_META = ("parent_asin", "title", "description", "store", "price", "categories", "main_category")
_REVIEW = ("user_id", "parent_asin", "timestamp", "rating", "title", "text", "helpful_vote", "verified_purchase")


def read_amazon_2023(request: SourceRequest) -> ShopTables:
    """Read the departments of a folder: `raw_review_X` and `raw_meta_X`, or `X` and `meta_X`, .jsonl, plain or .gz.

    The category is the path of a product, or its main category if there is no path. The events' columns `review_title`
    and `review_text` have the texts of the reviews.

    Raises:
        FileNotFoundError: If there is no file of reviews.
        ValueError: If a line is not JSON, or a file is truncated.
    """
    metas = request.find(rf"(?:raw_)?meta_(.+){_SUFFIX}")
    reviews = request.find(rf"raw_review_(.+){_SUFFIX}") or [
        (path, part) for path, part in request.find(rf"(.+?){_SUFFIX}") if not re.match(r"(raw_)?meta_", part)
    ]
    if not reviews:
        what = f" of {', '.join(request.selection)}" if request.selection else ""
        raise FileNotFoundError(f"folder {request.folder} has no reviews{what}: no raw_review_*.jsonl, plain or .gz")
    log = read_lines(reviews, _REVIEW)
    events = log.select(
        "user_id", pl.col("parent_asin").alias("item_id"), "timestamp", "rating",
        review_title="title", review_text="text", helpful_vote=pl.col("helpful_vote").cast(pl.Int64, strict=False),
        verified_purchase=pl.col("verified_purchase") == "true", domain="domain",
    )  # fmt: skip
    meta = read_lines(metas, _META).rename({"parent_asin": "item_id", "store": "brand"})
    return amazon_shop(meta, events, ("categories", "main_category"), _CARD)


def _recognises(names: Sequence[str]) -> bool:
    return any(re.fullmatch(rf"(?:raw_review_|raw_meta_|meta_).+{_SUFFIX}", name) for name in names)


def _patterns(selection: Sequence[str]) -> list[str]:
    # The whole dataset has 750 GB, so departments must be named for the hub.
    if not selection:
        raise ValueError(
            "amazon-2023 from the hub needs the names of departments: "
            "amazon-2023:McAuley-Lab/Amazon-Reviews-2023:All_Beauty,Baby_Products"
        )
    return [
        f"*{name}.jsonl*"
        for part in selection
        for name in (f"/{part}", f"meta_{part}", f"raw_review_{part}")
    ]  # fmt: skip


AMAZON_2023 = DataSource(
    "amazon-2023",
    "Amazon Reviews 2023: raw_review_*.jsonl and raw_meta_*.jsonl, plain or .gz, one or several departments",
    read_amazon_2023,
    _recognises,
    _patterns,
)

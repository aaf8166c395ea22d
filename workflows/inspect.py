"""Inspect: statistics of tables, as numbers, an HTML page and a dataset card."""

from __future__ import annotations

import logging
import os
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..modeling_xcat.saving_xcat import CARD_FILE
from ..tokenization.extras import install_command
from ..tokenization.inspection.inspect import Inspection, inspect_shop
from ..tokenization.inspection.page import can_plot, inspection_card, inspection_page
from ..tokenization.out_of_core.prepared_folder import refuse_prepared
from ..tokenization.tables.data_card import DataCard
from ..tokenization.tables.schema import MissingUsers, UnknownItems
from .output_folders import PAGE, check_report_folder
from .read_shop import read_shop
from .similar_names import refuse_unknown

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource
    from .read_shop import ColumnNames, ShopSource

logger = logging.getLogger(__name__)


def inspect(
    data: ShopSource | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    items: TableSource | None = None,
    events: TableSource | None = None,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    **options: Any,
) -> Inspection:
    """Count lengths, categories, popularity, texts, languages, duplicates and leaks; like `xcat inspect`.

    Args:
        data: Tables: a folder, SOURCE:PATH, a hub dataset, a data frame, or the result of `load_shop`.
        output: Folder to write the page and the dataset card to; None to write nothing.
        items: Items table, instead of `data`: a file or data frame; None to derive it from the events.
        events: Events table, instead of `data`.
        columns: Column names, such as `{"item_id": "sku"}`.
        time_format: As in `load_shop`.
        encoding: As in `load_shop`.
        unknown_items: "error" refuses events of items that the items table lacks, "drop" leaves them out.
        missing_users: "error" refuses events without a user, "drop" leaves them out.
        **options: Arguments of `inspect_shop`: `split`, `tie_policy`, `show_values`, ...

    Returns:
        The numbers, with `warnings` among them.

    Raises:
        ValueError: If the tables cannot be split, or `output` holds something else.

    Example (not run: it needs tables):
        inspect("my-shop").warnings
    """
    own = signature(inspect_shop).parameters.keys() - {"shop"}
    refuse_unknown("inspect", options, [*own, *signature(inspect).parameters])
    if output is not None:
        check_report_folder(Path(output))
    refuse_prepared(data, "inspect")
    shop = read_shop(
        data, items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
        unknown_items=unknown_items, missing_users=missing_users,
    )  # fmt: skip
    report = inspect_shop(shop, **options)
    if output is not None:
        write_inspection(report, shop.card, Path(output), show_values=bool(options.get("show_values")))
    return report


def write_inspection(report: Inspection, card: DataCard, output: Path, *, show_values: bool = False) -> None:
    """Write the page and the dataset card. Without matplotlib the page has no plots, and a warning is logged.

    Args:
        report: The numbers.
        card: Facts of the data set.
        output: Folder; created if it does not exist.
        show_values: Whether values of users are shown, for a report that is not shared.
    """
    page, text = inspection_page(report, show_values), inspection_card(report, card)
    output.mkdir(parents=True, exist_ok=True)
    (output / PAGE).write_text(page, encoding="utf-8")
    (output / CARD_FILE).write_text(text, encoding="utf-8")
    if not can_plot():
        logger.warning("%s has no plots, which need matplotlib; %s", PAGE, install_command("inspect"))

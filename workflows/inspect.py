"""Inspect: statistics of tables, as numbers, an HTML page and a dataset card."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from ..tokenization.extras import install_command
from ..tokenization.inspection.inspect import Inspection, inspect_shop
from ..tokenization.inspection.page import can_plot, inspection_card, inspection_page
from ..tokenization.out_of_core.prepared_folder import refuse_prepared
from ..tokenization.sources import load_shop
from ..tokenization.tables.data_card import DataCard
from ..tokenization.tables.schema import ShopTables
from .output_folders import CARD, PAGE, check_report_folder

logger = logging.getLogger(__name__)


def inspect(
    data: str | os.PathLike[str] | ShopTables, output: str | os.PathLike[str] | None = None, **options: Any
) -> Inspection:
    """Count lengths, categories, popularity, texts, languages, duplicates and leaks; like `xcat inspect`.

    Args:
        data: Tables, or an input of `load_shop`: a folder, SOURCE:PATH, or a hub dataset.
        output: Folder to write the page and the dataset card to; None to write nothing.
        **options: Arguments of `inspect_shop`: `split`, `tie_policy`, `show_values`, ...

    Returns:
        The numbers, with `warnings` among them.

    Raises:
        ValueError: If the tables cannot be split, or `output` holds something else.

    Example (not run: it needs tables):
        inspect("my-shop").warnings
    """
    if output is not None:
        check_report_folder(Path(output))
    if not isinstance(data, ShopTables):
        refuse_prepared(os.fspath(data), "inspect")
        data = load_shop(os.fspath(data))
    report = inspect_shop(data, **options)
    if output is not None:
        write_inspection(report, data.card, Path(output), show_values=bool(options.get("show_values")))
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
    (output / CARD).write_text(text, encoding="utf-8")
    if not can_plot():
        logger.warning("%s has no plots, which need matplotlib; %s", PAGE, install_command("inspect"))

"""Checks of names, numbers, files and folders before torch is imported.

Checks that need a model or the tables run later, in the code that has them.
"""

from __future__ import annotations

import math
from pathlib import Path

from ..workflows import output_folders

DEFAULT_RANK = 8
"""Default rank of an adapter's matrices."""


def check_at_least(option: str, value: float, least: int) -> None:
    """Refuse a number that is too small.

    Args:
        option: The option, with its dashes.
        value: Its value.
        least: The smallest value.

    Raises:
        ValueError: If it is smaller.
    """
    if value < least:
        raise ValueError(f"{option} is {value}; give at least {least}")


def check_finite(option: str, value: float | None) -> None:
    """Refuse an infinite number, or NaN.

    Raises:
        ValueError: If it is infinite or NaN.
    """
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{option} is {value}; give a number, such as 0.25")


def check_file_to_write(option: str, file: Path | None, suffix: str, overwrite: bool) -> None:
    """Refuse a file that cannot be written, or holds an earlier result; see `output_folders.check_file_to_write`.

    Args:
        option: The option, with its dashes.
        file: The file; None for none.
        suffix: Required ending of its name.
        overwrite: Whether an earlier result may be replaced.
    """
    if file is not None:
        output_folders.check_file_to_write(file, f"{option} {file}", suffix)
        output_folders.refuse_earlier(file, f"{option} {file}", overwrite)


def check_report(file: Path | None, made: Path | None = None, overwrite: bool = False) -> None:
    """Refuse a report that cannot be written, or would replace an earlier one.

    Args:
        file: The HTML file; None for none.
        made: A folder that the command creates; the report may be in it.
        overwrite: Whether an earlier report may be replaced.

    Raises:
        ValueError: If it is so.
    """
    inside = file is not None and made is not None and file.absolute().parent == made.absolute()
    if not (inside and file is not None and file.suffix == ".html" and not file.parent.exists()):
        check_file_to_write("--report", file, ".html", overwrite)


def check_file_to_read(option: str, file: Path | str | None) -> None:
    """Refuse a file that does not exist, unless it can be the id of a dataset on the hub.

    Raises:
        FileNotFoundError: If it is not there.
    """
    from ..tokenization.sources.hub import HUB_ID

    named = file is not None and not (isinstance(file, str) and HUB_ID.fullmatch(file))
    if named and not Path(str(file)).expanduser().exists():
        raise FileNotFoundError(f"{option}: table {file} does not exist")


def check_tables(data: str | None, items: str | None, events: str | None, columns: str | None = None) -> None:
    """Refuse tables that do not exist and an invalid column mapping.

    Raises:
        FileNotFoundError: If the folder or a table does not exist.
        ValueError: If it is not clear which tables are meant, or the mapping is invalid.
    """
    from ..tokenization.sources import check_source
    from ..workflows.fields import parse_columns

    parse_columns(columns)
    check_source(data, items=items, events=events)


def check_metrics(given: str | None) -> tuple[str, ...]:
    """Names of metrics, separated by commas; modules of names MODULE:NAME are imported.

    Raises:
        ValueError: If a metric is unknown.
    """
    from ..evaluation.more_metrics import metric_names

    names = tuple(name.strip() for name in (given or "").split(",") if name.strip())
    metric_names(names)
    return names


def check_adapter_options(peft: str | None, rank: int, groups: tuple[str, ...]) -> None:
    """Refuse a rank or model parts without an adapter, and invalid ones.

    Raises:
        ValueError: If it is so.
    """
    from ..checkpoints.adapter_choices import DEFAULT_GROUPS, check_groups

    check_at_least("--lora-rank", rank, 1)
    check_groups(groups)
    if not groups:
        raise ValueError("--lora-targets is empty; give some of behavior, fusion, items, text")
    for option, given in (("--lora-rank", rank != DEFAULT_RANK), ("--lora-targets", groups != DEFAULT_GROUPS)):
        if peft is None and given:
            raise ValueError(f"{option} is for an adapter; add --peft lora, or leave {option} out")

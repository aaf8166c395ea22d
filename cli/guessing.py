"""`--guess-columns`: print the proposed column mapping as an option to copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def show_guess(data: str | None, items: str | None, events: str | None, encoding: str | None = None) -> None:
    """Print the mapping that column names, values and ids suggest, and its confidence.

    Args:
        data: One file, or a folder with tables.
        items: The items table, instead of `data`.
        events: The events table, instead of `data`.
        encoding: Encoding of text files; None to detect it.

    Raises:
        ValueError: If there is no events table.
        FileNotFoundError: If a table does not exist.
        TableError: If the name of a column looks personal.
    """
    from ..tokenization.sources.table_files import find_shop, given_tables
    from ..tokenization.tables.column_guess import guess_columns
    from .argument_options import with_options
    from .console import results, say

    if data is not None:
        if not Path(data).expanduser().exists():
            raise ValueError(f"--guess-columns reads your own tables; there is no file or folder {data}")
        files: dict[str, Any] = {**find_shop(Path(data).expanduser())}
    elif events is not None:
        files = given_tables({"items": items, "events": events})
    else:
        raise ValueError("--guess-columns needs DATA (a file, or a folder with tables), or --events and --items")
    guess = guess_columns(files.get("items"), files["events"], encoding=encoding)
    for line in guess.lines:
        say(with_options(line))
    text = with_options(guess.call) or "no option is needed: the tables already use the expected names"
    results.print(text, markup=False, highlight=False, soft_wrap=True)

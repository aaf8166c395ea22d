"""`--guess-columns`: print the proposed column mapping as an option to copy."""

from __future__ import annotations

from pathlib import Path


def show_guess(data: str | None, items: str | None, events: str | None, encoding: str | None = None) -> None:
    """Print the mapping that column names, values and ids suggest, and its confidence.

    Args:
        data: Folder with `items.*` and `events.*`.
        items: The items table, instead of `data`.
        events: The events table, instead of `data`.
        encoding: Encoding of text files; None to detect it.

    Raises:
        ValueError: If one of the two tables is missing.
        FileNotFoundError: If a table does not exist.
        TableError: If the name of a column looks personal.
    """
    from ..tokenization.sources.generic import find_table
    from ..tokenization.tables.column_guess import guess_columns
    from .argument_options import with_options
    from .console import messages, results

    if data is not None:
        if not Path(data).is_dir():
            raise ValueError(f"--guess-columns reads your own tables; {data} is not a folder")
        items, events = (str(find_table(Path(data), name)) for name in ("items", "events"))
    if items is None or events is None:
        raise ValueError("--guess-columns needs a folder with items.* and events.*, or both --items and --events")
    guess = guess_columns(items, events, encoding=encoding)
    for part in str(guess).split("; "):
        messages.print(part, markup=False, highlight=False)
    text = with_options(guess.call) or "no option is needed: the tables already use the expected names"
    results.print(text, markup=False, highlight=False, soft_wrap=True)

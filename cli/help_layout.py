"""Layout of the help for terminals of 80 columns: narrow columns, so that the texts get most of the width."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def narrowed(parameter: Any) -> Any:
    """Copy an option for the help: a value is shown as X, a switch has no value and no second column.

    Args:
        parameter: An option or argument of a command.
    """
    if parameter.param_type_name != "option":
        return parameter
    shown = copy.copy(parameter)
    shown.metavar = "X"
    if parameter.is_flag:
        on = parameter.default is True  # only then the negative form is of use
        shown.opts = [*parameter.opts, *(parameter.secondary_opts if on else ())]
        shown.metavar, shown.secondary_opts, shown.show_default = "", [], False
    return shown


@contextmanager
def whole_words() -> Iterator[None]:
    """Let the tables of the help show option names and long words in full; typer's tables cut them off."""
    from rich.columns import Columns
    from rich.console import Group
    from rich.table import Table

    rich_utils: Any = import_module("typer.rich_utils")  # typer has no setting for it

    class WholeTable(Table):
        def add_row(self, *cells: Any, **options: Any) -> None:
            # Columns have an inner table, which would cut words off too.
            told = Group(*cells[-1].renderables) if isinstance(cells[-1], Columns) else cells[-1]
            super().add_row(*cells[:-1], told, **options)
            for column in self.columns[:-1]:
                column.no_wrap = True
            self.columns[-1].overflow = "fold"

    known = rich_utils.Table
    rich_utils.Table = WholeTable
    try:
        yield
    finally:
        rich_utils.Table = known

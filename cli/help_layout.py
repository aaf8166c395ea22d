"""Layout of the help for terminals of 80 columns: narrow columns, so that the texts get most of the width."""

from __future__ import annotations

import copy
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

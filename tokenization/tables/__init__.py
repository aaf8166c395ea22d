"""Tables as the user has them: columns, times, ids, data-quality issues, and the validated result."""

from __future__ import annotations

from ...lazy_names import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .column_guess import guess_columns as guess_columns
    from .data_card import DataCard as DataCard
    from .event_roles import EventRoles as EventRoles
    from .problems import TableError as TableError
    from .problems import TableProblem as TableProblem
    from .problems import TableReport as TableReport
    from .pseudonyms import without_user_data as without_user_data
    from .schema import ShopTables as ShopTables
    from .schema import validate_items as validate_items
    from .schema import validate_tables as validate_tables
    from .table_columns import TableColumns as TableColumns

_EXPORTS = {
    "ShopTables": ".schema",  # validated tables of a merchant
    "TableColumns": ".table_columns",  # names of the user's columns
    "TableError": ".problems",  # unusable tables, with all reasons
    "TableProblem": ".problems",  # one data-quality issue
    "TableReport": ".problems",  # all issues of the tables
    "validate_tables": ".schema",  # tables, checked and repaired
    "validate_items": ".schema",  # an items table, checked and repaired
    "guess_columns": ".column_guess",  # proposed names of columns
    "EventRoles": ".event_roles",  # target, context and negative event types
    "DataCard": ".data_card",  # size, period and licence of a data set
    "without_user_data": ".pseudonyms",  # events that can be shared
}

__all__ = [*_EXPORTS]
__getattr__, __dir__ = lazy_names(__name__, _EXPORTS)

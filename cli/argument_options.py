"""Rewrite Python arguments in messages of the library as options and arguments of the running command."""

from __future__ import annotations

import ast
import re
import shlex
from contextvars import ContextVar
from functools import cache, partial
from typing import Any

from .suggestions import field_options

current_command: ContextVar[str] = ContextVar("current_command", default="fit")
"""Name of the running command; messages name its options."""

_PARAMETERS = {
    "exclude_categories": "exclude_category", "groups": "lora_targets", "method": "peft",
    "on_missing_users": "missing_users", "on_unknown_items": "unknown_items", "only_categories": "only_category",
    "rank": "lora_rank", "text_columns": "text_column", "texts": "text", "untrained_bonus": "cold_boost",
}  # fmt: skip
"""Library arguments whose name differs from the command's parameter."""
_OPPOSITES = {"exclude_seen": "include_seen"}
_NOUNS = {
    "card", "checkpoint", "data", "events", "group", "groups", "history", "items", "method", "rank", "text", "texts",
    "user", "users",
}  # fmt: skip
"""Arguments that are also ordinary words; they are replaced only before a value or an equals sign."""

_QUOTED = r"'[^'\n]*'|\"[^\"\n]*\""
_VALUE = rf"(?:{_QUOTED}|\[[^\]\n]*\]|True\b|False\b|-?\d[\d.e+-]*\b)"
_MENTION = re.compile(
    rf"\bTableColumns\((?P<columns>(?:{_QUOTED}|[^'\")])*)\)"
    rf"|(?<![\w./\\-])(?P<owner>(?:XCatConfig|XCatTrainingArguments|PreparationOptions)\.)?(?P<name>[a-z]\w*)"
    rf"(?P<given>=(?P<value>{_VALUE})?(?![\w=(]))?"
    rf"|(?<!\w)(?:{_QUOTED}|`[^`\n]*`)(?!\w)"
)
"""TableColumns(...), an argument with or without its value, or a quotation. Quotations are not changed."""
_REMEDY = re.compile(r"\b(?:give|leave|omit|pass|set) (?:either )?$")
"""A verb before the argument that mends the fault."""


def with_options(text: str, command: str | None = None) -> str:
    r"""Replace Python arguments in a message of the library by options and arguments of a command.

    An argument is recognized by an equals sign after it (`split='last-basket'`, `base=`), by an underscore in its
    name, as the subject of the sentence (`precision is 'int3'`), or as the object of a remedy (`give encoding`). An
    option that only another command has is written with that command's name.

    Args:
        text: The message.
        command: Name of the command; None for the running command.

    Example:
        >>> with_options("Give time_format='%d/%m/%Y %H:%M' or on_missing_users=\"drop\"", "prepare")
        "Give --time-format '%d/%m/%Y %H:%M' or --missing-users drop"
        >>> with_options("cross_category: leave cross_category out, or give interests='words'", "recommend")
        '--cross-category: leave --cross-category out, or give xcat fit --interests words'
        >>> with_options("map it with TableColumns(user_id='Customer ID')", "inspect")
        "map it with --columns 'user_id=Customer ID'"
    """
    return _MENTION.sub(partial(_translated, command=command or current_command.get()), text)


def _translated(found: re.Match[str], command: str) -> str:
    if found["columns"] is not None:
        from ..tokenization.tables.column_guess import columns_text

        keywords = ast.parse(found[0], mode="eval").body.keywords  # type: ignore[attr-defined]
        mapping = columns_text({word.arg: ast.literal_eval(word.value) for word in keywords})
        return _placed("columns", f" {shlex.quote(mapping)}", command) or found[0]
    name, given = found["name"], found["given"]
    if name is None or not (given or found["owner"] or _is_mention(found, command)):
        return found[0]
    if name in _OPPOSITES and found["value"] in ("True", "False"):
        opposite = "False" if found["value"] == "True" else "True"
        return _placed(_OPPOSITES[name], _written(opposite, _OPPOSITES[name], command), command) or found[0]
    parameter = _parameter(name, command)
    value = "" if found["value"] is None else _written(found["value"], parameter, command)
    return _placed(parameter, value, command, elsewhere=bool(given)) or found[0]


def _is_mention(found: re.Match[str], command: str) -> bool:
    """Whether a bare word is an argument: by an underscore, as subject of the message or as object of a remedy."""
    name, rest = found["name"], found.string[found.end() :]
    if name in _NOUNS or re.match(r"[.\[(/]\w|[(\[]", rest):
        return False
    subject = found.start() == 0 and re.match(r" (is|has|holds|names) ", rest)
    given = _REMEDY.search(found.string, 0, found.start()) and re.match(r"$|[,;.]| (?:out|or|and)\b", rest)
    return "_" in name or (bool(subject or given) and _parameter(name, command) in _options(command))


def _parameter(name: str, command: str) -> str:
    """The command's parameter for an argument of the library; an option of the same name comes first."""
    return name if name in _options(command) else _PARAMETERS.get(name, name)


def _placed(parameter: str, value: str, command: str, elsewhere: bool = True) -> str | None:
    """The option with its value, after the name of another command if only that command has the option."""
    from .app import COMMANDS

    if parameter in _options(command):
        return f"{_options(command)[parameter]}{value}"
    if not elsewhere:
        return None
    # `fit` makes checkpoints, so an option that the others lack is most often an option of `fit`.
    other = next((name for name in ("fit", *COMMANDS) if parameter in _options(name)), None)
    return None if other is None else f"xcat {other} {_options(other)[parameter]}{value}"


def _written(value: str, parameter: str, command: str) -> str:
    """A Python value as shell text after a blank; empty for the value True of a switch."""
    known: Any = ast.literal_eval(value)
    if known is True:
        return ""
    if isinstance(known, list):
        known = ",".join(map(str, known))
    return f" {shlex.quote(str(known).lower() if known is False else str(known))}"


@cache
def _options(command: str) -> dict[str, str]:
    """Options of a command by parameter name; arguments without an option by their names in the help, such as DATA."""
    from .app import TAKES_FIELDS, load_command

    fields = field_options() if command in TAKES_FIELDS else []
    options = {option[2:].replace("-", "_"): option for option in fields}
    own = load_command(command).params
    return options | {one.name: one.opts[0] if one.opts[0].startswith("-") else one.name.upper() for one in own}

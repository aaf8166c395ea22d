"""Suggestions for misspelt options and commands, and for options of another command."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache

from ..workflows.option_fields import CONFIG, PREPARATION, TRAINING, option_fields
from ..workflows.similar_names import similar

_OTHER_COMMANDS = {
    "add": "catalogue", "benchmark": "bench", "catalog": "catalogue", "compare": "bench", "eval": "evaluate",
    "finetune": "fit", "predict": "recommend", "preprocess": "prepare", "profile": "interests", "report": "inspect",
    "serve": "space", "test": "evaluate", "train": "fit", "upload": "push", "validate": "evaluate",
}  # fmt: skip


def command_hint(name: str, commands: Sequence[str]) -> str:
    """The message for an unknown command.

    Example:
        >>> command_hint("train", ["fit", "evaluate"]), command_hint("evalute", ["fit", "evaluate"])
        ("No such command 'train'. Did you mean fit?", "No such command 'evalute'. Did you mean evaluate?")
    """
    other = _OTHER_COMMANDS.get(name.lower())
    near = (
        [other]
        if other is not None and other in commands
        else difflib.get_close_matches(name.lower(), commands, n=2, cutoff=0.5)
    )
    hint = f" Did you mean {' or '.join(near)}?" if near else f" Commands are {', '.join(commands)}."
    return f"No such command {name!r}.{hint}"


def option_hint(option: str, command: str) -> str:
    """Hint for an unknown option: the commands that have it, and similar options.

    Args:
        option: The option, such as `--epochs`.
        command: Name of the command.

    Returns:
        Clauses that begin with a semicolon, or an empty text.
    """
    from .app import COMMANDS

    options = {name: all_options(name) for name in COMMANDS}
    having = [f"xcat {name}" for name, own in options.items() if option in own and name != command]
    near = similar(option, options[command])
    if not having and not near:
        others = {name: similar(option, own) for name, own in options.items() if name != command}
        near = next(([f"{found[0]} of xcat {name}"] for name, found in others.items() if found), [])
    elsewhere = f"; {' and '.join(having)} {'have' if len(having) > 1 else 'has'} it" if having else ""
    return elsewhere + (f"; did you mean {' or '.join(near)}?" if near else "")


def field_options() -> list[str]:
    """Options of `fit` and `bench` that are dataclass fields."""
    from ..workflows.fields import OTHER_NAMES, RESERVED, task_fields

    names = {name for owner in (PREPARATION, CONFIG, TRAINING) for name in option_fields(owner)} | set(task_fields())
    return [f"--{name.replace('_', '-')}" for name in sorted((names | set(OTHER_NAMES)) - RESERVED)]


@cache
def all_options(command: str) -> tuple[str, ...]:
    """Options of a command, `--no-` forms and fields included."""
    from .app import TAKES_FIELDS, load_command

    parameters = load_command(command).params
    own = [option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)]
    own += field_options() if command in TAKES_FIELDS else []
    return tuple(option for option in own if option.startswith("-"))

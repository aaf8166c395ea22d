"""Writes docs/commands.md, the page of all commands and options, from the parser of the command line.

Run as `python -m xcat_rec.docs.site.commands` in the environment of the package. `tests/docs/test_reference.py`
compares the page with the parser.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from xcat_rec.cli.app import COMMANDS, TAKES_FIELDS, load_command
from xcat_rec.cli.field_help import field_parameters
from xcat_rec.workflows.fields import OTHER_NAMES

PAGE = Path(__file__).resolve().parents[1] / "commands.md"
INTRODUCTION = """# Commands

All commands and their options. `make pages` writes this page from the parser, and a test compares them.
`xcat COMMAND --help` prints the same texts; [quick_start.md](quick_start.md) has the commands in use.

Every command also has `--help`. With `--json` the last line of stdout is one JSON object.
"""
FIELDS = """## Fields

Commands that take fields have an option for every field of `PreparationOptions`, `XCatConfig` and
`XCatTrainingArguments`, and with `--task click` of `ClickOptions`. A list is written with commas. In Python the same
names, with underscores, are keywords of `fit`, `tune`, `pretrain` and `bench`.
"""
FOREIGN = "(of transformers)"


def page() -> str:
    """The text of the page."""
    return "\n".join([INTRODUCTION, _contents(), *map(_command, COMMANDS), FIELDS, _fields()]).rstrip() + "\n"


def _contents() -> str:
    rows = [f"| [`xcat {name}`](#xcat-{name}) | {about} |" for name, about in COMMANDS.items()]
    return "\n".join(["| Command | Task |", "|---|---|", *rows, ""])


def _command(name: str) -> str:
    command = load_command(name)
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    usage = " ".join(["xcat", name, *(_argument(one) for one in arguments), "[OPTIONS]"])
    parts = [f"## xcat {name}\n", f"```text\n{usage}\n```\n", _about(str(command.help))]
    if name in TAKES_FIELDS:
        parts.append("It takes [fields](#fields) too.\n")
    parts.append(_table("Argument", [(f"`{_argument(one)}`", one) for one in arguments]) if arguments else "")
    parts.append(_table("Option", [(_names(one), one) for one in options]))
    return "\n".join(part for part in parts if part)


def _about(text: str) -> str:
    """The help without its examples, whose commands stand in the quick start; options in backticks."""
    about = text.partition("\n\nExamples:")[0].partition("\n\nExample:")[0]
    return re.sub(r"(?<![\w`-])(--[a-z][\w-]*)", r"`\1`", about).replace("\n\n", "\n") + "\n"


def _argument(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name.upper()) + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _names(parameter: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _table(head: str, rows: list[tuple[str, Any]]) -> str:
    lines = [f"| {names} | {_text(one.help)} | {_default(one)} |" for names, one in rows]
    return "\n".join([f"| {head} | Effect | Default |", "|---|---|---|", *lines, ""])


def _text(text: str | None) -> str:
    return re.sub(r"(?<![\w`-])(--[a-z][\w-]*)", r"`\1`", " ".join((text or "").split())).replace("|", "\\|")


def _default(parameter: Any) -> str:
    value = parameter.default
    if value is None or value is False or value in ("", (), []) or callable(value):
        return ""
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    return f"`{str(value).lower() if value is True else value}`"


def _fields() -> str:
    panels: dict[str, list[Any]] = {}
    for one in field_parameters():
        panels.setdefault(one.rich_help_panel, []).append(one)
    shown = []
    for panel, fields in panels.items():
        shown.append(f"### {panel}\n")
        if panel.endswith(FOREIGN):
            shown.append("`xcat fit --help` and the documentation of transformers describe them:\n")
            shown.append(_wrapped([one.opts[0] for one in fields]))
            continue
        rows = [_field(one) for one in fields]
        shown.append("\n".join(["| Option | Effect | Default |", "|---|---|---|", *rows, ""]))
    return "\n".join(shown)


def _field(parameter: Any) -> str:
    other = OTHER_NAMES.get(parameter.opts[0][2:].replace("-", "_"))
    about = f"another name of `--{other.replace('_', '-')}`" if other else str(parameter.help or "")
    text, _, default = about.partition("[default: ")
    return f"| `{parameter.opts[0]}` | {_text(text)} | {f'`{default[:-1]}`' if default else ''} |"


def _wrapped(names: list[str]) -> str:
    lines = [""]
    for name in names:
        word = f"`{name}`, "
        if len(lines[-1]) + len(word) > 119:
            lines.append("")
        lines[-1] += word
    return "\n".join(line.rstrip() for line in lines).rstrip(",") + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)

"""The `xcat` command: its sub-commands, imported when called, and the one place that reports errors.

All commands share these conventions. Tables and lists go to stdout, progress and messages to stderr. With `--json` the
last line of stdout is one JSON object, and tables of metrics go to stderr. The exit code is 0 when done and 2 for bad
input; bad input prints one message and no traceback. `update` has the code 3 if it refuses itself.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ..workflows.errors import TRACEBACK_VARIABLE, exit_code_of
from ..workflows.garbage_collection import spare_garbage_collection

COMMANDS = {
    "prepare": "Make training sequences from your tables, out of core.",
    "inspect": "Report the contents and the quality of your tables.",
    "fit": "Train on your tables and evaluate the result beside baselines.",
    "tune": "Search hyperparameters on the validation split.",
    "pretrain": "Pretrain a base on several datasets, for xcat fit --base.",
    "evaluate": "Evaluate a checkpoint on your tables.",
    "audit": "Audit lists for popularity bias, exposure and user groups.",
    "attack": "Attack a checkpoint's data, defend it, and measure both.",
    "bench": "Compare several models on one test split, over seeds.",
    "review": "Approve or block items that the content policy found.",
    "catalogue": "Add items to a checkpoint by their texts, without training.",
    "heads": "Fit heads of columns, such as brand, for a checkpoint.",
    "index": "Index a checkpoint's items, and add or delete items.",
    "recommend": "Recommend items to one user or to many.",
    "predict": "Predict clicks on items that are shown to users.",
    "explain": "Explain why an item is recommended to a user.",
    "chat": "Chat about the catalogue, in English or Chinese.",
    "serve": "Answer requests over HTTP: lists, chats, events, items and users.",
    "web": "Show a checkpoint in a browser.",
    "forget": "Delete everything that is stored of users.",
    "replay": "Estimate what other rankings would have earned, from logs.",
    "update": "Fine-tune a checkpoint from the log of xcat serve.",
    "interests": "Print users' interests, found in their texts and ratings.",
    "suggest-labels": "Rank texts, items or users whose labels would teach most.",
    "export": "Write ONNX graphs of a checkpoint.",
    "push": "Upload a checkpoint to the hub.",
    "space": "Write a Space: a web page that recommends from a checkpoint.",
    "demo": "Train, evaluate, recommend and reload on The Complete Journey.",
}
TAKES_FIELDS = {"fit", "bench", "tune", "pretrain"}
"""Commands with an option for every field of configuration and training arguments, read from `context.args`."""

_REMNANTS = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "give a whole number",
    "Input should be a valid number, unable to parse string as a number": "give a number",
}
"""Words of pydantic, which typer reads values with, and ours for a command line."""


class LazyGroup(TyperGroup):
    """A group that lists its commands from `COMMANDS` and imports a command when it is called.

    A command, its module and the function in the module have the same name, with underscores for hyphens.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A placeholder for the command in listings."""
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """The command that is called, imported now."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from .suggestions import command_hint

            ctx.fail(command_hint(args[0], list(COMMANDS)))
        name, stub, rest = super().resolve_command(ctx, args)
        return name, stub if stub is None or stub.name is None else load_command(stub.name), rest


class HintingCommand(TyperCommand):
    """A command that suggests similar options for an unknown one, and names wrong values in plain words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as click does, with a hint in the error for an unknown option."""
        rest: list[str] = []
        try:
            rest = super().parse_args(ctx, args)
        except Exception as error:
            if isinstance(message := getattr(error, "message", None), str):
                for words, ours in _REMNANTS.items():
                    message = message.replace(words, ours)
                error.message = message  # type: ignore[attr-defined]
            # Typer has a copy of click, or uses click's own, by its version.
            option = getattr(error, "option_name", None)
            if type(error).__name__ != "NoSuchOption" or option is None or self.name not in COMMANDS:
                raise
            from .suggestions import option_hint

            ctx.fail(f"xcat {self.name} has no option {option}{option_hint(option, str(self.name))}")
        return rest

    def get_help_option(self, ctx: Any) -> Any:
        """As click does, without a type in the help."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.metavar = ""
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Format as typer does, with narrow columns."""
        from .help_layout import narrowed, whole_words

        own = self.params
        self.params = [narrowed(parameter) for parameter in own]
        try:
            with whole_words():
                super().format_help(ctx, formatter)
        finally:
            self.params = own


class FieldCommand(HintingCommand):
    """A command that puts `--some-field value` into `context.args` if it has no such option itself.

    Click could let unknown options pass too, but would then take `--some-field` for a positional argument.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Separate the fields and parse the rest strictly."""
        known = {
            option for parameter in self.get_params(ctx) for option in (*parameter.opts, *parameter.secondary_opts)
        }
        own, fields = separate_fields(args, known)
        super().parse_args(ctx, own)
        ctx.args = fields
        return fields

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Format as typer does, with the fields in panels after the command's own options."""
        from .field_help import field_parameters

        own = list(self.params)
        taken = {option for parameter in own for option in parameter.opts}
        self.params = [*own, *(field for field in field_parameters() if field.opts[0] not in taken)]
        try:
            super().format_help(ctx, formatter)
        finally:
            self.params = own


def separate_fields(args: Sequence[str], known: set[str]) -> tuple[list[str], list[str]]:
    """Separate a command's own arguments from field arguments.

    Args:
        args: The command line.
        known: The command's own options.

    Returns:
        The command's own arguments, and the others: each `--field` with the value that follows it, if any.

    >>> separate_fields(["shop/", "--hidden-size", "64", "--seed", "1", "--bf16", "--json"], {"--seed", "--json"})
    (['shop/', '--seed', '1', '--json'], ['--hidden-size', '64', '--bf16'])
    """
    own: list[str] = []
    fields: list[str] = []
    rest = list(args)
    while rest:
        argument = rest.pop(0)
        name, equals, _ = argument.partition("=")
        if argument == "--":
            own += [argument, *rest]
            break
        if not argument.startswith("--") or name in known:
            own.append(argument)
            continue
        fields.append(argument)
        if not equals and rest and not rest[0].startswith("--"):
            fields.append(rest.pop(0))
    return own, fields


def load_command(name: str) -> Any:
    """Import a command's module and build the command from its function."""
    module = name.replace("-", "_")
    function = _shows_progress(getattr(import_module(f".{module}", __package__), module))
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    single.command(name, cls=FieldCommand if name in TAKES_FIELDS else HintingCommand)(function)
    return typer.main.get_command(single)


def _shows_progress(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap the function of a command so that its stages are shown on standard error while it runs."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        from ..tokenization.progress_bars import show_progress
        from .argument_options import current_command
        from .console import prints_json

        current_command.set(function.__name__)
        prints_json.set(bool(kwargs.get("json_output")))
        with show_progress():
            function(*args, **kwargs)

    return run


app = typer.Typer(
    name="xcat",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"xcat-rec {__version__}")
        raise typer.Exit


@app.callback()
def xcat(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Recommendation across item categories, with cross-attention between behaviour and text.

    For the options of a command run, for example: xcat fit --help.

    Examples:

        xcat demo

        xcat fit my-shop/ --output my-checkpoint

        xcat recommend my-checkpoint --history A,B,C -k 10
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Args:
        arguments: The arguments; the arguments of the process if None.

    Raises:
        SystemExit: Always; 0 done, 1 failed, 2 bad input, 3 an update that refused itself, 130 interrupted from the
            keyboard.
    """
    if arguments is None:
        spare_garbage_collection()
    _quieten_libraries()
    _translate_warnings()
    try:
        app(None if arguments is None else list(arguments), prog_name="xcat")
    except Exception as error:
        code = exit_code_of(error)
        if code is None or os.environ.get(TRACEBACK_VARIABLE):
            raise
        sys.stderr.write(f"xcat: error: {_message(error)}\n")
        sys.exit(code)


def _quieten_libraries() -> None:
    """Turn off the libraries' progress bars, before the libraries read their settings; this package shows progress."""
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # transformers reads it too


def _translate_warnings() -> None:
    """Name command-line options, not Python arguments, in warnings that the library logs or raises."""

    def translate(record: logging.LogRecord) -> bool:
        from .argument_options import with_options

        record.msg, record.args = with_options(record.getMessage()), ()
        return True

    if logging.lastResort is not None and not logging.lastResort.filters:
        logging.lastResort.addFilter(translate)
    if warnings.formatwarning is not _warning_line:
        warnings.formatwarning = _warning_line


def _warning_line(message: Warning | str, category: type[Warning], *place: Any, **line: Any) -> str:
    """One line without the place in the code."""
    from .argument_options import with_options

    return f"warning: {with_options(str(message))}\n"


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    from .argument_options import with_options

    return with_options(str(error).strip()) or type(error).__name__


if __name__ == "__main__":
    main()

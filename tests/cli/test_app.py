"""The command line's frame: listing, lazy import, options of fields, and where errors end."""

from __future__ import annotations

import errno
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
import typer
from huggingface_hub.errors import StrictDataclassFieldValidationError

import xcat_rec
from xcat_rec.cli import app as cli_app
from xcat_rec.cli.suggestions import all_options
from xcat_rec.tokenization.extras import MissingExtraError
from xcat_rec.tokenization.tables.schema import TableError, TableProblem

XCAT = Path(sys.executable).with_name("xcat")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exited:
        cli_app.main(list(arguments))
    code = exited.value.code
    return code if isinstance(code, int) else 0


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Replaces `xcat demo` by a command that raises the first entry of the returned list."""
    planned: list[object] = []

    def demo(value: Annotated[int, typer.Option(help="A number.")] = 1) -> None:
        """Stand in."""
        typer.echo(f"value {value}")
        if planned:
            raise planned[0]  # type: ignore[misc]

    module = types.ModuleType("xcat_rec.cli.demo")
    module.demo = demo  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xcat_rec.cli.demo", module)
    monkeypatch.delenv(cli_app.TRACEBACK_VARIABLE, raising=False)
    all_options.cache_clear()
    yield planned
    all_options.cache_clear()


def test_version() -> None:
    done = subprocess.run([XCAT, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"xcat-rec {xcat_rec.__version__}\n", "")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, text in cli_app.COMMANDS.items():
        assert name in shown
        assert text.split(" and ")[0] in shown


@pytest.mark.parametrize("name", cli_app.COMMANDS)
def test_help_of_a_command_has_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    shown = capsys.readouterr().out
    assert f"xcat {name}" in shown
    assert "Examples:" in shown
    assert "--json" in shown


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], ["fit", "--help"], ["recommend", "--help"]])
def test_listing_and_help_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from xcat_rec.cli.app import main\n"
        f"try: main({arguments!r})\n"
        "finally: sys.stderr.write(' '.join(['MODULES', *sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = set(done.stderr.rpartition("MODULES ")[2].split())
    assert "typer" in loaded
    assert not loaded & {"torch", "transformers", "datasets", "evaluate", "polars", "numpy", "pyarrow"}


@pytest.mark.usefixtures("command")
def test_command_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "--value", "3") == 0
    assert capsys.readouterr().out == "value 3\n"


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dmeo"], "dmeo"),
        (["--verson"], "--verson"),
        (["demo", "--value", "three"], "--value"),
        (["demo", "--nonsense"], "--nonsense"),
        (["demo", "surplus"], "surplus"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ValueError("-k is 0; give at least 1"), 2, "xcat: error: -k is 0; give at least 1\n"),
        (
            TableError([TableProblem("events", "item_id", "null_key", 3, None, "drop them", True)]),
            2,
            "xcat: error: ",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "shop/items.csv"),
            2,
            "shop/items.csv: No such file",
        ),
        (OSError("the text encoder is not reachable; pass --text-encoder"), 2, "pass --text-encoder"),
        (OSError(errno.ENOSPC, "No space left on device", "checkpoint"), 1, "checkpoint: No space left on device"),
        (MissingExtraError("the demo needs data", "demo"), 2, "[demo]"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_of_users(
    error: BaseException, code: int, message: str, command: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    command.append(error)
    assert run("demo") == code
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_wrong_type_in_a_configuration(command: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    command.append(StrictDataclassFieldValidationError("hidden_size", TypeError("expected int, got str")))
    assert run("demo") == 2
    assert "hidden_size" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [TypeError("a fault"), KeyError("a fault"), ImportError("a fault"), RuntimeError("a fault")]
)
def test_faults_of_the_program_show(error: Exception, command: list[object]) -> None:
    command.append(error)
    with pytest.raises(type(error), match="a fault"):
        cli_app.main(["demo"])


def test_traceback_on_demand(command: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cli_app.TRACEBACK_VARIABLE, "1")
    command.append(ValueError("bad"))
    with pytest.raises(ValueError, match="bad"):
        cli_app.main(["demo"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["shop", "--hidden-size", "64", "--seed", "3", "--learning-rate=1e-3"],
        ["--hidden-size", "64", "--learning-rate=1e-3", "shop", "--seed", "3"],
        ["--seed", "3", "--hidden-size", "64", "--learning-rate=1e-3", "--", "shop"],
    ],
)
def test_fields_anywhere(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def fit(context: typer.Context, data: str | None = typer.Argument(None), seed: int = 0) -> None:
        seen.extend([data, seed, context.args])

    module = types.ModuleType("xcat_rec.cli.fit")
    module.fit = fit  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xcat_rec.cli.fit", module)
    assert run("fit", *arguments) == 0
    assert seen == ["shop", 3, ["--hidden-size", "64", "--learning-rate=1e-3"]]

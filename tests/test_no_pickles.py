"""Nothing is unpickled: a pickle runs code when it is read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import xcat_rec

ROOT = Path(xcat_rec.__file__).parent
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
CALLS = {"read_pickle", "to_pickle"}


def pickles(source: str) -> Iterator[str]:
    """Uses of pickles in a file's code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            if module.partition(".")[0] in MODULES:
                yield module
            # As `torch.load`, whose arguments are looked at below.
            yield from (f"{module}.{alias.name}" for alias in node.names if (module, alias.name) == ("torch", "load"))
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if called.rpartition(".")[2] in CALLS:
                yield called
            if called == "torch.load" and given.get("weights_only") != "True":
                yield f"{called} without weights_only=True"
            if given.get("allow_pickle", "False") != "False" or given.get("weights_only", "True") != "True":
                yield called


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "def f():\n    import cloudpickle",
        "from torch import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "pandas.read_pickle(path)",
    ],
)
def test_pickles_are_found(source: str) -> None:
    assert list(pickles(source))


def test_no_file_reads_pickles() -> None:
    others = ("tests", ".venv", ".cache")  # .cache holds the environment that builds the site
    files = [path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).parts[0] not in others]
    assert len(files) > 200
    found = {str(path.relative_to(ROOT)): told for path in files if (told := list(pickles(path.read_text("utf-8"))))}
    assert found == {}

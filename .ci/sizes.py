"""Refuses files over 400 lines and functions over 60 lines in the package; lists those elsewhere.

The lines of a function are those of its statements. Its signature and docstring do not count: a command has a
parameter per option, and documentation shall not be cut to fit.

Run as `python .ci/sizes.py [root]`; the exit code is 1 if the package has a file or a function that is too long.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 60
SKIPPED = {"build", "dist"}
OUTSIDE = {".ci", "benchmarks", "configs", "docs", "examples", "tests"}
"""Folders that are not installed: what is long there is listed and passes."""


def source_files(root: Path) -> Iterator[Path]:
    """Every Python file of the repository, without environments, caches and builds."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(
            name for name in subfolders if name not in SKIPPED and (name == ".ci" or not name.startswith("."))
        )
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".py"))


def statement_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the end."""
    body = function.body[ast.get_docstring(function, clean=False) is not None :]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def too_long(path: Path, name: Path) -> Iterator[str]:
    """What is too long in a file, one line each."""
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{name}: {lines} lines, over {FILE_LINES}"
    for node in ast.walk(ast.parse(text, filename=str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = statement_lines(node)
            if length > FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines, over {FUNCTION_LINES}"


def main() -> int:
    """Print what is too long; the exit code says whether any of it is in the package."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    files = faults = 0
    for path in source_files(root):
        name = path.relative_to(root)
        files += 1
        inside = name.parts[0] not in OUTSIDE
        for line in too_long(path, name):
            print(line if inside else f"{line} (outside the package: a listing)")
            faults += inside
    print(f"sizes: {files} files, {faults} too long in the package")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

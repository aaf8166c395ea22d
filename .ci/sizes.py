"""Lists files over 400 lines and functions over 60 lines. A listing, not a gate: the numbers say "look here".

Run as `python .ci/sizes.py [root]`.
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


def source_files(root: Path) -> Iterator[Path]:
    """Every Python file of the repository, without environments, caches and builds."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(
            name for name in subfolders if name not in SKIPPED and (name == ".ci" or not name.startswith("."))
        )
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".py"))


def main() -> None:
    """Print the longest files and functions."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    count = 0
    for path in source_files(root):
        name = path.relative_to(root)
        count += 1
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > FILE_LINES:
            print(f"{name}: {lines} lines, over {FILE_LINES}: about two things?")
        for node in ast.walk(ast.parse(text, filename=str(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    print(f"{name}:{node.lineno}: {node.name} has {length} lines, over {FUNCTION_LINES}")
    print(f"sizes: {count} files looked at")


if __name__ == "__main__":
    main()

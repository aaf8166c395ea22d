"""Runs the notebooks of docs/notebooks, compares their outputs with the kept ones, and makes pages of the site.

`make notebooks` runs them and keeps the outputs. Progress bars and other text on standard error are not kept.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER, LISTS, SVG = "docs/notebooks", "lists", "image/svg+xml"
"""`lists` is the tag of cells whose output has recommended items, which may differ between machines."""
ABSOLUTE, RELATIVE, IN_COMMON = 0.05, 0.1, 0.5
"""Tolerance: decimals differ by at most .05 or a tenth; half of the lines of cells tagged `lists` are equal."""
SECONDS_PER_CELL = 3_600
Notebook = dict[str, Any]
_TIME = re.compile(r"\b\d+(?:\.\d+)? ?(?:ms|s|seconds|minutes)\b")
_ADDRESS = re.compile(r"127\.0\.0\.1:\d+")
_NUMBER = re.compile(r"-?\b\d[\d,]*(?:\.\d+)?")


def paths(root: Path = ROOT) -> list[Path]:
    """The notebooks, by name."""
    return sorted((root / FOLDER).glob("*.ipynb"))


def read(path: Path) -> Notebook:
    """Read a notebook."""
    notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def code_cells(notebook: Notebook) -> list[dict[str, Any]]:
    """The cells with code."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(notebook: Notebook) -> Notebook:
    """Run a notebook in an empty folder, without the hub, and return it with its outputs.

    Args:
        notebook: The notebook; it is not changed.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell ends with an error.
    """
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.reads(json.dumps(notebook), as_version=4)
    nbformat.validate(book)
    with tempfile.TemporaryDirectory(prefix="xcat-notebook-") as folder:
        client = NotebookClient(
            book, timeout=SECONDS_PER_CELL, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        own = {"IPYTHONDIR": ".ipython", "XCAT_CACHE": ".states"}  # texts are encoded again, as by a new reader
        places = {name: os.path.join(folder, place) for name, place in own.items()}
        client.execute(env={**os.environ, "HF_HUB_OFFLINE": "1", **places})
        return cleaned(json.loads(nbformat.writes(book)), folder)


def cleaned(notebook: Notebook, folder: str) -> Notebook:
    """A notebook without its times, standard error and the folder that it ran in.

    Args:
        notebook: A notebook that was run; it is changed.
        folder: The folder.
    """
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = "".join(output["text"]).replace(folder, ".").splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell["outputs"] = joined([one for one in cell["outputs"] if one.get("name") != "stderr"])
    notebook["metadata"]["language_info"] = {"name": "python"}
    return notebook


def joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs in which texts that were printed one after another are one, because their parts depend on the time."""
    found: list[dict[str, Any]] = []
    for output in outputs:
        if found and output["output_type"] == found[-1]["output_type"] == "stream":
            output = {**output, "text": [*found.pop()["text"], *output["text"]]}
        found.append(output)
    return found


def text_of(output: dict[str, Any]) -> str:
    """The text of an output; empty for a picture."""
    data = output.get("data", {})
    return "".join(output.get("text") or ([] if SVG in data else data.get("text/plain", [])))


def differences(kept: Notebook, again: Notebook) -> Iterator[str]:
    """Outputs that differ by more than the tolerance, one sentence each. Times and ports are not compared.

    Args:
        kept: The notebook with its kept outputs.
        again: The same notebook, run again.
    """
    for one, other in zip(code_cells(kept), code_cells(again), strict=True):
        kinds = [[(output["output_type"], SVG in output.get("data", {})) for output in cell["outputs"]]
                 for cell in (one, other)]  # fmt: skip
        if kinds[0] != kinds[1]:
            yield f"{one['id']}: outputs are {kinds[1]}, and {kinds[0]} are kept"
            continue
        compare = alike if LISTS in one["metadata"].get("tags", []) else close
        for old, new in zip(one["outputs"], other["outputs"], strict=True):
            if not compare(text_of(old), text_of(new)):
                yield f"{one['id']}: the output is\n{text_of(new)}\nand this one is kept:\n{text_of(old)}"


def close(kept: str, again: str) -> bool:
    """Whether two texts have the same words and whole numbers, and decimals within the tolerance.

    Example:
        >>> close("NDCG@10 .0 0.201 in 3.2 s", "NDCG@10 .0 0.213 in 17 s"), close("0.201", "0.301"), close("2", "3")
        (True, False, False)
    """
    old, new = (_TIME.sub("TIME", _ADDRESS.sub("ADDRESS", text)) for text in (kept, again))
    if _NUMBER.sub("#", old) != _NUMBER.sub("#", new):
        return False
    pairs = zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True)
    return all(one == other if "." not in one + other else _near(one, other) for one, other in pairs)


def alike(kept: str, again: str) -> bool:
    r"""Whether at least half of the lines have the same words, whatever their numbers.

    Example:
        >>> alike("1 tent\n2 rope", "1 rope\n2 lamp"), alike("1 tent\n2 rope", "1 lamp\n2 oven")
        (True, False)
    """
    old, new = (Counter(_NUMBER.sub("#", line) for line in text.splitlines()) for text in (kept, again))
    return (old & new).total() >= IN_COMMON * max(old.total(), new.total())


def _near(one: str, other: str) -> bool:
    first, second = (float(number.replace(",", "")) for number in (one, other))
    return abs(first - second) <= max(ABSOLUTE, RELATIVE * max(abs(first), abs(second)))


def page(notebook: Notebook, name: str) -> tuple[str, dict[str, str]]:
    """A notebook as a page in Markdown, and its pictures by file name.

    Args:
        notebook: The notebook.
        name: Its name without ending, for the pictures.
    """
    parts, pictures = [], {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            if SVG in output.get("data", {}):
                file = f"{name}-{cell['id']}.svg"
                pictures[file] = "".join(output["data"][SVG])
                parts.append(f"![Output of the cell above]({file})")
            elif text_of(output).strip():
                parts.append(f"```text\n{text_of(output).rstrip()}\n```")
    return "\n\n".join(parts) + "\n", pictures


def main() -> int:
    """Run all notebooks, or the given ones, keep their outputs, and print how long each took."""
    for path in paths():
        if sys.argv[1:] and path.stem not in sys.argv[1:]:
            continue
        start = time.perf_counter()
        found = run(read(path))
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{path.name}: {time.perf_counter() - start:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

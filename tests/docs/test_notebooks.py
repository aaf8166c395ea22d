"""Notebooks: valid, with kept outputs and public names alone; run again, they have the same outputs."""

from __future__ import annotations

import ast
import copy
import doctest
import re
from pathlib import Path
from typing import Any

import pytest

import xcat_rec
from xcat_rec.docs.site import notebooks
from xcat_rec.docs.site.pages import navigation

from ..pages import read

PATHS = notebooks.paths()
NAMES = ["deploy", "explain_and_audit", "first_recommender", "own_csv", "pretrain_and_transfer"]
PRIVATE_PATHS = re.compile(r"(?<![\w.])/(?:tmp|root|home|work|usr)/|site-packages")


def tree_of(notebook: notebooks.Notebook) -> ast.Module:
    return ast.parse("\n\n".join("".join(cell["source"]) for cell in notebooks.code_cells(notebook)))


def test_all_are_listed_and_on_the_site() -> None:
    assert [path.stem for path in PATHS] == NAMES
    listed = re.findall(r"\]\((\w+)\.ipynb\)", read("docs/notebooks/README.md"))
    places = [place for _, place in navigation()]
    assert sorted(listed) == NAMES
    assert {f"notebooks/{name}.md" for name in NAMES} <= set(places)


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_a_notebook_is_valid_and_has_outputs(path: Path) -> None:
    notebook = notebooks.read(path)
    cells = notebook["cells"]
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert {cell["cell_type"] for cell in cells} == {"markdown", "code"}
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert cells[0]["source"][0].startswith("# ")
    code = notebooks.code_cells(notebook)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1)), "run `make notebooks`"
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert sum(bool(cell["outputs"]) for cell in code) >= 0.7 * len(code)
    assert not any(PRIVATE_PATHS.search(notebooks.text_of(output)) for output in outputs)


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_its_code_uses_public_names(path: Path) -> None:
    tree = tree_of(notebooks.read(path))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "xcat_rec"
    }
    imported = [
        (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    plain = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    used |= {name for module, name in imported if module == "xcat_rec"}
    assert used and used <= set(xcat_rec.__all__)
    assert not [module for module, _ in imported if str(module).startswith("xcat_rec.")]
    assert not [module for module in plain if module.startswith("xcat_rec.")]


def printed(text: str, *tags: str) -> notebooks.Notebook:
    """A notebook of one cell that has printed a text."""
    output = {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}
    cell: dict[str, Any] = {"cell_type": "code", "id": "cell-1", "metadata": {"tags": list(tags)}, "source": ["1"]}
    return {"cells": [{**cell, "outputs": [output]}], "metadata": {}}


@pytest.mark.parametrize(
    ("tags", "again", "same"),
    [
        ((), "NDCG@10 0.24 of 300 users\nat 127.0.0.1:9 in 7 s", True),
        ((), "NDCG@10 0.26 of 300 users\nat 127.0.0.1:9 in 7 s", False),
        ((), "NDCG@10 0.20 of 301 users\nat 127.0.0.1:9 in 7 s", False),
        ((), "NDCG@10 0.20 of 300 items\nat 127.0.0.1:9 in 7 s", False),
        (("lists",), "NDCG@10 0.90 of 300 users\nsomething else", True),
        (("lists",), "something\nelse", False),
    ],
)
def test_outputs_are_compared_within_the_tolerance(tags: tuple[str, ...], again: str, same: bool) -> None:
    kept = printed("NDCG@10 0.20 of 300 users\nat 127.0.0.1:80 in 3.2 s", *tags)
    assert (list(notebooks.differences(kept, printed(again, *tags))) == []) is same


def test_a_missing_output_is_a_difference() -> None:
    kept, again = printed("a"), printed("a")
    again["cells"][0]["outputs"] = []
    assert ["cell-1: outputs are []" in found for found in notebooks.differences(kept, again)] == [True]


def test_times_standard_error_and_the_folder_are_not_kept() -> None:
    book = printed("saved in /tmp/x/model\n")
    late = [
        {"output_type": "stream", "name": "stderr", "text": ["100%"]},
        {"output_type": "stream", "name": "stdout", "text": ["done\n"]},
    ]
    book["cells"][0]["outputs"] += late
    book["cells"][0]["metadata"]["execution"] = {"iopub.execute_input": "2026"}
    cell = notebooks.cleaned(book, "/tmp/x")["cells"][0]
    assert [notebooks.text_of(output) for output in cell["outputs"]] == ["saved in ./model\ndone\n"]
    assert cell["metadata"] == {"tags": []}


def test_a_notebook_becomes_a_page() -> None:
    book = copy.deepcopy(printed("5 tents\n"))
    book["cells"].insert(0, {"cell_type": "markdown", "source": ["# Title\n", "\n", "Text."]})
    book["cells"][1]["outputs"].append({"output_type": "display_data", "data": {"image/svg+xml": ["<svg/>"]}})
    text, pictures = notebooks.page(book, "book")
    parts = ["# Title\n\nText.", "```python\n1\n```", "```text\n5 tents\n```"]
    assert text.split("\n\n![")[0] == "\n\n".join(parts)
    assert text.endswith("\n\n![Output of the cell above](book-cell-1.svg)\n")
    assert pictures == {"book-cell-1.svg": "<svg/>"}


def test_doctests() -> None:
    result = doctest.testmod(notebooks)
    assert (result.attempted > 0, result.failed) == (True, 0)


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_a_notebook_runs_and_has_the_kept_outputs(path: Path) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    kept = notebooks.read(path)
    assert list(notebooks.differences(kept, notebooks.run(kept))) == []

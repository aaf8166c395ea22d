"""Every field of `XCatConfig` is documented, in groups that the docstring and the class share."""

from __future__ import annotations

import ast
import inspect
import re

from xcat_rec import XCatConfig
from xcat_rec.modeling_xcat import configuration_xcat


def test_fields_are_documented_in_the_groups_of_the_class() -> None:
    source = inspect.getsource(configuration_xcat)
    body = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)).body
    lines = source.splitlines()
    declared: list[tuple[str, str]] = []
    group = ""
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            comment = lines[node.lineno - 2].strip()
            group = comment[2:] if comment.startswith("# ") else group
            declared.append((group, node.target.id))
    documented: list[tuple[str, str]] = []
    arguments = inspect.getdoc(XCatConfig).split("Args:")[1].split("Raises:")[0]
    for line in arguments.splitlines():
        if title := re.fullmatch(r"    \*(.+)\*", line):
            group = title[1]
        elif name := re.match(r"    (\w+): ", line):
            documented.append((group, name[1]))
    assert documented == declared
    assert len({group for group, _ in declared}) == 18

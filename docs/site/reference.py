"""Signatures and docstrings of the public names, for the page of the reference; read from source, without imports."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from pathlib import Path

HEADING = re.compile(r"^### `(\w+)`$", re.MULTILINE)
_SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes|Example|Examples|Source|Note)(?: \([^)]*\))?:\s*(.*)$")


def exported(root: Path) -> dict[str, str]:
    """Module of each public name, as in `_EXPORTS` of the package.

    Args:
        root: Folder of the package.
    """
    for node in _tree(root / "__init__.py").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_EXPORTS":
            found: dict[str, str] = ast.literal_eval(node.value)
            return found
    raise ValueError(f"{root / '__init__.py'} has no _EXPORTS")


def examples(root: Path, pages: str) -> set[str]:
    """Names that examples use, and the classes of their results and of the fields of these.

    Args:
        root: Folder of the package.
        pages: Code of the pages and of the files that tests run.
    """
    code, leads_to = [pages], dict[str, set[str]]()
    for file in (path for room in root.glob("*/__init__.py") for path in room.parent.rglob("*.py")):
        for node in ast.walk(_tree(file)):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                lines = (line.strip() for line in (ast.get_docstring(node) or "").splitlines())
                code += [line[4:] for line in lines if line.startswith((">>> ", "... "))]
                results = [node.returns] if isinstance(node, ast.FunctionDef) else _fields(node)
                words = {word for one in results if one for word in re.findall(r"\w+", ast.unparse(one))}
                leads_to.setdefault(node.name, set()).update(words)
    found, left = set[str](), re.findall(r"\w+", "\n".join(code))
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += leads_to.get(name, ())
    return found


def _fields(node: ast.ClassDef) -> list[ast.expr]:
    return [part.annotation for part in node.body if isinstance(part, ast.AnnAssign)]


def with_docstrings(text: str, root: Path) -> str:
    """Put signature and docstring below the heading of each public name.

    Args:
        text: The page; a name's heading is three number signs and the name in backticks.
        root: Folder of the package.
    """
    modules = exported(root)
    return HEADING.sub(lambda found: f"{found[0]}\n\n{described(found[1], modules[found[1]], root)}", text)


def described(name: str, module: str, root: Path) -> str:
    """Signature, docstring and public methods of a name, as Markdown.

    Args:
        name: The name.
        module: Its module, relative to the package, such as ".workflows.fit".
        root: Folder of the package.
    """
    node = _definition(root, module, name)
    parts = [f"```text\n{_signature(node, name)}\n```", markdown(_docstring(node))]
    if isinstance(node, ast.ClassDef):
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and not method.name.startswith("_") and ast.get_docstring(method):
                first = _docstring(method).split("\n\n")[0].replace("\n", " ")
                call = method.name if _is_property(method) else _signature(method, method.name, 10_000)
                parts.append(f"* `{call}`: {first}")
    return "\n\n".join(part for part in parts if part)


def markdown(docstring: str) -> str:
    r"""A Google-style docstring as Markdown: sections become bold words, arguments become lists.

    Example:
        >>> print(markdown("Adds.\n\nArgs:\n    a: A number\n        of items.\n\nReturns:\n    The sum."))
        Adds.
        <BLANKLINE>
        **Args**
        <BLANKLINE>
        * `a`: A number of items.
        <BLANKLINE>
        **Returns**
        <BLANKLINE>
        The sum.
    """
    blocks: list[str] = []
    lines = docstring.splitlines()
    while lines:
        line = lines.pop(0)
        section = _SECTION.match(line)
        if not section:
            blocks.append(line)
            continue
        body = []
        while lines and (not lines[0].strip() or lines[0].startswith(" ")):
            body.append(lines.pop(0))
        inner = inspect.cleandoc("\n".join(["", *body]))
        blocks += ["", f"**{section[1]}** {section[2]}".rstrip(), "", _body(section[1], inner), ""]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(blocks)).strip()
    return _fenced(text)


def _body(section: str, text: str) -> str:
    if section in ("Example", "Examples") and ">>> " not in text:
        return f"```python\n{text}\n```"
    if section not in ("Args", "Raises", "Attributes"):
        return text
    entries = re.split(r"\n(?=\S)", text)
    return "\n".join(
        "* " + re.sub(r"^(\*{0,2}[\w., *]+)( \([^)]*\))?:", r"`\1`\2:", " ".join(entry.split())) for entry in entries
    )


def _fenced(text: str) -> str:
    """Doctests, with their outputs, as blocks of code."""
    return re.sub(r"(?:^|(?<=\n))(>>> (?:.+\n?)+)", lambda found: f"```pycon\n{found[1].rstrip()}\n```\n", text)


def _docstring(node: ast.ClassDef | ast.FunctionDef) -> str:
    return ast.get_docstring(node) or ""


def _signature(node: ast.ClassDef | ast.FunctionDef, name: str, width: int = 100) -> str:
    if isinstance(node, ast.FunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        given = [one for one in _arguments(node.args) if one not in ("self", "cls")]
        line = f"{name}({', '.join(given)}){returns}"
        return (
            line if len(line) <= width else "\n".join([f"{name}(", *(f"    {one}," for one in given), f"){returns}"])
        )
    own = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
    if own:
        return _signature(own, f"class {name}").removesuffix(" -> None")
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    fields = [ast.unparse(part) for part in node.body if isinstance(part, ast.AnnAssign) and not _private(part.target)]
    head = f"class {name}({bases})" if bases else f"class {name}"
    return "\n    ".join([head, *(field.split(" = field(")[0] for field in fields)])


def _arguments(arguments: ast.arguments) -> list[str]:
    """Each argument with its annotation and default, and the bare star before keywords."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + arguments.defaults
    found = [_argument(one, default) for one, default in zip(plain, defaults, strict=True)]
    if arguments.vararg:
        found.append(f"*{_argument(arguments.vararg, None)}")
    elif arguments.kwonlyargs:
        found.append("*")
    found += [_argument(one, value) for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return found + ([f"**{_argument(arguments.kwarg, None)}"] if arguments.kwarg else [])


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(one) + (f" = {ast.unparse(default)}" if default is not None else "")


def _is_property(method: ast.FunctionDef) -> bool:
    return any(ast.unparse(decorator).endswith("property") for decorator in method.decorator_list)


def _private(target: ast.expr) -> bool:
    return ast.unparse(target).startswith("_")


def _definition(root: Path, module: str, name: str) -> ast.ClassDef | ast.FunctionDef:
    """The class or function itself, found through modules that only import it."""
    path = root.joinpath(*module.strip(".").split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name and isinstance(node.value, ast.Name):
            return _definition(root, module, node.value.id)
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    folder = path.parents[node.level - 1].relative_to(root)
                    return _definition(root, ".".join((*folder.parts, node.module)), alias.name)
    raise ValueError(f"{path} does not define {name!r}")


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))

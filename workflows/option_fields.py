"""Names, types and defaults of the options that are dataclass fields, read from source.

Importing the classes would import torch and transformers, which takes seconds; a misspelt option is refused at once.
`tests/cli/test_option_fields.py` compares the result with the classes.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNKNOWN: Any = object()
"""Placeholder for a default that only the class can compute."""
PREPARATION, CONFIG, TRAINING = "PreparationOptions", "XCatConfig", "XCatTrainingArguments"
CLICK = "ClickOptions"
_OPTIONS = "training/preparation/options.py"
_SOURCES = {
    PREPARATION: (
        ("", "tokenization/sequences/event_options.py", "EventOptions"),
        ("", _OPTIONS, "TextOptions"),
        ("", "tokenization/images/image_options.py", "ImageOptions"),
        ("", "tokenization/policy/policy_options.py", "PolicyOptions"),
        *(("", _OPTIONS, name) for name in ("InterestOptions", "ModelOptions", PREPARATION)),
    ),
    CONFIG: (
        ("transformers", "configuration_utils.py", "PreTrainedConfig"),
        ("", "modeling_xcat/configuration_xcat.py", CONFIG),
    ),
    TRAINING: (
        ("transformers", "training_args.py", "TrainingArguments"),
        ("", "training/arguments.py", TRAINING),
    ),
    CLICK: (("", "tokenization/sequences/click_options.py", CLICK),),
}
"""Package, file and name of each class, base classes first."""
_ENUMERATIONS = (("transformers", "trainer_utils.py"), ("transformers", "training_args.py"))


@dataclass(frozen=True)
class OptionField:
    """A field of a dataclass.

    Args:
        name: Its name.
        kind: Its annotation, as text.
        default: Its default; `UNKNOWN` for one that is computed.
        choices: Values that it may have, if transformers declares an enumeration; else empty.
        help: First sentence of its documentation in its class, on one line; may be empty.
        inherited: Whether only transformers declares it.
        group: Name of the class that declares it: `PreparationOptions` has its fields from several.
    """

    name: str
    kind: str
    default: Any = UNKNOWN
    choices: tuple[str, ...] = ()
    help: str = field(default="", repr=False)
    inherited: bool = field(default=False, repr=False)
    group: str = field(default="", repr=False)


@functools.cache
def option_fields(owner: str) -> dict[str, OptionField]:
    """Fields of a class by name, inherited ones included.

    Args:
        owner: `PREPARATION`, `CONFIG`, `TRAINING` or `CLICK`.

    Example:
        >>> option_fields(CONFIG)["hidden_size"]
        OptionField(name='hidden_size', kind='int', default=128, choices=())
    """
    found: dict[str, OptionField] = {}
    for package, file, group in _SOURCES[owner]:
        path = _folder(package) / file
        for statement in _class_body(path, group):
            kind = ast.unparse(statement.annotation)
            if not isinstance(statement.target, ast.Name) or kind.startswith("ClassVar"):
                continue
            name = statement.target.id
            before = found.get(name, OptionField(name, kind, group=group))
            about = _metadata_help(statement.value) or _docstring_help(path, group, name)
            found[name] = OptionField(
                name,
                kind,
                _default(statement.value, path),
                _choices(kind) or before.choices,
                about or before.help,
                bool(package),
                before.group,
            )
    return found


def literal_keys(package: str, file: str, name: str) -> tuple[str, ...]:
    """Keys of a dictionary literal in a module's source.

    Args:
        package: An installed package; empty for this one.
        file: File in it.
        name: Name of the dictionary.

    Example:
        >>> "tensorboard" in literal_keys(
        ...     "transformers", "integrations/integration_utils.py", "INTEGRATION_TO_CALLBACK"
        ... )
        True
    """
    value = _assigned(_folder(package) / file, name)
    keys = value.keys if isinstance(value, ast.Dict) else []
    return tuple(str(key.value) for key in keys if isinstance(key, ast.Constant))


def _folder(package: str) -> Path:
    if not package:
        return Path(__file__).parent.parent
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _class_body(path: Path, name: str) -> Iterator[ast.AnnAssign]:
    for node in _tree(path).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            yield from (statement for statement in node.body if isinstance(statement, ast.AnnAssign))


def _metadata_help(value: ast.expr | None) -> str:
    """The help of `field(metadata={"help": ...})`."""
    for keyword in value.keywords if isinstance(value, ast.Call) else ():
        if keyword.arg == "metadata" and isinstance(keyword.value, ast.Dict):
            parts = zip(keyword.value.keys, keyword.value.values, strict=True)
            return next((_sentence(str(_default(text, Path()))) for key, text in parts if _is_help(key)), "")
    return ""


def _is_help(key: ast.expr | None) -> bool:
    return isinstance(key, ast.Constant) and key.value == "help"


def _docstring_help(path: Path, name: str, entry: str) -> str:
    """The text of an argument in a class docstring: `name: text` or `name (type): text`."""
    node = next(node for node in _tree(path).body if isinstance(node, ast.ClassDef) and node.name == name)
    found = re.search(
        rf"^( *){entry}(?: \([^\n]*\))?:((?: [^\n]*)?(?:\n\1 +\S[^\n]*)*)", ast.get_docstring(node) or "", re.MULTILINE
    )
    return _sentence(found[2]) if found else ""


def _sentence(text: str) -> str:
    return re.split(r"(?<=[.;])\s", " ".join(text.split()), maxsplit=1)[0].rstrip(".;")


def _default(value: ast.expr | None, path: Path) -> Any:
    """The value of a default: a literal, `field(default=...)`, or a constant of this module or an imported one."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "field":
        arguments = {keyword.arg: keyword.value for keyword in value.keywords}
        if "default_factory" not in arguments:
            return _default(arguments.get("default"), path)
        factory = arguments["default_factory"]
        if isinstance(factory, ast.Lambda):
            return _default(factory.body, path)
        return {"dict": {}, "list": []}.get(ast.unparse(factory), UNKNOWN)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "from_data":
        return _default(value.args[0], path)
    if isinstance(value, ast.Name):
        return _default(_assigned(path, value.id), path) if _assigned(path, value.id) else _imported(path, value.id)
    try:
        return UNKNOWN if value is None else ast.literal_eval(value)
    except ValueError:
        return UNKNOWN


def _assigned(path: Path, name: str) -> ast.expr | None:
    """The expression that a module assigns to a name, alone or in a tuple."""
    for node in _tree(path).body:
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id == name:
                return node.value
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                names = [part.id if isinstance(part, ast.Name) else "" for part in target.elts]
                if name in names:
                    return node.value.elts[names.index(name)]
    return None


def _imported(path: Path, name: str) -> Any:
    """The constant, read from the module of this package that defines it."""
    for node in _tree(path).body:
        if isinstance(node, ast.ImportFrom) and node.level and node.module and name in {a.name for a in node.names}:
            folder = path.parents[node.level - 1]
            source = folder.joinpath(*node.module.split(".")).with_suffix(".py")
            return _default(ast.Name(name), source) if source.is_file() else UNKNOWN
    return UNKNOWN


@functools.cache
def _enumerations() -> dict[str, tuple[str, ...]]:
    found = {}
    for package, file in _ENUMERATIONS:
        for node in _tree(_folder(package) / file).body:
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "ExplicitEnum" for base in node.bases):
                values = [part.value for part in node.body if isinstance(part, ast.Assign)]
                found[node.name] = tuple(str(v.value) for v in values if isinstance(v, ast.Constant))
    return found


def _choices(kind: str) -> tuple[str, ...]:
    """Values of the enumeration that an annotation such as `SchedulerType | str` names."""
    names = [part.strip() for part in kind.split("|")]
    return next((values for name, values in _enumerations().items() if name in names), ())

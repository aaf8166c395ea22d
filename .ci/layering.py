"""Checks the layering of the package: what each room may import.

1. A room imports only from its own or a lower floor, and rooms do not import each other in a circle.
2. Imports inside the package are relative.
3. `modeling_xcat` is flat: files end in `_xcat.py` and import only `from .name_xcat import X`, the standard library,
   torch, transformers and dependencies of transformers. Otherwise the code copy of a checkpoint breaks.

Run as `python .ci/layering.py [root]`; prints one line per breach and exits 1 if there is any.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "xcat_rec"
FLOORS = {
    "modeling_xcat": 0,
    "modeling_baselines": 1,
    "tokenization": 1,
    "catalogue": 2,
    "evaluation": 2,
    "exporting": 3,
    "checkpoints": 3,
    "ranking": 4,
    "training": 5,
    "serving": 5,
    "model_cards": 6,
    "workflows": 7,
    "cli": 8,
}
FLAT_ROOM = "modeling_xcat"
FLAT_THIRD_PARTY = {"torch", "transformers", "huggingface_hub"}


@dataclass(frozen=True)
class Import:
    """One imported module, seen from one file of the package."""

    path: Path
    line: int
    module: str  # absolute for a third-party module, dotted below the package root for a relative import
    level: int
    names: tuple[str, ...] = ()

    def says(self, problem: str, root: Path) -> str:
        return f"{self.path.relative_to(root)}:{self.line}: {problem}"


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Every import of a file, relative ones resolved to the dotted path below the package root."""
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name, 0)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield Import(path, node.lineno, node.module or "", 0)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - (node.level - 1)]
            inner = tuple(node.module.split(".")) if node.module else ()
            names = tuple(alias.name for alias in node.names)
            targets = [(*base, *inner)] if base or inner else [(name,) for name in names]
            for target in targets:
                yield Import(path, node.lineno, ".".join(target), node.level, names)


def room_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Every Python file of every room."""
    for room in FLOORS:
        for path in sorted((root / room).rglob("*.py")):
            yield room, path


def floor_breaches(root: Path) -> Iterator[str]:
    """Imports from a higher floor, absolute imports of the package, and folders that are not a room."""
    for room, path in room_files(root):
        for found in imports_of(path, root):
            target = found.module.split(".")[0]
            if found.level == 0:
                if target == PACKAGE:
                    yield found.says(
                        f"imports {found.module} absolutely; inside the package imports are relative", root
                    )
            elif target not in FLOORS:
                if target and (root / target).is_dir():
                    yield found.says(f"imports {target}, which is not a room of the package", root)
            elif FLOORS[target] > FLOORS[room]:
                problem = f"{room} (floor {FLOORS[room]}) imports {target} (floor {FLOORS[target]})"
                yield found.says(f"{problem}; a room imports only from lower floors", root)


def circles(root: Path) -> Iterator[str]:
    """Rooms that import each other in a circle."""
    edges: dict[str, set[str]] = {room: set() for room in FLOORS}
    for room, path in room_files(root):
        targets = {found.module.split(".")[0] for found in imports_of(path, root) if found.level > 0}
        edges[room] |= (targets & FLOORS.keys()) - {room}
    done: set[str] = set()

    def walk(room: str, trail: tuple[str, ...]) -> Iterator[str]:
        if room in trail:
            yield "circle of rooms: " + " -> ".join((*trail[trail.index(room) :], room))
        elif room not in done:
            for target in sorted(edges[room]):
                yield from walk(target, (*trail, room))
            done.add(room)

    for room in sorted(FLOORS):
        yield from walk(room, ())


def flat_breaches(root: Path) -> Iterator[str]:
    """Find imports that would break the code copy of a checkpoint."""
    allowed = sys.stdlib_module_names | FLAT_THIRD_PARTY
    for path in sorted((root / FLAT_ROOM).rglob("*.py")):
        name = path.relative_to(root)
        if len(name.parts) != 2:
            yield f"{name}:1: {FLAT_ROOM} is flat; move the file up"
        if path.name != "__init__.py" and not path.stem.endswith("_xcat"):
            yield f"{name}:1: files of {FLAT_ROOM} end in _xcat.py"
        for found in imports_of(path, root):
            if found.level == 0:
                if found.module.split(".")[0] not in allowed:
                    yield found.says(f"imports {found.module}; only torch and transformers are allowed here", root)
            elif path.name == "__init__.py" and found.module == "lazy_names":
                continue  # not copied into checkpoints
            elif found.level > 1 or found.module.count(".") != 1 or not found.module.endswith("_xcat"):
                yield found.says("write `from .name_xcat import X`; transformers copies nothing else", root)


def breaches(root: Path) -> list[str]:
    """All breaches below a package root, one line each."""
    return [*floor_breaches(root), *circles(root), *flat_breaches(root)]


def main() -> int:
    """Print the breaches; exit code 1 if there are any."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    found = breaches(root)
    for line in found:
        print(line)
    print(f"layering: {sum(1 for _ in room_files(root))} files, {len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

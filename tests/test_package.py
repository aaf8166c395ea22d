"""The public face: what is exported, what an import costs, and what a built distribution contains."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import xcat_rec

ROOT = Path(__file__).parent.parent
XCAT = Path(sys.executable).with_name("xcat")
HEAVY = {"torch", "transformers", "datasets", "evaluate", "polars", "pyarrow", "numpy", "pandas", "typer", "rich"}
NOT_INSTALLED = {"tests", "docs", "benchmarks", "examples", "build", "dist"}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return done.stdout.strip()


def import_seconds(module: str) -> float:
    timed = f"import time; start = time.process_time(); import {module}; print(time.process_time() - start)"
    return float(run_python(timed))


def wall_seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


@pytest.mark.parametrize("name", xcat_rec.__all__)
def test_export(name: str) -> None:
    value = getattr(xcat_rec, name)
    assert value is not None
    assert name in dir(xcat_rec)


def test_unknown_export() -> None:
    with pytest.raises(AttributeError, match="'xcat_rec' has no attribute 'XDog'"):
        _ = xcat_rec.XDog
    with pytest.raises(ImportError):
        from xcat_rec import XDog  # noqa: F401


CONTENTS = sorted(
    path for path in (ROOT, *ROOT.glob("*/"), *ROOT.glob("*/*/")) if "_EXPORTS = {" in _text(path / "__init__.py")
)


@pytest.mark.parametrize("folder", CONTENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tables_of_contents(folder: Path) -> None:
    """Type checkers see the names that Python imports, every name exists, and no file hides one."""
    name = ".".join(("xcat_rec", *folder.relative_to(ROOT).parts))
    room = import_module(name)
    block = re.findall(r"^    from (\.\S+) import (\w+) as (\w+)$", _text(folder / "__init__.py"), re.MULTILINE)
    assert {exported: module for module, exported, _ in block} == room._EXPORTS
    assert all(exported == alias for _, exported, alias in block)
    assert set(room.__all__) <= set(dir(room))
    for exported in room._EXPORTS:
        assert not (folder / f"{exported}.py").exists() and not (folder / exported).is_dir()
        assert getattr(room, exported) is not None


def test_import_brings_nothing_heavy() -> None:
    loaded = set(run_python("import sys, xcat_rec; dir(xcat_rec); print(*sys.modules)").split())
    assert "xcat_rec" in loaded
    assert not loaded & HEAVY


def test_import_time() -> None:
    """CPU time, measured turn by turn, so that a busy moment hits both; the best of each counts."""
    rounds = [(import_seconds("xcat_rec"), import_seconds("huggingface_hub")) for _ in range(5)]
    ours, theirs = (min(times) for times in zip(*rounds, strict=True))
    assert ours <= 1.2 * theirs, f"import xcat_rec took {ours:.3f} s, import huggingface_hub {theirs:.3f} s"


def test_help_is_quick() -> None:
    command = [str(XCAT), "--help"]
    seconds = min(wall_seconds(lambda: subprocess.run(command, capture_output=True, check=True)) for _ in range(3))
    assert seconds < 1.0, f"xcat --help took {seconds:.2f} s"


def test_every_room_is_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])
    found = {
        ".".join(("xcat_rec", *path.parent.relative_to(ROOT).parts))
        for path in ROOT.glob("*/**/__init__.py")
        if path.relative_to(ROOT).parts[0] not in NOT_INSTALLED and not path.relative_to(ROOT).parts[0].startswith(".")
    }
    assert found | {"xcat_rec"} == listed
    for name in sorted(listed):
        assert import_module(name).__file__, f"{name} has an __init__.py"


def test_the_version_is_in_the_changelog() -> None:
    assert re.search(rf"^## \[{re.escape(xcat_rec.__version__)}\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_every_requirement_is_pinned() -> None:
    """A requirement without a pin would let a CUDA torch or an untried release in."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[<>=!~\[; ]", one)[0] for one in wanted}
    assert {"torch", "transformers"} <= names
    assert {normal(name) for name in names} <= {normal(pin) for pin in pins}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders with the sdist and the wheel of two builds, of copies whose files differ in date and mode."""
    folders = []
    tracked = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(tracked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for mode in (0o644, 0o600):
        folder = tmp_path_factory.mktemp("build")
        source = folder / "source"
        for name in names:
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
            target.chmod(mode)
            os.utime(target, (1.7e9 + mode, 1.7e9 + mode))
        build = [sys.executable, "-m", "build", "--outdir", str(folder), str(source)]  # sdist, then wheel out of it
        done = subprocess.run(build, capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        folders.append(folder)
    return folders


def wheel_of(folder: Path) -> Path:
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.slow
def test_distributions(built: list[Path]) -> None:
    """A wheel built from the sdist holds every room below `xcat_rec`, and nothing beside it."""
    names = set(zipfile.ZipFile(wheel_of(built[0])).namelist())
    assert {name.split("/")[0] for name in names} == {"xcat_rec", f"xcat_rec-{xcat_rec.__version__}.dist-info"}
    assert not {name for name in names if name.startswith("xcat_rec/") and name.split("/")[1] in NOT_INSTALLED}
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_INSTALLED
    expected = {f"xcat_rec/{path.relative_to(ROOT)}" for room in rooms for path in (ROOT / room).rglob("*.py")}
    expected |= {"xcat_rec/__init__.py", "xcat_rec/py.typed", "xcat_rec/model_cards/template.md"}
    assert expected <= names, f"missing from the wheel: {sorted(expected - names)}"


@pytest.mark.slow
def test_the_wheel_is_reproducible(built: list[Path]) -> None:
    """Two builds have the same bytes, and RECORD has the digest and the size of every file."""
    first, second = map(wheel_of, built)
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as wheel:
        record = next(name for name in wheel.namelist() if name.endswith("/RECORD"))
        rows = dict(line.split(",", 1) for line in wheel.read(record).decode().splitlines())
        assert sorted(rows) == sorted(wheel.namelist())
        assert rows.pop(record) == ","
        for name, row in rows.items():
            data = wheel.read(name)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert row == f"sha256={digest},{len(data)}", name


@pytest.mark.slow
def test_the_wheel_lists_its_dependencies(built: list[Path]) -> None:
    """The CycloneDX list in the wheel has every direct dependency, with the version that constraints.txt pins."""
    with zipfile.ZipFile(wheel_of(built[0])) as wheel:
        listed = json.loads(wheel.read(f"xcat_rec-{xcat_rec.__version__}.dist-info/sboms/xcat-rec.cdx.json"))
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.6")
    assert listed["metadata"]["component"]["purl"] == f"pkg:pypi/xcat-rec@{xcat_rec.__version__}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    required = {normal(re.split(r"[^\w.-]", line)[0]) for line in project["dependencies"]}
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    optional = {normal(re.split(r"[^\w.-]", line)[0]) for line in extras} - required
    scopes = {component["name"]: component["scope"] for component in listed["components"]}
    assert scopes == dict.fromkeys(required, "required") | dict.fromkeys(optional, "optional")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))
    versions = {normal(name): version for name, version in pins.items()}
    assert [component.get("version") for component in listed["components"]] == [
        versions.get(component["name"]) for component in listed["components"]
    ]
    assert "torch" in versions

"""The layering rule holds in this checkout, and the checker finds each kind of breach when one is planted."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def layering() -> ModuleType:
    spec = importlib.util.spec_from_file_location("xcat_ci_layering", ROOT / ".ci" / "layering.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for room in ("modeling_xcat", "tokenization", "catalogue", "training", "evaluation", "cli"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text('"""A room."""\n')
    return tmp_path


def test_this_checkout(layering: ModuleType) -> None:
    assert layering.breaches(ROOT) == []
    files = [path for _, path in layering.room_files(ROOT)]
    assert ROOT / "modeling_xcat" / "modeling_xcat.py" in files, "the checker looks at the package"


def test_every_room_is_in_the_floor_plan(layering: ModuleType) -> None:
    not_installed = {"tests", "docs", "benchmarks", "examples", "build", "dist"}
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - not_installed
    assert rooms <= layering.FLOORS.keys()


def test_allowed_imports(layering: ModuleType, package: Path) -> None:
    (package / "training" / "trainer.py").write_text(
        "import numpy\nfrom ..modeling_xcat.modeling_xcat import X\nfrom ..evaluation.ranks import y\n"
    )
    (package / "modeling_xcat" / "modeling_xcat.py").write_text(
        "import math\nimport torch\nfrom transformers import AutoModel\nfrom .losses_xcat import loss\n"
    )
    assert layering.breaches(package) == []


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        (
            "tokenization/text.py",
            "from ..training.trainer import X",
            "tokenization (floor 1) imports training",
        ),
        ("tokenization/text.py", "from .. import cli", "tokenization (floor 1) imports cli (floor 8)"),
        (
            "tokenization/sources/a.py",
            "from ...training import X",
            "tokenization (floor 1) imports training",
        ),
        (
            "evaluation/audit.py",
            "def f():\n    from ..cli.app import main",
            "evaluation (floor 2) imports cli",
        ),
        ("cli/app.py", "from xcat_rec.training import X", "imports xcat_rec.training absolutely"),
        ("cli/app.py", "import xcat_rec", "imports xcat_rec absolutely"),
        ("cli/app.py", "from ..tests.planted import X", "imports tests, which is not a room of the package"),
        ("modeling_xcat/a_xcat.py", "from ..tokenization.text import X", "write `from .name_xcat import X`"),
        ("modeling_xcat/a_xcat.py", "from . import losses_xcat", "write `from .name_xcat import X`"),
        ("modeling_xcat/a_xcat.py", "from .sub.b_xcat import X", "write `from .name_xcat import X`"),
        ("modeling_xcat/a_xcat.py", "import numpy", "only torch and transformers are allowed"),
        ("modeling_xcat/losses.py", "import torch", "end in _xcat.py"),
        ("modeling_xcat/sub/a_xcat.py", "import torch", "modeling_xcat is flat"),
    ],
)
def test_planted_breach(layering: ModuleType, package: Path, file: str, source: str, message: str) -> None:
    path = package / file
    path.parent.mkdir(exist_ok=True)
    (package / "tests").mkdir()
    path.write_text(source + "\n")
    found = layering.breaches(package)
    assert any(message in line and line.startswith(f"{file}:") for line in found), found


def test_planted_circle(layering: ModuleType, package: Path) -> None:
    (package / "catalogue" / "memory.py").write_text("from ..evaluation.ranks import x\n")
    assert layering.breaches(package) == []
    (package / "evaluation" / "ranks.py").write_text("from ..catalogue.memory import y\n")
    assert layering.breaches(package) == ["circle of rooms: catalogue -> evaluation -> catalogue"]

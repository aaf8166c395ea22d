"""No file and no function of the package is too long, and the check finds one that is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def sizes(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, ROOT / ".ci" / "sizes.py", root], capture_output=True, text=True)


def test_the_package_passes() -> None:
    found = sizes(ROOT)
    assert found.returncode == 0, found.stdout
    assert "0 too long in the package" in found.stdout


@pytest.mark.parametrize(("room", "code"), [("training", 1), ("tests", 0)])
def test_what_is_too_long_is_refused_in_the_package_and_listed_elsewhere(tmp_path: Path, room: str, code: int) -> None:
    (tmp_path / room).mkdir()
    documented = '    """' + "x\n" * 100 + '    """\n'
    (tmp_path / room / "file.py").write_text(
        "def short():\n" + documented + "    pass\n" * 60 + "def long():\n" + "    pass\n" * 61 + "x = 1\n" * 200
    )
    found = sizes(tmp_path)
    assert found.returncode == code
    assert "long has 61 lines, over 60" in found.stdout
    assert "lines, over 400" in found.stdout
    assert "short has" not in found.stdout

"""Commands and examples of README and the pages of docs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parent.parent
README, CHINESE, QUICK_START = "README.md", "README.zh-CN.md", "docs/quick_start.md"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of the bash and Python blocks, in order."""
    return re.findall(r"^```(bash|python)\n(.*?)^```", read(page), re.DOTALL | re.MULTILINE)


def words_of(text: str) -> list[list[str]]:
    """Words of each command in a bash block, without comments."""
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def table_commands(page: str) -> list[list[str]]:
    """Words of each `xcat` command in the tables of a page."""
    rows = [line for line in read(page).splitlines() if line.startswith("|")]
    return [shlex.split(command) for row in rows for command in re.findall(r"`(xcat [^`]+)`", row)]

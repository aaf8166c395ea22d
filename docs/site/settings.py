"""Writes the table of environment variables of `xcat serve` into docs/deploy.md, from `ServeSettings`.

Run as `python -m xcat_rec.docs.site.settings` in the environment of the package. `tests/docs/test_settings_table.py`
compares the page with the class.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

from xcat_rec.serving.http.settings import PREFIX, ServeSettings

PAGE = Path(__file__).resolve().parents[1] / "deploy.md"
_TABLE = re.compile(r"(?<=<!-- settings -->\n).*?(?=\n<!-- end -->)", re.DOTALL)


def table() -> str:
    """A row per variable: its option, its default, and the text of the class."""
    rows = ["| Variable | Option | Default | Effect |", "|---|---|---|---|"]
    texts = _texts()
    for field in fields(ServeSettings):
        default = field.default if field.default not in (None, ()) else "none"
        option = f"`--{field.name.replace('_', '-')}`"
        rows.append(f"| `{PREFIX}{field.name.upper()}` | {option} | `{default}` | {texts[field.name]} |")
    return "\n".join(rows)


def _texts() -> dict[str, str]:
    """The texts of the arguments in the docstring, each on one line."""
    described = inspect.getdoc(ServeSettings) or ""
    block = described.partition("Args:\n")[2].partition("\n\n")[0]
    entries = re.split(r"\n(?=    \w+: )", f"\n{block}")[1:]
    pairs = (entry.strip().split(": ", 1) for entry in entries)
    return {name: " ".join(text.split()).replace("|", "\\|") for name, text in pairs}


def page() -> str:
    """The page with the table of now."""
    return _TABLE.sub(lambda _: table(), PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

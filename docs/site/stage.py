"""Copies all pages and pictures to `.cache/site/pages`, where mkdocs-material and zensical read them.

Run by `python -m xcat_rec.docs.site.build`. The pages stay where GitHub shows them; only links change in the copy. The
reference gets signatures and docstrings.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from . import notebooks
from .pages import ROOT, pages, with_site_links
from .reference import with_docstrings

STAGE = ROOT / ".cache" / "site" / "pages"
PICTURES = (".svg", ".png")
STYLE = Path(__file__).with_name("contrast.css")
REFERENCE, LLMS = "docs/reference.md", "docs/llms.txt"


def staged(root: Path = ROOT) -> dict[str, str]:
    """Text of every page, and of the pictures that notebooks draw, by its place on the site."""
    texts = pages(root) | {LLMS: "llms.txt"}
    places = texts | pictures(root)
    found = {}
    for name, place in texts.items():
        if name.endswith(".ipynb"):
            text, drawn = notebooks.page(notebooks.read(root / name), Path(name).stem)
            found |= {f"{Path(place).parent.as_posix()}/{file}": picture for file, picture in drawn.items()}
        else:
            text = (root / name).read_text(encoding="utf-8")
        if name == REFERENCE:
            text = with_docstrings(text, root)
        found[place] = with_site_links(text, name, places)
    return found


def pictures(root: Path = ROOT) -> dict[str, str]:
    """Place on the site of pictures and other files beside the pages, by name in the repository."""
    files = [path.relative_to(root).as_posix() for path in (root / "docs").rglob("*") if path.suffix in PICTURES]
    return {name: name.removeprefix("docs/") for name in sorted(files)}


def write(folder: Path = STAGE) -> None:
    """Write the folder that the site is built from.

    Args:
        folder: The folder; an old one is replaced.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for place, text in staged().items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8")
    shutil.copyfile(STYLE, folder / STYLE.name)
    for name, place in pictures().items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / place)

"""Pages of the site: their places, their order, and links between them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MOVED = {
    "README.md": "index.md",
    "README.zh-CN.md": "zh/index.md",
    "docs/README.md": "pages.md",
    "docs/index.md": "item_index.md",
    "docs/zh/README.md": "zh/pages.md",
    "docs/zh/index.md": "zh/item_index.md",
    "docs/notebooks/README.md": "notebooks/index.md",
    "docs/zh/notebooks/README.md": "zh/notebooks/index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "CODE_OF_CONDUCT.md": "code_of_conduct.md",
}
"""Pages that have another place on the site: `index.md` of a folder is its first page there."""
_CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", re.DOTALL | re.MULTILINE)
_SIZED = re.compile(r'<img src="([^"]+)" alt="([^"]*)" width="(\d+)">')
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def pages(root: Path = ROOT) -> dict[str, str]:
    """Every page of the repository, also the notebooks, and its place on the site."""
    found = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "docs" / "notebooks").glob("*.ipynb")]
    names = sorted(path.relative_to(root).as_posix() for path in found)
    return {name: MOVED.get(name, name.removeprefix("docs/").replace(".ipynb", ".md")) for name in names}


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change a text, but not its code.

    Example:
        >>> outside_code("a `a` a", str.upper)
        'A `a` A'
    """
    return "".join(part if part.startswith("`") else change(part) for part in _CODE.split(text))


def with_site_links(text: str, page: str, places: dict[str, str]) -> str:
    """Lead the links of a page to places on the site.

    A link to a file that is not on the site, such as a folder of examples, becomes its text. A picture with a width,
    which is HTML on GitHub, becomes a Markdown picture, because mkdocs leaves addresses in HTML as they are.

    Args:
        text: The page.
        page: Its name in the repository.
        places: Place on the site by name in the repository, of pages and pictures.

    Example:
        >>> places = {"README.md": "index.md", "docs/fit.md": "fit.md"}
        >>> with_site_links("See [fit](docs/fit.md#options), [code](examples/extension).", "README.md", places)
        'See [fit](fit.md#options), code.'
        >>> places = {"docs/a/b.md": "a/b.md", "docs/c.png": "c.png"}
        >>> with_site_links('<img src="../c.png" alt="C" width="9">', "docs/a/b.md", places)
        '![C](../c.png){ width="9" }'
    """

    def moved(link: re.Match[str]) -> str:
        picture, title, target = link.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return link[0]
        name, mark, heading = target.partition("#")
        file = os.path.normpath(os.path.join(os.path.dirname(page), name))
        if file not in places:
            return str(title)
        place = os.path.relpath(places[file], os.path.dirname(places[page]) or ".")
        return f"{picture}[{title}]({place}{mark}{heading})"

    return outside_code(text, lambda part: _LINK.sub(moved, _SIZED.sub(r'![\2](\1){ width="\3" }', part)))


def navigation(root: Path = ROOT) -> list[tuple[str, str]]:
    """Titles and places of the navigation in `mkdocs.yml`, in their order."""

    def leaves(entry: Any, title: str) -> list[tuple[str, str]]:
        if isinstance(entry, str):
            return [(title, entry)]
        if isinstance(entry, list):
            return [leaf for part in entry for leaf in leaves(part, title)]
        return [leaf for name, part in entry.items() for leaf in leaves(part, name)]

    text = (root / "mkdocs.yml").read_text(encoding="utf-8")
    settings = yaml.safe_load(re.sub(r"!!python/\S+", "", text))  # the slugs of headings are a function of pymdownx
    return leaves(settings["nav"], "")

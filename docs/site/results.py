"""Checks that figures on pages come from result files.

A figure is a metric such as `.159`, or a number with a unit such as 6 % or 16 minutes, outside code and links. The
files in docs/research/results have one value per key, with the page and section of its measurement (command, seeds,
machine). `pages.json` lists the figures of each checked page in their order, each with its key. So a figure without a
key, and a key whose value rounds to another figure, is an error on these pages.

Run `python -m xcat_rec.docs.site.results` to list the errors, and the number of figures on pages that are not checked
yet. To check another page, add its figures to `pages.json`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .pages import ROOT, pages
from .translation import sections

FOLDER, PAGES = "docs/research/results", "pages.json"
_FIGURE = re.compile(
    r"(?<![\w.@])(?:-?\.\d{2,4}(?!\d)"
    r"|(?:[\d,.]*\d to )?[\d,.]*\d (?:%|times|ms|s|seconds|minutes|hours|[kMG]B)(?![\w]))"
)
_LEFT_OUT = re.compile(r"^```.*?^```|<!--.*?-->|`[^`\n]*`|\]\([^)\s]+\)", re.DOTALL | re.MULTILINE)
SCALES = {"%": 100.0, "minutes": 1 / 60, "hours": 1 / 3600, "ms": 1000.0}
"""Factors from stored values (shares, seconds) to shown ones."""


def figures(text: str) -> list[str]:
    """The figures of a page, in order.

    Example:
        >>> figures("NDCG@10 is .180 (`.170`), 6 % more, in 2 to 16 minutes, with Python 3.11.")
        ['.180', '6 %', '2 to 16 minutes']
    """
    return _FIGURE.findall(_LEFT_OUT.sub(" ", text))


def values(root: Path = ROOT) -> dict[str, dict[str, Any]]:
    """Every value by its key, `FILE.NAME`."""
    found = {}
    for path in sorted((root / FOLDER).glob("*.json")):
        if path.name != PAGES:
            entries = json.loads(path.read_text(encoding="utf-8"))
            found |= {f"{path.stem}.{name}": entry for name, entry in entries.items()}
    return found


def checked(root: Path = ROOT) -> dict[str, list[list[str]]]:
    """Figures and keys of each checked page."""
    listed: dict[str, list[list[str]]] = json.loads((root / FOLDER / PAGES).read_text(encoding="utf-8"))
    return listed


def faults(page: str, root: Path = ROOT) -> Iterator[str]:
    """Figures of a page without a key, and keys with another value, one sentence each.

    Args:
        page: A page of `pages.json`.
        root: The repository.
    """
    known = values(root)
    listed = checked(root)[page]
    on_page = figures((root / page).read_text(encoding="utf-8"))
    expected = [shown for shown, *_ in listed]
    for place, shown in enumerate(on_page):
        if place >= len(expected) or expected[place] != shown:
            other = f"{PAGES} has {expected[place]!r} there" if place < len(expected) else f"{PAGES} lists no more"
            yield f"{page}: figure {place + 1}, {shown!r}, has no key: {other}"
            return
    if len(expected) > len(on_page):
        yield f"{page}: {expected[len(on_page)]!r} is listed and not on the page"
    for shown, *keys in listed:
        numbers = re.findall(r"-?[\d,]*\.?\d+", shown)
        for number, key in zip(numbers, keys, strict=True):
            if key not in known:
                yield f"{page}: {shown!r}: no result file has the key {key!r}"
            elif not agrees(number, shown.split()[-1], float(known[key]["value"])):
                yield f"{page}: {shown!r} is not the value of {key}, {known[key]['value']}"


def agrees(number: str, unit: str, value: float) -> bool:
    """Whether a value rounds to a shown number.

    Example:
        >>> agrees(".159", ".159", 0.1589), agrees("2", "minutes", 104), agrees("7", "%", 0.062)
        (True, True, False)
    """
    digits = len(number.partition(".")[2])
    return abs(float(number.replace(",", "")) - value * SCALES.get(unit, 1.0)) <= 0.5 * 10**-digits + 1e-9


def sourceless(root: Path = ROOT) -> Iterator[str]:
    """Values whose text does not stand in the section that they name."""
    texts: dict[str, dict[str, str]] = {}
    for key, entry in values(root).items():
        page = entry["page"]
        if page not in texts:
            text = (root / page).read_text(encoding="utf-8")
            texts[page] = {section.anchor: section.text for section in sections(text)}
        if entry["text"] not in texts[page].get(entry["section"], ""):
            yield f"{key}: {entry['text']!r} does not stand in {page}#{entry['section']}"
        elif not agrees(*stated(entry["text"]), float(entry["value"])):
            yield f"{key}: {entry['text']!r} is not {entry['value']}"


def stated(text: str) -> tuple[str, str]:
    """Number and unit of a text such as "+6.2 %" or ".1589"."""
    number, _, unit = text.lstrip("+").partition(" ")
    return number, unit or number


def main() -> int:
    """List errors of checked pages, and numbers of figures of the others; the exit code is 1 if there are errors."""
    found = [*sourceless(), *(fault for page in checked() for fault in faults(page))]
    print("\n".join(found))
    for page in pages():
        if page in checked() or page.startswith("docs/research/") or page.endswith(".ipynb"):
            continue
        count = len(figures((ROOT / page).read_text(encoding="utf-8")))
        if count:
            print(f"{page}: {count} figures, not checked")
    print(f"{len(checked())} pages checked, {len(found)} errors")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

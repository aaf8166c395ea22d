"""Checks that figures on pages come from result files.

A figure is a metric such as `.159`, or a number with a unit such as 6 % or 16 minutes, outside code and links. The
files in docs/research/results have one value per key, and where the value stands:

* a measured value: page and section of its measurement (command, seeds, machine),
* a setting, in `settings.json`: the file of the code that defines it, or the test that checks it.

`pages.json` lists the figures of each English page in their order, each with its key. So a figure without a key, and a
key whose value rounds to another figure, is an error. A Chinese page may only have figures of its English page. Pages
in docs/research have the measurements themselves, and outputs of notebooks are compared with a new run.

Run `python -m xcat_rec.docs.site.results` to list the errors.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .pages import ROOT, pages
from .translation import sections, translated

FOLDER, PAGES = "docs/research/results", "pages.json"
_FIGURE = re.compile(
    r"(?<![\w.@])(?:-?\.\d{2,4}(?!\d)"
    r"|-?(?:[\d,.]*\d to )?[\d,.]*\d (?:%|times|ms|s|seconds|minutes|hours|[kMG]B)(?![\w]))"
)
_LEFT_OUT = re.compile(r"^```.*?^```|<!--.*?-->|`[^`\n]*`|\]\([^)\s]+\)", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(r"-?[\d,_]*\.?\d+(?:e-?\d+)?")
SCALES = {"%": 100.0, "minutes": 1 / 60, "hours": 1 / 3600, "ms": 1000.0, "MB": 1000.0}
"""Factors from stored values (shares, seconds, gigabytes) to shown ones."""


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


def listed(root: Path = ROOT) -> dict[str, list[list[str]]]:
    """Figures and keys of each page that has any."""
    found: dict[str, list[list[str]]] = json.loads((root / FOLDER / PAGES).read_text(encoding="utf-8"))
    return found


def checked(root: Path = ROOT) -> dict[str, str]:
    """The English page of each checked page: of a Chinese page its source, of another page itself."""
    names = [name for name in pages(root) if not name.startswith("docs/research/") and name.endswith(".md")]
    return {name: translated(root).get(name, name) for name in names}


def faults(page: str, root: Path = ROOT) -> Iterator[str]:
    """Figures of a page without a key, and keys with another value, one sentence each.

    Args:
        page: A page of `checked`.
        root: The repository.
    """
    source = checked(root)[page]
    entries = listed(root).get(source, [])
    on_page = figures((root / page).read_text(encoding="utf-8"))
    if source != page:
        more = _atoms(on_page) - _atoms([shown for shown, *_ in entries])
        yield from (
            f"{page}: figure {f'{number} {unit}'.strip()!r} is not on {source}" for number, unit in sorted(more)
        )
        return
    expected = [shown for shown, *_ in entries]
    for place, shown in enumerate(on_page):
        if place >= len(expected) or expected[place] != shown:
            other = f"{PAGES} has {expected[place]!r} there" if place < len(expected) else f"{PAGES} lists no more"
            yield f"{page}: figure {place + 1}, {shown!r}, has no key: {other}"
            return
    if len(expected) > len(on_page):
        yield f"{page}: {expected[len(on_page)]!r} is listed and not on the page"
    known = values(root)
    for shown, *keys in entries:
        for (number, unit), key in zip(_parts(shown), keys, strict=True):
            if key not in known:
                yield f"{page}: {shown!r}: no result file has the key {key!r}"
            elif not agrees(number, unit, float(known[key]["value"])):
                yield f"{page}: {shown!r} is not the value of {key}, {known[key]['value']}"


def _parts(shown: str) -> list[tuple[str, str]]:
    """Numbers of a figure with their unit: two of a range."""
    unit = shown.partition(" to ")[2] or shown
    return [(number, unit.partition(" ")[2]) for number in _NUMBER.findall(shown)]


def _atoms(shown: list[str]) -> set[tuple[str, str]]:
    return {part for figure in shown for part in _parts(figure)}


def agrees(number: str, unit: str, value: float) -> bool:
    """Whether a value rounds to a shown number.

    Example:
        >>> agrees(".159", "", 0.1589), agrees("2", "minutes", 104), agrees("7", "%", 0.062)
        (True, True, False)
    """
    exact, _, power = number.partition("e")
    digits = len(exact.partition(".")[2]) - int(power or 0)
    return abs(float(number.replace(",", "")) - value * SCALES.get(unit, 1.0)) <= 0.5 * 10.0**-digits + 1e-9


def sourceless(root: Path = ROOT) -> Iterator[str]:
    """Values whose text does not stand in the section or file that they name, or has another number at its end."""
    texts: dict[str, dict[str, str]] = {}
    for key, entry in values(root).items():
        page = entry.get("page") or entry["file"]
        if page not in texts:
            text = (root / page).read_text(encoding="utf-8")
            texts[page] = {section.anchor: section.text for section in sections(text)} | {"": text}
        place = f"{page}#{entry['section']}" if "page" in entry else page
        if entry["text"] not in texts[page].get(entry.get("section", ""), ""):
            yield f"{key}: {entry['text']!r} does not stand in {place}"
        elif not agrees(*stated(entry["text"], entry.get("unit", "")), float(entry["value"])):
            yield f"{key}: {entry['text']!r} is not {entry['value']}"


def stated(text: str, unit: str = "") -> tuple[str, str]:
    """The last number of a text, and the unit behind it.

    Args:
        text: Text of a page or of code.
        unit: The unit, if it stands elsewhere, such as in the heading of a table.

    Example:
        >>> stated("+6.2 %"), stated("loses .1589"), stated("SHORT_HEAD = 0.8"), stated("| 3 | 39", "ms")
        (('6.2', '%'), ('.1589', ''), ('0.8', ''), ('39', 'ms'))
    """
    *_, last = _NUMBER.finditer(text)
    behind = text[last.end() :].split()
    return last[0], unit or (behind[0] if behind and behind[0] in SCALES else "")


def main() -> int:
    """List the errors; the exit code is 1 if there are any."""
    found = [*sourceless(), *(fault for page in checked() for fault in faults(page))]
    print("\n".join(found))
    count = sum(len(figures((ROOT / page).read_text(encoding="utf-8"))) for page in checked())
    print(f"{count} figures on {len(checked())} pages, {len(found)} errors")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

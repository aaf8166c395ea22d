"""Writes docs/llms.txt: the pages for a reader that is a program, each with its first sentence.

Run as `python -m xcat_rec.docs.site.llms`. The format is that of llmstxt.org. On the site every page has a twin in
Markdown, and the links lead to it. `tests/docs/test_generated_files.py` compares the file with the pages.
"""

from __future__ import annotations

import os
import re

from .pages import ROOT

FILE, INDEX, README = ROOT / "docs" / "llms.txt", ROOT / "docs" / "README.md", ROOT / "README.md"
CONVENTIONS = """\
Tables and lists go to stdout, progress and notes to stderr; with `--json` stdout has one JSON object. `fit` takes
minutes. A service knows the users whose events were posted to it (`POST /events`), not those of training:

```bash
curl localhost:8000/events -H 'content-type: application/json' -d '{"user_id": "anna", "item_id": "1082185"}'
curl localhost:8000/recommend -H 'content-type: application/json' -d '{"user_id": "anna", "k": 5}'
```

An event with `"event_type": "hide"` leaves an item out of the user's lists, and a request with `"history": [ids]`
needs no events. `--port 0` takes a free port of 127.0.0.1 and prints it; `--store` keeps events over a restart.
SIGTERM ends the service. `/openapi.json` has all requests. In Python, `xcat_rec.fit`, `load`, `evaluate`, `bench`,
`audit` and others do what the commands do. `print` shows a result of `fit`, `evaluate`, `bench`, `audit` or `inspect`
as tables, and a list has an entry per item (`recommend(history, query="lip balm")` reads a query):"""
_SECTION = re.compile(r"^\| ([A-Za-z][\w ]*) \| \|$")
_LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+\.md)\)")


def text() -> str:
    """The text of the file."""
    readme = README.read_text(encoding="utf-8")
    about = readme.split("\n\n")[2].replace("\n", " ")
    parts = [f"# xcat-rec\n\n> {about}\n", _facts(readme)]
    for section, pages in sections().items():
        parts.append(f"## {section.capitalize()}\n")
        parts.append("\n".join(f"- [{title(page)}]({page}): {first_sentence(page)}" for page in pages) + "\n")
    return "\n".join(parts)


def sections() -> dict[str, list[str]]:
    """Pages by section, as docs/README.md lists them, relative to docs."""
    found: dict[str, list[str]] = {}
    pages: list[str] = []
    for line in INDEX.read_text(encoding="utf-8").splitlines():
        head = _SECTION.match(line)
        if head:
            pages = found.setdefault(head[1], [])
        elif line.startswith("|"):
            pages += [page for page in _LINK.findall(line) if page not in pages]
    return found


def title(page: str) -> str:
    """First heading of a page, without the anchor and the hash of a Chinese page."""
    return re.sub(r" *<[^>]*>", "", _read(page).splitlines()[0]).lstrip("# ")


def first_sentence(page: str) -> str:
    """First sentence of the first paragraph of a page, without links."""
    prose = re.sub(r"^(```.*?^```|<!--.*?-->|\[English\].*?$)", "", _read(page), flags=re.DOTALL | re.MULTILINE)
    paragraphs = [part for part in prose.split("\n\n")[1:] if re.match(r"[^\W_`|#!<]|`|\[[^!]", part.strip())]
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraphs[0].split())) if paragraphs else title(page)
    return re.split(r"(?<=\.)\s|(?<=。)", plain)[0].rstrip(":：")


def _facts(readme: str) -> str:
    """Installation, the commands of README, each with its task, and its example in Python."""
    blocks = re.findall(r"^```bash\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| ([^|]+) \| `(xcat [^`]+)` \|", readme, re.MULTILINE)
    rows.insert(1, ("Items for words of a customer", 'xcat recommend my-model --query "lip balm" --history 1082185'))
    rows.append(("Popularity bias, exposure, groups of users", "xcat audit my-model my-shop --output audit"))
    tasks = [(task.replace("`", "").removesuffix(", step by step"), command) for task, command in rows]
    listing = "".join(f"{command}  # {task}\n" for task, command in tasks)
    about = "Install, then run (all options: [commands.md](commands.md)):"
    (python,) = re.findall(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    return f"{about}\n\n```bash\n{blocks[1]}{blocks[0]}{listing}```\n\n{CONVENTIONS}\n\n```python\n{python}```\n"


def _read(page: str) -> str:
    path = os.path.normpath(INDEX.parent / page)
    with open(path, encoding="utf-8") as file:
        return file.read()


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    print(FILE)

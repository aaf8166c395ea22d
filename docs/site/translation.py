"""Compares Chinese pages with their English sources, section by section.

A Chinese page has the headings of its source in the same order. Each heading has the anchor of the English heading
and the hash of the English section: `## <a id="train"></a>训练 <!-- source: 0123456789ab -->`. If the English section
changes, the hash differs and the section is stale. Code, flags, file names, numbers, links and tables are compared as
they are, and terms by the glossary, docs/zh/glossary.md. A link leads to a Chinese page where there is one.

Run `python -m xcat_rec.docs.site.translation` to list what differs. After a section is translated again,
`python -m xcat_rec.docs.site.translation --stamp docs/zh/PAGE.md` writes the hashes of the current sources. After a
page is translated, `--links` leads the links of all Chinese pages to it.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .pages import ROOT

GLOSSARY = "docs/zh/glossary.md"
CHINESE_README = "README.zh-CN.md"
OTHER_NAMES = {"docs/zh/keys.md": "docs/glossary.md"}
"""Sources of Chinese pages with another name: the glossary in docs/zh is that of the translation."""
ENGLISH_ALONE = ("docs/commands.md", "docs/reference.md", "docs/parts.md")
"""Pages of names and options, in English."""
_HEADING = re.compile(r"^(#+) (.+)$")
_ANCHOR = re.compile(r'<a id="([^"]+)"></a>')
_SOURCE = re.compile(r" *<!-- source: ([0-9a-f]{12}) -->")
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_NUMBER = re.compile(r"(?<![\w.])\.?\d[\d,.]*(?<![.,])(?: ?%)?")


@dataclass(frozen=True)
class Section:
    """A heading and the text below it, up to the next heading.

    Args:
        level: Number of its number signs.
        anchor: Its explicit anchor, or that of its title.
        text: Heading and text, without anchor and hash.
        source: The stored hash of the English section; empty in an English page.
    """

    level: int
    anchor: str
    text: str
    source: str = ""

    @property
    def hash(self) -> str:
        """First 12 digits of the SHA-256 of the text, without spaces at the ends of lines."""
        lines = "\n".join(line.rstrip() for line in self.text.strip().splitlines())
        return hashlib.sha256(lines.encode()).hexdigest()[:12]


def sections(text: str) -> list[Section]:
    r"""The sections of a page.

    Example:
        >>> [(one.level, one.anchor) for one in sections("# A\n\nb\n\n## C d\n\n```bash\n# e\n```\n")]
        [(1, 'a'), (2, 'c-d')]
    """
    found: list[tuple[str, list[str]]] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if not fenced and _HEADING.match(line):
            found.append((line, []))
        elif found:
            found[-1][1].append(line)
    return [_section(heading, "\n".join(body)) for heading, body in found]


def _section(heading: str, body: str) -> Section:
    source, anchor = _SOURCE.search(heading), _ANCHOR.search(heading)
    plain = _ANCHOR.sub("", _SOURCE.sub("", heading))
    level, title = len(heading) - len(heading.lstrip("#")), plain.lstrip("# ")
    own = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
    return Section(level, anchor[1] if anchor else own, f"{plain}\n{body}", source[1] if source else "")


def translated(root: Path = ROOT) -> dict[str, str]:
    """English source of every Chinese page, the glossary aside."""
    pages = sorted(path.relative_to(root).as_posix() for path in (root / "docs" / "zh").rglob("*.md"))
    return {CHINESE_README: "README.md"} | {
        page: OTHER_NAMES.get(page, page.replace("/zh/", "/")) for page in pages if page != GLOSSARY
    }  # fmt: skip


def not_translated(root: Path = ROOT) -> list[str]:
    """English guides without a Chinese page; pages of docs/research are figures and stay in English."""
    guides = [
        path for folder in ("", "concepts", "migrate", "notebooks") for path in (root / "docs" / folder).glob("*.md")
    ]
    names = {path.relative_to(root).as_posix() for path in guides} - set(ENGLISH_ALONE)
    return sorted(names - set(translated(root).values()))


def differences(page: str, root: Path = ROOT) -> Iterator[str]:
    """What differs between a Chinese page and its source, one sentence each.

    Args:
        page: The Chinese page.
        root: The repository.
    """
    source = translated(root)[page]
    english = sections((root / source).read_text(encoding="utf-8"))
    chinese = sections((root / page).read_text(encoding="utf-8"))
    terms = glossary(root)
    if [(one.level, one.anchor) for one in english] != [(one.level, one.anchor) for one in chinese]:
        wanted, got = [one.anchor for one in english], [one.anchor for one in chinese]
        missing, more = [a for a in wanted if a not in got], [a for a in got if a not in wanted]
        yield f"{page}: other headings than {source}: missing {missing}, not in the source {more}, or another order"
        return
    for one, other in zip(english, chinese, strict=True):
        place = f"{page}, {one.anchor}"
        if other.source != one.hash:
            yield f"{place}: stale: the source has the hash {one.hash}, the translation {other.source or 'none'}"
        yield from (f"{place}: {fault}" for fault in _english_links(other.text, page, root))
        yield from (f"{place}: not bold on GitHub: {words}" for words in not_bold(_FENCE.sub("", other.text)))
        if page == CHINESE_README:  # written for Chinese readers; tests/test_pages.py compares code and figures
            continue
        for name, wanted, got in _compared(one, other, source, page, root):
            if wanted != got:
                yield f"{place}: {name}: missing {sorted(wanted - got)}, not in the source {sorted(got - wanted)}"
        yield from (f"{place}: {fault}" for fault in term_faults(one.text, other.text, terms))


def _compared(
    one: Section, other: Section, source: str, page: str, root: Path
) -> Iterator[tuple[str, set[str], set[str]]]:
    yield "code", set(_code(one.text)), set(_code(other.text))
    english, chinese = _FENCE.sub("", one.text), _FENCE.sub("", other.text)
    yield "names in backticks", set(_SPAN.findall(english)), set(_SPAN.findall(chinese))
    bare = [_LINK.sub("", _SPAN.sub("", text)) for text in (english, chinese)]
    yield "numbers", set(_NUMBER.findall(bare[0])), set(_NUMBER.findall(bare[1]))
    yield "links", _targets(english, source, root), _targets(chinese, page, root)
    rows = [str(sum(line.startswith("|") for line in text.splitlines())) for text in (english, chinese)]
    yield "rows of tables", {rows[0]}, {rows[1]}


def _code(text: str) -> list[str]:
    """Blocks of code without comments."""
    return [re.sub(r"\s+# .*", "", block) for block in _FENCE.findall(text)]


def _targets(text: str, page: str, root: Path) -> set[str]:
    """Targets of links as English pages; a link to a Chinese page is one to its source, except the page's own."""
    sources = translated(root)
    found = set()
    for file, heading in _links(text, page):
        english = re.sub(r"\.zh-CN(\.\w+)$", r"\1", sources.get(file, file))
        found.add(f"{english or sources.get(page, page)}#{heading}")
    return found - {f"{sources.get(page, page)}#"}


def _links(text: str, page: str) -> Iterator[tuple[str, str]]:
    """File and heading of every link; a file of the repository by its name there."""
    for link in _LINK.findall(_SPAN.sub("", text)):
        name, _, heading = link.partition("#")
        if name and "://" not in name:
            name = os.path.normpath(os.path.join(os.path.dirname(page), name))
        yield name, heading


def _english_links(text: str, page: str, root: Path) -> Iterator[str]:
    """Links of a Chinese page to English pages that are translated, except to its own source."""
    twins = {source: twin for twin, source in translated(root).items() if twin != page}
    for file, _ in _links(_FENCE.sub("", text), page):
        if file in twins:
            yield f"the link to {file} leads to the English page: use {twins[file]}, or `--links`"


def not_bold(text: str) -> list[str]:
    """Bold and italic text that GitHub shows with its asterisks: a punctuation mark ends it, and a letter follows.

    Example:
        >>> not_bold("**目标。**每个 **目标**：每个。**目标**每个 *目标？* 每个 *目标。*每个")
        ['**目标。**每', '*目标。*每']
    """
    bold = [found[0] for found in re.finditer(r"(\*{1,2})(?=[^\s*])[^*\n]+\1.?", _SPAN.sub("`x`", text))]
    return [words for words in bold if re.search(r"[^\w\s*]\*{1,2}\w$", words)]


def with_chinese_links(page: str, root: Path = ROOT) -> str:
    """The text of a Chinese page, with links to Chinese pages where there is one.

    Args:
        page: The Chinese page.
        root: The repository.
    """
    twins = {source: twin for twin, source in translated(root).items() if twin != page}

    def moved(link: re.Match[str]) -> str:
        target = link[1]
        file, heading = next(_links(f"[]({target})", page))
        if file not in twins:
            return link[0]
        place = os.path.relpath(twins[file], os.path.dirname(page) or ".")
        return link[0].replace(f"]({target})", f"]({place}#{heading})" if heading else f"]({place})")

    return _LINK.sub(moved, (root / page).read_text(encoding="utf-8"))


def glossary(root: Path = ROOT) -> list[tuple[str, list[str], list[str]]]:
    """Rows of the glossary: English term, Chinese terms, and terms that are not used."""
    text = (root / GLOSSARY).read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ?([^|]*) \|$", text, re.MULTILINE)[1:]
    return [(english.strip(), _words(chinese), _words(avoided)) for english, chinese, avoided in rows]


def _words(cell: str) -> list[str]:
    return [word.strip() for word in cell.split("、") if word.strip()]


def term_faults(english: str, chinese: str, terms: list[tuple[str, list[str], list[str]]]) -> Iterator[str]:
    r"""Terms of the glossary that a section translates otherwise; "log loss" is not a "log", if both are terms.

    Args:
        english: The English section.
        chinese: The Chinese section.
        terms: The glossary.

    Example:
        >>> terms = [("checkpoint", ["检查点"], ["存档"])]
        >>> list(term_faults("Load the checkpoints.", "载入存档。", terms))
        ["'checkpoint' is 检查点 in the glossary", "存档 is not used for 'checkpoint'"]
        >>> list(term_faults("Load the checkpoints.", "载入检查点。", terms))
        []
        >>> list(term_faults("The client.", "客户端。", [("client", ["客户端"], []), ("buyer", ["买家"], ["客户"])]))
        []
        >>> list(term_faults("The log\nloss.", "对数损失。", [("log", ["日志"], []), ("log loss", ["对数损失"], [])]))
        []
    """
    bare = [_SPAN.sub("", _COMMENT.sub("", _FENCE.sub("", text))) for text in (english, chinese)]
    plain = [_LINK.sub(lambda link: link[0].partition("](")[0], text) for text in bare]
    left = plain[0]
    for term, wanted, avoided in sorted(terms, key=lambda row: -len(row[0])):
        pattern = rf"(?<![\w-]){re.escape(term)}(s|es)?(?![\w-])".replace(r"\ ", r"\s+")
        used, left = re.search(pattern, left, re.IGNORECASE), re.sub(pattern, "", left, flags=re.IGNORECASE)
        if used and not any(word in plain[1] for word in (*wanted, used[0])):  # a proper name stays as it is
            yield f"{term!r} is {' or '.join(wanted)} in the glossary"
        for word in avoided:
            longer = [name for _, names, _ in terms for name in names if word in name]  # as in 客户端, a client
            rest = re.sub("|".join(map(re.escape, longer)), "", plain[1])
            if word in rest:
                yield f"{word} is not used for {term!r}"


def stamped(page: str, root: Path = ROOT) -> str:
    """The text of a Chinese page with the hashes of the current sources.

    Args:
        page: The Chinese page.
        root: The repository.
    """
    english = iter(sections((root / translated(root)[page]).read_text(encoding="utf-8")))
    lines, fenced = [], False
    for line in (root / page).read_text(encoding="utf-8").splitlines():
        fenced ^= line.startswith("```")
        if not fenced and _HEADING.match(line):
            line = f"{_SOURCE.sub('', line)} <!-- source: {next(english).hash} -->"
        lines.append(line)
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """List what differs, after stamping pages or mending links; the exit code is 1 if something differs."""
    if arguments[:1] == ["--stamp"]:
        for page in arguments[1:]:
            (ROOT / page).write_text(stamped(page), encoding="utf-8")
    if arguments[:1] == ["--links"]:
        for page in translated():
            (ROOT / page).write_text(with_chinese_links(page), encoding="utf-8")
    found = [line for page in translated() for line in differences(page)]
    print("\n".join(found))
    print(f"{len(translated())} pages translated, {len(not_translated())} not: {', '.join(not_translated())}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

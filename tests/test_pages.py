"""README and the pages of docs: their links, their commands, and README's two languages."""

from __future__ import annotations

import re
from typing import Any

import pytest

from xcat_rec.cli.app import COMMANDS, load_command
from xcat_rec.cli.suggestions import field_options

from .pages import CHINESE, PAGES, README, ROOT, blocks, read, table_commands, words_of

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def prose(page: str) -> str:
    """A page without blocks of code."""
    return re.sub(r"^```.*?^```", "", read(page), flags=re.DOTALL | re.MULTILINE)


def links(page: str) -> list[str]:
    """Links of a page to files and headings."""
    return [link for link in LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page))) if "://" not in link]


def anchors(page: str) -> set[str]:
    """Anchors that GitHub gives the headings of a page, and explicit ones."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    own = set(re.findall(r'<a id="(.+?)">', prose(page)))
    return own | {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    for link in links(page):
        name, _, heading = link.partition("#")
        target = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        assert target.exists(), f"{page}: {link}"
        assert not heading or heading in anchors(str(target.relative_to(ROOT))), f"{page}: {link}"


def test_every_page_is_reached_from_readme() -> None:
    seen, pages = set(), [README]
    while pages:
        page = pages.pop()
        if page in seen or page not in PAGES:
            continue
        seen.add(page)
        targets = [((ROOT / page).parent / link.split("#")[0]).resolve() for link in links(page)]
        pages += [target.relative_to(ROOT).as_posix() for target in targets]
    assert seen == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_pages_have_only_options_that_exist(page: str) -> None:
    commands = [words for language, text in blocks(page) if language == "bash" for words in words_of(text)]
    for words in [*commands, *(table_commands(page) if page in (README, CHINESE) else [])]:
        if words[0] != "xcat" or words[1] not in COMMANDS:
            continue
        context = load_command(words[1]).make_context(words[1], words[2:], resilient_parsing="--help" in words)
        fields = {word.partition("=")[0] for word in context.args if word.startswith("--")}
        assert fields <= set(field_options()), f"{page}: {words}"


def test_readme_is_short_and_states_the_test_command() -> None:
    for page in (README, CHINESE):
        assert len(read(page).splitlines()) <= 120, page
        assert re.search(r"^make test ", read(page), re.MULTILINE), page


def test_chinese_readme_has_sections_commands_and_figures_of_the_english_one() -> None:
    def content(page: str) -> list[Any]:
        code = [(language, re.sub(r" *# .*", "", text)) for language, text in blocks(page)]
        return [code, table_commands(page), re.findall(r"\.\d{3}\b", read(page))]

    assert content(CHINESE) == content(README)
    titles = re.findall(r"^## (.+)$", read(README), re.MULTILINE)
    sections = re.findall(r'^## <a id="(.+?)">', read(CHINESE), re.MULTILINE)
    assert sections == [title.lower().replace(" ", "-") for title in titles]

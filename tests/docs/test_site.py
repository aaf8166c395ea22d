"""The site: every page has a place in the navigation, links lead to pages, nothing comes from the network."""

from __future__ import annotations

import doctest
import os
import re

import pytest
import yaml

from xcat_rec.docs.site import build, pages, reference, results, stage, translation

SECTIONS = [
    "Overview", "Quick start", "Concepts", "Notebooks", "Guides", "Reference", "Benchmarks", "Limits", "Decisions",
    "中文",
]  # fmt: skip
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return stage.staged()


def test_every_page_is_in_the_navigation_once() -> None:
    places = [place for _, place in pages.navigation()]
    assert sorted(places) == sorted(set(pages.pages().values())), "add the page to `nav` in mkdocs.yml"


def test_sections_stand_in_their_order() -> None:
    text = re.sub(r"!!python/\S+", "", (pages.ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    settings = yaml.safe_load(text)
    assert [name for entry in settings["nav"] for name in entry] == SECTIONS
    assert settings["strict"] is True
    assert settings["theme"]["font"] is False


def test_links_of_the_site_lead_to_its_pages(texts: dict[str, str]) -> None:
    known = set(texts) | set(stage.pictures().values())
    for place, text in texts.items():
        found: list[str] = []
        pages.outside_code(text, lambda part, found=found: str(found.extend(LINK.findall(part))))
        for link in found:
            if "://" not in link and not link.startswith(("#", "mailto:")):
                target = os.path.normpath(os.path.join(os.path.dirname(place), link.partition("#")[0]))
                assert target in known, f"{place}: {link}"


def test_pages_keep_their_text(texts: dict[str, str]) -> None:
    for name, place in pages.pages().items():
        if name != stage.REFERENCE and not name.endswith(".ipynb"):
            original = (pages.ROOT / name).read_text(encoding="utf-8")
            assert LINK.sub("", texts[place]).count("\n") == LINK.sub("", original).count("\n"), name


def test_the_reference_has_signatures_and_arguments(texts: dict[str, str]) -> None:
    section = texts["reference.md"].partition("### `fit`")[2].partition("\n### ")[0]
    assert "```text\nfit(\n    data: " in section
    assert "* `base`: Checkpoint to start from" in section
    assert section.index("**Returns**") < section.index("max_steps=20")


def test_pages_that_load_from_the_network_are_found(tmp_path) -> None:
    (tmp_path / "good.html").write_text(
        '<a href="https://x.org"><img src="a.png"><link rel="stylesheet" href="a.css">'
    )
    (tmp_path / "bad.html").write_text(
        '<link rel="stylesheet" href="https://x.org/a.css"><script src="https://y.org/">'
    )
    found = build.loaded_from_network(tmp_path)
    assert found == ["bad.html loads https://x.org/a.css", "bad.html loads https://y.org/"]


def test_pictures_that_are_not_there_are_found(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b.png").touch()
    (tmp_path / "a" / "index.html").write_text(
        '<img alt="b" src="../b.png"><img src="data:,"><img src="b.png" width=9>'
    )
    assert build.missing_pictures(tmp_path) == ["a/index.html shows b.png, which is not there"]


def test_every_page_gets_a_twin(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(build, "STAGE", tmp_path / "pages")
    stage.write(tmp_path / "pages")
    (tmp_path / "html" / "concepts").mkdir(parents=True)
    for folder in {os.path.dirname(place) for place in pages.pages().values()}:
        (tmp_path / "html" / folder).mkdir(parents=True, exist_ok=True)
    build.add_twins(tmp_path / "html")
    twins = {path.relative_to(tmp_path / "html").as_posix() for path in (tmp_path / "html").rglob("*.md")}
    assert twins == set(pages.pages().values())
    assert (tmp_path / "pages" / "llms.txt").is_file()
    assert (tmp_path / "pages" / "contrast.css").is_file(), "extra_css of mkdocs.yml"


@pytest.mark.parametrize("module", [pages, reference, results, translation])
def test_doctests(module) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0

"""Figures of checked pages come from result files, and these from sections of measurements."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from xcat_rec.docs.site import results

README = "README.md"


@pytest.mark.parametrize("page", results.checked())
def test_figures_have_keys(page: str) -> None:
    assert list(results.faults(page)) == []


def test_values_stand_in_the_section_that_they_name() -> None:
    assert list(results.sourceless()) == []


def test_readme_and_every_concept_are_checked() -> None:
    concepts = {f"docs/concepts/{path.name}" for path in (results.ROOT / "docs" / "concepts").glob("*.md")}
    assert {README, "README.zh-CN.md", "docs/README.md", *concepts} <= set(results.checked())
    assert len(results.checked()[README]) > 25


def test_chinese_pages_of_checked_pages_are_checked_with_the_same_keys() -> None:
    listed = results.checked()
    for page in [page for page in listed if page.startswith("docs/") and "/zh/" not in page]:
        twin = page.replace("docs/", "docs/zh/", 1)
        if (results.ROOT / twin).exists():
            rest = iter([key for _, *keys in listed[page] for key in keys])
            assert all(key in rest for _, *keys in listed[twin] for key in keys), twin  # in their order


def test_every_value_is_used_on_a_page() -> None:
    used = {key for listed in results.checked().values() for _, *keys in listed for key in keys}
    assert used == set(results.values())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(results.ROOT / "docs" / "research", tmp_path / "docs" / "research")
    shutil.copyfile(results.ROOT / README, tmp_path / README)
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (".112 / .077", ".113 / .077", "figure 4, '.113', has no key: pages.json has '.112' there"),
        ("texts 6 %", "texts 6 %, images 4 %", "figure 26, '4 %', has no key"),
        ("## Limits", "It takes 3 ms.\n\n## Limits", "'3 ms', has no key"),
        (", against .018 for recent popularity", "", "'.018' is listed and not on the page"),
    ],
)
def test_a_free_figure_is_found(copy: Path, old: str, new: str, fault: str) -> None:
    text = (copy / README).read_text(encoding="utf-8")
    assert old in text
    (copy / README).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert any(fault in found for found in results.faults(README, copy))


def test_a_value_that_rounds_to_another_figure_is_found(copy: Path) -> None:
    path = copy / results.FOLDER / "scientific.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["xcat.recall@10"]["value"] = 0.1600
    path.write_text(json.dumps(stored), encoding="utf-8")
    assert list(results.faults(README, copy)) == [
        "README.md: '.159' is not the value of scientific.xcat.recall@10, 0.16"
    ]
    assert list(results.sourceless(copy)) == ["scientific.xcat.recall@10: '.1589' is not 0.16"]


def test_a_value_without_its_source_is_found(copy: Path) -> None:
    path = copy / "docs" / "research" / "measurements.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(".0918 ± .0038", ".0919 ± .0038"), encoding="utf-8")
    assert any(found.startswith("food_kitchen.sasrec.recall@10: ") for found in results.sourceless(copy))

"""Figures of pages come from result files, and these from sections of measurements or from settings in the code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from xcat_rec.docs.site import pages, results

README, RECOMMEND, CHINESE = "README.md", "docs/recommend.md", "docs/zh/recommend.md"


@pytest.mark.parametrize("page", results.checked())
def test_figures_have_keys(page: str) -> None:
    assert list(results.faults(page)) == []


def test_values_stand_where_they_say() -> None:
    assert list(results.sourceless()) == []


def test_every_page_but_the_measurements_is_checked() -> None:
    others = set(pages.pages()) - set(results.checked())
    assert {name for name in others if not name.endswith(".ipynb")} == {
        name for name in pages.pages() if name.startswith("docs/research/")
    }
    assert set(results.listed()) <= set(results.checked())
    assert len(results.listed()[README]) > 25


def test_every_value_is_used_on_a_page() -> None:
    used = {key for entries in results.listed().values() for _, *keys in entries for key in keys}
    assert used == set(results.values())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(results.ROOT / "docs" / "research", tmp_path / "docs" / "research")
    for page in (README, RECOMMEND, CHINESE, "modeling_xcat/asks_xcat.py"):
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(results.ROOT / page, tmp_path / page)
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (".112 / .077", ".113 / .077", "figure 4, '.113', has no key: pages.json has '.112' there"),
        ("6 % by texts", "6 % by texts, 4 % by images", "figure 26, '4 %', has no key"),
        ("## Limits", "It takes 3 ms.\n\n## Limits", "'3 ms', has no key"),
        (", against .018 for recent popularity", "", "'.018' is listed and not on the page"),
    ],
)
def test_a_free_figure_is_found(copy: Path, old: str, new: str, fault: str) -> None:
    text = (copy / README).read_text(encoding="utf-8")
    assert old in text
    (copy / README).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert any(fault in found for found in results.faults(README, copy))


def test_a_page_without_keys_is_found(copy: Path) -> None:
    (copy / "docs" / "new.md").write_text("# New\n\nIt takes 3 ms.\n", encoding="utf-8")
    assert list(results.faults("docs/new.md", copy)) == [
        "docs/new.md: figure 1, '3 ms', has no key: pages.json lists no more"
    ]


def test_a_figure_of_a_chinese_page_alone_is_found(copy: Path) -> None:
    text = (copy / CHINESE).read_text(encoding="utf-8")
    assert "余弦 .20，" in text
    (copy / CHINESE).write_text(text.replace("余弦 .20，", "余弦 .21，"), encoding="utf-8")
    assert list(results.faults(CHINESE, copy)) == [f"{CHINESE}: figure '.21' is not on {RECOMMEND}"]


def test_a_setting_that_the_code_has_otherwise_is_found(copy: Path) -> None:
    path = copy / "modeling_xcat" / "asks_xcat.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[0.2, 0.25, 0.28]", "[0.2, 0.25, 0.29]"), encoding="utf-8")
    settings = copy / results.FOLDER / "settings.json"
    stored = json.loads(settings.read_text(encoding="utf-8"))
    settings.write_text(json.dumps({name: stored[name] for name in ("closeness_large", "closeness_small")}))
    assert list(results.sourceless(copy)) == [
        "settings.closeness_large: '[0.2, 0.25, 0.28' does not stand in modeling_xcat/asks_xcat.py"
    ]


def test_a_value_that_rounds_to_another_figure_is_found(copy: Path) -> None:
    path = copy / results.FOLDER / "scientific.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["xcat.recall@10"]["value"] = 0.1600
    path.write_text(json.dumps(stored), encoding="utf-8")
    assert list(results.faults(README, copy)) == [
        "README.md: '.159' is not the value of scientific.xcat.recall@10, 0.16"
    ]
    (copy / results.FOLDER / "settings.json").unlink()  # its values stand in code, which the copy lacks
    assert list(results.sourceless(copy)) == ["scientific.xcat.recall@10: '.1589' is not 0.16"]


def test_a_value_without_its_source_is_found(copy: Path) -> None:
    (copy / results.FOLDER / "settings.json").unlink()
    path = copy / "docs" / "research" / "measurements.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(".0918 ± .0038", ".0919 ± .0038"), encoding="utf-8")
    assert any(found.startswith("food_kitchen.sasrec.recall@10: ") for found in results.sourceless(copy))

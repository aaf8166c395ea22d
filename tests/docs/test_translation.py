"""Chinese pages are not stale, keep code, numbers and links, and use the glossary; the check finds each fault."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from xcat_rec.docs.site import translation

PAGE, SOURCE = "docs/zh/quick_start.md", "docs/quick_start.md"


@pytest.mark.parametrize("page", translation.translated())
def test_translations_are_current(page: str) -> None:
    assert list(translation.differences(page)) == []


def test_every_guide_has_a_chinese_page() -> None:
    assert translation.not_translated() == [], "write docs/zh/PAGE.md, see CONTRIBUTING.md"


def test_the_glossary_has_eighty_terms() -> None:
    terms = translation.glossary()
    assert len(terms) >= 80
    assert len({english for english, _, _ in terms}) == len(terms)
    assert all(chinese for _, chinese, _ in terms)


@pytest.mark.parametrize(
    "name",
    ["ranking/explanation/heat_map.py", "ranking/explanation/sentences.py", "serving/chat/phrases.py",
     "serving/web/texts.py"],
)  # fmt: skip
def test_chinese_texts_of_the_program_use_the_terms_of_the_pages(name: str) -> None:
    text = (translation.ROOT / name).read_text(encoding="utf-8")
    avoided = {word for _, _, words in translation.glossary() for word in words} | {"类别"}  # 品类 is a category
    assert "品类" in text or "分数" in text
    assert [word for word in sorted(avoided) if word in text] == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The Chinese pages, and the English quick start and README, in a folder of their own."""
    shutil.copytree(translation.ROOT / "docs" / "zh", tmp_path / "docs" / "zh")
    for name in (SOURCE, "README.md", translation.CHINESE_README):
        shutil.copyfile(translation.ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (SOURCE, "Inspect your tables before training", "Inspect tables before training", "events: stale"),
        (SOURCE, "| 130 | interrupted |", "", "rows of tables"),
        (PAGE, "2,469", "2,496", "numbers: missing ['2,469'], not in the source ['2,496']"),
        (PAGE, "`--overwrite`", "`--over-write`", "names in backticks: missing ['--overwrite']"),
        (PAGE, "xcat inspect my-shop", "xcat inspect mine", "code: "),
        (PAGE, "](transfer.md)", "](interests.md)", "links: missing ['docs/transfer.md#']"),
        (PAGE, "(../../README.zh-CN.md#install)", "(../../README.md#install)", "use README.zh-CN.md"),
        (PAGE, "检查点保存", "**检查点。**保存", "not bold on GitHub: **检查点。**保"),
        (PAGE, "检查点保存", "存档保存", "存档 is not used for 'checkpoint'"),
        (PAGE, "负样本", "反例", "'negative' is 负样本 or 负向 in the glossary"),
        (PAGE, '## <a id="share"></a>', '## <a id="shared"></a>', "other headings than docs/quick_start.md"),
        ("README.md", "Python 3.11 or newer.", "Python 3.12 or newer.", "install: stale"),
    ],
)
def test_each_fault_is_found(copy: Path, name: str, old: str, new: str, fault: str) -> None:
    text = (copy / name).read_text(encoding="utf-8")
    assert old in text
    (copy / name).write_text(text.replace(old, new), encoding="utf-8")
    page = translation.CHINESE_README if name == "README.md" else PAGE
    assert any(fault in found for found in translation.differences(page, copy))


def test_a_stamp_ends_staleness(copy: Path) -> None:
    text = (copy / SOURCE).read_text(encoding="utf-8")
    (copy / SOURCE).write_text(text.replace("Inspect your tables", "Inspect the tables"), encoding="utf-8")
    assert list(translation.differences(PAGE, copy))
    (copy / PAGE).write_text(translation.stamped(PAGE, copy), encoding="utf-8")
    assert list(translation.differences(PAGE, copy)) == []


def test_links_are_led_to_chinese_pages(copy: Path) -> None:
    text = (copy / PAGE).read_text(encoding="utf-8")
    changed = text.replace("](fit.md", "](../fit.md").replace("](data.md", "](../data.md")
    assert changed != text
    (copy / PAGE).write_text(changed, encoding="utf-8")
    assert translation.with_chinese_links(PAGE, copy) == text
    (copy / PAGE).write_text(f"{text}\n[`xcat fit`](../fit.md#splits) [a](https://x.org/fit.md)\n", encoding="utf-8")
    assert translation.with_chinese_links(PAGE, copy).endswith(
        "[`xcat fit`](fit.md#splits) [a](https://x.org/fit.md)\n"
    )


def test_pages_without_a_translation_are_listed(copy: Path) -> None:
    for name in ("docs/new.md", "docs/migrate/new.md", "docs/commands.md", "docs/research/new.md"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text("# New\n", encoding="utf-8")
    assert translation.not_translated(copy) == ["docs/migrate/new.md", "docs/new.md"]

"""README and the pages: commands and examples run as printed, links lead to files and headings."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from xcat_rec.cli.app import main
from xcat_rec.tokenization.text.default_encoder import packaged_copy

from .tiny_shop import events_table, items_table

ROOT = Path(__file__).parent.parent
README, CHINESE = "README.md", "README.zh-CN.md"
IDS = {"item-00": "1082185", "item-07": "995242"}
ELSEWHERE = re.compile(
    r"^(git clone|python3 -m venv|pip |make )"  # installation
    r"|NAMESPACE/|intfloat/"  # the hub
    r"|^(torchrun|accelerate) "  # tests/training/test_several_processes.py, and machines with GPUs
    r"|^xcat demo"  # tests/cli/test_demo.py
)
"""Commands that need a network, other machines or minutes."""
FENCE = re.compile(r"^```(bash|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
OWN_NAMES = {"item_id": "StockCode", "title": "Description", "user_id": "Customer ID", "timestamp": "InvoiceDate"}


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def commands(text: str) -> list[str]:
    """Lines of a block without comments."""
    lines = [" ".join(shlex.quote(word) for word in shlex.split(line, comments=True)) for line in text.splitlines()]
    return [line for line in lines if line]


def table_commands(page: str) -> list[str]:
    """Commands in the tables of a page."""
    rows = [line for line in read(page).splitlines() if line.startswith("|")]
    return [command for row in rows for command in re.findall(r"`(xcat (?!\.)[^`]+)`", row)]


def write_shops(folder: Path) -> None:
    """The files that README and quick start name."""
    items, events = (table.with_columns(table["item_id"].replace(IDS)) for table in (items_table(), events_table()))
    for shop in ("my-shop", "new-shop", "own-names", "two-names"):
        (folder / shop).mkdir()
    for shop in ("my-shop", "new-shop"):
        items.write_csv(folder / shop / "items.csv")
        events.write_csv(folder / shop / "events.csv")
    for name, table in (("items", items), ("events", events)):
        table.rename(OWN_NAMES, strict=False).write_csv(folder / "own-names" / f"{name}.csv")
    items.rename({"item_id": "asin"}).write_csv(folder / "two-names" / "items.csv")
    events.rename({"item_id": "product_id"}).write_csv(folder / "two-names" / "events.csv")
    items.rename({"item_id": "sku"}).write_csv(folder / "products.csv")
    events.rename({"item_id": "sku"}).write_csv(folder / "invoices.csv")
    items.head(2).with_columns(item_id=items["item_id"].head(2) + "-new").write_csv(folder / "new-items.csv")


@pytest.mark.slow
@pytest.mark.skipif(packaged_copy() is None, reason="the default text encoder is needed (extra demo)")
@pytest.mark.skipif(find_spec("peft") is None, reason="the extra peft is needed")
@pytest.mark.skipif(find_spec("snownlp") is None, reason="the extra text is needed")
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft's
@pytest.mark.parametrize("page", [README, CHINESE, "docs/quick_start.md"])
def test_commands_and_examples_run_as_printed(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_shops(tmp_path)

    def run(command: str) -> None:
        if ELSEWHERE.search(command):
            return
        with pytest.raises(SystemExit) as stop:
            main(shlex.split(command.removeprefix("xcat ")))
        assert not stop.value.code, f"{page}: {command}\n{capsys.readouterr().err[-2000:]}"

    names: dict[str, Any] = {}
    for number, (language, text) in enumerate(FENCE.findall(read(page)), 1):
        if language == "python":
            exec(compile(text, f"{page}, block {number}", "exec"), names)
        else:
            for command in commands(text):
                run(command)
    for command in table_commands(page):
        run(command)


def test_readme_is_short_and_states_the_test_command() -> None:
    for page in (README, CHINESE):
        assert len(read(page).splitlines()) <= 120, page
        assert re.search(r"^make test ", read(page), re.MULTILINE), page


def test_chinese_readme_has_the_commands_of_the_english_one() -> None:
    def outline(page: str) -> list[Any]:
        blocks = [(language, re.sub(r" *# .*", "", text)) for language, text in FENCE.findall(read(page))]
        return [blocks, table_commands(page), re.findall(r"\.\d{3}\b", read(page))]

    assert outline(CHINESE) == outline(README)
    headings = [anchor(title) for title in re.findall(r"^## (.+)$", read(README), re.MULTILINE)]
    assert re.findall(r'<a id="(.+?)">', read(CHINESE)) == headings


def anchor(title: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {anchor(title) for title in titles} | set(re.findall(r'<a id="(.+?)">', text))


PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", read(page), flags=re.DOTALL | re.MULTILINE)
    for link in LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, heading = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), f"{page}: {link}"
        assert not heading or heading in anchors(target), f"{page}: {link}"


def test_pages_of_readme_are_all_pages() -> None:
    """Every page can be found from README."""
    seen, todo = set(), [ROOT / README]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        links = [link.split("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
        todo += [(page.parent / link).resolve() for link in links if link]
    assert {(ROOT / page).resolve() for page in PAGES} <= {page.resolve() for page in seen}

"""The pages of the reference: every public name has an example, and every option of the parser is listed."""

from __future__ import annotations

import re

import xcat_rec
from xcat_rec.cli.app import COMMANDS
from xcat_rec.cli.suggestions import all_options
from xcat_rec.docs.site import commands, reference

from ..page_blocks import guide_blocks, page_blocks
from ..pages import ROOT, read

PAGE = "docs/reference.md"


def test_every_public_name_has_a_section_with_an_example_that_uses_it() -> None:
    names = reference.HEADING.findall(read(PAGE))
    assert len(names) == len(set(names))
    assert set(names) == set(xcat_rec.__all__) - {"__version__"}
    for name, section in zip(names, reference.HEADING.split(read(PAGE))[2::2], strict=True):
        code = "".join(re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE))
        assert re.search(rf"xcat_rec\.{name}\b", code), name


def test_names_of_subpackages_have_examples_that_run() -> None:
    code = "\n".join(block.text for block in guide_blocks() if block.language == "python" and not block.reason)
    code += "".join(path.read_text(encoding="utf-8") for path in (ROOT / "examples").rglob("*.py"))
    shown = reference.examples(ROOT, code)
    names = {
        f"{init.parent.relative_to(ROOT).as_posix()}.{name}"
        for room in ROOT.glob("*/__init__.py")
        for init in room.parent.rglob("__init__.py")
        if "_EXPORTS = {" in init.read_text(encoding="utf-8")
        for name in reference.exported(init.parent)
    }
    assert len(names) > 340
    assert not {name for name in names if name.rpartition(".")[2] not in shown}


def test_the_example_with_a_hub_is_the_push() -> None:
    assert not [block.text for block in page_blocks(PAGE) if block.reason]
    left_out = [block.text for block in page_blocks(PAGE) if block.place_of_run]
    assert [re.findall(r"xcat_rec\.(\w+)\(", text)[0] for text in left_out] == ["push"]


def test_the_page_of_commands_equals_the_parser() -> None:
    assert read("docs/commands.md") == commands.page(), "run `make pages`"


def test_every_option_is_on_the_page_of_commands() -> None:
    text = read("docs/commands.md")
    fields = text.partition("## Fields")[2]
    for name in COMMANDS:
        section = text.partition(f"\n## xcat {name}\n")[2].partition("\n## ")[0] + fields
        listed = set(re.findall(r"`(-[\w-]+)`", section))
        missing = set(all_options(name)) - listed
        assert not {one for one in missing if f"--{one.removeprefix('--no-')}" not in listed}, name

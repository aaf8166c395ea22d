"""Blocks of code of README and the guides: which are run, which are not, and the reason at the block.

A comment on the line before a block, `<!-- not run: REASON -->`, leaves it out, and `<!-- slow -->` leaves it to
`make slow`. `<!-- with: PLACE -->` leaves it to the test of a place of `PLACES`, such as a hub, which takes it from
the page too. Commands of a shell block that need a network, other machines or minutes are in `ELSEWHERE`, each with
the tests that run them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .pages import CHINESE, PAGES, read, words_of

GUIDES = [page for page in PAGES if page != CHINESE and not page.startswith(("docs/research/", "docs/zh/"))]
"""Pages whose blocks are run. Those of docs/research take hours and data sets; their commands are parsed. Chinese
pages have the blocks of their English sources, which test_pages.py and tests/docs/test_translation.py compare."""
_BLOCK = re.compile(r"(?:^<!-- (?P<note>[^\n]+?) -->\n)?^```(?P<language>bash|python)\n(?P<text>.*?)^```", re.S | re.M)
NOT_RUN, SLOW, WITH = "not run: ", "slow", "with: "
PLACES = {
    "hub": "tests/hub/test_page_blocks.py",
    "ray": "tests/test_examples.py",
    "pyspark": "tests/test_examples.py",
    "sentence_transformers": "tests/test_examples.py",
    "peers": "tests/test_examples.py",
}
"""The slow tests that run blocks with a hub, a Ray cluster, Spark, a library, or the environment of `make peers`."""
ELSEWHERE = {
    r"^(git clone|python3 -m venv|pip|make|\.venv) ": "installation: make",
    r"(^| )(NAMESPACE|me|them|intfloat)/": "the hub: tests/hub",
    r"^xcat push ": "the hub: tests/hub",
    r"^(torchrun --nproc_per_node 4|accelerate launch .*/gpu_\S+|sbatch) ": "GPUs: make gpu",
    r"^node ": "Node: tests/serving/client",
}
"""Commands that these tests leave to others, by a pattern, with the reason and the place."""


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    page: str
    line: int
    language: str
    text: str
    note: str = ""

    @property
    def place(self) -> str:
        """Page and line, for messages."""
        return f"{self.page}:{self.line}"

    @property
    def slow(self) -> bool:
        """Whether the suite leaves it to `make slow`."""
        return self.note == SLOW

    @property
    def place_of_run(self) -> str:
        """What it is run with, a key of `PLACES`; empty if with nothing else."""
        return self.note.removeprefix(WITH) if self.note.startswith(WITH) else ""

    @property
    def reason(self) -> str:
        """Why it is not run; empty if it is."""
        if self.note.startswith(NOT_RUN):
            return self.note.removeprefix(NOT_RUN)
        if self.language == "python" or self.place_of_run or self.commands():
            return ""
        return "; ".join(sorted({reason_of(words) for words in words_of(self.text)}))

    def commands(self) -> list[list[str]]:
        """Words of the commands of a shell block that are run; the body of a loop once."""
        lines = [words for words in words_of(self.text) if words[0] not in ("for", "done")]
        return [[word.replace("$S", "1") for word in words] for words in lines if not reason_of(words)]


def reason_of(words: list[str]) -> str:
    """Why a command is left to other tests; empty if it is run here."""
    line = " ".join(words)
    return next((reason for pattern, reason in ELSEWHERE.items() if re.search(pattern, line)), "")


def page_blocks(page: str) -> list[Block]:
    """The bash and Python blocks of a page, in order."""
    text = read(page)
    found = [(text.count("\n", 0, one.start("language")) + 1, one) for one in _BLOCK.finditer(text)]
    return [Block(page, line, one["language"], one["text"], one["note"] or "") for line, one in found]


def guide_blocks() -> list[Block]:
    """The blocks of all guides."""
    return [block for page in GUIDES for block in page_blocks(page)]


def source_file(folder: Path, page: str, blocks: list[Block]) -> Path:
    """A module with the Python blocks of a page, because a checkpoint stores the file of a subclass."""
    name = re.sub(r"\W", "_", page.removesuffix(".md"))
    path = folder / f"examples_of_{name}.py"
    path.write_text("\n".join(block.text for block in blocks if block.language == "python"), encoding="utf-8")
    return path

"""Blocks of pages that need a hub, run in fresh processes against the hub of the tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import xcat_rec
from xcat_rec.tokenization.text.default_encoder import packaged_copy

from ..page_blocks import Block, guide_blocks
from ..page_runs import fitted, short_trainings, write_shop
from ..pages import words_of
from .conftest import Client
from .server import Hub

PLACE = "hub"
PAGES = sorted({block.page for block in guide_blocks() if block.place_of_run == PLACE})

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(packaged_copy() is None, reason="the default text encoder (extra demo)"),
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),  # of peft
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the checkpoints and the adapter that pages push."""
    place = tmp_path_factory.mktemp("pushed")
    fitted(place / "my-model")
    shutil.copytree(place / "my-model", place / "my-checkpoint")
    write_shop(place / "my-shop", {})
    with pytest.MonkeyPatch.context() as patch:
        short_trainings(patch)
        xcat_rec.fit(
            place / "my-shop", place / "my-adapter", base=str(place / "my-checkpoint"), peft="lora", disable_tqdm=True
        )
    yield place


def run_here(block: Block, client: Client) -> None:
    """Run a block as a user of the hub."""
    if block.language == "python":
        done = client.run(block.text)
        assert done.returncode == 0, f"{block.place}:\n{done.stderr[-4000:]}"
        return
    commands = words_of(block.text)
    assert all(words[0] == "xcat" for words in commands)
    for words, said in zip(commands, client.commands(*(words[1:] for words in commands)), strict=True):
        assert said.code == 0, f"{block.place}: {words}\n{said.err[-4000:]}"


@pytest.mark.parametrize("page", PAGES)
def test_blocks_with_a_hub_run(page: str, hub: Hub, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    blocks = [block for block in guide_blocks() if block.page == page and block.place_of_run == PLACE]
    text = "".join(block.text for block in blocks)
    work = tmp_path / "work"
    shutil.copytree(folder, work)
    if "them/their-shop" in text:
        them = Client(hub, work, hub.add_user("them"))
        assert them.commands(["push", "my-checkpoint", "them/their-shop"])[0].code == 0
    user = "NAMESPACE" if "NAMESPACE/" in text else "me"
    client = Client(hub, work, hub.add_user(user))
    for block in blocks:
        before = "import xcat_rec\n" if "xcat_rec." in block.text and "import xcat_rec" not in block.text else ""
        run_here(Block(page, block.line, block.language, before + block.text), client)
    pushed = {name for _, name in hub.store.repositories}
    assert pushed >= ({"NAMESPACE/NAME"} if user == "NAMESPACE" else {"me/my-shop", "me/my-adapter", "me/ndcg"})

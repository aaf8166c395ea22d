"""Runs the blocks of a page in a folder that has the tables and the checkpoints that the page names."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

import xcat_rec
from xcat_rec.cli.app import main
from xcat_rec.serving.feedback import Impression, Reaction, open_feedback
from xcat_rec.tokenization.sequences.splits import SPLITS
from xcat_rec.training.tasks.task import TASKS
from xcat_rec.training.trainer import XCatTrainer
from xcat_rec.workflows.baseline_registry import BASELINES

from . import log_shop
from .page_blocks import Block, source_file
from .pages import ROOT
from .picture_shop import picture
from .redis_server import redis_url
from .tiny_shop import ITEMS, QUICK, SMALL, events_table, items_table, save_text_encoder

IDS = {"item-00": "1082185", "item-07": "995242", "item-14": "A", "item-21": "B", "item-28": "C", "item-35": "D"}
"""Item ids of the pages."""
MORE_IDS = {"item-01": "B0001", "item-08": "B0002", "item-15": "B0003", "item-22": "B0004", "item-29": "1023720"}
MORE_IDS |= {"item-02": "846241", "item-09": "962274", "item-16": "1005583", "item-23": "1044188", "item-30": "887474"}
MORE_IDS |= {"item-36": "981760"}
USERS = {"user-02": "U1"}
OWN_NAMES = {"item_id": "StockCode", "title": "Description", "user_id": "Customer ID", "timestamp": "InvoiceDate"}
SHOPS: dict[str, dict[str, str]] = {
    "my-shop": {}, "new-shop": {}, "new-data": {}, "shop-a": {}, "shop-b": {}, "DATA": {}, "own-names": OWN_NAMES,
    "two-names": {"item_id": "asin"}, "impressions": {},
}  # fmt: skip
FILES = {"products.csv": {"item_id": "sku"}, "invoices.csv": {"item_id": "sku"}}
CHECKPOINTS = ("CKPT", "my-checkpoint", "my-model", "my-python-model", "my-base", "NEW-CKPT")
STEPS = 3
"""Steps of each training: the pages show how to train, and other tests what training reaches."""
SHORTER = {
    "n_trials=20": "n_trials=2", "trials=20": "trials=2", "--trials 20": "--trials 2",
    "--processes 4": "--processes 2",
}  # fmt: skip
LISTS = 120
"""Lists in the log of `xcat replay`."""
LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--standalone"],
    "accelerate": ["accelerate.commands.launch", "--main_process_port", "0"],
}
"""Modules of the launchers, each on a free port."""


def items() -> pl.DataFrame:
    """Items of the tiny shop with the ids of the pages."""
    campaign = pl.when(pl.col("item_id").str.slice(5).cast(pl.Int64) % 3 > 0).then(pl.lit("summer"))
    return items_table().with_columns(
        pl.col("item_id").replace(IDS | MORE_IDS),
        pl.when(pl.int_range(pl.len()) < ITEMS - 2).then(pl.col("brand").replace("brand 1", "Acme")),
        campaign=campaign.otherwise(pl.lit("spring")),
    )


def events() -> pl.DataFrame:
    """Events of the tiny shop with the ids of the pages, and a review of each."""
    table = events_table().with_columns(pl.col("item_id").replace(IDS | MORE_IDS), pl.col("user_id").replace(USERS))
    word = pl.when(pl.col("rating") > 3).then(pl.lit("good")).otherwise(pl.lit("bad"))
    return table.with_columns(review_text=pl.format("a {} tent number {}", word, pl.int_range(pl.len())))


def write_shop(folder: Path, names: dict[str, str]) -> None:
    """Tables of a shop with its column names; the ids of shop-b are its own."""
    folder.mkdir(parents=True)
    ours = "-b" if folder.name == "shop-b" else ""
    shown = items().with_columns(pl.col("item_id") + ours)
    if "picture" in names:
        for row, item in enumerate(shown["item_id"]):
            picture(row).save(folder / f"{item}.png")
        shown = shown.with_columns(picture=pl.col("item_id") + ".png")
    shown.rename(names, strict=False).write_csv(folder / "items.csv")
    bought = events().with_columns(pl.col("user_id") + ours, pl.col("item_id") + ours)
    if folder.name == "impressions":
        row = pl.int_range(pl.len())
        bought = bought.with_columns(
            clicked=row % 3 > 0, price=row % 7 / 2, device=pl.when(row % 2 > 0).then(pl.lit("phone"))
        )
    other = {"item_id": "product_id"} if folder.name == "two-names" else names
    bought.rename(other, strict=False).write_csv(folder / "events.csv")


def write_tables(folder: Path, text: str) -> None:
    """The tables that a text names."""
    for name, columns in SHOPS.items():
        if name in text:
            write_shop(folder / name, {**columns, "picture": "picture"} if "picture" in text else columns)
    for name, columns in FILES.items():
        (items() if name == "products.csv" else events()).rename(columns).write_csv(folder / name)
    if "dataset/my-shop" in text:
        types = {"user_id": "user_id:token", "item_id": "item_id:token", "timestamp": "timestamp:float"}
        (folder / "dataset" / "my-shop").mkdir(parents=True)
        table = events().select(list(types)).rename(types)
        table.write_csv(folder / "dataset" / "my-shop" / "my-shop.inter", separator="\t")
    events().write_parquet(folder / "events.parquet")
    unrated = events().filter(pl.col("rating").is_null())["review_text"].head(4)
    pl.DataFrame({"text": unrated, "label": ["positive", "negative"] * 2}).write_csv(folder / "labelled.csv")
    events().select("user_id", "item_id", "timestamp").head(9).write_csv(folder / "shown.csv")
    new = items().head(2).with_columns(pl.col("item_id") + "-new")
    new.write_csv(folder / "new-items.csv")
    new.write_parquet(folder / "new-items.parquet")
    pl.DataFrame({"question": ["Where is my parcel?"] * 3, "answer": ["It is on its way."] * 3}).write_csv(
        folder / "support.csv"
    )
    (folder / "turns.txt").write_text("tents\nquit\n")


def makes(text: str, name: str) -> bool:
    """Whether a page makes a checkpoint itself."""
    by_command = rf"^(xcat|.*-m xcat_rec\.cli) (fit|pretrain) [^\n]*--output {re.escape(name)}( |$)"
    by_call = rf'(fit|pretrain)\((?![^\n]*overwrite)[^\n]*"{re.escape(name)}"'
    return re.search(by_command, text, re.MULTILINE) is not None or re.search(by_call, text) is not None


def short_trainings(patch: pytest.MonkeyPatch) -> None:
    """End each training after a few steps."""
    train = XCatTrainer.train

    def shortly(self: XCatTrainer, *args: object, **kwargs: object) -> object:
        if not self.args.max_steps or self.args.max_steps < 0 or self.args.max_steps > STEPS:
            self.args.max_steps = STEPS
        return train(self, *args, **kwargs)

    patch.setattr(XCatTrainer, "train", shortly)


def run_blocks(
    blocks: Sequence[Block], folder: Path, checkpoint: Callable[[], Path], patch: pytest.MonkeyPatch
) -> int:
    """Run blocks of one page in their order, and return how many were run.

    Args:
        blocks: Blocks of one page.
        folder: An empty folder.
        checkpoint: Returns a checkpoint of the tiny shop, copied to the names that the page uses and does not make.
        patch: Ends with the test.
    """
    shown = [block for block in blocks if not block.reason]
    text = "\n".join(block.text for block in shown)
    write_folder(folder, text, checkpoint)
    patch.chdir(folder)
    short_trainings(patch)
    module = _module(folder, shown, patch)
    with ExitStack() as services:
        services.callback(_forget_registered)
        if "HOST:6379" in text:
            (folder / "redis").mkdir()
            patch.setenv("XCAT_PAGE_REDIS", services.enter_context(redis_url(folder / "redis")))
        if "xcat replay" in text:
            write_lists(folder, folder / "CKPT", os.environ.get("XCAT_PAGE_REDIS"))
        for block in shown:
            if block.language == "python":
                exec(compile(_shorter(block.text), str(module.__file__), "exec"), module.__dict__)
                continue
            for words in block.commands():
                _run_command(shlex.split(_shorter(shlex.join(words))), block, patch, services)
    return len(shown)


def write_folder(folder: Path, text: str, checkpoint: Callable[[], Path]) -> None:
    """The tables, checkpoints and logs that a text names and does not make.

    Args:
        folder: The folder, which is made if it does not exist.
        text: Blocks of a page.
        checkpoint: As in `run_blocks`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if "xcat update" in text or "import update" in text:
        write_log_shop(folder)
    else:
        write_tables(folder, text)
    for name in CHECKPOINTS:
        if name in text and not makes(text, name) and not (folder / name).exists():
            shutil.copytree(checkpoint(), folder / name)
    if "--index INDEX" in text and "xcat index" not in text:
        xcat_rec.index_items(folder / "CKPT", folder / "INDEX")


def write_log_shop(folder: Path) -> None:
    """A shop with a pattern, a checkpoint that has learnt it, an index of its items, and a log of the service."""
    shop = log_shop.shop()
    (folder / "my-shop").mkdir()
    shop.items.write_parquet(folder / "my-shop" / "items.parquet")
    shop.events.write_parquet(folder / "my-shop" / "events.parquet")
    xcat_rec.fit(
        shop, folder / "CKPT", text_encoder=str(save_text_encoder(folder / "encoder")), tune_second_stage=False,
        card=None, **SMALL, **{**QUICK, "num_train_epochs": 6},
    )  # fmt: skip
    xcat_rec.index_items(folder / "CKPT", folder / "index")
    log_shop.log_of(folder / "state.db", log_shop.Shoppers(5, 0.1).users(log_shop.USERS))


def write_lists(folder: Path, checkpoint: Path, redis: str | None) -> None:
    """Logs of lists that a checkpoint has drawn, with clicks and purchases: a SQLite file, and one in Redis."""
    recommender, draw = xcat_rec.load(checkpoint), np.random.default_rng(0)
    items = sorted(recommender.vocabulary.decode(range(2, 2 + ITEMS)))
    logs = [open_feedback(place) for place in (folder / "state.db", redis) if place is not None]
    for number in range(LISTS):
        history = (str(items[number % ITEMS]),)
        rules = f"sample=0.1:{number}"
        found = recommender.recommend(history, 2, rerank=rules, explain=False)
        shown, chances = tuple(one.item_id for one in found), tuple(one.propensity for one in found)
        impression = Impression(f"i{number}", f"u{number}", number, "CKPT", shown, chances, history, {"rerank": rules})
        kind = ("click", "purchase")[number % 2]
        reactions = [Reaction(f"i{number}", item, kind, number) for item in shown if draw.random() < 0.3]
        for log in logs:
            log.show(impression)
            for reaction in reactions:
                log.react(reaction)
    for log in logs:
        log.close()


def _forget_registered() -> None:
    """Take what a page registers as `my_package:...` out of the registries, which last longer than the test."""
    for registry in (BASELINES, TASKS, SPLITS):
        for name in [name for name in registry if str(name).startswith("my_package:")]:
            del registry[name]


def _shorter(text: str) -> str:
    """A text with fewer trials and processes, and with the addresses of the servers of this run."""
    for long, short in SHORTER.items():
        text = text.replace(long, short)
    service, redis = os.environ.get("XCAT_PAGE_SERVICE"), os.environ.get("XCAT_PAGE_REDIS")
    if service is not None:
        text = text.replace("127.0.0.1:8000", service).replace("localhost:8000", service)
    return text if redis is None else text.replace("redis://HOST:6379/0", redis)


def _module(folder: Path, blocks: Sequence[Block], patch: pytest.MonkeyPatch) -> ModuleType:
    path = source_file(folder, blocks[0].page, list(blocks))
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    patch.setitem(sys.modules, path.stem, module)
    return module


def _run_command(words: list[str], block: Block, patch: pytest.MonkeyPatch, services: ExitStack) -> None:
    line = shlex.join(words)
    if words[0] in LAUNCHERS:
        module, *options = LAUNCHERS[words[0]]
        given = [str(ROOT / word) if word.startswith("configs/") else word for word in words[1:] if word != "launch"]
        _succeed(
            [sys.executable, "-m", module, *options, *given, "--max-steps", str(STEPS), "--overwrite"], block, line
        )
    elif words[0] in ("sh", "node"):
        _succeed([words[0], str(ROOT / words[1]), *words[2:]], block, line)
    elif words[0] == "python":
        patch.setattr(sys, "argv", words[1:])
        try:
            runpy.run_path(str(ROOT / words[1]), run_name="__main__")
        except SystemExit as end:
            assert not end.code, f"{block.place}: {line}"
    elif words[0] == "curl":
        answer = _succeed(["curl", "-sS", "--fail", *words[1:]], block, line)
        assert isinstance(json.loads(answer), dict)
    elif words[:2] == ["xcat", "serve"]:
        patch.setenv("XCAT_PAGE_SERVICE", services.enter_context(_service(words[2:])))
    else:
        assert words[0] == "xcat", f"{block.place}: {line}"
        with pytest.raises(SystemExit) as stop:
            main(words[1:])
        assert not stop.value.code, f"{block.place}: {line}"


def _succeed(command: list[str], block: Block, line: str) -> str:
    """Run a program that has to end well, and return its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.place}: {line}\n{done.stderr[-4000:]}"
    return done.stdout


@contextmanager
def _service(arguments: list[str]) -> Iterator[str]:
    """Host and port of `xcat serve` with these arguments, on a free port."""
    named = ["0" if word == "8000" else word for word in arguments]
    free = named if "--port" in named else [*named, "--port", "0"]
    command = [sys.executable, "-m", "xcat_rec.cli", "serve", *free]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            shown = []
            while not shown or "http://" not in shown[-1]:
                shown.append(process.stdout.readline())
                assert shown[-1], "".join(shown)
            yield re.findall(r"http://([\w.]+:\d+)", shown[-1])[0]
        finally:
            process.terminate()


def fitted(folder: Path) -> Path:
    """A checkpoint of the tiny shop with the ids of the pages, trained for a few steps with the packaged encoder."""
    with pytest.MonkeyPatch.context() as patch:
        short_trainings(patch)
        xcat_rec.fit(items=items(), events=events(), output=folder, card=None, disable_tqdm=True)
    return folder

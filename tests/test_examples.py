"""The examples of the pages run as they are printed, from the top of a page to its end."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import xcat_rec
from xcat_rec.cli.app import main
from xcat_rec.tokenization.text.default_encoder import packaged_copy

from .pages import CHINESE, QUICK_START, README, blocks, table_commands, words_of
from .tiny_shop import QUICK, SMALL, events_table, items_table

PAGES = (
    "data", "design", "evaluate", "fit", "hugging_face", "preparation", "python", "recommend", "transfer",
)  # fmt: skip
"""Pages of docs/ whose Python examples need tables in `my-shop`, their checkpoint in `CKPT`, and `new-items.csv`."""
IDS = {"item-00": "1082185", "item-07": "995242", "item-14": "A", "item-21": "B", "item-28": "C", "item-35": "D"}
SHORTER = {"max_steps=5000": "max_steps=5", "n_trials=20": "n_trials=2"}
"""Arguments that take long."""
NOT_RUN = ("from_spark", "frame.write", "shop.promotions", "XCatForNextCategory")
"""Parts of examples that need Spark, other data or code of the reader."""
OWN_NAMES = {"item_id": "StockCode", "title": "Description", "user_id": "Customer ID", "timestamp": "InvoiceDate"}
ELSEWHERE = re.compile(
    r"^(git clone|python3 -m venv|pip|make) "  # installation
    r"|NAMESPACE/|intfloat/"  # the hub: tests/hub
    r"|^(torchrun|accelerate) "  # tests/training/test_several_processes.py
    r"|^xcat demo"  # tests/cli/test_demo.py
)
"""Commands that need a network, other machines or minutes."""

needs_text_encoder = pytest.mark.skipif(packaged_copy() is None, reason="the default text encoder (extra demo)")


def write_tables(folder: Path, names: dict[str, dict[str, str]]) -> None:
    """The tables of the tiny shop with ids of the pages; `names` maps files to their own column names."""
    for name, columns in names.items():
        table = items_table() if Path(name).stem in ("items", "products") else events_table()
        table = table.with_columns(table["item_id"].replace(IDS)).rename(columns, strict=False)
        (folder / name).parent.mkdir(exist_ok=True)
        table.write_csv(folder / name)


@pytest.mark.slow
@needs_text_encoder
@pytest.mark.skipif(find_spec("optuna") is None, reason="the extra tune is needed")
@pytest.mark.parametrize("page", PAGES)
def test_examples_run_as_printed(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path, {"my-shop/items.csv": {}, "my-shop/events.csv": {}})
    xcat_rec.fit("my-shop", "CKPT", card=None, **{**SMALL, **QUICK, "num_train_epochs": 1})
    items_table().head(2).with_columns(item_id=items_table()["item_id"].head(2) + "-new").write_csv("new-items.csv")
    texts = [text for language, text in blocks(f"docs/{page}.md") if language == "python"]
    code = "\n".join(text for text in texts if not any(part in text for part in NOT_RUN))
    assert code
    for long, short in SHORTER.items():
        code = code.replace(long, short)
    name = f"examples_of_{page}"  # a module, because a checkpoint stores the file of a subclass
    Path(f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import_module(name)


@pytest.mark.slow
@needs_text_encoder
@pytest.mark.skipif(find_spec("peft") is None or find_spec("snownlp") is None, reason="extras peft and text")
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft's
@pytest.mark.parametrize("page", [README, CHINESE, QUICK_START])
def test_commands_and_examples_run_as_printed(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", StringIO("lip balm\n"))  # of `xcat chat`
    write_tables(
        tmp_path,
        {
            "my-shop/items.csv": {}, "my-shop/events.csv": {}, "new-shop/items.csv": {}, "new-shop/events.csv": {},
            "own-names/items.csv": OWN_NAMES, "own-names/events.csv": OWN_NAMES,
            "two-names/items.csv": {"item_id": "asin"}, "two-names/events.csv": {"item_id": "product_id"},
            "products.csv": {"item_id": "sku"}, "invoices.csv": {"item_id": "sku"},
        },
    )  # fmt: skip
    items_table().head(2).with_columns(item_id=items_table()["item_id"].head(2) + "-new").write_csv("new-items.csv")
    todo: list[Any] = []
    for language, text in blocks(page):
        todo += [text] if language == "python" else words_of(text)
    names: dict[str, Any] = {}
    for entry in [*todo, *table_commands(page)]:
        if isinstance(entry, str):
            exec(compile(entry, page, "exec"), names)
        elif not ELSEWHERE.search(shlex.join(entry)):
            assert entry[0] == "xcat", entry
            with pytest.raises(SystemExit) as stop:
                main(entry[1:])
            assert not stop.value.code, f"{page}: {shlex.join(entry)}\n{capsys.readouterr().err[-2000:]}"

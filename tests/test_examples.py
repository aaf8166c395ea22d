"""The Python examples of the pages run as they are printed, from the top of a page to its end."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import xcat_rec
from xcat_rec.tokenization.text.default_encoder import packaged_copy

from .tiny_shop import QUICK, SMALL, events_table, items_table

ROOT = Path(__file__).parent.parent
PAGES = (
    "docs/recommend.md", "docs/hugging_face.md", "docs/fit.md", "docs/evaluate.md", "docs/python.md",
)  # fmt: skip
"""Pages whose examples need a shop in `my-shop` and its checkpoint in `CKPT`."""
IDS = {"item-00": "1082185", "item-07": "995242", "item-14": "A", "item-21": "B", "item-28": "C", "item-35": "D"}
SHORTER = {"max_steps=5000": "max_steps=5", "n_trials=20": "n_trials=2"}
"""What would take long without showing more."""


def examples(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.skipif(packaged_copy() is None, reason="the default text encoder is needed (extra demo)")
@pytest.mark.skipif(find_spec("optuna") is None, reason="the extra tune is needed")
@pytest.mark.parametrize("page", PAGES)
def test_examples_run_as_printed(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my-shop").mkdir()
    for name, table in (("items", items_table()), ("events", events_table())):
        table.with_columns(table["item_id"].replace(IDS)).write_csv(f"my-shop/{name}.csv")
    xcat_rec.fit("my-shop", "CKPT", card=None, **{**SMALL, **QUICK, "num_train_epochs": 1})
    names: dict[str, Any] = {}
    texts = examples(page)
    assert texts
    for number, text in enumerate(texts):
        for long, short in SHORTER.items():
            text = text.replace(long, short)
        exec(compile(text, f"{page}, example {number + 1}", "exec"), names)

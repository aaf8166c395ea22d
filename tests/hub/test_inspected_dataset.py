"""A data set with its report and card put on the hub, and read from there again."""

from __future__ import annotations

from pathlib import Path

from ..tiny_shop import write_shop
from .conftest import Client

READ = """
import json, pathlib
from datasets import load_dataset
from huggingface_hub import HfApi
from xcat_rec.tokenization.sources import load_shop

shop = load_shop("alice/shop")
events = load_dataset("alice/shop", split="train")
files = HfApi().list_repo_files("alice/shop", repo_type="dataset")
card = HfApi().hf_hub_download("alice/shop", "README.md", repo_type="dataset")
print(json.dumps([shop.report.rows, len(events), sorted(files), pathlib.Path(card).read_text()]))
"""


def test_a_data_set_goes_round(alice: Client, stranger: Client, tmp_path: Path) -> None:
    data = write_shop(tmp_path / "shop")
    call = ["inspect", str(data), "--output", str(tmp_path / "report"), "--push", "alice/shop", "--json"]
    (done, refused), (rows, events, files, card) = alice.commands_and(
        READ, call, ["inspect", str(data), "--output", str(tmp_path / "report-2"), "--push", "bad"]
    )
    assert done.code == 0 and '"url": "http' in done.out, done.err
    assert refused.code == 2 and "give NAMESPACE/NAME" in " ".join(refused.err.split())
    assert rows["items"] == 40 and rows["events"] == events > 300
    assert {"README.md", "events.parquet", "items.parquet", "report.html"} <= set(files)
    assert card == (tmp_path / "report" / "README.md").read_text()

"""Datasets on a hub are read in the layout of their files, and only the requested part of a large one."""

from __future__ import annotations

from pathlib import Path

from ..tokenization.sources.layouts import write_amazon_2023, write_tables
from .conftest import Client

CODE = """
import json, pathlib, sys
from huggingface_hub import HfApi
from xcat_rec.tokenization.sources import load_shop

api, shop_folder, reviews_folder = HfApi(), *sys.argv[1:]
for name, folder in (("alice/shop", shop_folder), ("alice/reviews", reviews_folder)):
    api.create_repo(name, repo_type="dataset")
    api.upload_folder(repo_id=name, repo_type="dataset", folder_path=folder, path_in_repo="raw")
plain = load_shop("alice/shop")
part = load_shop("amazon-2023:alice/reviews:Kitchen")
fetched = sorted(path.name for path in pathlib.Path(".").rglob("raw_*"))
errors = []
for data in ("alice/nothing", "amazon-2023:alice/reviews", "amazon-2023:alice/reviews:Books"):
    try:
        load_shop(data)
    except (FileNotFoundError, ValueError) as error:
        errors.append(str(error))
domains = sorted(set(part.events["domain"]))
print(json.dumps([plain.name, plain.report.rows, domains, part.events.height, fetched, errors]))
"""


def test_a_dataset_is_fetched_and_recognised(alice: Client, tmp_path: Path) -> None:
    shop, reviews = tmp_path / "shop", tmp_path / "reviews"
    for folder, write in ((shop, write_tables), (reviews, write_amazon_2023)):
        folder.mkdir()
        write(folder)
    name, rows, domains, events, fetched, errors = alice.tell(CODE, str(shop), str(reviews))
    assert name == "alice/shop"
    assert rows == {"items": 40, "events": 115, "users": 2}
    assert domains == ["Kitchen"] and 0 < events < 115
    assert set(fetched) == {"raw_meta_Kitchen.jsonl.gz", "raw_review_Kitchen.jsonl.gz"}
    assert "no dataset with this name could be read from the hub" in errors[0]
    assert "needs the names of departments" in errors[1]
    assert "has no file *" in errors[2] and "raw_meta_Kitchen.jsonl.gz" in errors[2]

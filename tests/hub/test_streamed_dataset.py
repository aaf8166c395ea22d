"""The interaction log of a dataset on a hub is prepared without a download of the whole."""

from __future__ import annotations

from pathlib import Path

from ..tiny_shop import events_table, write_shop
from .conftest import Client

CODE = """
import json, pathlib, sys
from huggingface_hub import HfApi
from xcat_rec.tokenization.out_of_core.inputs import PreparationInputs
from xcat_rec.tokenization.out_of_core.prepared_folder import load_prepared
from xcat_rec.tokenization.out_of_core.prepare import PrepareOptions, prepare_tables

folder, home = sys.argv[1], pathlib.Path(".")
api, options = HfApi(), PrepareOptions(split="global-time")
api.create_repo("alice/shop", repo_type="dataset")
api.upload_folder(repo_id="alice/shop", repo_type="dataset", folder_path=folder, path_in_repo="raw")
told = []
for name, data in (("here", folder), ("there", "alice/shop")):
    for attempt in range(2):  # the second finds it finished
        inputs = PreparationInputs(data)
        prepared = prepare_tables(inputs, home / name, options, progress=False)
    sequences = load_prepared(home / name).sequences
    rows = {part: [str(row) for row in sequences[part].with_format(None)] for part in sequences}
    told.append([inputs.streamed, rows, prepared.manifest["events"], sorted(prepared.manifest["request"]["inputs"])])
files = [path for path in (home / "hub").rglob("*") if path.suffix in (".parquet", ".csv")]
print(json.dumps([told, sorted(path.name for path in files)]))
"""


def test_the_log_is_read_from_the_hub_and_not_downloaded(alice: Client, tmp_path: Path) -> None:
    folder = write_shop(tmp_path / "shop", suffix="csv")
    (folder / "events.csv").unlink()
    (folder / "events").mkdir()
    events = events_table()
    half = len(events) // 2
    for number, part in enumerate((events[:half], events[half:])):
        part.write_parquet(folder / "events" / f"part-{number}.parquet", row_group_size=100)
    (local, remote), cached = alice.tell(CODE, str(folder))
    assert local[0] and remote[0]
    assert remote[1] == local[1] and remote[2] == local[2] == len(events)
    assert remote[3] == [
        "hf://datasets/alice/shop/raw/events/part-0.parquet", "hf://datasets/alice/shop/raw/events/part-1.parquet",
        "hf://datasets/alice/shop/raw/items.csv",
    ]  # fmt: skip
    assert cached == ["items.csv"]

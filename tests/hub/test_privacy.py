"""Nothing that is shared tells of a customer: addresses, phone numbers and names planted in every column of theirs."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import polars as pl
import pyarrow.parquet as pq
import pytest

from ..personal_shop import PLANTED, found_in, found_in_file, write_personal_shop
from ..tiny_shop import save_text_encoder
from .checkpoints import save_checkpoint
from .conftest import Client
from .server import Hub

SMALL = [
    "--hidden-size", "32", "--num-attention-heads", "2", "--max-history", "8", "--num-train-epochs", "1",
    "--precision", "fp32", "--use-cpu", "--per-device-train-batch-size", "10",
]  # fmt: skip
PRIVATE = {"events.parquet", "users.parquet"}
"""Files of a prepared folder for training only, besides its sequences."""


def private(path: PurePosixPath) -> bool:
    """Whether a file of a prepared folder is one of its sequences."""
    return path.name in PRIVATE or path.parent.name in ("train", "validation", "test")


@pytest.mark.slow
def test_no_shared_artefact_has_customer_data(hub: Hub, alice: Client, tmp_path: Path) -> None:
    shop, out = write_personal_shop(tmp_path / "shop"), tmp_path / "out"
    encoder = str(save_text_encoder(tmp_path / "encoder"))
    assert len(PLANTED) == 240 and len(found_in_file(shop / "events.csv")) > 200 < len(set(PLANTED))
    fit = ["--text-encoder", encoder, "--split", "leave-one-out", *SMALL]
    out.mkdir()
    words = ["--interests", "words", "--interest-columns", "review_text"]
    told = alice.commands(
        [
            "fit",
            str(shop),
            "--output",
            str(out / "checkpoint"),
            *fit,
            *words,
            "--report",
            str(out / "fit.html"),
            "--json",
        ],
        ["inspect", str(shop), "--output", str(out / "inspection"), "--json"],
        ["inspect", str(shop), "--output", str(out / "pushed"), "--push", "alice/data"],
        ["prepare", str(shop), "--output", str(out / "prepared"), "--json"],
        ["fit", str(out / "prepared"), "--output", str(out / "second"), *fit],
        ["push", str(out / "checkpoint"), "alice/shop"],
        ["space", str(out / "checkpoint"), str(out / "space")],
        ["space", "alice/shop", str(out / "linked-space")],
        [
            "evaluate",
            str(out / "second"),
            str(shop),
            "--by-history",
            "--by-category",
            "--json",
            "--report",
            str(out / "evaluate.html"),
        ],
        [
            *("bench", str(shop), "--models", "popularity,item-knn", "--split", "leave-one-out", "--json"),
            *("--output", str(out / "bench.json"), "--report", str(out / "bench.html")),
        ],
        ["push", str(out / "prepared"), "alice/prepared"],
    )
    assert [one.code for one in told] == [0] * 10 + [2], [one.err for one in told]
    for one in told:
        assert not found_in(one.out) and not found_in(one.err)
    notes = " ".join(told[0].err.split())
    assert "25 users have one event only, for example 'xxxxxx.xxxx" in notes and "(masked, row " in notes
    files = [path for path in out.rglob("*") if path.is_file()]
    shared = [path for path in files if not private(PurePosixPath(path.relative_to(out).as_posix()))]
    assert len(files) - len(shared) >= 3, "sequences are private, and there are some"
    for path in shared:
        assert not found_in_file(path), path
    pushed = {
        (name, path): file.content
        for name in ("alice/shop", "alice/data")
        for path, file in hub.repository(name, "dataset" if name == "alice/data" else "model").at("main").files.items()
    }
    for (name, path), content in pushed.items():
        assert not found_in_file(Path(path), content), (name, path)
    kinds = {path.name for path in shared} | {PurePosixPath(path).name for _, path in pushed}
    assert kinds >= {"fit.html", "evaluate.html", "bench.html", "bench.json", "bench.users.npz"}
    assert kinds >= {
        "README.md", "config.json", "processor_config.json", "model.safetensors", "items.arrow", "tokenizer.json",
        "tokenizer_config.json", "preparation.json", "report.html", "app.py", "requirements.txt", "items.parquet",
        "events.parquet",
    }  # fmt: skip
    assert len(kinds) >= 12 and len(shared) + len(pushed) > 40


def test_pushed_events_are_those_of_numbers(hub: Hub, alice: Client, tmp_path: Path) -> None:
    shop = write_personal_shop(tmp_path / "shop")
    call = ["inspect", str(shop), "--output", str(tmp_path / "report"), "--push"]
    plain, whole, refused = alice.commands(
        [*call, "alice/numbers"], [*call, "alice/whole", "--user-data"], [*call, "alice/no", "--show-values"]
    )
    assert plain.code == whole.code == 0 and refused.code == 2, plain.err + whole.err + refused.err
    assert "--show-values writes values of customers into the report" in refused.err
    tables = {}
    for name in ("numbers", "whole"):
        files = hub.repository(f"alice/{name}", "dataset").at("main").files
        (tmp_path / "events.parquet").write_bytes(files["events.parquet"].content)
        tables[name] = pl.from_arrow(pq.read_table(tmp_path / "events.parquet"))
        assert ("users.parquet" in files) == (name == "whole")
        assert ("config_name: users" in files["README.md"].content.decode()) == (name == "whole")
    numbers, events = tables["numbers"], tables["whole"]
    assert "review_text" in events.columns and found_in(str(events.to_dict(as_series=False)))
    assert not {"review_text", "phone", "customer", "delivery_address"} & set(numbers.columns)
    assert set(numbers["user_id"]) == {str(n) for n in range(1, events["user_id"].n_unique() + 1)}
    assert numbers["split"].null_count() == numbers.height and numbers["basket_id"].str.contains(r"^\d+$").all()

    def sequences(log: pl.DataFrame) -> list[list[str]]:
        return sorted(log.group_by("user_id", maintain_order=True).agg("item_id")["item_id"].to_list())

    assert sequences(numbers) == sequences(events)


def test_a_push_brings_no_file_that_is_not_of_the_checkpoint(hub: Hub, alice: Client, tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path / "checkpoint")
    strays = (
        "recommendations.json",
        "users.arrow",
        "histories.txt",
        "NOTES.md",
        "trainer_state.json",
        "found.parquet",
    )
    for name in strays:
        (folder / name).write_text(json.dumps(PLANTED[0]))
    pushed, space = alice.commands(
        ["push", str(folder), "alice/shop"], ["space", str(folder), str(tmp_path / "space")]
    )
    assert pushed.code == space.code == 0, pushed.err + space.err
    files = hub.repository("alice/shop").at("main").files
    assert not set(strays) & set(files) and files.keys() >= {"config.json", "items.arrow", "tokenizer.json"}
    assert all(name in pushed.err for name in strays)
    assert not [path for path in (tmp_path / "space").rglob("*") if path.name in strays]

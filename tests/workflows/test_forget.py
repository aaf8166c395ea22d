"""After `xcat forget` no file of a state folder has a byte of the users."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient

from xcat_rec.checkpoints.review import read_review_log
from xcat_rec.serving.batch import BatchRequest, histories_table, recommend_block, write_recommendations
from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.settings import ServeSettings
from xcat_rec.tokenization.sequences.histories import Histories
from xcat_rec.workflows.forget import forget
from xcat_rec.workflows.review import Review

from ..cli.commands import refused, run
from ..ranking.test_live_policy import OTHERS, recommender

GONE = [f"gone-{number:03d}-ühß" for number in range(100)]
KEPT = ["kept-1", "gone-1000", "xgone-001-ühß"]
SECRET = "a canary sings {} times"


def fill(folder: Path) -> None:
    """A state folder with all that the embedded default, exports and a review write, as after a crash: with a log."""
    own = recommender()
    own.model.save_pretrained(folder / "model")
    own.processor.save_pretrained(folder / "model")
    settings = ServeSettings(store=f"sqlite:///{folder / 'state.db'}", max_batch=1000, max_waiting=1000)
    engine = Engine(str(folder / "model"), settings)
    with TestClient(create_app(engine)) as client:
        users = [user for pair in zip(GONE, KEPT * 40, strict=False) for user in pair]
        events = [
            {"user_id": user, "item_id": item, "timestamp": 9 + place, "text": SECRET.format(user), "event_id": user}
            for user in users for place, item in enumerate(OTHERS)
        ]  # fmt: skip
        for start in range(0, len(events), 300):
            assert client.post("/events", json={"events": events[start : start + 300]}).status_code == 200
        for user in GONE[:10] + KEPT:
            shown = client.post("/recommend", json={"user_id": user, "k": 2}).json()
            item = shown["recommendations"][0]["item_id"]
            reaction = {"user_id": user, "item_id": item, "impression_id": shown["impression_id"]}
            assert client.post("/events", json={**reaction, "event_type": "hide"}).status_code == 200
            engine.current.recommender.session(user).remember("vegetarian " + user) if user in GONE else None
        for suffix in ("", "-wal"):  # copies of a running service, as a crash leaves them
            (folder / f"crashed.db{suffix}").write_bytes((folder / f"state.db{suffix}").read_bytes())
    table = histories_table(Histories([*GONE, *KEPT], [OTHERS] * (len(GONE) + len(KEPT))))
    write_recommendations([recommend_block(own, table, BatchRequest(k=2))], folder / "found.parquet")
    pl.DataFrame({"customer_id": [*GONE, *KEPT], "note": "x"}).write_csv(folder / "users.csv")
    lines = [json.dumps({"user_id": user, "text": SECRET.format(user)}, ensure_ascii=False) for user in GONE + KEPT]
    (folder / "profiles.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    review = Review(folder / "model")
    for user in (KEPT[0], GONE[3], KEPT[1]):
        review.block("item-30", by="Ada", reason=f"complaint of {user}, seen")


def whole(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_no_byte_of_a_hundred_users_is_left(tmp_path: Path) -> None:
    fill(tmp_path)
    before = whole(tmp_path)
    assert all(user.encode() in before for user in GONE) and (tmp_path / "crashed.db-wal").stat().st_size > 0
    found = forget(GONE, tmp_path)
    after = whole(tmp_path)
    assert not [user for user in GONE if after.replace(KEPT[2].encode(), b"").count(user.encode())]
    assert not [user for user in GONE if SECRET.format(user).encode() in after]
    assert found.left == [] and found.users == 100
    kinds = {os.path.basename(one.file): (one.kind, one.rows) for one in found.deleted}
    assert kinds == {
        "state.db": ("database", 100), "crashed.db": ("database", 100), "found.parquet": ("table", 200),
        "users.csv": ("table", 100), "profiles.jsonl": ("lines", 100), "review.jsonl": ("review", 1),
    }  # fmt: skip
    engine = Engine(str(tmp_path / "model"), ServeSettings(store=f"sqlite:///{tmp_path / 'state.db'}"))
    for user in KEPT:
        stored = engine.export_user(user)
        assert len(stored["events"]) == len(OTHERS) and len(stored["impressions"]) == 1
    engine.close()
    assert pl.read_parquet(tmp_path / "found.parquet")["user_id"].unique().sort().to_list() == sorted(KEPT)
    assert pl.read_csv(tmp_path / "users.csv")["customer_id"].to_list() == KEPT
    log = read_review_log(tmp_path / "model")
    assert [entry.reason.split()[2] for entry in log] == ["kept-1,", "[forgotten],", "gone-1000,"]
    assert Review(tmp_path / "model").verify() == log
    assert forget(GONE, tmp_path).deleted == []


def test_files_of_other_kinds_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("call anna, and annabel", encoding="utf-8")
    (tmp_path / "other.txt").write_text("annabel", encoding="utf-8")
    (tmp_path / "broken.csv").write_bytes(b'user_id\n"anna')
    found = run(["forget", "anna", "--state", str(tmp_path), "--json"], capsys)
    assert [os.path.basename(file) for file in found["left"]] == ["broken.csv", "notes.txt"]
    refused(["forget", "anna", "--state", str(tmp_path / "nowhere")], capsys, ["which is no folder"])
    with pytest.raises(ValueError, match="users has an empty id"):
        forget([" "], tmp_path)

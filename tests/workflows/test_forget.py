"""After `xcat forget` no file of a state folder has a byte of the users."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from xcat_rec.checkpoints.review import read_review_log
from xcat_rec.cli.app import main
from xcat_rec.serving.batch import BatchRequest, histories_table, recommend_block, write_recommendations
from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.settings import ServeSettings
from xcat_rec.tokenization.sequences.histories import Histories
from xcat_rec.workflows.forget import forget
from xcat_rec.workflows.review import Review

from ..cli.commands import refused
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
    found = forget(GONE, tmp_path, redact_reviews=True)
    after = whole(tmp_path)
    assert not [user for user in GONE if after.replace(KEPT[2].encode(), b"").count(user.encode())]
    assert not [user for user in GONE if SECRET.format(user).encode() in after]
    assert found.left == [] and found.failed == [] and found.users == 100
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
    found = json.loads(failed(["forget", "anna", "--state", str(tmp_path), "--json"], capsys))
    assert [os.path.basename(file) for file in found["left"]] == ["broken.csv", "notes.txt"]
    (bad,) = found["failed"]
    assert bad["file"].endswith("broken.csv") and "a quote is not closed" in bad["reason"]
    refused(["forget", "anna", "--state", str(tmp_path / "nowhere")], capsys, ["which is no folder"])
    with pytest.raises(ValueError, match="users has an empty id"):
        forget([" "], tmp_path)


def failed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The last line of a command that ends with code 1."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 1
    return capsys.readouterr().out.splitlines()[-1]


def test_one_bad_file_does_not_keep_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no table anna")
    (tmp_path / "b.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 2000)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "review.jsonl").write_text("no line of a log\n")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"user_id,n\nanna,1\nbo,2\n")[:-12])
    (tmp_path / "z.csv").write_text("user_id,n\nanna,1\nbo,2\n")
    found = forget("anna", tmp_path, redact_reviews=True)
    assert [(os.path.basename(one.file), one.rows) for one in found.deleted] == [("z.csv", 1)]
    assert [os.path.basename(one.file) for one in found.failed] == ["a.parquet", "b.db", "c.csv.gz", "review.jsonl"]
    assert (tmp_path / "z.csv").read_text() == "user_id,n\nbo,2\n"


def test_the_log_of_a_review_stays_as_it_is_unless_it_is_asked_for(tmp_path: Path) -> None:
    own = recommender()
    own.model.save_pretrained(tmp_path)
    own.processor.save_pretrained(tmp_path)
    review = Review(tmp_path)
    review.block("item-30", by="Ada", reason="Ada is a complaint of 12 people")
    before, head = (tmp_path / "review.jsonl").read_bytes(), review.verify()[-1].hash
    assert str(tmp_path / "review.jsonl") in forget("12", tmp_path).left
    assert (tmp_path / "review.jsonl").read_bytes() == before and review.verify(head)
    assert [one.kind for one in forget(["12", "Ada"], tmp_path, redact_reviews=True).deleted] == ["review"]
    (entry,) = review.verify()
    assert entry.reason == "[forgotten] is a complaint of [forgotten] people" and entry.by == "Ada"


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_only_the_records_of_the_user_are_left_out(suffix: str, tmp_path: Path) -> None:
    packed = {"": bytes, ".gz": gzip.compress, ".zst": zstd}[suffix]
    before = '\ufeffUser ID;note\r\n" anna ";"a\r\n""b"""\r\nbo;\u2028anna,1\n"x""y";\r\n;\r\n'
    (tmp_path / f"t.csv{suffix}").write_bytes(packed(before.encode() + b"caf\xe9;last"))
    (tmp_path / f"t.csv{suffix}").chmod(0o640)
    lines = ['{"userId": "anna"}', '{"user": "bo", "text": "\u2028"}', "no json", '{"customer_id": "x\\"y"}', "[1]"]
    (tmp_path / f"t.jsonl{suffix}").write_bytes(packed("\n".join(lines).encode()))
    found = forget([" anna ", 'x"y'], tmp_path)
    assert {(one.kind, one.rows) for one in found.deleted} == {("table", 2), ("lines", 2)} and not found.failed
    kept = "\ufeffUser ID;note\r\nbo;\u2028anna,1\n;\r\n".encode() + b"caf\xe9;last"
    assert unpacked(tmp_path / f"t.csv{suffix}") == kept
    assert unpacked(tmp_path / f"t.jsonl{suffix}") == "\n".join([*lines[1:3], lines[4]]).encode()
    assert (tmp_path / f"t.csv{suffix}").stat().st_mode & 0o777 == 0o640
    assert found.left == [str(tmp_path / f"t.csv{suffix}")], "a note of another user has the name"


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def unpacked(path: Path) -> bytes:
    with pa.input_stream(str(path)) as stream:
        return bytes(stream.read())


def test_numbers_with_decimals_are_the_same_ids(tmp_path: Path) -> None:
    (tmp_path / "whole.csv").write_text("user_id,n\n7.0,1\n8.0,2\n,3\n")
    (tmp_path / "mixed.csv").write_text("user_id,n\n7.0,1\n7,1\nA,2\n")
    pl.DataFrame({"user_id": [7.0, None, 8.0]}).write_parquet(tmp_path / "floats.parquet")
    pl.DataFrame({"user": [7, 77]}).write_parquet(tmp_path / "integers.parquet")
    (tmp_path / "lines.jsonl").write_text('{"user": 7.0}\n{"user": 7}\n{"user": "7.0"}\n{"user": true}\n')
    found = forget("7", tmp_path)
    rows = {os.path.basename(one.file): one.rows for one in found.deleted}
    assert rows == {"whole.csv": 1, "mixed.csv": 1, "floats.parquet": 1, "integers.parquet": 1, "lines.jsonl": 2}
    assert (tmp_path / "mixed.csv").read_text() == "user_id,n\n7.0,1\nA,2\n"
    assert pl.read_parquet(tmp_path / "floats.parquet")["user_id"].to_list() == [None, 8.0]


def test_links_are_followed_inside_the_folder_only(tmp_path: Path) -> None:
    state, other = tmp_path / "state", tmp_path / "other"
    (state / "inner").mkdir(parents=True)
    other.mkdir()
    for place in (state / "inner" / "t.csv", other / "t.csv"):
        place.write_text("user\nanna\nbo\n")
    (state / "near.csv").symlink_to(state / "inner" / "t.csv")
    (state / "far.csv").symlink_to(other / "t.csv")
    (state / "far").symlink_to(other)
    found = forget("anna", state)
    assert [one.file for one in found.deleted] == [str(state / "inner" / "t.csv")] and found.left == []
    assert [os.path.basename(one.file) for one in found.failed] == ["far", "far.csv"]
    assert all("outside of the folder" in one.reason for one in found.failed)
    assert (state / "near.csv").is_symlink() and (state / "near.csv").read_text() == "user\nbo\n"
    assert (other / "t.csv").read_text() == "user\nanna\nbo\n"


def test_the_search_finds_packed_escaped_and_adjacent_ids(tmp_path: Path) -> None:
    user = 'jö "x" y'
    pl.DataFrame({"who": [user, "bo"]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"who": [user, "bo"]}).write_ipc(tmp_path / "b.arrow", compression="zstd")
    (tmp_path / "c.json").write_text(json.dumps({"who": user}))
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(f"by {user}.".encode()))
    (tmp_path / "e.log").write_text("GET /users/j%C3%B6%20%22x%22%20y\n")
    (tmp_path / "f.txt").write_bytes(user.encode("utf-16"))
    base = sqlite3.connect(tmp_path / "g.db")
    base.execute("CREATE TABLE people (city TEXT, name TEXT, country TEXT)")
    base.execute("INSERT INTO people VALUES ('Berlin', ?, 'Germany')", (user,))
    base.commit()
    base.close()
    (tmp_path / "h.txt").write_text(f"{user}z")
    assert [os.path.basename(file)[0] for file in forget(user, tmp_path).left] == [*"abcdefg"]


@pytest.mark.parametrize("users", [None, [], [None], 7, [7], b"anna", ["anna", ""]])
def test_users_that_are_no_ids_are_refused(users: Any, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("user_id\nNone\n7\nanna\n")
    with pytest.raises(ValueError, match=r"^users (is|has)"):
        forget(users, tmp_path)
    with pytest.raises(ValueError, match=r"^state is None"):
        forget("anna", None)  # type: ignore[arg-type]
    assert (tmp_path / "t.csv").read_text() == "user_id\nNone\n7\nanna\n"

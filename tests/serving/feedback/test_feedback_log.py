"""The log of feedback: what was added is there, once, also after a kill; a deleted user leaves no byte."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from xcat_rec.serving.feedback import FeedbackLog, Impression, Reaction, RedisFeedback, open_feedback
from xcat_rec.serving.feedback.stored_events import stored_events

SHOWN = Impression("i1", "anna", 10, "c1", ("a", "b"), (0.5, 0.25), ("x",), {"k": 2})


@pytest.fixture(params=["memory", "sqlite", "redis"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> FeedbackLog | RedisFeedback:
    if request.param == "redis":
        return open_feedback(request.getfixturevalue("empty_redis"))
    return open_feedback({"memory": "memory:", "sqlite": f"sqlite:///{tmp_path}/feedback.db"}[request.param])


def test_rows_come_back_as_they_were_added(log: FeedbackLog | RedisFeedback) -> None:
    plain = Impression("i2", "", 11, "c2", (), None)
    log.show(SHOWN)
    log.show(plain)
    assert list(log.impressions()) == [SHOWN, plain]
    assert log.react(Reaction("i1", "b", "click", 12)) and log.react(Reaction("i1", "b", "click", 13))
    assert not log.react(Reaction("i1", "b", "click", 12))
    assert [reaction.timestamp for reaction in log.reactions()] == [12, 13]
    assert list(log.impressions("anna")) == [SHOWN] and len(list(log.reactions("anna"))) == 2
    assert not list(log.reactions("ben"))
    with pytest.raises(ValueError, match="'i1' is in the log already"):
        log.show(SHOWN)


def test_reactions_to_other_lists_and_items_are_refused(log: FeedbackLog | RedisFeedback) -> None:
    log.show(SHOWN)
    for reaction, user in ((Reaction("i9", "a", "click", 1), None), (Reaction("i1", "a", "click", 1), "ben")):
        with pytest.raises(ValueError, match="impression_id is not that of a list of this user"):
            log.check(reaction, user)
    with pytest.raises(ValueError, match="item_id was not in the list"):
        log.react(Reaction("i1", "c", "click", 1))
    log.check(Reaction("i1", "a", "click", 1), "anna")
    assert not list(log.reactions())


def test_a_deleted_user_takes_lists_and_reactions_along(log: FeedbackLog | RedisFeedback) -> None:
    other = Impression("i2", "ben", 9, "c1", ("a",))
    for one in (SHOWN, other):
        log.show(one)
        log.react(Reaction(one.id, "a", "click", 12))
    assert log.delete("anna") and not log.delete("anna")
    assert list(log.impressions()) == [other] and [one.impression for one in log.reactions()] == ["i2"]
    with pytest.raises(ValueError, match="impression_id is not that of a list"):
        log.react(Reaction("i1", "a", "click", 13))
    log.show(SHOWN)
    assert not list(log.reactions("anna")), "a list that is shown again has none of the earlier reactions"


def test_redis_is_shared_and_lists_are_added_together_or_not_at_all(empty_redis: str) -> None:
    first, second = RedisFeedback(empty_redis), RedisFeedback(empty_redis)
    many = [replace(SHOWN, id=f"i{number}", timestamp=2_000 - number) for number in range(1_200)]
    first.show_many(many)
    assert list(second.impressions()) == many[::-1], "by time, in more than one answer of the server"
    with pytest.raises(ValueError, match="'i3' is in the log already"):
        second.show_many([replace(SHOWN, id="new"), many[3]])
    first.show_many([])
    assert len(list(first.impressions("anna"))) == 1_200
    assert second.react(Reaction("i7", "a", "click", 1)) and not first.react(Reaction("i7", "a", "click", 1))


def test_no_byte_of_a_deleted_user_stays(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "feedback.db")
    for number in range(200):
        log.show(Impression(f"i{number}", f"canary-{number % 2}", number, "c", (f"item-canary-{number % 2}",)))
        log.react(Reaction(f"i{number}", f"item-canary-{number % 2}", "click", number))
    assert log.delete("canary-1") and not log.delete("canary-1")
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"canary-1" not in content and b"canary-0" in content
    assert len(list(log.impressions())) == len(list(log.reactions())) == 100


def test_rows_that_were_acknowledged_survive_a_kill(tmp_path: Path) -> None:
    code = (
        "import sys; from xcat_rec.serving.feedback import FeedbackLog, Impression\n"
        "log = FeedbackLog(sys.argv[1])\n"
        "for number in range(10**9):\n"
        "    log.show(Impression(str(number), 'anna', number, 'c', ('a',))); print(number, flush=True)\n"
    )
    path = tmp_path / "feedback.db"
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    last = -1
    for line in writer.stdout:
        last = int(line)
        if last >= 200:
            os.kill(writer.pid, signal.SIGKILL)
            break
    acknowledged = [last, *map(int, writer.stdout.read().splitlines())][-1]
    writer.wait()
    found = [int(one.id) for one in FeedbackLog(path).impressions()]
    assert found == list(range(len(found))) and len(found) > acknowledged


def test_a_damaged_schema_that_is_no_text(tmp_path: Path) -> None:
    """The message of SQLite has the bytes of the schema, and raised UnicodeDecodeError."""
    path = tmp_path / "state.db"
    FeedbackLog(path).close()
    with closing(sqlite3.connect(path)) as base:
        base.execute("PRAGMA journal_mode = DELETE").fetchall()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"CREATE TABLE reactions", b"CREATE TABLE \xd5 actions"))
    assert path.read_bytes() != content
    with pytest.raises(OSError, match="cannot be opened as a SQLite file"):
        FeedbackLog(path, reading=True)
    with pytest.raises(OSError, match="cannot be read as a store of xcat serve"):
        stored_events(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("no database " * 100)
    with pytest.raises(OSError, match="cannot be opened as a SQLite file"):
        FeedbackLog(tmp_path / "other")
    with pytest.raises(OSError, match="feedback"):
        FeedbackLog(tmp_path / "no" / "folder.db")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE impressions SET items = 'x'",
        "UPDATE impressions SET options = '" + "[" * 100_000 + "'",
        "UPDATE impressions SET propensities = '1'",
        "UPDATE impressions SET history = CAST(x'ff' AS TEXT)",
        "ALTER TABLE impressions DROP COLUMN options",
        "DROP TABLE impressions",
    ],
)
def test_a_damaged_file_is_named(change: str, tmp_path: Path) -> None:
    path = tmp_path / "feedback.db"
    log = FeedbackLog(path)
    log.show(SHOWN)
    log.close()
    with closing(sqlite3.connect(path)) as base:
        base.execute(change)
        base.commit()
    with pytest.raises(OSError, match=r"feedback\.db"):
        [*FeedbackLog(path, reading=True).impressions()]


def test_a_summary_of_damaged_times_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "feedback.db"
    log = FeedbackLog(path)
    log.show(SHOWN)
    with closing(sqlite3.connect(path)) as base:
        base.execute("UPDATE impressions SET timestamp = 'noon'")
        base.commit()
    with pytest.raises(OSError, match=r"feedback\.db has no times"):
        log.summary()
    log.close()


def test_times_that_are_texts_are_named(log: FeedbackLog | RedisFeedback) -> None:
    log.show(replace(SHOWN, id="i7"))
    log.react(Reaction("i7", "a", "click", "noon"))  # type: ignore[arg-type]
    with pytest.raises(OSError, match=r"cannot be read: reaction \d has a time that is no whole number"):
        [*log.reactions()]
    log.show(replace(SHOWN, id="i8", timestamp="noon"))
    for read in (log.impressions, lambda: [log.check(Reaction("i8", "a", "click", 1))]):
        with pytest.raises(OSError, match="cannot be read: list 'i8' has a time that is no whole number"):
            [*read()]


def test_a_closed_log_answers_no_more() -> None:
    log = FeedbackLog()
    log.close()
    with pytest.raises(sqlite3.ProgrammingError):
        log.show(SHOWN)


def test_only_the_latest_lists_are_kept() -> None:
    log = FeedbackLog()
    assert log.keep_latest(3) == 0
    for number in range(10):
        log.show(replace(SHOWN, id=f"i{number}", timestamp=99 - number))
        log.react(Reaction(f"i{number}", "a", "click", number))
    assert log.keep_latest(10) == 0 and log.keep_latest(3) == 7
    assert {one.id for one in log.impressions()} == {one.impression for one in log.reactions()} == {"i7", "i8", "i9"}
    log.show(replace(SHOWN, id="new"))
    assert log.keep_latest(2) == 2 and {one.id for one in log.impressions()} == {"i9", "new"}

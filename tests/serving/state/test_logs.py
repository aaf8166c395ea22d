"""Logs of sessions: the same behaviour in memory, in a SQLite file and on a Redis server."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from xcat_rec.ranking.sessions.events import SessionEvent, read_event
from xcat_rec.ranking.sessions.log import EventLog, MemoryLog, NewEvent, Statement, UserRecord
from xcat_rec.serving.feedback import FeedbackLog, Impression, RedisFeedback
from xcat_rec.serving.state.open_file import transaction
from xcat_rec.serving.state.redis_log import RedisLog
from xcat_rec.serving.state.sqlite_log import LEAST_FREE, SQLiteLog
from xcat_rec.serving.state.urls import open_state
from xcat_rec.tokenization.extras import MissingExtraError

from ...redis_server import PROGRAM, RedisProcess

TENT = SessionEvent("tent", 100, "view", 4.0, "a fine tent\nfor two, \u5e10\u7bf7", "e1")
BOOTS = SessionEvent("boots", 50)
HIDDEN, TEXT = Statement("hidden", "kite"), Statement("text", "vegetarian")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def log(request: Any, tmp_path: Path, clock: Clock) -> Iterator[EventLog]:
    if request.param == "redis":
        url = request.getfixturevalue("empty_redis")
    else:
        url = {"memory": "memory:", "sqlite": f"sqlite:///{tmp_path}/state.db"}[request.param]
    opened = open_state(url, clock=clock)
    yield opened
    opened.close()


def test_a_record_is_what_was_appended_in_the_order_of_time(log: EventLog) -> None:
    assert log.read("u") == UserRecord()
    assert log.append("u", TENT, "1") and log.append("u", BOOTS, "2")
    assert not log.append("u", BOOTS, "1"), "the key decides"
    second = SessionEvent("kite", 50)
    assert log.append("u", second, "3") and log.append("v", second, "3")
    assert log.read("u").events == (BOOTS, second, TENT)
    assert log.read("v").events == (second,)


def test_events_of_several_users_are_added_in_one_change(log: EventLog) -> None:
    assert log.append_many([]) == []
    assert log.append("u", TENT, "1")
    new = [NewEvent("u", BOOTS, "2"), NewEvent("u", TENT, "1"), NewEvent("v", TENT, "1"), NewEvent("v", TENT, "1")]
    assert log.append_many(new) == [True, False, True, False]
    assert log.read("u").events == (BOOTS, TENT) and log.read("v").events == (TENT,)


def test_statements_are_kept_in_order_and_forgotten(log: EventLog) -> None:
    assert log.state("u", TEXT) and log.state("u", HIDDEN) and not log.state("u", TEXT)
    assert log.read("u").statements == (TEXT, HIDDEN)
    assert log.forget("u", TEXT) == 1 and log.forget("u", TEXT) == 0
    assert log.read("u").statements == (HIDDEN,)
    log.state("u", TEXT)
    assert log.forget("u") == 2 and log.forget("u") == 0 and log.forget("nobody") == 0
    assert log.read("u").statements == ()


def test_equal_versions_have_equal_records(log: EventLog) -> None:
    changes: list[Callable[[], Any]] = [
        lambda: log.append("u", TENT, "1"), lambda: log.append("u", BOOTS, "2"), lambda: log.state("u", TEXT),
        lambda: log.forget("u", TEXT), lambda: log.state("u", HIDDEN), lambda: log.delete("u"),
        lambda: log.append("u", BOOTS, "1"), lambda: log.append("u", TENT, "2"),
    ]  # fmt: skip
    records = {log.version("u"): log.read("u")}
    for change in changes:
        change()
        assert records.setdefault(log.version("u"), log.read("u")) == log.read("u")
    assert len(records) >= 7, "a user who starts again is not taken for the earlier one"


def test_delete_removes_everything_of_a_user_and_nothing_of_others(log: EventLog) -> None:
    for user in ("u", "v"):
        log.append(user, TENT, "1")
        log.state(user, HIDDEN)
    assert log.delete("u") and not log.delete("u")
    assert log.read("u") == UserRecord() and log.read("v") == UserRecord((TENT,), (HIDDEN,))


def test_threads_append_every_event_once(log: EventLog) -> None:
    added = []

    def write(number: int) -> None:
        for place in range(20):
            event, key = read_event(SessionEvent(f"item {place}", 1_700_000_000 + place), now=0)
            added.append(log.append("u", event, key))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(added) == 20 and len(log.read("u").events) == 20


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_events_expire_and_statements_stay(kind: str, tmp_path: Path, clock: Clock) -> None:
    url = {"memory": "memory:", "sqlite": f"sqlite:///{tmp_path}/state.db"}[kind]
    log = open_state(url, 60, clock)
    for user in ("u", "v", "w"):
        log.append(user, TENT, "1")
    log.state("u", HIDDEN)
    before = log.version("u")
    clock.now += 60
    assert log.read("u").events == (TENT,)
    log.append("w", TENT, "1")  # a repetition, too, says that the user is there
    clock.now += 1
    assert log.version("u") != before and log.read("u") == UserRecord((), (HIDDEN,))
    assert log.append("u", TENT, "1"), "the event of the expired history is forgotten"
    log.append("x", TENT, "1")
    clock.now += 30
    log.append("w", TENT, "1")
    clock.now += 31
    assert not log.delete("x"), "the events are gone already"
    assert log.expire() == 2 and log.read("v") == UserRecord() and log.read("w").events == (TENT,)
    log.close()


def test_redis_expires_events_by_its_own_clock(empty_redis: str) -> None:
    client, log = redis.Redis.from_url(empty_redis), RedisLog(empty_redis, expire_after=60)
    log.append("u", TENT, "1")
    log.state("u", HIDDEN)
    assert 59_000 < client.pttl("xcat:events:u") <= 60_000 and client.pttl("xcat:statements:u") == -1
    client.pexpire("xcat:events:u", 0)
    assert log.read("u") == UserRecord((), (HIDDEN,)) and log.expire() == 0


@pytest.mark.skipif(PROGRAM is None, reason="redis-server is not installed")
def test_a_redis_server_that_is_killed_loses_nothing_and_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    server = RedisProcess(tmp_path)
    try:
        log, feedback = RedisLog(server.url), RedisFeedback(server.url)
        acknowledged = [number for number in range(50) if log.append("u", SessionEvent("tent", number), str(number))]
        feedback.show(Impression("i1", "u", 1, "c", ("tent",)))
        server.kill()
        for call in (lambda: log.read("u"), lambda: log.version("u"), lambda: list(feedback.impressions())):
            with pytest.raises(ConnectionError, match=rf"state 127\.0\.0\.1:{server.port}: Redis does not answer"):
                call()
        server.start()
        assert [event.timestamp for event in log.read("u").events] == acknowledged == list(range(50))
        assert [one.id for one in feedback.impressions()] == ["i1"] and log.append("u", TENT, "again")
    finally:
        server.kill()


def test_no_byte_of_a_deleted_user_stays_in_the_files(tmp_path: Path) -> None:
    log = SQLiteLog(tmp_path / "state.db")
    for number in range(60):
        for user in ("secretuser", "otheruser"):
            event = SessionEvent(f"{user}-item-{number}", number, text=f"{user} wrote this " * 20)
            log.append(user, event, f"{user}-{number}")
    log.state("secretuser", Statement("text", "secretuser is vegetarian"))

    def files() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert b"secretuser" in files()
    log.delete("secretuser")
    assert b"secretuser" not in files() and b"otheruser-item-59" in files()
    log.append("u", TENT, "1")
    log.state("u", Statement("text", "privatetext"))
    log.forget("u", Statement("text", "privatetext"))
    assert b"privatetext" not in files()
    log.close()


def test_a_user_is_deleted_in_one_transaction(tmp_path: Path) -> None:
    log, done = SQLiteLog(tmp_path / "state.db"), list[str]()
    log.append("u", TENT, "1")
    log.state("u", HIDDEN)
    log._base.set_trace_callback(done.append)
    assert log.delete("u")
    assert [one.split()[0] for one in done if not one.startswith("PRAGMA")] == ["BEGIN", "DELETE", "DELETE", "COMMIT"]
    log.close()


def test_a_reader_of_another_process_is_told_that_bytes_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xcat_rec.serving.state import sqlite_log

    monkeypatch.setattr(sqlite_log, "_WAIT_MS", 50)
    log = SQLiteLog(tmp_path / "state.db")
    log.append("u", TENT, "1")
    reader = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)
    with pytest.raises(TimeoutError, match="call delete again"):
        log.delete("u")
    reader.execute("COMMIT")
    assert log.read("u") == UserRecord()
    log.delete("u")
    assert not (tmp_path / "state.db-wal").read_bytes()
    reader.close()
    log.close()


_WRITER = """
import sys
from xcat_rec.serving.state.sqlite_log import SQLiteLog
from xcat_rec.ranking.sessions.events import SessionEvent
log = SQLiteLog(sys.argv[1])
number = 0
while True:
    log.append("u", SessionEvent(f"item-{number}", number), str(number))
    print(number, flush=True)
    number += 1
"""


def test_a_killed_process_loses_no_event_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, path], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(30)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += map(int, writer.stdout.read().split())
    writer.wait()
    log = SQLiteLog(path)
    events = log.read("u").events
    assert [event.timestamp for event in events][: len(acknowledged)] == acknowledged
    assert len(events) <= len(acknowledged) + 1, "only an event in flight can be there besides"
    log.close()


def test_two_connections_see_each_other_and_the_file_is_private(tmp_path: Path) -> None:
    first, second = SQLiteLog(tmp_path / "state.db"), SQLiteLog(tmp_path / "state.db")
    assert first.append("u", TENT, "1") and not second.append("u", TENT, "1")
    before = first.version("u")
    second.delete("u")
    assert first.version("u") != before and first.read("u") == UserRecord()
    assert os.stat(tmp_path / "state.db").st_mode & 0o777 == 0o600
    for event, key in ((BOOTS, "1"), (TENT, "2")):
        second.append("u", event, key)
        assert first.read("u") == second.read("u")
    assert first.read("u").events == (BOOTS, TENT), "a user who starts again has none of the earlier events"
    first.close()
    second.close()


@pytest.mark.parametrize("content", [b"no database at all, but a text", None])
def test_another_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    if content is None:
        with sqlite3.connect(path) as base:
            base.execute("CREATE TABLE baskets (id INTEGER)")
        base.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(OSError, match="cannot be opened as a log of sessions"):
        open_state(f"sqlite:///{path}")
    assert content is None or path.read_bytes() == before
    with pytest.raises(OSError, match="cannot be opened"):
        open_state(f"sqlite:///{tmp_path}/nowhere/state.db")


def test_a_time_that_is_a_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    log = SQLiteLog(path)
    log.append("u", TENT, "1")
    with closing(sqlite3.connect(path)) as base:
        base.execute("UPDATE events SET timestamp = 'noon'")
        base.commit()
    with pytest.raises(OSError, match=r"state\.db cannot be read: event 1 has a time that is no whole number"):
        log.read("u")
    log.close()


def test_a_time_that_is_a_text_is_named_on_a_server(empty_redis: str) -> None:
    log = RedisLog(empty_redis)
    log.append("u", replace(TENT, timestamp="noon"), "1")
    with pytest.raises(OSError, match=r"127\.0\.0\.1:\d+ cannot be read: event 1 has a time that is no whole number"):
        log.read("u")
    log.close()


@pytest.mark.parametrize("table", ["events", "statements"])
def test_a_damaged_file_is_named(table: str, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    log = SQLiteLog(path)
    log.append("u", TENT, "1")
    log.state("u", Statement("text", "warm"))
    with closing(sqlite3.connect(path)) as base:
        base.execute(f"UPDATE {table} SET {'item' if table == 'events' else 'value'} = CAST(x'ff' AS TEXT)")
        base.commit()
    with pytest.raises(OSError, match=r"state\.db cannot be read: .*; restore the file from a copy"):
        log.read("u")
    log.close()


def test_urls_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_state(), MemoryLog)
    for url, place in (("sqlite:///state%20s.db", "state s.db"), (f"sqlite:///{tmp_path}/x.db", "x.db")):
        opened = open_state(url)
        assert isinstance(opened, SQLiteLog) and (tmp_path / place).exists()
        opened.close()
    for other in (None, tmp_path / "state.db"):
        with pytest.raises(ValueError, match=r"state is (None|a value of type PosixPath); give 'memory:'"):
            open_state(other)  # type: ignore[arg-type]
    for wrong in ("state.db", "sqlite://state.db", "sqlite:///", "mysql://h/x"):
        with pytest.raises(ValueError, match="give 'memory:'"):
            open_state(wrong)
    with pytest.raises(ValueError, match="expire_after is 0"):
        open_state(expire_after=0)
    with pytest.raises(ConnectionError, match=r"state 127\.0\.0\.1:1: no Redis answers"):
        open_state("redis://:secret@127.0.0.1:1/0")
    monkeypatch.setattr("xcat_rec.tokenization.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="a state in Redis needs redis"):
        open_state("redis://127.0.0.1:6379/0")


def test_a_file_that_is_gone_is_an_error_until_it_is_back(tmp_path: Path) -> None:
    log, feedback = SQLiteLog(tmp_path / "state.db"), FeedbackLog(tmp_path / "state.db")
    log.append("u", TENT, "1")
    before = log.version("u")
    (tmp_path / "state.db").rename(tmp_path / "moved.db")
    calls: list[Callable[[], object]] = [
        lambda: log.append("u", BOOTS, "2"), lambda: log.read("u"), lambda: log.version("u"), lambda: log.delete("u"),
        lambda: feedback.show(Impression("i", "u", 1, "c", ("a",))), lambda: list(feedback.impressions()),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(OSError, match=r"state\.db is gone \(No such file or directory\); put the file back"):
            call()
    (tmp_path / "moved.db").rename(tmp_path / "state.db")
    assert log.version("u") == before and log.append("u", BOOTS, "2")
    assert log.read("u").events == (BOOTS, TENT)


def test_another_file_in_its_place_is_opened(tmp_path: Path) -> None:
    log, feedback = SQLiteLog(tmp_path / "state.db"), FeedbackLog(tmp_path / "state.db")
    log.append("u", TENT, "1")
    log.append("v", TENT, "1")
    versions = {log.version("v")}
    for file in tmp_path.glob("state.db*"):
        file.unlink()
    (tmp_path / "state.db").touch()
    feedback.show(Impression("i", "u", 1, "c", ("a",)))
    assert log.read("u") == UserRecord() and log.append("v", BOOTS, "1")
    versions.add(log.version("v"))
    assert len(versions) == 2 and log.read("v").events == (BOOTS,)
    assert [one.id for one in FeedbackLog(tmp_path / "state.db", reading=True).impressions()] == ["i"]
    assert SQLiteLog(tmp_path / "state.db").read("v").events == (BOOTS,)


def test_a_transaction_whose_end_fails_is_undone() -> None:
    base = sqlite3.connect(":memory:", isolation_level=None)
    base.execute("PRAGMA foreign_keys = ON")
    base.execute("CREATE TABLE a (id INTEGER PRIMARY KEY)")
    base.execute("CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError), transaction(base):
        base.execute("INSERT INTO b VALUES (7)")  # COMMIT fails, and would leave the transaction open
    with transaction(base):
        base.execute("INSERT INTO a VALUES (1)")
    assert base.execute("SELECT * FROM a").fetchall() == [(1,)] and not base.execute("SELECT * FROM b").fetchall()


@pytest.mark.parametrize("limit", [0, 40_000])
def test_a_full_disk_is_an_error_and_nothing_is_lost(limit: int, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk; it is the process's own."""
    log, large = SQLiteLog(tmp_path / "state.db"), SessionEvent("tent", 1, text="x" * 3_000)
    log.append("u", TENT, "0")
    size = sum(file.stat().st_size for file in tmp_path.glob("state.db-wal"))
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    stored = 0
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + limit, old[1]))
        with pytest.raises(sqlite3.OperationalError, match="disk"):
            for number in range(100):
                log.append("u", large, f"k{number}")
                stored += 1
        assert len(log.read("u").events) == stored + 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert log.append("u", large, "again") and len(SQLiteLog(tmp_path / "state.db").read("u").events) == stored + 2


def test_a_disk_that_is_nearly_full_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small write may still succeed where an event does not fit."""
    log = SQLiteLog(tmp_path / "state.db")
    log.check_writable()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=LEAST_FREE - 1))
    with pytest.raises(OSError, match=r"its disk has 1,048,575 bytes left; free 1,048,576 at least"):
        log.check_writable()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=LEAST_FREE))
    log.check_writable()

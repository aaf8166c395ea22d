"""The queue of a checkpoint's items, decisions about them, and the hash chain of their log."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from xcat_rec.checkpoints.review import REVIEW_FILE, ReviewLogError, read_review_log
from xcat_rec.cli.app import main
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.policy_file import POLICY_FILE
from xcat_rec.workflows.review import Review, review

from ..cli.commands import refused, run
from ..ranking.test_live_policy import BLOCKED, OTHERS, WINES, listed, recommender


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = recommender()
    own.model.save_pretrained(tmp_path)
    own.processor.save_pretrained(tmp_path)
    return tmp_path


def test_the_queue_has_every_flagged_item_and_its_rules(folder: Path) -> None:
    waiting = review(folder).queue()
    assert [one.item_id for one in waiting[:2]] == ["item-04", "item-05"] and waiting[0].title == "v0dka for the tent"
    assert {one.item_id for one in waiting} == {*WINES, *BLOCKED}
    first = waiting[0].to_dict()
    assert first["matches"] == [
        {"category": "alcohol", "rule": "vodka", "hidden": True, "certain": True, "column": "title"}
    ]
    assert not waiting[0].certain and waiting[1].certain
    assert [one.item_id for one in Review(folder).queue(outcome="sensitive", category="alcohol")] == [*WINES]
    with pytest.raises(ValueError, match="outcome is 'bad'"):
        Review(folder).queue(outcome="bad")


def test_a_decision_counts_in_the_next_request(folder: Path) -> None:
    loaded, own = XCatRecommender.from_pretrained(folder), Review(folder)
    assert listed(loaded.recommend(OTHERS, 40)).isdisjoint({*WINES, *BLOCKED})
    (entry,) = own.approve("item-04", by="Ada", reason="a joke")
    own.block(["item-10", WINES[0]], by="Bo", reason="recalled by the maker")
    assert (entry.number, entry.outcome, entry.decision) == (1, "blocked", "approved")
    now = listed(loaded.recommend(OTHERS, 40))
    assert "item-04" in now and "item-10" not in now
    assert WINES[0] not in listed(loaded.recommend([*OTHERS, WINES[1]], 40, allow_sensitive="alcohol"))
    assert {one.item_id for one in own.queue()} == {"item-05", *WINES[1:]}
    own.block("item-04", by="Bo", reason="no joke")
    assert "item-04" not in listed(loaded.recommend(OTHERS, 40))
    assert [(one.item_id, one.by) for one in own.verify()][-1] == ("item-04", "Bo") and len(own.log()) == 4


def test_decisions_while_another_policy_is_applied_are_kept(folder: Path) -> None:
    own, items = Review(folder), [f"item-{number}" for number in range(10, 20)]
    with ThreadPoolExecutor(2) as threads:
        applied = [threads.submit(own.apply, "standard") for _ in range(10)]
        for item in items:
            own.block(item, by="Bo", reason="recalled by the maker")
        for one in applied:
            one.result()
    assert {one.item_id for one in own.verify()} == {*items}
    assert {*items} <= {*json.loads((folder / POLICY_FILE).read_text())["decisions"]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"by": " ", "reason": "x"}, "by is empty"), ({"by": "Ada", "reason": ""}, "reason is empty"),
    ],
)  # fmt: skip
def test_decisions_need_a_person_a_reason_and_an_item(folder: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Review(folder).approve("item-04", **given)
    with pytest.raises(ValueError, match="item is 'nothing', which is not in the catalogue"):
        Review(folder).block("nothing", by="Ada", reason="x")
    assert not (folder / REVIEW_FILE).exists()


def test_every_change_of_the_log_is_found(folder: Path) -> None:
    own, path = Review(folder), folder / REVIEW_FILE
    for number in range(6):
        own.block(f"item-1{number}", by="Ada", reason=f"reason {number} für 白酒")
    lines = path.read_text(encoding="utf-8").splitlines()
    head = own.verify()[-1].hash
    changes = {
        "deleted": [lines[:place] + lines[place + 1 :] for place in range(len(lines))],
        "swapped": [[*lines[:a], lines[a + 1], lines[a], *lines[a + 2 :]] for a in range(len(lines) - 1)],
        "repeated": [lines[: place + 1] + lines[place:] for place in range(len(lines))],
        "edited": [
            [*lines[:place], json.dumps({**json.loads(lines[place]), name: value}), *lines[place + 1 :]]
            for place in range(len(lines))
            for name, value in (
                ("decision", "approved"), ("by", "Eve"), ("reason", ""), ("time", ""), ("number", 9), ("item_id", "a"),
                ("previous", "0" * 63), ("hash", "f" * 64), ("outcome", "x"), ("other", 1), ("text", "0" * 64),
            )
        ],
    }  # fmt: skip
    for kind, versions in changes.items():
        for version in versions:
            path.write_text("\n".join(version) + "\n", encoding="utf-8")
            with pytest.raises(ReviewLogError):
                own.verify(head)
            assert kind == "deleted" or version != lines
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ReviewLogError, match="the last line is cut"):
        own.verify()
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert len(own.verify(head)) == 6


def test_any_changed_byte_is_found(folder: Path) -> None:
    own, path = Review(folder), folder / REVIEW_FILE
    for number in range(3):
        own.block(f"item-1{number}", by="Ada", reason="reason")
    whole, found = path.read_bytes(), random.Random(0)
    for place in found.sample(range(len(whole)), 120):
        changed = bytearray(whole)
        changed[place] ^= 1 << found.randrange(7)
        path.write_bytes(bytes(changed))
        try:
            same = [(one.item_id, one.decision, one.by, one.reason, one.time) for one in read_review_log(folder)]
        except ReviewLogError:
            continue
        raise AssertionError(f"byte {place} was changed and {same} was read")


def test_a_log_of_other_bytes_or_deep_lists_is_named(folder: Path) -> None:
    Review(folder).block("item-10", by="Ada", reason="x")
    for content in (b"\xff\n", b"[" * 100_000 + b"\n", b'{"number": 1}\n', b"[]\n"):
        (folder / REVIEW_FILE).write_bytes(content)
        with pytest.raises(ReviewLogError, match=rf"{REVIEW_FILE}.* cannot be read"):
            read_review_log(folder)
    (folder / POLICY_FILE).write_bytes(b"[" * 100_000)
    with pytest.raises(ValueError, match=rf"{POLICY_FILE} is damaged"):
        Review(folder).queue()


def test_the_decisions_of_the_checkpoint_agree_with_the_log(folder: Path) -> None:
    own, file = Review(folder), folder / POLICY_FILE
    own.block("item-10", by="Ada", reason="x")
    saved = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**saved, "decisions": {"item-10": "approved"}}), encoding="utf-8")
    with pytest.raises(ReviewLogError, match=r"has 'item-10' as approved and review\.jsonl as blocked"):
        own.verify()


def test_another_policy_keeps_the_decisions(folder: Path) -> None:
    own = Review(folder)
    own.approve("item-05", by="Ada", reason="a book about history")
    own.apply({"outcomes": {"alcohol": "allowed"}, "words": {"hate": ["maps"]}})
    loaded = XCatRecommender.from_pretrained(folder)
    now = listed(loaded.recommend(OTHERS, 40))
    assert {*WINES, "item-04", "item-05"} <= now and not now & {f"item-3{n}" for n in range(10)}
    assert len(own.verify()) == 1
    own.apply("off")
    assert XCatRecommender.from_pretrained(folder).policy is None
    with pytest.raises(ValueError, match="has no content policy; apply one first"):
        own.queue()
    own.apply("standard")
    assert "item-05" not in {one.item_id for one in own.queue()}, "the log still has the decision"


def test_an_ended_approval_does_not_come_back_with_another_policy(folder: Path) -> None:
    own = Review(folder)
    own.approve(["item-04", "item-05"], by="Ada", reason="seen")
    own.block("item-10", by="Ada", reason="recalled")
    loaded = XCatRecommender.from_pretrained(folder)
    texts = {"item_id": ["item-05", "item-10"], "title": ["Nazi flag 2", "another text"]}
    loaded.add_items(texts)
    assert [(one.item_id, one.decision, one.by) for one in own.verify()][-1] == ("item-05", "ended", "xcat-rec")
    for policy in ("off", "standard"):
        own.apply(policy)
    assert "item-05" in {one.item_id for one in own.queue()} and "item-04" not in {one.item_id for one in own.queue()}
    now = listed(XCatRecommender.from_pretrained(folder).recommend(OTHERS, 40))
    assert "item-04" in now and not {"item-05", "item-10"} & now
    own.approve("item-05", by="Bo", reason="seen again")
    own.apply("off")
    XCatRecommender.from_pretrained(folder).add_items({"item_id": ["item-05"], "title": ["Nazi flag 3"]})
    own.apply("standard")
    assert "item-05" in {one.item_id for one in own.queue()}, "it ended while there was no policy"
    assert len(own.verify()) == 6


def test_an_approval_is_of_a_text(folder: Path) -> None:
    """The item may be added again with the same text; with another one it waits for a decision again."""
    own, loaded = Review(folder), XCatRecommender.from_pretrained(folder)
    loaded.add_items({"item_id": ["gin-1"], "title": ["Gin, 1 l"]})
    assert {one.item_id: one.title for one in own.queue()}["gin-1"] == "Gin, 1 l", "the checkpoint lacks the item"
    own.approve(["gin-1", "item-05", "item-10"], by="Ada", reason="sold with a licence")
    again = XCatRecommender.from_pretrained(folder)  # as after a restart, without the item
    again.add_items({"item_id": ["gin-1"], "title": ["Gin, 1 l"]})
    assert "gin-1" in listed(again.recommend(OTHERS, 50)) and len(own.verify()) == 3
    for policy in ("off", "standard"):
        own.apply(policy)
    again = XCatRecommender.from_pretrained(folder)
    again.add_items({"item_id": ["gin-1", "item-05"], "title": ["Gin, 1 l", "Nazi flag"]})
    assert {"gin-1", "item-05", "item-10"} <= listed(again.recommend(OTHERS, 50)) and len(own.verify()) == 3
    again.add_items({"item_id": ["gin-1", "item-10"], "title": ["Gin, 2 l", "boots number 11"]})
    ended = sorted(one.item_id for one in own.verify() if one.decision == "ended")
    assert ended == ["gin-1", "item-10"] and {one.item_id: one.title for one in own.queue()}["gin-1"] == "Gin, 2 l"
    assert "gin-1" not in listed(again.recommend(OTHERS, 50))


def test_an_approval_does_not_count_for_another_text_of_a_new_fit(folder: Path) -> None:
    own = Review(folder)
    own.approve("item-05", by="Ada", reason="a book about history")
    file = folder / POLICY_FILE
    saved = json.loads(file.read_text(encoding="utf-8"))
    saved["items"]["item-05"] |= {"text": "0" * 64, "title": "Nazi flag 2"}
    file.write_text(json.dumps(saved), encoding="utf-8")
    assert "item-05" in {one.item_id for one in own.queue()} and len(own.verify()) == 1
    assert "item-05" not in listed(XCatRecommender.from_pretrained(folder).recommend(OTHERS, 40))
    own.approve("item-05", by="Ada", reason="seen again")
    assert "item-05" in listed(XCatRecommender.from_pretrained(folder).recommend(OTHERS, 40))


def test_several_decisions_are_made_all_or_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = Review(folder)
    before = (folder / POLICY_FILE).read_bytes()
    with pytest.raises(ValueError, match="item is 'nothing'"):
        own.approve(["item-04", "nothing"], by="Ada", reason="seen")
    words = ["--approve", "item-04", "--block", "nothing", "--by", "Ada", "--reason", "x"]
    refused(["review", str(folder), *words], capsys, ["item is 'nothing'"])
    with pytest.raises(ValueError, match="'item-04' is in approve and in block"):
        own.decide(approve=["item-04"], block="item-04", by="Ada", reason="x")
    for wrong, message in (
        (None, "approve is a list of ids; got None"),
        ([None], "approve has None"),
        (7, "got a value of type int"),
    ):
        with pytest.raises(ValueError, match=message):
            own.approve(wrong, by="Ada", reason="x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="by is empty"):
        own.approve("item-04", by=None, reason="x")  # type: ignore[arg-type]
    assert not (folder / REVIEW_FILE).exists() and (folder / POLICY_FILE).read_bytes() == before
    both = own.decide(approve=["item-04", "item-04"], block=["item-10"], by="Ada", reason="x")
    assert [(one.number, one.item_id) for one in both] == [(1, "item-04"), (2, "item-10")] and own.verify() == both


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("settings", {}, "settings has no outcomes"), ("items", {"item-04": "blocked"}, "items has 'item-04' without"),
        ("items", {"a": {"outcome": "blocked", "categories": [], "certain": True, "matches": [1]}}, "a match that"),
        ("decisions", {"item-04": ["approved"]}, "decisions has 'item-04' as"),
        ("approved_texts", {"item-04": None}, "approved_texts has other values than texts"),
    ],
)  # fmt: skip
def test_a_policy_file_of_other_types_is_named(folder: Path, part: str, value: object, message: str) -> None:
    file = folder / POLICY_FILE
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), part: value}), encoding="utf-8")
    for read in (Review(folder).queue, lambda: XCatRecommender.from_pretrained(folder)):
        with pytest.raises(ValueError, match=message):
            read()


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(run(["review", str(folder), "--json"], capsys)["queue"]) == 5
    words = ["--approve", "item-05", "--block", "item-10", "--by", "Ada", "--reason", "seen", "--json"]
    decided = run(["review", str(folder), *words], capsys)
    assert [one["decision"] for one in decided["decided"]] == ["approved", "blocked"] and len(decided["queue"]) == 4
    log = run(["review", str(folder), "--verify", "--json"], capsys)["decisions"]
    assert [one["item_id"] for one in log] == ["item-05", "item-10"]
    refused(["review", str(folder), "--verify", "--head", "f" * 64], capsys, ["has no line with the hash"])
    refused(["review", str(folder), "--block", "item-11"], capsys, ["by is empty"])
    run(["review", str(folder), "--policy", "standard", "--json"], capsys)
    assert "waiting for a decision: 4 items" not in capsys.readouterr().out
    main_shown(["review", str(folder)], capsys, ["vodka?", "?: a hidden word"])
    main_shown(
        ["review", str(folder), "--category", "hate"], capsys, ["waiting for a decision: 0 items"], without="?:"
    )


def main_shown(
    arguments: list[str], capsys: pytest.CaptureFixture[str], texts: list[str], without: str = "\0"
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    shown = capsys.readouterr().out
    assert all(text in shown for text in texts) and without not in shown

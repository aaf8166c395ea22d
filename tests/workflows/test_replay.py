"""Replay: chances of logged lists, and estimates against lists that another ranking really shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xcat_rec.cli.app import main
from xcat_rec.evaluation.off_policy import TooFewRoundsError
from xcat_rec.ranking.place_chances import PoolReader, place_chances
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.ranking.rerank import Candidates
from xcat_rec.ranking.rerankers import MaxPerCategory, PlackettLuce
from xcat_rec.serving.feedback import HIDE, FeedbackLog, Impression, Reaction
from xcat_rec.serving.state.sqlite_log import SQLiteLog
from xcat_rec.workflows.replay import ReplayResult, replay

from ..hub.checkpoints import save_checkpoint

ITEMS = [f"item-{number:02d}" for number in range(40)]
LIKED = {item: 0.05 + 0.6 * (number % 3 == 0) for number, item in enumerate(ITEMS)}
"""Chance of a click, whatever the place."""


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folders = [tmp_path_factory.mktemp(name) / "checkpoint" for name in ("old", "new")]
    return [save_checkpoint(folder, seed) for seed, folder in enumerate(folders)]


def show(recommender: XCatRecommender, log: FeedbackLog, count: int, rerank: str = "sample=0.6:{}") -> None:
    draw = np.random.default_rng(5)
    for number in range(count):
        history = tuple(str(item) for item in draw.choice(ITEMS, size=2, replace=False))
        rules = rerank.format(number)
        found = recommender.recommend(history, 3, rerank=rules, explain=False)
        items, chances = tuple(i.item_id for i in found), tuple(i.propensity for i in found)
        drawn = chances if chances[0] is not None else None
        log.show(Impression(f"i{number}", f"u{number}", number, "old", items, drawn, history, {"rerank": rules}))
        for item in items:
            if draw.random() < LIKED[item]:
                log.react(Reaction(f"i{number}", item, "click", number))


@pytest.fixture(scope="module")
def log(checkpoints: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "state.db"
    feedback = FeedbackLog(path)
    show(XCatRecommender.from_pretrained(checkpoints[0]), feedback, 250)
    feedback.react(Reaction("i0", next(feedback.impressions()).items[0], HIDE, 1))
    feedback.close()
    return path


@pytest.fixture(scope="module")
def found(checkpoints: list[Path], log: Path) -> ReplayResult:
    return replay(log, checkpoints)


def test_chances_are_those_of_the_draw() -> None:
    scores = torch.tensor([[3.0, 2.0, 1.0, 0.0]])
    pool = Candidates(torch.tensor([[5, 6, 7, 8]]), scores, [[]], None)  # type: ignore[arg-type]
    order = torch.tensor([[2, 0, 3, 1]])
    drawn = PlackettLuce(0.3).propensities(pool, order)[0].numpy()
    values = np.arange(16.0).reshape(4, 4)
    chances, expected = place_chances(pool, [7, 5, 8, 6], 0.3, values)
    assert chances == pytest.approx(drawn, abs=1e-12)
    utilities = np.exp(np.array([1, 2 / 3, 1 / 3, 0]) / 0.3)
    assert expected[0] == pytest.approx(utilities @ values[0] / utilities.sum())
    assert expected[3] == values[3, 1]
    assert place_chances(pool, [5, 99, 6], 0.3)[0][1:].tolist() == [0.0, 0.0]
    assert place_chances(pool, [5, 7], None)[0].tolist() == [1.0, 0.0]


def test_limits_are_part_of_the_chances(checkpoints: list[Path]) -> None:
    recommender, reader = XCatRecommender.from_pretrained(checkpoints[0]), PoolReader()
    found = recommender.recommend(["item-03"], 5, rerank=[MaxPerCategory(1), PlackettLuce(0.5, 3)])
    recommender.recommend(["item-03"], 5, rerank=[MaxPerCategory(1), reader])
    assert reader.candidates is not None
    rows = recommender.vocabulary.encode([item.item_id for item in found]).tolist()
    chances = place_chances(reader.candidates, rows, 0.5)[0]
    assert chances == pytest.approx([item.propensity for item in found], rel=1e-6)


def test_the_ranking_that_was_logged_is_worth_what_it_got(checkpoints: list[Path], found: ReplayResult) -> None:
    estimate = found.estimates[str(checkpoints[0])]
    assert found.num_lists == 250 and found.reactions == ("click",)
    assert estimate.effective_rounds == pytest.approx(250, rel=1e-6)
    for kind in ("ips", "snips"):
        assert estimate.estimates[kind].mean == pytest.approx(estimate.logged_value, rel=1e-6)
    assert estimate.estimates["dr"].low < estimate.logged_value < estimate.estimates["dr"].high


def test_another_ranking_is_worth_what_its_lists_would_get(
    checkpoints: list[Path], log: Path, found: ReplayResult
) -> None:
    other = XCatRecommender.from_pretrained(checkpoints[1])
    histories = [list(one.history) for one in FeedbackLog(log, reading=True).impressions()]
    shown = [
        other.recommend(history, 3, rerank=[PlackettLuce(0.6, seed)], explain=False)
        for seed, history in enumerate(histories)
    ]
    truth = np.mean([sum(LIKED[item.item_id] for item in items) for items in shown])
    estimate = found.estimates[str(checkpoints[1])]
    assert 25 < estimate.effective_rounds < 245
    for interval in estimate.estimates.values():
        assert interval.low < truth < interval.high
    gap = found.differences["snips"]
    assert gap.mean == pytest.approx(estimate.estimates["snips"].mean - estimate.logged_value, rel=1e-6)


def test_rankings_that_rarely_show_what_was_logged_are_refused(checkpoints: list[Path], log: Path) -> None:
    with pytest.raises(TooFewRoundsError, match="lists are effective"):
        replay(log, checkpoints[1:], temperature=0.0)


def test_logs_without_drawn_lists_are_refused(checkpoints: list[Path], tmp_path: Path) -> None:
    feedback = FeedbackLog(tmp_path / "plain.db")
    show(XCatRecommender.from_pretrained(checkpoints[0]), feedback, 2, rerank="mmr=0.1")
    feedback.close()
    with pytest.raises(ValueError, match="2 lists, and none was drawn at random"):
        replay(tmp_path / "plain.db", checkpoints)
    with pytest.raises(ValueError, match="temperature is -1"):
        replay(tmp_path / "plain.db", checkpoints, temperature=-1.0)
    with pytest.raises(ValueError, match="checkpoints is empty"):
        replay(tmp_path / "plain.db", [])
    with pytest.raises(OSError, match=r"nowhere\.db cannot be opened"):
        replay(tmp_path / "nowhere.db", checkpoints)
    assert not (tmp_path / "nowhere.db").exists()


def test_the_command_prints_what_python_returns(
    checkpoints: list[Path], log: Path, found: ReplayResult, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["replay", str(log), *map(str, checkpoints), "--json"])
    shown = capsys.readouterr()
    assert stop.value.code in (0, None), shown.err
    printed: dict[str, Any] = json.loads(shown.out.splitlines()[-1])
    assert printed == json.loads(json.dumps(found.to_dict()))
    assert set(printed["checkpoints"]) == set(map(str, checkpoints)) and "effective lists" in shown.err


def test_types_of_reactions_are_whole_words_that_the_log_has(
    checkpoints: list[Path], log: Path, tmp_path: Path
) -> None:
    one, same = (replay(log, checkpoints[0], reactions=types) for types in ("click", {"click"}))
    assert one.reactions == ("click",) and one.to_dict() == same.to_dict()
    for wrong in ("click,hide", "lick", ["click", "purchase"]):
        with pytest.raises(ValueError, match="no reaction of the log has this type; it has click, hide"):
            replay(log, checkpoints[0], reactions=wrong)
    for wrong, message in (
        ({"reactions": None}, "reactions is a list of types"),
        ({"reactions": [7]}, "reactions has"),
    ):
        with pytest.raises(ValueError, match=message):
            replay(log, checkpoints[0], **wrong)  # type: ignore[arg-type]
    FeedbackLog(tmp_path / "empty.db").close()
    with pytest.raises(ValueError, match="log has no lists; the service logs those of POST /recommend"):
        replay(f"sqlite:///{tmp_path}/empty.db", checkpoints[0])
    SQLiteLog(tmp_path / "events.db").close()
    with pytest.raises(OSError, match="it has no lists and reactions; give the store of a running xcat serve"):
        replay(tmp_path / "events.db", checkpoints[0])

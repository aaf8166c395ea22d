"""Search spaces and studies: a killed search continues, other data is refused, nothing of the test split is kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from xcat_rec.training.search_space import read_space, space_function
from xcat_rec.training.studies import (
    draw_plots,
    finished,
    importance_notes,
    importances,
    load_study,
    one_search,
    open_study,
    trial_table,
)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("1", "'learning_rate' is '1'; give low..high"),
        ("2..1", "low below high"),
        ("0..1:log", "with low over 0"),
        ("a..b", "give numbers"),
        ("1..inf", "give numbers"),
        ("1..2:exp", "give numbers"),
        (["one"], "choices such as"),
    ],
)
def test_values_that_cannot_be_read_are_refused(values: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_space({"learning_rate": values})
    with pytest.raises(ValueError, match="space is empty"):
        read_space({})


def test_a_space_draws_within_its_ends() -> None:
    draw = space_function({"rate": "1e-4..1e-2:log", "epochs": "2..4", "batch": "64|128", "kind": ["a", "b"]})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    for _ in range(20):
        values = draw(study.ask())
        assert 1e-4 <= values["rate"] <= 1e-2
        assert values["epochs"] in (2, 3, 4) and isinstance(values["epochs"], int)
        assert values["batch"] in (64, 128) and values["kind"] in ("a", "b")


def of_rate(trial: Any) -> float:
    return float(trial.suggest_float("rate", 0.0, 1.0) - 0.1 * trial.suggest_float("decay", 0.0, 1.0))


def test_a_trial_that_was_running_is_repeated_with_its_values(tmp_path: Path) -> None:
    study = open_study(tmp_path / "study.db", "maximize", {"data": "shop"})
    study.optimize(of_rate, n_trials=2)
    killed = study.ask()
    of_rate(killed)
    again = open_study(tmp_path / "study.db", "maximize", {"data": "shop"})
    assert finished(again) == 2
    again.optimize(of_rate, n_trials=2)
    table = trial_table(load_study(tmp_path / "study.db"))
    assert [trial["state"] for trial in table] == ["complete", "complete", "fail", "complete", "complete"]
    assert (table[3]["values"], table[3]["repeats"]) == (killed.params, killed.number)
    drawn = [trial["values"]["rate"] for trial in table]
    assert len(set(drawn)) == 4, "a resumed search does not draw the first values again"


def test_other_settings_files_and_directions_are_refused(tmp_path: Path) -> None:
    open_study(tmp_path / "study.db", "maximize", {"split": "auto", "hidden_size": 64})
    with pytest.raises(ValueError, match="hidden_size is 32, in the study 64; split is None, in the study 'auto'"):
        open_study(tmp_path / "study.db", "maximize", {"hidden_size": 32})
    with pytest.raises(ValueError, match=r"was made to maximize its metric, and this search is to minimize"):
        open_study(tmp_path / "study.db", "minimize")
    open_study(tmp_path / "hashes.db", "maximize", {"the items table": "0" * 64})
    with pytest.raises(ValueError, match=r"data or settings: the items table is another one\. Give"):
        open_study(tmp_path / "hashes.db", "maximize", {"the items table": "a" * 64})
    (tmp_path / "notes.txt").write_text("not a study")
    with pytest.raises(ValueError, match="is not a SQLite file"):
        open_study(tmp_path / "notes.txt", "maximize")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE trials SET state = 'x'", "DROP TABLE studies", "UPDATE study_user_attributes SET value_json = '{'",
        "UPDATE study_user_attributes SET value_json = '5'", "DELETE FROM study_directions",
    ],
)  # fmt: skip
def test_a_damaged_study_is_named(change: str, tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    study = open_study(path, "maximize", {"data": "a"})
    study.tell(study.ask(), 0.5)
    with closing(sqlite3.connect(path)) as base:
        base.execute(change)
        base.commit()
    with pytest.raises(ValueError, match=r"study='.*study\.db' cannot be read as a study"):
        open_study(path, "maximize", {"data": "a"})
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(ValueError, match=r"study='.*study\.db' cannot be read as a study"):
        open_study(path, "maximize", {"data": "a"})


def test_one_search_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    with one_search(path), pytest.raises(ValueError, match="has a search that is running"), one_search(path):
        pass
    with one_search(tmp_path / "study.db"):
        assert [path.name for path in tmp_path.iterdir()] == ["study.db.lock"]


def test_importances_and_plots(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    study = open_study(path, "maximize")
    assert importances(study) == {}
    assert importance_notes(study)[0].endswith("at least 2 trials that ended, and 0 did; give more trials")
    study.optimize(of_rate, n_trials=25)
    found = importances(study)
    assert list(found) == ["rate", "decay"], "the rate changes the value ten times as much"
    assert sum(found.values()) == pytest.approx(1) and not importance_notes(study)
    files = draw_plots(study, path, "ndcg@10")
    assert [file.name for file in files] == ["study-history.png", "study-importance.png"]
    assert all(file.read_bytes()[:4] == b"\x89PNG" for file in files)
    with sqlite3.connect(path) as content:
        assert content.execute("select count(*) from trial_values").fetchone() == (25,)


def test_trials_with_one_metric_have_no_importances(tmp_path: Path) -> None:
    study = open_study(tmp_path / "study.db", "maximize")
    study.optimize(lambda trial: 0.5 + 0 * trial.suggest_float("rate", 0, 1), n_trials=2)
    assert importances(study) == {}
    assert importance_notes(study) == ["no importances: all 2 trials that ended have the metric 0.5000; search more"]
    assert [file.name for file in draw_plots(study, tmp_path / "study.db", "ndcg@10")] == ["study-history.png"]

"""`tune` and `xcat tune`: trials on the validation split, in a study that survives a kill."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import xcat_rec
from xcat_rec.cli.app import main
from xcat_rec.training.tasks.next_item import NextItemTask
from xcat_rec.workflows.tune import check_tuning

from ..cli.commands import refused
from ..fresh_processes import run_program
from ..tiny_shop import QUICK, SMALL, save_text_encoder, write_shop

pytest.importorskip("optuna")

FIELDS: dict[str, Any] = {**SMALL, **QUICK, "num_train_epochs": 2, "split": "leave-one-out"}
del FIELDS["learning_rate"]  # it is searched
SPACE = {"learning_rate": "1e-3..1e-2:log", "weight_decay": "0.01..0.1"}

KILLED = """
import json, os, signal, sys
import xcat_rec

def tell(message):
    if message.startswith("trial 1"):
        os.kill(os.getpid(), signal.SIGKILL)

given = json.loads(sys.argv[1])
xcat_rec.tune(given["data"], given["study"], trials=3, space=given["space"], tell=tell, **given["fields"])
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("tune")
    return write_shop(folder / "shop"), str(save_text_encoder(folder / "encoder"))


def test_a_killed_search_continues_with_the_killed_trial_and_never_sees_the_test_split(
    places: tuple[Path, str], tmp_path: Path
) -> None:
    data, encoder = places
    fields, study = {**FIELDS, "text_encoder": encoder}, tmp_path / "study.db"
    given = {"data": str(data), "study": str(study), "space": SPACE, "fields": fields}
    killed = run_program(KILLED, json.dumps(given))
    assert killed.returncode == -9, killed.stderr
    found = xcat_rec.tune(data, study, trials=3, space=SPACE, **fields)
    states = [trial["state"] for trial in found.trials]
    assert states.count("fail") == 1 and states.count("complete") + states.count("pruned") == 3
    assert found.trials[2]["values"] == found.trials[1]["values"] and found.trials[2]["repeats"] == 1
    best = max((trial for trial in found.trials if trial["state"] == "complete"), key=lambda trial: trial["value"])
    assert (found.value, found.values, found.metric) == (best["value"], best["values"], "ndcg@10")
    assert best["epochs"] == 2, "one value per epoch, to prune by"
    assert all(file.is_file() for file in found.plots)
    assert not study.with_name("study-trials").exists()
    with sqlite3.connect(study) as content:
        attributes = content.execute(
            "select key from study_user_attributes union select key from trial_user_attributes"
        )
        assert {key for (key,) in attributes} == {"settings", "repeats", "epochs"}
        values = {value for (value,) in content.execute("select value from trial_values")}
        epochs = {value for (value,) in content.execute("select intermediate_value from trial_intermediate_values")}
        assert values <= epochs, "the value of a trial is that of its best epoch on validation"
    again = xcat_rec.tune(data, study, trials=3, space=SPACE, **fields)
    assert again.trials == found.trials, "all trials were there"
    with pytest.raises(ValueError, match="weight_decay"):
        xcat_rec.tune(data, study, trials=3, space={"learning_rate": "1e-3..1e-2"}, **fields)


def test_the_command_prints_the_best_values_and_the_command_to_train(
    places: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned: list[Any] = []  # a trial has its metric after its last epoch, and its model is not kept
    monkeypatch.setattr(NextItemTask, "tune", lambda *given: tuned.append(given))
    options = [f"--{name.replace('_', '-')}={_text(value)}" for name, value in FIELDS.items() if name != "metric_ks"]
    folder = places[0]
    tables = ["--items", f"{folder}/items.csv", "--events", f"{folder}/events.csv"]
    command = ["tune", *tables, "--study", str(tmp_path / "s.db"), "--trials", "1", "--text-encoder", places[1],
               "--space", "learning_rate=1e-3..1e-2:log", *options, "--json"]  # fmt: skip
    with pytest.raises(SystemExit) as stop:
        main(command)
    shown = capsys.readouterr()
    found = json.loads(shown.out.splitlines()[-1])
    assert not stop.value.code
    assert list(found["values"]) == ["learning_rate"] and not tuned
    assert [trial["state"] for trial in found["trials"]] == ["complete"]
    assert found["importances"] == {} and found["plots"] == [str(tmp_path / "s-history.png")]
    (note,) = found["notes"]
    assert note in " ".join(shown.err.split()) and "and 1 did" in note
    last = shown.err[shown.err.index("to train with the best values:") :].split()
    assert last[6:14] == ["xcat", "fit", "--output", "checkpoint", *tables]
    assert last[last.index("--text-encoder") + 1] == places[1] and "--study" not in last


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--space", "learning_rate"], ["give NAME=LOW..HIGH"]),
        (["--space", "hidden_size=32|64"], ["is not a training argument"]),
        (
            ["--space", "learning_rat=1e-3..1e-2"],
            ["space: 'learning_rat' is not", "did you mean --learning-rate?", "such as 'learning_rate', 'weight"],
        ),
        (["--space", "seed=1..2,--seed=3..4"], ["--space names 'seed' twice"]),
        (["--space", "learning_rate=5..1"], ["space: 'learning_rate' is '5..1'; give numbers low..high"]),
        (["--space", f"learning_rate=1..1{'0' * 400}"], ["give numbers low..high with low below high"]),
        (["--space", "learning_rate=-1..1"], ["is -1; give a positive number"]),
        (["--learning-rate", "0.1", "--space", "learning_rate=1e-3..1e-2"], ["given and is in", "leave it out"]),
        (["--study", "nowhere/study.db"], ["file in a folder that exists"]),
        (["--trials", "0"], ["--trials is 0"]),
    ],
    ids=lambda value: " ".join(value[:2]),
)
def test_searches_that_cannot_run_are_refused_before_the_data_is_read(
    options: list[str], words: list[str], places: tuple[Path, str], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    refused(["tune", str(places[0]), *options], capsys, words)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"trials": 1.5}, "^trials is 1.5; give a whole number"),
        ({"trials": "3"}, "^trials is a value of type str; give a whole number"),
        ({"space": "learning_rate=1e-3..1e-2"}, "^space is a value of type str; give a dict such as"),
    ],
    ids=str,
)
def test_values_of_another_type_are_refused_before_the_data_is_read(
    given: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=words):
        xcat_rec.tune("nowhere", tmp_path / "s.db", **given)


def test_a_given_argument_is_not_searched_by_default(tmp_path: Path) -> None:
    chosen = check_tuning(tmp_path / "study.db", 1, None, {}, {}, {"learning_rate": 1e-3})
    assert list(chosen) == ["weight_decay", "new_category_weight"]

"""`xcat chat`: scripts as JSON, typed turns, and refusals; never a traceback."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from xcat_rec.cli.app import main
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop
from .commands import refused


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("chat")
    encoder = save_text_encoder(place / "encoder")
    made = prepare_training(shop(10), PreparationOptions(text_encoder=str(encoder), config=SMALL))
    made.model.save_pretrained(place / "my-shop")
    made.processor.save_pretrained(place / "my-shop")
    return place / "my-shop"


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["chat", *arguments])
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    assert "Traceback" not in shown.err
    return shown.out, shown.err


def test_a_script_gives_one_object_per_turn(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "turns.txt"
    lines = "\ufefftents under 10\n\nnot number 3\n不要这个\nstart over\n Quit. \nboots\n"
    script.write_text(lines, encoding="utf-8")
    out, err = run(
        [str(checkpoint), "--script", str(script), "--json", "-k", "2", "--history", "item-02,kite"], capsys
    )
    turns = [json.loads(line) for line in out.splitlines()]  # "quit" ends the script
    assert [list(turn) for turn in turns] == [["understood", "recommendations", "answer"]] * 4
    assert turns[0]["understood"]["limits"]["maximum_price"] == 10.0
    assert [len(turn["recommendations"]) for turn in turns[:2]] == [2, 2]
    assert all(item["category"] == "tents" and item["price"] < 10 for item in turns[0]["recommendations"])
    assert all(item["item_id"] != "item-02" for turn in turns for item in turn["recommendations"])
    assert len(turns[2]["understood"]["not_wanted"]["items"]) == 2
    assert turns[3]["understood"]["request"] == "reset"
    assert "1 of 2 events has an item that is not in the catalogue" in err


def test_typed_turns_end_with_quit(
    checkpoint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("maps\n\nquit\nboots\n"))
    out, _ = run([str(checkpoint), "-k", "1"], capsys)
    assert "[in maps]" in out and "I found 1 item in maps: maps number" in out
    assert "boots" not in out
    monkeypatch.setattr("sys.stdin", io.StringIO("boots"))
    assert json.loads(run([str(checkpoint), "--json"], capsys)[0])["understood"]["wanted"]["category"] == "boots"


def test_support_log(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, script = tmp_path / "log.csv", tmp_path / "turns.txt"
    log.write_text("question,answer\nWhere is my order?,In the tracker.\n")
    script.write_text("where is my order\n")
    out, _ = run([str(checkpoint), "--script", str(script), "--support-log", str(log), "--json"], capsys)
    assert json.loads(out)["answer"] == "In the tracker."


def test_refusals(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(["chat", str(checkpoint), "-k", "0"], capsys, ["-k is 0; give at least 1"])
    refused(["chat", str(tmp_path / "none")], capsys, ["none"])
    refused(["chat", str(checkpoint), "--script", str(tmp_path / "no.txt")], capsys, ["no.txt"])
    refused(["chat", str(checkpoint), "--support-log", str(tmp_path / "no.csv")], capsys, ["no.csv does not exist"])
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 secret\n")
    refused(["chat", str(checkpoint), "--script", str(tmp_path / "latin.txt")], capsys, ["is not UTF-8 text (byte 3)"])
    (tmp_path / "log.csv").write_text("a,b\nsecret,secret\n")
    refused(
        ["chat", str(checkpoint), "--support-log", str(tmp_path / "log.csv")], capsys, ["name the column question"]
    )


def test_a_chinese_answer_is_wrapped_outside_of_numbers(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "turns.txt"
    script.write_text("tents\n不超过1299.00元\n", encoding="utf-8")
    out, _ = run([str(checkpoint), "--script", str(script)], capsys)
    answer = out[out.index("为您找到") :]
    assert "1,299.00" in answer and all(cell_len(line) <= 80 for line in answer.splitlines())
    assert all(price in answer for price in re.findall(r"（\d+\.\d\d）", answer.replace("\n", "")))

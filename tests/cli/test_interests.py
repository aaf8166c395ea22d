"""`xcat interests`."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from transformers import AutoConfig, BertForTokenClassification

from tests.tiny_shop import save_text_encoder, tiny_tokenizer, write_shop
from xcat_rec.cli.app import main

from .widths import check_width


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["interests", *arguments])
    return int(left.value.code or 0)


def test_profiles_are_printed_for_people_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XCAT_CACHE", str(tmp_path / "cache"))
    shop, encoder = write_shop(tmp_path / "shop"), str(save_text_encoder(tmp_path / "encoder"))
    assert run(str(shop), "--user", "user-01", "--text-encoder", encoder) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("user-01: 5 opinions\n")
    assert "liking" in printed
    check_width(printed)
    assert run(str(shop), "--users", "2", "--text-encoder", encoder, "--json") == 0
    profiles = json.loads(capsys.readouterr().out.splitlines()[-1])["profiles"]
    assert len(profiles) == 2
    assert profiles[0]["opinions"] >= profiles[1]["opinions"] > 0
    assert run(str(shop), "--user", "user-01", "--text-encoder", encoder, "--before", "2001-01-01", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["profiles"][0]["opinions"] == 0


def test_names_come_from_a_model_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XCAT_CACHE", str(tmp_path / "cache"))
    shop, encoder = write_shop(tmp_path / "shop"), str(save_text_encoder(tmp_path / "encoder"))
    table = pl.read_csv(shop / "events.csv").with_columns(text=pl.lit("tents number 3"))
    table.write_csv(shop / "events.csv")
    config = AutoConfig.from_pretrained(encoder, id2label={0: "Thing"}, label2id={"Thing": 0})
    BertForTokenClassification(config).save_pretrained(tmp_path / "tagger")  # of one label: every word is a thing
    tiny_tokenizer().save_pretrained(tmp_path / "tagger")
    told = ("--user", "user-01", "--text-encoder", encoder, "--entity-model", str(tmp_path / "tagger"), "--json")
    assert run(str(shop), *told) == 0
    (profile,) = json.loads(capsys.readouterr().out.splitlines()[-1])["profiles"]
    (entity,) = profile["entities"]
    assert (entity["kind"], entity["name"]) == ("thing", "tents number 3")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--user", "nobody"), "no row has the requested user; the table has"),
        (("--before", "soon"), "--before is 'soon'"),
        (("--users", "0"), "--users is 0"),
        (("--text-column", "chat"), "events has no column 'chat'"),
        (("--half-life-days", "0"), "--half-life-days is 0"),
    ],
)
def test_invalid_input_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert run(str(write_shop(tmp_path / "shop")), *arguments) == 2
    assert message in capsys.readouterr().err

"""`xcat suggest-labels`, and `xcat interests --labels`."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import xcat_rec
from xcat_rec.cli.app import main

from ..tiny_shop import events_table, items_table, save_text_encoder
from .commands import refused, run
from .widths import check_width


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A shop whose events have texts, and an encoder."""
    monkeypatch.setenv("XCAT_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "shop"
    folder.mkdir()
    items_table().write_csv(folder / "items.csv")
    texts = [f"{('boots', 'maps')[n % 2]} number {n % 40} {n}" for n in range(events_table().height)]
    events_table().with_columns(text=pl.Series(texts)).write_csv(folder / "events.csv")
    return str(folder), str(save_text_encoder(tmp_path / "encoder"))


def test_the_command_prints_the_result_of_the_call_and_labels_come_back(
    places: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, encoder = places
    command, file = ["suggest-labels", data, "-n", "5", "--text-encoder", encoder], tmp_path / "labels.csv"
    wanted = xcat_rec.suggest_labels(data, "texts", 5, text_encoder=encoder)
    found = run([*command, "--output", str(file), "--json"], capsys)
    assert found == {**wanted.to_dict(), "output": str(file)}
    with pytest.raises(SystemExit):
        main([*command, "--kind", "users"])
    shown = capsys.readouterr().out
    assert shown.startswith("users to label\n") and "uncertain: next category" in shown
    check_width(shown)
    table = pl.read_csv(file, infer_schema=False)
    sides = pl.Series(["positive", "negative"] * 2 + [None])
    table.with_columns(label=sides).write_csv(file)
    again = run([*command, "--labels", str(file), "--json"], capsys)
    assert again["labelled"] == found["labelled"] + 4
    events = pl.read_csv(Path(data) / "events.csv")
    user = events.filter(pl.col("text") == table["text"][0])["user_id"][0]
    asked = ["interests", data, "--user", user, "--text-encoder", encoder, "--json"]
    before, after = (run([*asked, *given], capsys)["profiles"][0] for given in ([], ["--labels", str(file)]))
    assert before != after, "a label counts as a rating"
    for method in ("learned", "self-trained"):
        assert run([*asked, "--sentiment", method, "--labels", str(file)], capsys)["profiles"][0]["opinions"] > 0


def test_a_table_of_texts_alone_is_enough(
    places: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, options = tmp_path / "texts.csv", ["--kind", "texts", "-n", "3", "--text-encoder", places[1], "--json"]
    pl.read_csv(Path(places[0]) / "events.csv").select("text").write_csv(file)
    assert len(run(["suggest-labels", str(file), *options], capsys)["suggestions"]) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-n", "0"], ["-n is 0"]),
        (["--output", "labels.txt"], ["--output labels.txt", "ends in .csv or .json"]),
        (["--labels", "nowhere.csv"], ["--labels: table nowhere.csv does not exist"]),
        (["--checkpoint", "nowhere"], ["nowhere"]),
        (["--kind", "items", "--column", "colour"], ["--column is 'colour', which items does not have"]),
    ],
)
def test_bad_input_is_refused(
    options: list[str], words: list[str], places: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    refused(["suggest-labels", places[0], "--text-encoder", places[1], *options], capsys, words)


def test_two_sources_of_sentiment_are_refused(places: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    given = ["interests", places[0], "--sentiment", "learned", "--sentiment-model", "model"]
    refused(given, capsys, ["--sentiment learned and --sentiment-model are given; leave one of them out"])

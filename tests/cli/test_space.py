"""`xcat space` writes a Space that starts and answers."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from xcat_rec.cli.app import main
from xcat_rec.cli.space_files import SpaceFiles, write_space
from xcat_rec.inference.recommender import XCatRecommender
from xcat_rec.training.preparation import PreparationOptions, prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop

HISTORY = ["item-03", "item-10"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("space")
    encoder = save_text_encoder(place / "encoder")
    made = prepare_training(shop(10), PreparationOptions(text_encoder=str(encoder), config=SMALL))
    made.model.save_pretrained(place / "my-shop")
    made.processor.save_pretrained(place / "my-shop")
    return place / "my-shop"


def metadata(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    return told


def test_the_files_of_a_space(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "page"
    with pytest.raises(SystemExit) as stop:
        main(["space", str(checkpoint), str(output), "--title", 'Tom\'s "shop": best', "--json"])
    assert not stop.value.code
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"app.py", "requirements.txt", "README.md", "checkpoint/model.safetensors"} <= set(told["files"])
    assert not [path for path in told["files"] if path.startswith("checkpoint/") and path.endswith(".py")]
    ast.parse((output / "app.py").read_text())
    assert metadata(output).items() >= {"sdk": "gradio", "app_file": "app.py", "title": 'Tom\'s "shop": best'}.items()
    assert re.search(r"^xcat-rec==\d", (output / "requirements.txt").read_text(), re.MULTILINE)
    assert str(tmp_path) not in (output / "app.py").read_text() + (output / "README.md").read_text()
    with pytest.raises(SystemExit) as stop:
        main(["space", str(checkpoint), str(output)])
    assert stop.value.code == 2 and "not empty" in capsys.readouterr().err


def test_a_space_of_a_repository_names_its_commit(checkpoint: Path, tmp_path: Path) -> None:
    names = write_space(SpaceFiles(checkpoint, "me/my-shop", "a" * 40), tmp_path / "page")
    assert names == ["README.md", "app.py", "requirements.txt"]
    app = (tmp_path / "page" / "app.py").read_text()
    assert "CHECKPOINT = 'me/my-shop'" in app and f"REVISION = '{'a' * 40}'" in app
    assert metadata(tmp_path / "page")["models"] == ["me/my-shop"]


def test_it_starts_and_answers(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the page needs the extra xcat-rec[space]")
    write_space(SpaceFiles(checkpoint, None, None), tmp_path / "page")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ, "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False", "NO_PROXY": "127.0.0.1", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    page = subprocess.Popen(
        [sys.executable, "app.py"], cwd=tmp_path / "page", env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        base = f"http://127.0.0.1:{port}/gradio_api/call/recommend"
        event = json.loads(ask(page, base, {"data": [HISTORY, 3, False]}))["event_id"]
        answer = urllib.request.urlopen(f"{base}/{event}", timeout=60).read().decode()
        found = json.loads(answer.split("data: ", 1)[1].splitlines()[0])[0]["data"]
    finally:
        page.kill()
        page.communicate()
    expected = XCatRecommender.from_pretrained(checkpoint).recommend(HISTORY, 3)
    assert [row[0] for row in found] == [item.item_id for item in expected]
    assert [row[3] for row in found] == pytest.approx([item.score for item in expected], abs=2e-3)


def ask(page: subprocess.Popen[str], address: str, content: dict[str, Any]) -> str:
    """Post JSON once the page has started: Gradio gives up if its own look at the page has to wait for an answer."""
    assert page.stdout is not None and page.stderr is not None
    for line in page.stdout:
        if "To create a public link" in line:  # the last thing it says
            break
    else:
        raise AssertionError(page.stderr.read())
    request = urllib.request.Request(address, json.dumps(content).encode(), {"Content-Type": "application/json"})
    return str(urllib.request.urlopen(request, timeout=60).read().decode())

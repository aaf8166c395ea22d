"""`xcat space` writes a Space that starts and answers."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from huggingface_hub import ModelCard

from xcat_rec.cli.app import main
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.serving.space import INTERESTS, SpaceFiles, write_space
from xcat_rec.serving.space_catalogue import Catalogue
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

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
    (checkpoint / "mine.py").write_text("customers = ['alice']\n")
    with pytest.raises(SystemExit) as stop:
        main(["space", str(checkpoint), str(output), "--title", 'Tom\'s "shop": best', "--json"])
    assert not stop.value.code
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"app.py", "requirements.txt", "README.md", "checkpoint/model.safetensors"} <= set(told["files"])
    assert {"xcat_rec/__init__.py", "xcat_rec/serving/web/page.py", "xcat_rec/LICENSE"} <= set(told["files"])
    assert not any(path.startswith(("xcat_rec/cli", "xcat_rec/tests", "xcat_rec/training")) for path in told["files"])
    assert not any(path.startswith("checkpoint/") and path.endswith(".py") for path in told["files"]), "no other code"
    ast.parse((output / "app.py").read_text())
    assert metadata(output).items() >= {"sdk": "gradio", "app_file": "app.py", "title": 'Tom\'s "shop": best'}.items()
    required = re.findall(r"^([\w-]+)==\d[\d.]*$", (output / "requirements.txt").read_text(), re.MULTILINE)
    packages = ["numpy", "polars", "prometheus-client", "pyarrow", "selectolax", "torch", "transformers"]
    assert required == ["gradio", *packages], "all of them are on the index"
    assert str(tmp_path) not in (output / "app.py").read_text() + (output / "README.md").read_text()
    with pytest.raises(SystemExit) as stop:
        main(["space", str(checkpoint), str(output)])
    assert stop.value.code == 2 and "not empty" in capsys.readouterr().err


def test_a_space_of_a_repository_names_its_commit(checkpoint: Path, tmp_path: Path) -> None:
    names = write_space(SpaceFiles(checkpoint, "me/my-shop", "a" * 40), tmp_path / "page")
    assert [name for name in names if not name.startswith("xcat_rec/")] == ["README.md", "app.py", "requirements.txt"]
    app = (tmp_path / "page" / "app.py").read_text()
    assert "CHECKPOINT = 'me/my-shop'" in app and f"REVISION = '{'a' * 40}'" in app
    assert metadata(tmp_path / "page")["models"] == ["me/my-shop"]


def test_interests_that_the_page_does_not_read_are_reported(checkpoint: Path, tmp_path: Path) -> None:
    write_space(SpaceFiles(checkpoint, None, None), tmp_path / "plain")
    reading = shutil.copytree(checkpoint, tmp_path / "reading")
    config = json.loads((reading / "config.json").read_text())
    config["memory_sources"] = [*config["memory_sources"], "interests"]
    (reading / "config.json").write_text(json.dumps(config))
    write_space(SpaceFiles(reading, None, None), tmp_path / "page")
    assert INTERESTS in (tmp_path / "page" / "README.md").read_text()
    assert INTERESTS not in (tmp_path / "plain" / "README.md").read_text()


def test_search_reaches_every_item() -> None:
    ids = [f"P{n:05d}" for n in range(5000)]
    titles = [f"Lamp {n}" for n in range(4996)] + ["Café table", "Steak knife", "Green tea", None]
    counts = np.arange(5000) % 7
    catalogue = Catalogue(pa.table({"item_id": ids, "title": pa.array(titles, pa.string())}), counts)
    assert catalogue.search("TABLE cafe") == (["P04996"], 1)
    assert catalogue.search("tea") == (["P04998", "P04997"], 2), "a word before a part of a word"
    assert catalogue.search("p04999") == (["P04999"], 1) and catalogue.title("P04999") == "P04999"
    found, total = catalogue.search("lamp", 3)
    assert total == 4996 and [int(counts[int(item[1:])]) for item in found] == [6, 6, 6], "popular items first"
    assert catalogue.search("", 2) == (["P00006", "P00013"], 5000)
    assert catalogue.search("lamp (.*", 2) == ([], 0) and catalogue.search("no such") == ([], 0)


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("image", "https://shop.example/a.png", "https://shop.example/a.png"),
        ("image_url", "//shop.example/a.png", "https://shop.example/a.png"),
        ("Main Image", ["https://shop.example/a.png", "https://shop.example/b.png"], "https://shop.example/a.png"),
        ("images", [{"hi_res": None, "large": "http://shop.example/a.jpg"}], "http://shop.example/a.jpg"),
        ("picture", {"bytes": b"\x89PNG....", "path": "a.png"}, "data:image/png;base64,iVBORy4uLi4="),
        ("picture", "C:/pictures/a.png", None),
        ("thumbnail", None, None),
        ("imagination", "https://shop.example/a.png", None),
        ("photo", "javascript:alert(1)", None),
    ],
)
def test_pictures(column: str, value: Any, shown: str | None) -> None:
    catalogue = Catalogue(pa.table({"item_id": ["a"], column: pa.array([value])}), np.zeros(1))
    assert catalogue.picture("a") == shown


def test_it_starts_and_answers_without_the_package(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the page needs the extra xcat-rec[space]")
    write_space(SpaceFiles(checkpoint, None, None), tmp_path / "page")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "NO_PROXY": "127.0.0.1",
        "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    page = subprocess.Popen(
        [sys.executable, "-c", START], cwd=tmp_path / "page", env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        base = f"http://127.0.0.1:{port}/gradio_api/call/recommend"
        used = wait_for(page)
        found, popular, unknown = (answer(base, history) for history in (HISTORY, [], ["no such item"]))
        config = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=60).read())
    finally:
        page.kill()
        page.communicate()
    assert used["file"] == str(tmp_path / "page" / "xcat_rec" / "__init__.py"), "its own copy of the package"
    lines = (tmp_path / "page" / "requirements.txt").read_text().splitlines()[1:]
    allowed = with_requirements([line.partition("==")[0] for line in lines])
    assert {*used["packages"]} - {"xcat-rec"} <= allowed, "no requirement brings what is imported"
    recommender = XCatRecommender.from_pretrained(checkpoint)
    for history, told in ((HISTORY, found), ([], popular), (["no such item"], unknown)):
        expected = recommender.recommend(history, 3)
        assert told["basis"] == expected.basis and told["unknown_items"] == expected.unknown_items
        assert [item["item_id"] for item in told["recommendations"]] == [item.item_id for item in expected]
        scores = [item["score"] for item in told["recommendations"]]
        assert scores == pytest.approx([item.score for item in expected], abs=1e-4)
    assert found["recommendations"][0]["because"] and popular["basis"] == "popular"
    shown = {part["props"].get("label"): part["props"] for part in config["components"]}
    assert shown["Only categories that the history lacks"]["visible"] is True
    assert shown["Wish, in your own words"]["visible"] is bool(recommender.model.model.asks.is_fitted)
    assert shown["Compare"]["visible"] is False, "there is one checkpoint"


START = """
import importlib.metadata, json, runpy, sys
sys.path.insert(0, "")
import gradio
launch = gradio.Blocks.launch
def and_tell(*args, **kwargs):
    found = launch(*args, prevent_thread_lock=True, **{k: v for k, v in kwargs.items() if k != "prevent_thread_lock"})
    owners = importlib.metadata.packages_distributions()
    ours = {name for name, module in sys.modules.items() if name.startswith("xcat_rec.")}
    used = {name.partition(".")[0] for one in ours for name in imported(sys.modules[one])}
    packages = sorted({owner for name in used for owner in owners.get(name, [])})
    print("STARTED " + json.dumps({"file": sys.modules["xcat_rec"].__file__, "packages": packages}), flush=True)
    gradio.Blocks.block_thread(args[0])
def imported(module):
    return {getattr(value, "__module__", None) or getattr(value, "__name__", "") for value in vars(module).values()
            if isinstance(getattr(value, "__module__", None) or getattr(value, "__name__", ""), str)}
gradio.Blocks.launch = and_tell
runpy.run_path("app.py", run_name="__main__")
"""
"""Runs app.py, and prints where the package is and which distributions it uses once the page answers."""


def with_requirements(packages: list[str]) -> set[str]:
    """Packages with everything that they require, in the spelling of their metadata."""
    found: set[str] = set()
    while packages:
        name = packages.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if distribution.name not in found:
            found.add(distribution.name)
            needed = [line for line in distribution.requires or [] if "extra ==" not in line]
            packages += [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in needed]
    return found


def answer(base: str, history: list[str]) -> dict[str, Any]:
    """Recommendations of the page's interface for a history."""
    content = json.dumps({"data": [history, 3, False, ""]}).encode()
    request = urllib.request.Request(base, content, {"Content-Type": "application/json"})
    event = json.loads(urllib.request.urlopen(request, timeout=60).read())["event_id"]
    told = urllib.request.urlopen(f"{base}/{event}", timeout=60).read().decode()
    found: dict[str, Any] = json.loads(told.split("data: ", 1)[1].splitlines()[0])[0]
    return found


def wait_for(page: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait until the page has started, and return what it tells of itself."""
    assert page.stdout is not None and page.stderr is not None
    for line in page.stdout:
        if line.startswith("STARTED "):
            told: dict[str, Any] = json.loads(line.removeprefix("STARTED "))
            return told
    raise AssertionError(page.stderr.read())


def test_the_licence_is_the_one_of_the_card(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "licensed"
    shutil.copytree(checkpoint, folder)
    (folder / "README.md").unlink(missing_ok=True)
    write_space(SpaceFiles(folder, None, None), tmp_path / "none")
    assert "license" not in ModelCard.load(tmp_path / "none" / "README.md").data.to_dict()
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: shop-terms\n---\n# A model\n")
    write_space(SpaceFiles(folder, None, None), tmp_path / "other")
    stated = ModelCard.load(tmp_path / "other" / "README.md").data.to_dict()
    assert (stated["license"], stated["license_name"]) == ("other", "shop-terms")

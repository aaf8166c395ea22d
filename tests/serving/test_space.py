"""`xcat space` writes a Space that starts and answers."""

from __future__ import annotations

import ast
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
from xcat_rec.serving.space_catalogue import Catalogue, cards
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
    assert {"checkpoint/pipeline_xcat.py", "checkpoint/processing_xcat.py", "catalogue.py"} <= set(told["files"])
    assert "checkpoint/mine.py" not in told["files"], "only the code that the checkpoint names is copied"
    ast.parse((output / "app.py").read_text())
    assert metadata(output).items() >= {"sdk": "gradio", "app_file": "app.py", "title": 'Tom\'s "shop": best'}.items()
    required = re.findall(r"^([\w-]+)==\d[\d.]*$", (output / "requirements.txt").read_text(), re.MULTILINE)
    assert required == ["gradio", "numpy", "pyarrow", "torch", "transformers"], "all of them are on the index"
    assert str(tmp_path) not in (output / "app.py").read_text() + (output / "README.md").read_text()
    with pytest.raises(SystemExit) as stop:
        main(["space", str(checkpoint), str(output)])
    assert stop.value.code == 2 and "not empty" in capsys.readouterr().err


def test_a_space_of_a_repository_names_its_commit(checkpoint: Path, tmp_path: Path) -> None:
    names = write_space(SpaceFiles(checkpoint, "me/my-shop", "a" * 40), tmp_path / "page")
    assert names == ["README.md", "app.py", "catalogue.py", "requirements.txt"]
    app = (tmp_path / "page" / "app.py").read_text()
    assert "CHECKPOINT = 'me/my-shop'" in app and f"REVISION = '{'a' * 40}'" in app
    assert metadata(tmp_path / "page")["models"] == ["me/my-shop"]


def test_a_checkpoint_without_its_pipeline_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    older = shutil.copytree(checkpoint, tmp_path / "older")
    config = json.loads((older / "config.json").read_text())
    del config["custom_pipelines"]
    (older / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"no pipeline next to its weights.*save its model and processor again"):
        write_space(SpaceFiles(older, None, None), tmp_path / "page")
    lacking = shutil.copytree(checkpoint, tmp_path / "lacking")
    (lacking / "pipeline_xcat.py").unlink()
    with pytest.raises(OSError, match=r"lacks its code \(pipeline_xcat.py\)"):
        write_space(SpaceFiles(lacking, None, None), tmp_path / "page")
    assert not (tmp_path / "page").exists()


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


def test_cards_show_prices_and_reasons_and_escape_titles() -> None:
    table = pa.table({"item_id": ["a", "b"], "price": [1234.5, None], "image": ['https://x.example/"><script>', None]})
    catalogue = Catalogue(table, np.zeros(2))
    reasons = [{"item_id": "b", "title": "<b>", "weight": 0.625}]
    found = [
        {"item_id": "a", "title": "<script>", "category": None, "score": 0.5, "because": reasons},
        {"item_id": "b", "title": "Lamp", "category": "lamps", "score": 0.25, "because": []},
    ]
    page = cards(found, catalogue, "Basis: the history.")
    assert "1,234.50" in page and "because of &lt;b&gt; (62%)" in page and "score 0.500" in page
    assert "<script>" not in page and page.count("because") == 1 and "Basis: the history." in page
    assert page.count("<img") == 1 and page.count("xcat-blank") == 1
    assert "score" not in cards(found, catalogue, "", scores=False)
    assert Catalogue(pa.table({"item_id": ["a"], "price": ["9 €"]}), np.zeros(1)).price("a") == "9 €"


def test_it_starts_and_answers_without_the_package(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="the page needs the extra xcat-rec[space]")
    write_space(SpaceFiles(checkpoint, None, None), tmp_path / "page")
    (tmp_path / "page" / "xcat_rec.py").write_text("raise ImportError('not in requirements.txt')\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ, "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False", "NO_PROXY": "127.0.0.1", "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": str(tmp_path / "modules"),
    }  # fmt: skip
    page = subprocess.Popen(
        [sys.executable, "app.py"], cwd=tmp_path / "page", env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        base = f"http://127.0.0.1:{port}/gradio_api/call/recommend"
        wait_for(page)
        found, popular, unknown = (answer(base, history) for history in (HISTORY, [], ["no such item"]))
        config = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=60).read())
    finally:
        page.kill()
        page.communicate()
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
    assert shown["Wish, in your own words"]["visible"] is False, "this model does not read texts"
    history = next(props for label, props in shown.items() if str(label).startswith("History"))
    assert history["value"] == [item["item_id"] for item in popular["recommendations"]], "popular items"


def answer(base: str, history: list[str]) -> dict[str, Any]:
    """Recommendations of the page's interface for a history."""
    content = json.dumps({"data": [history, 3, False, ""]}).encode()
    request = urllib.request.Request(base, content, {"Content-Type": "application/json"})
    event = json.loads(urllib.request.urlopen(request, timeout=60).read())["event_id"]
    told = urllib.request.urlopen(f"{base}/{event}", timeout=60).read().decode()
    found: dict[str, Any] = json.loads(told.split("data: ", 1)[1].splitlines()[0])[0]
    return found


def wait_for(page: subprocess.Popen[str]) -> None:
    """Wait until the page has started: Gradio gives up if its own look at the page has to wait for an answer."""
    assert page.stdout is not None and page.stderr is not None
    for line in page.stdout:
        if "To create a public link" in line:  # its last message
            return
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

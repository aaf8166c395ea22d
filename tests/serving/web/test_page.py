"""The page itself: its parts in both languages, what its buttons do, and its process; `make spaces` has Gradio."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from xcat_rec.cli.app import main
from xcat_rec.tokenization import extras

from ...hub.checkpoints import save_checkpoint

HISTORY = ["item-03", "item-10", "item-17"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    save_checkpoint(folder / "other", seed=1)
    return save_checkpoint(folder / "checkpoint", reads_queries=True)


@pytest.fixture(scope="module")
def page(checkpoint: Path) -> Iterator[Any]:
    pytest.importorskip("gradio", reason="the page needs the extra xcat-rec[web]")
    from xcat_rec.serving.web import WebOptions, open_page

    made = open_page(checkpoint, WebOptions(compare=checkpoint.parent / "other"))
    yield made
    made.desk.close()


def test_the_extra_is_named_before_any_work(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "gradio" else here(name))
    for options, message in (([], "[web]"), (["--port", "70000"], "port is 70000; give a number from 0 to 65535")):
        with pytest.raises(SystemExit) as stop:
            main(["web", str(checkpoint), *(options or ["--port", "0"])])
        assert stop.value.code == 2 and message in capsys.readouterr().err


def pressed(page: Any, visit: Any, act: str, item: str) -> list[Any]:
    event = SimpleNamespace(act=act, item=item)
    found: list[Any] = asyncio.run(page._pressed(visit, "balanced", "", False, "en", "", event))
    return found


def test_a_visit_begins_in_the_language_of_the_browser(page: Any) -> None:
    from xcat_rec.serving.web.desk import Visit

    for accepted, language, again in (("zh-CN,zh;q=0.9", "zh", "再次购买"), ("fr,en;q=0.5", "en", "Buy again")):
        request = SimpleNamespace(headers={"accept-language": accepted})
        given = (Visit(), "balanced", "", False, "en", "", request)
        visit, found, history, lists, chosen, header, chat, *labels = asyncio.run(page._first(*given))
        assert chosen == language and again in lists and visit.history == page.desk.example
        assert all(f'lang="{language}"' in part for part in (found, history, lists, header, chat))
        assert len(labels) == len(page._labelled())
    assert {type(one) for one in labels} == {type(one) for one in page._labelled()}


def test_buttons_change_history_and_lists(page: Any) -> None:
    from xcat_rec.serving.web.desk import Visit

    visit = Visit(history=list(HISTORY))
    *_, lists = pressed(page, visit, "add", "item-24")
    assert visit.history[-1] == "item-24" and 'data-act="why"' in lists and "<svg" not in lists
    item = visit.new["recommendations"][0]["item_id"]
    assert "<svg" in pressed(page, visit, "why", item)[-1] and "<svg" not in pressed(page, visit, "close", item)[-1]
    pressed(page, visit, "hide", item)
    assert visit.hidden == [item] and item not in {one["item_id"] for one in visit.new["recommendations"]}
    bought = visit.new["recommendations"][0]["item_id"]
    pressed(page, visit, "buy", bought)
    pressed(page, visit, "remove", "item-03")
    assert visit.history == ["item-10", "item-17", "item-24", bought]
    pressed(page, visit, "unhide", "")
    assert not visit.hidden and set(page.desk.log.summary().reactions) == {"click", "hide", "purchase"}


def test_a_dialogue_and_a_comparison(page: Any) -> None:
    from xcat_rec.serving.web.desk import Visit

    visit = Visit(history=list(HISTORY))
    for message in ("tents", "something else", " "):
        _, chat, box = asyncio.run(page._said(visit, message, "en"))
    assert len(visit.chat) == 2 and chat.count("xw-you") == 2 and box == ""
    common, left, right = asyncio.run(page._compared(visit, "balanced", "", False, "zh", ""))
    assert "相同" in common and ">checkpoint<" in left and ">other<" in right
    assert "xw-figure" in asyncio.run(page._overview("en"))
    assert page._restarted(visit, "", "en")[1].count("xw-you") == 0 and visit.state is None


def test_a_wrong_request_is_shown(page: Any) -> None:
    import gradio

    with pytest.raises(gradio.Error, match="k is 900; give 200 at most"):
        asyncio.run(page.recommend(HISTORY, 900))


class Served:
    """`xcat web` in a process of its own."""

    def __init__(self, checkpoint: Path, *options: str) -> None:
        command = [sys.executable, "-m", "xcat_rec.cli", "web", str(checkpoint), "--port", "0", "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the page did not start"
        self.url: str = json.loads(line)["url"]

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_the_process_answers_and_asks_no_other_host(checkpoint: Path) -> None:
    pytest.importorskip("gradio", reason="the page needs the extra xcat-rec[web]")
    with Served(checkpoint, "--title", "Gift finder") as served:
        config = json.loads(urllib.request.urlopen(f"{served.url}/config", timeout=60).read())
        style = urllib.request.urlopen(f"{served.url}/theme.css", timeout=60).read().decode()
    assert config["analytics_enabled"] is False and config["title"] == "Gift finder"
    assert "fonts.googleapis" not in style and "@import" not in style
    shown = {part["props"].get("label"): part["props"] for part in config["components"]}
    assert shown["Wish, in your own words"]["visible"] is True and shown["Compare"]["visible"] is False


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_whole_story_in_a_browser(checkpoint: Path, width: int, language: str) -> None:
    for package in ("gradio", "playwright"):
        pytest.importorskip(package, reason="the browser needs gradio and playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium; apt-get install chromium")
    from .walk import story, visitor

    with (
        Served(checkpoint, "--compare", str(checkpoint.parent / "other")) as served,
        visitor(chromium, served.url, width, language) as walk,
    ):
        assert walk.buttons() <= walk.tabbed(), "what a mouse reaches, the Tab key reaches"
        story(walk, "tent", "red tent", ["tents", "something else", "便宜一点的"])

"""The demo with the hub within reach: the packaged text encoder is read all the same."""

from __future__ import annotations

import importlib.util
from typing import Any, NoReturn

import pytest
from huggingface_hub import constants

from xcat_rec.cli.app import main
from xcat_rec.tokenization.text import default_encoder
from xcat_rec.tokenization.text.default_encoder import DEFAULT_TEXT_ENCODER, PACKAGED_COPY, resolve_text_encoder
from xcat_rec.workflows import demo as demonstration
from xcat_rec.workflows.fit_request import FitRequest

from ..tiny_shop import shop


@pytest.mark.skipif(importlib.util.find_spec(PACKAGED_COPY) is None, reason="needs the extra demo")
def test_nothing_is_downloaded_where_the_hub_answers(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    asked: list[FitRequest] = []

    def stop_here(request: FitRequest, **_: Any) -> NoReturn:
        asked.append(request)
        raise ValueError("far enough")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(default_encoder, "_hub_answers", lambda: True)
    monkeypatch.setattr(demonstration, "load_complete_journey", lambda **_: shop())
    monkeypatch.setattr(demonstration, "fit_shop", stop_here)
    with pytest.raises(SystemExit):
        main(["demo", "--output", str(tmp_path / "demo")])
    folder, _ = resolve_text_encoder(asked[0].preparation.get("text_encoder"))
    assert PACKAGED_COPY in folder
    assert asked[0].card is not None
    assert asked[0].card["base_model"] == DEFAULT_TEXT_ENCODER

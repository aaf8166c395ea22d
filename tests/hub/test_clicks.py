"""A checkpoint of clicks goes round: pushed, loaded elsewhere, with and without the package, with equal log odds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import xcat_rec
from xcat_rec.modeling_xcat.modeling_click_xcat import XCatForClickPrediction

from ..tiny_shop import QUICK, SMALL, save_text_encoder, write_shop
from .conftest import Client
from .server import Hub

HISTORY, SHOWN = ["item-01", "item-08"], ["item-15", "item-16", "item-30"]
WITHOUT_PACKAGE = """
import json, sys
import torch
from transformers import AutoModel, AutoProcessor

name, history, shown = sys.argv[1], *map(json.loads, sys.argv[2:])
model = AutoModel.from_pretrained(name, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained(name, trust_remote_code=True)
assert type(model).__name__ == "XCatForClickPrediction" and "xcat_rec" not in sys.modules
assert type(model).__module__.startswith("transformers_modules")
inputs = processor([history], padding_side="right")
place = int(inputs.pop("query_positions"))
items = torch.as_tensor(processor.vocabulary.encode(shown)).long()
with torch.no_grad():
    logits = model(**inputs, click_positions=torch.full_like(items, place), click_items=items).logits
print(json.dumps([logits.tolist(), model.score_catalogue(**processor([history]))[0, 2:].tolist()]))
"""
WITH_PACKAGE = """
import json, sys
from transformers import AutoModel
from xcat_rec import XCatRecommender

recommender = XCatRecommender.from_pretrained(sys.argv[1])
assert type(AutoModel.from_pretrained(sys.argv[1])) is type(recommender.model)
print(json.dumps(recommender.click_probability(*map(json.loads, sys.argv[2:])).tolist()))
"""


@pytest.mark.slow
def test_a_checkpoint_of_clicks_goes_round(hub: Hub, alice: Client, stranger: Client, tmp_path: Path) -> None:
    data, encoder = write_shop(tmp_path / "shop"), save_text_encoder(tmp_path / "encoder")
    fields = {**SMALL, **QUICK, "num_train_epochs": 3, "text_encoder": str(encoder)}
    fitted = xcat_rec.fit(
        str(data), tmp_path / "clicks", task="click", negatives="category", train_negatives=2, **fields
    )
    assert isinstance(fitted.model, XCatForClickPrediction)
    expected = fitted.recommender.click_probability(HISTORY, SHOWN)
    (pushed,), found = alice.commands_and(
        WITH_PACKAGE, ["push", str(tmp_path / "clicks"), "alice/clicks", "--json"],
        arguments=["alice/clicks", json.dumps(HISTORY), json.dumps(SHOWN)],
    )  # fmt: skip
    assert pushed.code == 0, pushed.err
    np.testing.assert_array_equal(found, expected)
    files = hub.repository("alice/clicks").at("main").files
    assert {"modeling_click_xcat.py", "click_xcat.py", "click_stack_xcat.py", "calibration_xcat.py"} <= files.keys()
    logits, scores = stranger.tell(
        WITHOUT_PACKAGE, "alice/clicks", json.dumps(HISTORY), json.dumps(SHOWN), package=False
    )  # fmt: skip
    assert torch.sigmoid(torch.tensor(logits).double()).tolist() == pytest.approx(expected.tolist(), abs=1e-7)
    recommender = fitted.recommender
    own = recommender.model.score_catalogue(**recommender.processor([HISTORY]))[0, 2:]
    assert scores == pytest.approx(own.tolist(), abs=1e-5)

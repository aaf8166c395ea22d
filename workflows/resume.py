"""Resuming a training: only with the data and settings that it was started with, and from a whole checkpoint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from ..checkpoints.json_files import COPY_AGAIN, STATE_FILE, read_json
from ..checkpoints.training_state import check_training_state
from ..modeling_xcat.hub_xcat import is_local
from ..training.arguments import XCatTrainingArguments
from ..training.data_defaults import depends_on_data
from ..training.preparation.options import PreparationOptions
from ..training.tasks.next_item import NEXT_ITEM
from .output_folders import complete_checkpoints

if TYPE_CHECKING:
    from .fit_request import FitRequest

HARMLESS = frozenset({
    "cache_dir", "config", "disable_tqdm", "enable_jit_checkpoint", "eval_accumulation_steps", "fsdp", "fsdp_config",
    "dataloader_multiprocessing_context", "dataloader_num_workers", "dataloader_persistent_workers",
    "dataloader_pin_memory", "dataloader_prefetch_factor", "debug", "output_dir", "per_device_eval_batch_size",
    "project", "push_to_hub", "report_to", "resume_from_checkpoint", "run_name", "save_on_each_node",
    "save_total_limit", "skip_memory_metrics", "use_cpu",
})  # fmt: skip
"""Settings that may change when a training is resumed: where it runs, and what it reports, keeps and uploads."""
_HARMLESS_GROUPS = ("ddp_", "do_", "hub_", "log", "torch_compile", "torch_empty", "trackio_")
_BATCH = "per_device_train_batch_size"
_HASH_SHOWN = 12


class StartedWith(TrainerCallback, ExportableState):
    """Saves the inputs of a training in the `trainer_state.json` of each checkpoint.

    Args:
        inputs: Result of `started_with`.
    """

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self.inputs = inputs

    def state(self) -> dict[str, Any]:
        """The saved part: arguments to create the callback again."""
        return {"args": {"inputs": self.inputs}, "attributes": {}}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Make room in a state of an older version; saving it would fail."""
        callbacks: Any = state.stateful_callbacks  # a mapping once training begins
        callbacks.setdefault(type(self).__name__, self.state())


def started_with(request: FitRequest, options: PreparationOptions, world_size: int) -> dict[str, Any]:
    """Inputs of a fit that determine its result, as JSON: `settings` other than defaults, and `hashes` of its data.

    It has no paths: a local base or text encoder is represented by the hash of its weights.

    Args:
        request: The fit.
        options: Its preparation, resolved for the tables.
        world_size: Number of processes. Only their batches together count: a training may be resumed with others.
    """
    settings = {**dataclasses.asdict(options), **request.config, **request.training, "base": request.base}
    if request.task != NEXT_ITEM:
        settings["task"] = request.task if isinstance(request.task, str) else type(request.task).__qualname__
    settings |= request.task_options
    if request.peft is not None:
        settings |= {"peft": request.peft, "lora_rank": request.lora_rank, "lora_targets": request.lora_targets}
    if _BATCH in settings:
        batch = settings.pop(_BATCH) * settings.pop("gradient_accumulation_steps", 1) * world_size
        settings[f"{_BATCH} over all processes"] = batch
    hashes = {f"the {name} table": digest for name, digest in request.shop.hashes().items()}
    for name in ("base", "text_encoder"):
        if settings[name] is not None and is_local(settings[name]):
            hashes[f"the weights of {name}="] = _hash_of_weights(Path(settings.pop(name)).expanduser())
    defaults = _defaults()
    kept = {
        name: value
        for name, value in settings.items()
        if value != defaults.get(name) and name not in HARMLESS and not name.startswith(_HARMLESS_GROUPS)
    }
    inputs: dict[str, Any] = json.loads(
        json.dumps({"settings": kept, "hashes": hashes, "polars": pl.__version__}, default=str)
    )
    return inputs


def _defaults() -> dict[str, Any]:
    """Defaults of settings, without those that depend on the data."""
    return dataclasses.asdict(PreparationOptions()) | {
        field.name: field.default
        for field in dataclasses.fields(XCatTrainingArguments)
        if field.default is not dataclasses.MISSING and not depends_on_data(field.default)
    }


def check_resumable(output: Path) -> None:
    """Refuse to resume from a damaged checkpoint, before any data is read.

    Args:
        output: Output folder of an unfinished training.

    Raises:
        ValueError: If the newest checkpoint has a missing or damaged file; the message names an older whole one.
    """
    newest, *older = complete_checkpoints(output)
    fault = _fault(newest)
    if fault is None:
        return
    whole = next((folder for folder in older if _fault(folder) is None), None)
    if whole is None:
        remedy = "no older checkpoint is whole, so start again with overwrite=True instead of resume=True"
    else:
        remedy = f"remove {newest} to resume from {whole.name}"
    raise ValueError(f"resume=True: {fault}; {remedy}")


def _fault(folder: Path) -> str | None:
    try:
        check_training_state(folder, str(folder))
    except (OSError, ValueError) as error:
        return str(error).removesuffix(f"; {COPY_AGAIN}")
    return None


def check_same_inputs(output: Path, now: Mapping[str, Any], tell: Callable[[str], None]) -> None:
    """Refuse to resume a training with other data or settings.

    Args:
        output: Output folder of an unfinished training.
        now: Result of `started_with` for the given data and settings.
        tell: Called with a message about what cannot be compared.

    Raises:
        ValueError: If a setting or a table differs from those of the unfinished training.
    """
    newest = complete_checkpoints(output)[0]
    callbacks = read_json(newest, STATE_FILE, str(newest), mapping=True).get("stateful_callbacks") or {}
    saved = callbacks.get(StartedWith.__name__, {}).get("args", {}).get("inputs")
    if saved is None:
        tell(f"note: {newest} was saved by an older version and does not state its data and settings; not compared")
        return
    differing = _differing(saved["settings"], now["settings"], _setting)
    if saved["polars"] == now["polars"]:
        differing += _differing(saved["hashes"], now["hashes"], _hash)
    else:
        tell("note: polars has another version than at the start of the training, so the tables are not compared")
    if differing:
        raise ValueError(
            f"resume=True: the training in {output} was started with other data or settings: {'; '.join(differing)}. "
            "Give the same data and settings to continue it, or another output= for a new training"
        )


def _differing(saved: Mapping[str, Any], now: Mapping[str, Any], told: Callable[..., str]) -> list[str]:
    names = [name for name in sorted({**saved, **now}) if saved.get(name) != now.get(name)]
    return [told(name, saved.get(name), now.get(name)) for name in names]


def _setting(name: str, saved: Any, now: Any) -> str:
    given = f"{name}= left out" if now is None else f"{name}={now!r}"
    return f"{given} (saved: {'default' if saved is None else repr(saved)})"


def _hash(name: str, saved: str | None, now: str | None) -> str:
    shown = [found[:_HASH_SHOWN] if found else "none" for found in (now, saved)]
    return f"{name} (hash {shown[0]}, saved: {shown[1]})"


def _hash_of_weights(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted((*folder.glob("*.safetensors"), *folder.glob("*.bin"))):
        with path.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()

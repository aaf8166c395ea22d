"""Adapters: small trained additions to an unchanged checkpoint, with peft; save and load them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers.utils import cached_file

from ..catalogue.change import change_catalogue
from ..catalogue.item_table import refresh_text_states
from ..modeling_xcat.hub_xcat import HUB_ARGUMENTS, locate_checkpoint
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..modeling_xcat.saving_xcat import ADAPTER_CONFIG
from ..tokenization.extras import MissingExtraError
from ..tokenization.processing_xcat import XCatProcessor
from ..tokenization.vocabulary import VOCABULARY_FILE
from .adapter_choices import DEFAULT_GROUPS as DEFAULT_GROUPS
from .adapter_choices import GROUPS as GROUPS
from .adapter_choices import METHODS as METHODS
from .adapter_choices import check_groups, check_method
from .check import check_adapter
from .load import bare_model, load_base, load_processor

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """Numbers of trainable and of all parameters; `TrainedParameters` counts those changed in a training run.

    Example:
        >>> layer = nn.Linear(3, 2)
        >>> _ = layer.bias.requires_grad_(False)
        >>> parameter_counts(layer)
        (6, 8)
    """
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)


def target_modules(model: XCatForNextItem, groups: Sequence[str] = DEFAULT_GROUPS) -> list[str]:
    """Names of the linear layers in parts of a model, for `target_modules` of a peft configuration.

    For the text encoder these are peft's default layers for its architecture (query and value for BERT, as in Hu et
    al. 2022). If peft has no default, all linear layers but the pooler's are used.

    Args:
        model: The model.
        groups: Names in `GROUPS`; by default, all default parts that the model has.

    Raises:
        ValueError: If a group is unknown, or the model has no linear layer in it.
    """
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as BY_ARCHITECTURE

    wanted = BY_ARCHITECTURE.get(getattr(model.config.text_config, "model_type", ""))
    names: list[str] = []
    check_groups(groups)
    for group in groups:
        found = [n for n, m in model.named_modules() if n.startswith(GROUPS[group]) and isinstance(m, nn.Linear)]
        # The model never trains these layers, so an adapter on them would not be trained either.
        found = [n for n in found if group == "text" or model.get_submodule(n).weight.requires_grad]
        if group == "text":
            found = [n for n in found if (n.endswith(tuple(wanted)) if wanted else "pooler" not in n)]
        if not found and tuple(groups) != DEFAULT_GROUPS:
            raise ValueError(
                f"groups=[{group!r}]: this model has no linear layer there "
                f"(behavior_encoder {model.config.behavior_encoder!r}, use_text {model.config.use_text}); "
                f"give others of {', '.join(GROUPS)}"
            )
        names += found
    if not names:
        raise ValueError(f"this model has no linear layer in {', '.join(groups)}; give groups=['text']")
    return names


def add_adapter(
    model: XCatForNextItem,
    method: str = "lora",
    rank: int = 8,
    groups: Sequence[str] = DEFAULT_GROUPS,
    base: str | None = None,
    revision: str | None = None,
) -> PeftModel:
    """Put a new adapter on a model and freeze all other parameters.

    Any other peft configuration works too: `peft.get_peft_model(model, config)` with `target_modules(model)`.

    Args:
        model: The base.
        method: "lora" (Hu et al. 2022), "dora" (Liu et al. 2024) or "loha" (Hyeon-Woo et al. 2022).
        rank: Rank of the added matrices; their scale is alpha / rank = 2.
        groups: Parts of the model, names in `GROUPS`.
        base: Folder or repository of the base, to be stored in the adapter; None for the model's `name_or_path`.
        revision: Commit of that repository, stored too, because the adapter fits only these weights.

    Raises:
        ImportError: If peft is not installed.
        ValueError: If a choice is unknown or the rank is not positive.
    """
    peft = require_peft()
    check_method(method)
    if rank < 1:
        raise ValueError(f"rank={rank} is too small; give a whole number from 1, such as 8")
    names = target_modules(model, groups)
    if method == "loha":
        config: PeftConfig = peft.LoHaConfig(r=rank, alpha=2 * rank, target_modules=names)
    else:
        config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names, use_dora=method == "dora")
    adapted: PeftModel = peft.get_peft_model(model, config)
    if base is not None:
        config.base_model_name_or_path = str(Path(base).resolve()) if Path(base).is_dir() else base
        config.revision = None if Path(base).is_dir() else revision
    return adapted


def is_adapter(name_or_path: str | os.PathLike[str], **kwargs: Any) -> bool:
    """Whether a folder or repository contains an adapter; `kwargs` are passed to `locate_checkpoint`."""
    hub = {key: kwargs[key] for key in ("revision", "token", "cache_dir", "local_files_only") if key in kwargs}
    found = cached_file(
        str(name_or_path), ADAPTER_CONFIG, _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_gated_repo=False, _raise_exceptions_for_connection_errors=False, **hub,
    )  # fmt: skip
    return found is not None


def load_adapted(
    name_or_path: str | os.PathLike[str],
    base: str | os.PathLike[str] | None = None,
    *,
    cache_dir: Path | None = None,
    **kwargs: Any,
) -> tuple[PeftModel, XCatProcessor]:
    """Load an adapter onto its base.

    If the adapter was trained on another catalogue than the base's, its folder contains that catalogue, and the model
    gets it. If the adapter changes the text encoder, the catalogue's texts are encoded again (cached on disk). For one
    checkpoint that needs neither step: `merge_and_unload()`, then `save_pretrained` of model and processor.

    Args:
        name_or_path: Folder or repository of the adapter.
        base: Folder or repository of the base; None for the base and commit stored in the adapter.
        cache_dir: Where text states are cached; None for the user's cache.
        **kwargs: For `locate_checkpoint`: `revision` and `subfolder` of the adapter; `token`, `local_files_only` and
            others, which also apply to its base. All others are passed to the loader of the base.

    Returns:
        The model, in evaluation mode, and its processor.

    Raises:
        ImportError: If peft is not installed.
        OSError: If a file is missing.
        ValueError: If there is no base, or it does not fit; or if the adapter was made to do harm.
    """
    peft = require_peft()
    name = str(name_or_path)
    place = {key: kwargs.pop(key) for key in HUB_ARGUMENTS if key in kwargs}
    folder = locate_checkpoint(name_or_path, **place)
    check_adapter(folder, name)
    settings: PeftConfig = peft.PeftConfig.from_pretrained(str(folder))
    found = base or settings.base_model_name_or_path
    if not found:
        raise ValueError(f"the adapter {name} does not name its base; give base=, a folder or repo id")
    try:
        model, processor = load_base(found, **_shared(place, settings.revision if base is None else None), **kwargs)
    except OSError as error:
        raise ValueError(
            f"the base {found} of the adapter {name} cannot be loaded ({_first_line(error)}); "
            "give base=, the folder or repo id of the base"
        ) from error
    if (folder / VOCABULARY_FILE).is_file():
        catalogue = load_processor(folder, name).catalogue
        processor = change_catalogue(model, processor, catalogue, cache_dir=cache_dir)
    try:
        _check_modules(settings, model)
        adapted: PeftModel = peft.PeftModel.from_pretrained(model, str(folder))
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"the adapter {name} does not fit the base {found}: {_mismatch(error)}; give base=, the checkpoint it was "
            "trained on"
        ) from error
    if any(GROUPS["text"] in key for key, _ in adapted.named_parameters() if "lora_" in key or "hada_" in key):
        refresh_text_states(bare_model(adapted), processor, cache_dir=cache_dir, keep=True)
    return adapted.eval(), processor


def _check_modules(settings: PeftConfig, model: XCatForNextItem) -> None:
    """Refuse a model that lacks modules of the adapter; peft would only warn."""
    wanted = getattr(settings, "target_modules", None)
    names = [name for name, _ in model.named_modules()]
    for target in [] if wanted is None or isinstance(wanted, str) else sorted(wanted):
        if not any(name == target or name.endswith(f".{target}") for name in names):
            raise ValueError(f"it has no module {target}")


def require_peft() -> Any:
    """Import peft.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise MissingExtraError("adapters need peft", "peft") from error
    return peft


def _shared(place: dict[str, Any], revision: str | None) -> dict[str, Any]:
    """Hub arguments that also apply to the adapter's base (not revision and subfolder)."""
    return {key: value for key, value in place.items() if key not in ("revision", "subfolder")} | {
        "revision": revision
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


def _mismatch(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if "size mismatch" in line), lines[0] if lines else type(error).__name__)

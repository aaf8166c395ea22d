"""Non-default settings, for reproducible metrics."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from .scrubbing import is_secret_name

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from ..training.arguments import XCatTrainingArguments

_NOT_OF_THE_MODEL = {
    "architectures",
    "auto_map",
    "custom_pipelines",
    "dtype",
    "model_type",
    "text_config",
    "transformers_version",
    "use_cache",
}
_NOT_OF_THE_FIT = {
    "do_eval",
    "do_predict",
    "accelerator_config",
    "disable_tqdm",  # by default it follows the logging level
    "do_train",
    "greater_is_better",  # follows from the metric
    "hub_model_id",
    "output_dir",
    "report_to",
    "resume_from_checkpoint",
    "run_name",
}


def model_settings(config: PreTrainedConfig) -> dict[str, Any]:
    """The fields of a model configuration that differ from their defaults.

    Args:
        config: A configuration. Its nested text encoder is left out: the card states it as base model.
    """
    values, defaults = config.to_dict(), type(config)().to_dict()
    told = sorted(name for name in values if _tells_something(name, _NOT_OF_THE_MODEL))
    return {name: values[name] for name in told if name not in defaults or values[name] != defaults[name]}


def training_settings(arguments: XCatTrainingArguments) -> dict[str, Any]:
    """The training arguments that differ from their defaults, without paths and secrets.

    The defaults come from the fields: a second set of arguments would set up devices and process groups again.
    """
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(arguments):
        made = field.default_factory
        default = field.default if made is dataclasses.MISSING else made()
        value = getattr(arguments, field.name)
        if _tells_something(field.name, _NOT_OF_THE_FIT) and (value or None) != (default or None):
            changed[field.name] = value
    return changed


def _tells_something(name: str, left_out: set[str]) -> bool:
    return name not in left_out and not name.startswith("_") and not is_secret_name(name)

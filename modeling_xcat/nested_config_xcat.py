"""Configurations of encoders inside the configuration of a model."""

from typing import Any

from transformers import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

_EXAMPLES = {"text_config": "bert", "image_config": "vit"}


def nested_config(field: str, values: dict[str, Any]) -> PreTrainedConfig:
    """The configuration of an encoder from its saved values.

    Args:
        field: Field of `XCatConfig`, for the error.
        values: The values, with `model_type`.

    Raises:
        ValueError: If this version of transformers lacks the type.
    """
    name = str(values.get("model_type"))
    if name not in CONFIG_MAPPING:
        raise ValueError(
            f"XCatConfig.{field} has model_type {name!r}, which this transformers does not have; "
            f"give the configuration of an encoder that AutoConfig loads, such as {_EXAMPLES[field]!r}."
        )
    config: PreTrainedConfig = CONFIG_MAPPING[name](**{k: v for k, v in values.items() if k != "model_type"})
    return config

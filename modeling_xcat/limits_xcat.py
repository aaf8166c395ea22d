"""Valid ranges and names of configuration fields, checked without torch."""

import math
import sys
from typing import Any

NUM_SPECIAL_ROWS = 2
"""Special rows before the first catalogue item: 0 is padding, 1 is an item outside the catalogue."""

BIDIRECTIONAL, CLOZE = "bidirectional", "cloze"
"""Encoder that reads masks, and its objective; one needs the other."""
BEHAVIOR_ENCODERS = ["transformer", "gru", "lstm", BIDIRECTIONAL]
FUSION_BLOCKS = ["attention"]
MEMORY_SOURCES = ["item_text", "user_text", "interests", "item_image"]
OBJECTIVES = ["auto", "softmax", "sampled_softmax", "gbce", "bpr_max", CLOZE]
"""Lists, because other packages add their own names; see `registry_xcat`."""
SCORINGS = ("cosine", "dot")
REPEATS = ("off", "jointly", "apart")
MOST_LOGIT_ADJUSTMENT = 100
"""Largest strength of a logit adjustment, in training and as a rule; beyond it the scores count for nothing."""
TEXT_POOLINGS = ("mean", "cls", "max", "lasttoken")


def check_sizes(config: Any) -> None:
    """Refuse sizes and shares that are out of range or do not fit together.

    Args:
        config: An `XCatConfig`, or any object with its fields.

    Raises:
        ValueError: If a field is invalid; the message names it.
    """
    at_least = {
        "hidden_size": 1, "intermediate_size": 1, "num_attention_heads": 1, "num_behavior_layers": 0,
        "num_fusion_layers": 0, "text_dim": 1, "text_tokens_per_item": 1, "num_texts": 1, "max_history": 1,
        "num_item_rows": NUM_SPECIAL_ROWS, "num_rating_buckets": 0, "num_time_gap_buckets": 0,
        "num_negatives": 1, "num_soft_targets": 1, "num_neighbors": 0, "neighbor_window": 1, "neighbor_weight": 0,
        "discover_neighbor_weight": 0, "num_segments": 0, "segment_width": 1, "discover_product_weight": 0,
        "num_discovery_candidates": 0, "image_dim": 0, "image_encoder_dim": 0, "images_per_item": 1, "num_images": 1,
        "repeat_weight": 0, "num_candidates": 0, "candidate_window": 0,
        "bpr_max_penalty": 0, "negatives_exponent": 0,
        "candidate_hidden": 1, "num_successors": 0, "ask_length": 0, "ask_heads": 0, "ask_hidden": 1,
        "click_dense": 0, "next_item_weight": 0, "pairwise_weight": 0,
        "masked_item_weight": 0, "item_contrast_weight": 0, "sequence_contrast_weight": 0,
    }  # fmt: skip
    for name, least in at_least.items():
        value = getattr(config, name)
        if value is not None and not least <= value < math.inf:
            raise ValueError(f"XCatConfig.{name} is {value}; give at least {least}.")
    if config.ask_length and not config.use_text:
        raise ValueError(f"XCatConfig.ask_length is {config.ask_length}, and use_text is off; give 0.")
    heads = config.num_attention_heads
    if config.hidden_size % heads:
        raise ValueError(
            f"XCatConfig.hidden_size ({config.hidden_size}) must be a multiple of num_attention_heads ({heads}); "
            f"try hidden_size={-(-config.hidden_size // heads) * heads}."
        )
    for name in (
        "hidden_dropout",
        "input_dropout",
        "attention_dropout",
        "id_dropout",
        "modality_dropout",
        "soft_target_weight",
        "drop_probability",
    ):
        value = getattr(config, name)
        if value is not None and not 0 <= value < 1:
            raise ValueError(f"XCatConfig.{name} is {value}; give a share from 0 to below 1.")
    if not 0 < config.mask_probability < 1:
        raise ValueError(
            f"XCatConfig.mask_probability is {config.mask_probability}; give a share above 0 and below 1, such as 0.2."
        )
    if not 0 < config.neighbor_decay <= 1:
        raise ValueError(f"XCatConfig.neighbor_decay is {config.neighbor_decay}; give a share above 0 and up to 1.")
    if not 0 <= config.gbce_calibration <= 1:
        raise ValueError(f"XCatConfig.gbce_calibration is {config.gbce_calibration}; give a number from 0 to 1.")
    for name in ("untrained_bonus", "discover_untrained_bonus"):
        value = getattr(config, name)
        if value is not None and not abs(value) <= sys.float_info.max:
            raise ValueError(f"XCatConfig.{name} is {value}; give a number, such as 0.25.")
    for name in ("temperature", "contrast_temperature"):
        if not 0 < getattr(config, name) <= sys.float_info.max:
            raise ValueError(f"XCatConfig.{name} is {getattr(config, name)}; give a positive number, such as 0.05.")


def check_choices(config: Any) -> None:
    """Like `check_sizes`, for fields with a choice of names and for item representations."""
    for name, choices in (
        ("behavior_encoder", BEHAVIOR_ENCODERS),
        ("fusion_block", FUSION_BLOCKS),
        ("scoring", SCORINGS),
        ("memory_sources", MEMORY_SOURCES),
        ("objective", OBJECTIVES),
        ("repeats", REPEATS),
        ("text_pooling", TEXT_POOLINGS),
    ):
        value = getattr(config, name)
        if value is None and name == "memory_sources":
            continue
        if any(given not in choices for given in (value if isinstance(value, list) else [value])):
            own = ", or import the package that registers it" if isinstance(choices, list) else ""
            raise ValueError(f"XCatConfig.{name} is {value!r}; give one of {', '.join(choices)}{own}.")
    _check_masks(config)
    _check_heads(config)
    if not (config.use_text or config.use_item_ids or config.item_features or config.image_dim):
        raise ValueError("An item needs at least one of use_text, use_item_ids, item_features and images.")
    if bool(config.image_dim) != bool(config.image_encoder_dim):
        raise ValueError(
            f"XCatConfig.image_dim is {config.image_dim} and image_encoder_dim {config.image_encoder_dim}; give both, "
            "or 0 for a model without images."
        )
    for name in config.negative_event_types or ():
        if name not in (config.event_types or ()):
            raise ValueError(
                f"XCatConfig.negative_event_types has {name!r}, which is not in event_types; add it there too."
            )
    for size in config.click_categorical_sizes or ():
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"XCatConfig.click_categorical_sizes has {size!r}; give numbers of codes, 1 or more.")
    for name, size in (config.item_features or {}).items():
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"XCatConfig.item_features[{name!r}] is {size!r}; give its number of values, 1 or more.")


def _check_heads(config: Any) -> None:
    """Refuse heads without groups or with other weights than two numbers of 0 or more."""
    groups, weights = config.target_head_groups or {}, config.target_head_weights or {}
    for column in {**groups, **weights}:
        names = groups.get(column, ())
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"XCatConfig.target_head_groups[{column!r}] has {len(names)} groups, {len(set(names))} of them "
                "different; give each group once."
            )
        given = weights.get(column, ())
        if len(given) != 2 or not all(0 <= value < math.inf for value in given):
            raise ValueError(
                f"XCatConfig.target_head_weights[{column!r}] is {list(given)}; give two numbers of 0 or more, such as "
                "[0, 1]."
            )


def _check_masks(config: Any) -> None:
    """Refuse masks without the encoder that reads them, and parts that would show an event behind a mask."""
    encoder, objective = config.behavior_encoder, config.objective
    if (encoder == BIDIRECTIONAL) != (objective == CLOZE):
        raise ValueError(
            f"XCatConfig.behavior_encoder is {encoder!r} and objective {objective!r}; give {BIDIRECTIONAL!r} together "
            f"with {CLOZE!r}, or neither."
        )
    if encoder != BIDIRECTIONAL:
        return
    for name, needed in (("num_fusion_layers", 0), ("repeats", "off"), ("soft_target_weight", 0)):
        if getattr(config, name) != needed:
            raise ValueError(
                f"XCatConfig.{name} is {getattr(config, name)!r}, and behavior_encoder {BIDIRECTIONAL!r} has masks, "
                f"behind which it would look; give {name}={needed!r}."
            )
    for name, least in (("num_behavior_layers", 1), ("max_history", 2)):
        if getattr(config, name) < least:
            raise ValueError(
                f"XCatConfig.{name} is {getattr(config, name)}, and behavior_encoder {BIDIRECTIONAL!r} needs at least "
                f"{least}; give it."
            )

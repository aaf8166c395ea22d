"""Checks of names, fields and checkpoints without torch, before any table is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .option_fields import CONFIG, PREPARATION, TRAINING, UNKNOWN, literal_keys, option_fields


def check_checkpoint(checkpoint: str, revision: str | None = None) -> None:
    """Refuse a checkpoint that does not exist.

    Raises:
        OSError: If there is no such folder, or the folder holds no checkpoint.
        ValueError: If a revision is given for a folder.
    """
    from ..checkpoints.json_files import no_config
    from ..modeling_xcat.hub_xcat import check_place
    from ..modeling_xcat.saving_xcat import ADAPTER_CONFIG

    folder = Path(checkpoint)
    if check_place(checkpoint, revision) and not any((folder / n).is_file() for n in ("config.json", ADAPTER_CONFIG)):
        raise no_config(folder, checkpoint)


def check_split(split: str | None, tie_policy: str | None = None) -> None:
    """Refuse an unknown split or order of ties, and import the module of a split MODULE:NAME.

    Raises:
        ValueError: If one is.
    """
    from ..registered_modules import import_registered
    from ..tokenization.sequences.splits import SPLITS, check_split_name
    from ..tokenization.sequences.timeline import TiePolicy

    if split is not None:
        import_registered(SPLITS, split)
        check_split_name(split)
    if tie_policy is not None and tie_policy not in list(TiePolicy):
        raise ValueError(f"tie_policy is {tie_policy!r}; give one of {', '.join(TiePolicy)}")


def check_preparation(values: Mapping[str, Any]) -> None:
    """Refuse fields of `PreparationOptions` that are out of range.

    Args:
        values: Given fields; the others have their defaults.

    Raises:
        ValueError: If one is.
    """
    from ..tokenization.policy.content_policy import read_policy
    from ..tokenization.sequences.filters import check_filters
    from ..tokenization.sequences.held_out_items import check_cold

    options = _with_defaults(PREPARATION, values)
    check_split(options.split, options.tie_policy)
    check_filters(options.repeats, options.min_user_events, options.min_item_events, options.session_gap)
    check_cold(options.cold_items, options.cold_policy)
    if options.seed < 0:
        raise ValueError(f"seed is {options.seed}; give 0 or more")
    if "interests" in values and options.interests != "none":
        from ..tokenization.interests.reader import check_about

        check_about(options.interests)
    _check_sentiment(options)
    check_text_encoder(options.text_encoder)
    read_policy(options.policy)
    _check_images(options, values)


def _check_sentiment(options: Any) -> None:
    """Refuse an unknown sentiment of interests, and one that nothing would read."""
    from ..tokenization.interests.self_training import LEXICON, check_method

    check_method(options.interest_sentiment, "interest_sentiment")
    labels = options.interest_labels
    for file in [labels] if isinstance(labels, str) else labels:
        if options.interest_sentiment == LEXICON:
            raise ValueError(
                f"interest_labels is {str(file)!r}; give interest_sentiment='learned' or 'self-trained' too"
            )
        if not Path(file).is_file():
            raise ValueError(f"interest_labels: there is no file {str(file)!r}; give one with text and label")
    if options.interest_sentiment != LEXICON and options.interests == "none":
        raise ValueError(
            f"interest_sentiment is {options.interest_sentiment!r}, and no interests are read; give interests= too"
        )


def _check_images(options: Any, values: Mapping[str, Any]) -> None:
    """Refuse options of images that are out of range, and an encoder that is not at hand."""
    from ..tokenization.images.image_options import FIELDS, check_image_options

    check_image_options(options)
    if options.images is None:
        usual = option_fields(PREPARATION)
        given = next((name for name in FIELDS if values.get(name, usual[name].default) != usual[name].default), None)
        if given is not None:
            raise ValueError(f"{given} is {values[given]!r}, and images= is not given; name the column of images too")
        return
    if options.image_encoder is not None:
        from ..tokenization.images.image_encoder import check_image_encoder

        check_image_encoder(options.image_encoder)


def check_text_encoder(name: str | None) -> None:
    """Refuse a text encoder that is neither a folder, nor in the cache, nor on the hub, nor packaged.

    Raises:
        OSError: If it is not there.
    """
    if name in (None, "auto"):  # it is chosen by the texts
        return
    if name.startswith((".", "/", "~")) and not Path(name).expanduser().is_dir():
        raise OSError(
            f"text_encoder={name!r}: there is no such folder; give a folder, or the id of a model on the hub"
        )
    from ..tokenization.text.default_encoder import resolve_text_encoder

    resolve_text_encoder(name)


def check_config(values: Mapping[str, Any]) -> None:
    """Like `check_preparation`, for fields of `XCatConfig`."""
    from ..modeling_xcat.limits_xcat import check_choices, check_sizes

    config = _with_defaults(CONFIG, values)
    check_sizes(config)
    check_choices(config)
    activations = literal_keys("transformers", "activations.py", "ACT2CLS")
    if config.hidden_act not in activations:
        raise ValueError(f"hidden_act is {config.hidden_act!r}; give one of {', '.join(sorted(activations))}")


def check_training(values: Mapping[str, Any], ranked: bool = True) -> None:
    """Like `check_preparation`, for fields of `XCatTrainingArguments`.

    Args:
        values: Given fields.
        ranked: Whether the task is known to report ranking metrics, one of which chooses the best epoch.
    """
    from ..training.argument_checks import check_deciding_metric, check_numbers, check_refused

    fields, args = option_fields(TRAINING), _with_defaults(TRAINING, values)
    for name, value in values.items():
        if fields[name].choices and value not in fields[name].choices:
            raise ValueError(f"{name} is {value!r}; give one of {', '.join(fields[name].choices)}")
    check_numbers(args)
    check_refused(args)
    if ranked and args.save_strategy != "no":
        check_deciding_metric(args)
    _check_loggers(args.report_to)


def check_fields(
    preparation: Mapping[str, Any], config: Mapping[str, Any], training: Mapping[str, Any], ranked: bool = True
) -> None:
    """Run `check_preparation`, `check_config` and `check_training`."""
    check_preparation(preparation)
    check_config(config)
    check_training(training, ranked)


def _check_loggers(given: Any) -> None:
    known = literal_keys("transformers", "integrations/integration_utils.py", "INTEGRATION_TO_CALLBACK")
    for name in [given] if isinstance(given, str) else list(given or ()):
        if name not in ("none", "all", *known):
            raise ValueError(f"report_to is {name!r}; give none, all or some of {', '.join(sorted(known))}")


def _with_defaults(owner: str, values: Mapping[str, Any]) -> SimpleNamespace:
    """The fields of a class, without fields that have a computed default and no given value."""
    defaults = {name: field.default for name, field in option_fields(owner).items() if field.default is not UNKNOWN}
    return SimpleNamespace(**{**defaults, **values})

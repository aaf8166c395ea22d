"""Settings and calibration of a model of clicks, which a damaged checkpoint may have wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..modeling_xcat.arguments_xcat import finite_number, kind_of
from ..modeling_xcat.calibration_xcat import ClickCalibration
from ..modeling_xcat.modeling_xcat import XCatForNextItem
from ..tokenization.sequences.click_context import ClickContext
from ..tokenization.sequences.click_options import CLICKS, ClickOptions, saved_clicks
from .json_files import COPY_AGAIN

_NEEDED = ("options", "kind", "context")


def check_click_settings(settings: Mapping[str, Any], config: Mapping[str, Any], where: str) -> None:
    """Refuse settings of clicks that cannot be used, before a model of clicks reads them.

    Args:
        settings: Content of `processor_config.json`, of which `check_processor_settings` knows the types.
        config: Content of `config.json`; empty for an adapter.
        where: Name of the checkpoint and the file, for errors.

    Raises:
        ValueError: If a value is missing or wrong, or the context columns are not those of the model.

    Example:
        >>> check_click_settings({"event_settings": {"clicks": {"options": {}, "kind": "uniform"}}}, {}, "it")
        Traceback (most recent call last):
        ...
        ValueError: it: event_settings['clicks'] has no 'context'; copy the checkpoint again
    """
    clicks = saved_clicks(settings.get("event_settings"))
    if clicks is None:
        return
    try:
        context = _context(clicks)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{where}: event_settings[{CLICKS!r}] {error}; {COPY_AGAIN}") from error
    known = config.get("click_dense", len(context.dense)), config.get("click_categorical_sizes", context.sizes)
    if known != (len(context.dense), context.sizes):
        raise ValueError(
            f"{where}: event_settings[{CLICKS!r}]['context'] has {len(context.dense)} columns with numbers and "
            f"categorical ones with {context.sizes} codes, and config.json has {known[0]} and {known[1]}; take both "
            "from one checkpoint"
        )


def _context(clicks: Any) -> ClickContext:
    """The context of saved settings, after checks of these."""
    if not isinstance(clicks, Mapping):
        raise ValueError(f"is {kind_of(clicks)}")
    for name in _NEEDED:
        if name not in clicks:
            raise ValueError(f"has no {name!r}")
    if not isinstance(clicks["kind"], str):
        raise ValueError(f"has kind, {kind_of(clicks['kind'])}")
    try:
        ClickOptions(**clicks["options"])
    except (ValueError, TypeError) as error:
        raise ValueError(f"has options that cannot be used ({error})") from error
    try:
        context = ClickContext.from_dict(clicks["context"])
        for name in ("means", "deviations"):
            for value in getattr(context, name):
                finite_number(name, value)
        numbers = {len(context.dense), len(context.means), len(context.deviations)}
        if len(numbers) > 1 or len(context.categorical) != len(context.categories):
            raise ValueError("its lists have other lengths than its columns")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"has a context that cannot be used ({error})") from error
    return context


def check_calibration(model: XCatForNextItem, name: str) -> None:
    """Refuse a model of clicks whose calibration would give no probabilities, or turn their order around.

    Args:
        model: The loaded model.
        name: Name of the checkpoint in messages.

    Raises:
        ValueError: If a value is not finite, or the slope is not above 0.
    """
    calibration = getattr(model, "calibration", None)
    if not isinstance(calibration, ClickCalibration) or calibration.slope.is_meta:
        return
    try:
        calibration.check()
    except ValueError as error:
        raise ValueError(f"{name}: its weights are damaged: calibration.{error}; {COPY_AGAIN}") from error

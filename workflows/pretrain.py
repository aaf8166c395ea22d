"""Pretraining: one base from the logs of several datasets, for `fit(base=)` and for new catalogues."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..model_cards.card_data import XCatModelCardData
from ..modeling_xcat.configuration_xcat import XCatConfig
from ..modeling_xcat.modeling_pretraining_xcat import check_pretraining
from ..tokenization.sequences.joined_shops import JoinedShops, join_shops, languages_of
from ..tokenization.tables.schema import MissingUsers, UnknownItems
from ..tokenization.text.item_text import DEFAULT_TEXT_FIELDS
from ..tokenization.text_language import ENCODERS, MULTILINGUAL
from ..training.tasks.pretraining import PRETRAINING
from .fields import split_fields
from .fit import fit_shop
from .fit_request import FitRequest
from .fit_result import FitResult
from .input_checks import check_fields
from .output_folders import check_output
from .read_shop import read_shop
from .resume import check_resumable

if TYPE_CHECKING:
    from .read_shop import ColumnNames, ShopSource

logger = logging.getLogger(__name__)

_OF_ONE_SHOP = {
    "item_features": "values of an attribute belong to one catalogue",
    "interests": "interest profiles are of users of one dataset",
    "interest_columns": "interest profiles are of users of one dataset",
    "interest_sentiment": "interest profiles are of users of one dataset",
    "interest_labels": "interest profiles are of users of one dataset",
}
"""Fields of a preparation that a base of several datasets cannot have, with the reason."""


def pretrain(
    data: Sequence[ShopSource],
    output: str | os.PathLike[str] = "base",
    *,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    card: Mapping[str, Any] | None = MappingProxyType({}),
    resume: bool = False,
    overwrite: bool = False,
    tell: Callable[[str], None] = logger.info,
    **fields: Any,
) -> FitResult:
    """Pretrain a base on several datasets and save it as a checkpoint; same defaults as `xcat pretrain`.

    Items are represented by their texts alone, so datasets share no ids. See `XCatForPreTraining` for the losses, and
    `PretrainingTask` for the batches. Metrics are those of ranking the items of all datasets.

    Args:
        data: Two datasets or more, each as `data` of `fit`.
        output: Folder of the checkpoint.
        columns: Column names, for all datasets, such as `{"item_id": "sku"}`; None for our own names. For different
            names give the results of `load_shop` as `data`.
        time_format: As in `load_shop`, for all datasets.
        encoding: Likewise.
        unknown_items: "error" refuses events of items that the items table lacks, "drop" leaves them out.
        missing_users: "error" refuses events without a user, "drop" leaves them out.
        card: The author's fields of the model card, such as `{"license": "mit"}`; None for no card.
        resume: Whether to resume an unfinished pretraining in `output`, with its data and settings.
        overwrite: Whether a checkpoint in `output` may be replaced.
        tell: Called with every message about the progress; they are logged if left out.
        **fields: Fields of `PreparationOptions`, `XCatConfig` and `XCatTrainingArguments`, such as
            `masked_item_weight=0` or `num_train_epochs=3`.

    Returns:
        The base and its metrics.

    Raises:
        ValueError: If there are fewer than two datasets, one has no texts or no events, or a field or the output
            cannot be used.

    Example (not run: it trains for minutes):
        pretrain(["shop-a", "shop-b"], "BASE"); fit("shop-c", "CKPT", base="BASE")
    """
    output = Path(output)
    groups = split_fields(fields, signature(pretrain).parameters)
    check_inputs(data, output, groups, resume=resume, overwrite=overwrite)
    XCatModelCardData().given(card or {})
    shops = [
        read_shop(
            one, columns=columns, time_format=time_format, encoding=encoding, unknown_items=unknown_items,
            missing_users=missing_users,
        )
        for one in data
    ]  # fmt: skip
    joined = join_shops(shops, groups[0].get("text_fields") or DEFAULT_TEXT_FIELDS)
    return pretrain_shops(joined, output, groups, card=None if card is None else dict(card), resume=resume, tell=tell)


def check_inputs(
    data: Sequence[Any],
    output: Path,
    fields: tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]],
    *,
    resume: bool,
    overwrite: bool,
) -> None:
    """Refuse what can be refused before any data is read.

    Args:
        data: The datasets.
        output: Folder of the checkpoint.
        fields: Result of `split_fields`.
        resume: Whether an unfinished pretraining is resumed.
        overwrite: Whether a checkpoint may be replaced.

    Raises:
        ValueError: If it cannot be used.
    """
    if isinstance(data, str | os.PathLike) or len(data) < 2:
        count = 1 if isinstance(data, str | os.PathLike) else len(data)
        raise ValueError(
            f"pretraining needs the logs of several datasets, and got {count}; give two or more, or train on one with "
            "fit"
        )
    preparation, config, training = fields
    for name, reason in _OF_ONE_SHOP.items():
        if preparation.get(name) not in (None, (), "none"):
            raise ValueError(f"{name} is {preparation[name]!r}, and {reason}; leave it out")
    check_output(output, resume, overwrite)
    if resume:
        check_resumable(output)
    check_fields(preparation, config, training)
    check_pretraining(XCatConfig(**config))


def pretrain_shops(
    shops: JoinedShops,
    output: Path,
    fields: tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]],
    *,
    card: Mapping[str, Any] | None,
    resume: bool = False,
    command: str | None = None,
    tell: Callable[[str], None] = logger.info,
) -> FitResult:
    """Pretrain on joined datasets; arguments as of `pretrain`.

    Args:
        shops: Result of `join_shops`.
        output: Folder of the checkpoint.
        fields: Result of `split_fields`.
        card: The author's fields of the model card; None for no card.
        resume: Whether to resume an unfinished pretraining.
        command: Command that pretrains the base again, for the card.
        tell: Called with every message about the progress.
    """
    preparation, config, training = ({**group} for group in fields)
    preparation |= {"item_features": ()}
    found = languages_of(shops, preparation.get("text_fields") or DEFAULT_TEXT_FIELDS)
    if len({language.name for language in found.values()}) > 1:
        named = ", ".join(f"{name}: {language.name}" for name, language in found.items())
        tell(
            f"note: the item texts are in different languages ({named}). States carry over as far as the text encoder "
            f"reads both; without text_encoder= it is {ENCODERS[MULTILINGUAL]}"
        )
        if preparation.get("text_encoder") in (None, "auto"):
            preparation["text_encoder"] = ENCODERS[MULTILINGUAL]
    request = FitRequest(
        shops, output, preparation, config, training, resume=resume, task=PRETRAINING, card=card, command=command
    )
    return fit_shop(request, tell)

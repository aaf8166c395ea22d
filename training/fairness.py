"""The fairness terms of the objective from training arguments and a catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..evaluation.audits.popularity import tail_rows
from ..evaluation.propensities import inverse_propensities
from ..modeling_xcat.conditions_xcat import Condition, ItemConditions
from ..modeling_xcat.fairness_xcat import FairnessTerms
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary

if TYPE_CHECKING:
    from .arguments import XCatTrainingArguments

LONG_TAIL = "long-tail"
"""Value of `fairness_column` for two groups: popular items, and all others."""


def fairness_terms(args: XCatTrainingArguments, vocabulary: ItemVocabulary, counts: torch.Tensor) -> Any:
    """The terms that training arguments ask for.

    Args:
        args: The arguments.
        vocabulary: The catalogue.
        counts: (rows,) training events per item.

    Returns:
        `FairnessTerms`; None if the arguments ask for none.

    Raises:
        ValueError: If the catalogue lacks a column or an item of the arguments.
    """
    grouped = bool(args.exposure_weight or args.group_gap_weight)
    flagged = flagged_rows(args.flagged, vocabulary) if args.flagged_weight else None
    if not (grouped or args.logit_adjustment or args.propensity_power or flagged is not None):
        return None
    events = counts.cpu().numpy()
    groups = item_groups(args.fairness_column, vocabulary, events) if grouped else None
    wanted = None if groups is None else np.bincount(groups[groups >= 0]) / (groups >= 0).sum()
    weights = inverse_propensities(events, args.propensity_power, args.propensity_clip)
    return FairnessTerms(
        item_bias=args.logit_adjustment * counts.cpu().double().log1p().float() if args.logit_adjustment else None,
        label_weights=torch.from_numpy(weights).float() if args.propensity_power else None,
        groups=None if groups is None else torch.from_numpy(groups).long(),
        wanted=None if wanted is None else torch.from_numpy(wanted).float(),
        exposure_weight=args.exposure_weight,
        gap_weight=args.group_gap_weight,
        flagged=flagged,
        flagged_weight=args.flagged_weight,
    )


def check_fairness(args: Any, vocabulary: ItemVocabulary) -> None:
    """Refuse arguments that the catalogue has no column or item for, before anything is computed from it.

    Args:
        args: The arguments, an `XCatTrainingArguments`.
        vocabulary: The catalogue.

    Raises:
        ValueError: As `fairness_terms`.
    """
    if args.exposure_weight or args.group_gap_weight:
        _check_column(args.fairness_column, vocabulary)
    if args.flagged_weight:
        flagged_rows(args.flagged, vocabulary)


def _check_column(column: str, vocabulary: ItemVocabulary) -> None:
    if column != LONG_TAIL and column not in vocabulary.table.column_names:
        names = ", ".join(vocabulary.table.column_names)
        raise ValueError(f"fairness_column is {column!r}; give {LONG_TAIL}, or a column of the catalogue: {names}")


def item_groups(column: str, vocabulary: ItemVocabulary, counts: np.ndarray) -> np.ndarray:
    """Groups of items, -1 for none: values of a column, or popular items and the long tail.

    Args:
        column: A column of the catalogue, or `LONG_TAIL`.
        vocabulary: The catalogue.
        counts: (rows,) training events per item.

    Raises:
        ValueError: If the catalogue lacks the column.
    """
    if column == LONG_TAIL:
        groups = tail_rows(counts).astype(np.int64)
        groups[:NUM_SPECIAL_ROWS] = -1
        return groups
    _check_column(column, vocabulary)
    return vocabulary.codes(column)[0].astype(np.int64)


def flagged_rows(flagged: list[str], vocabulary: ItemVocabulary) -> torch.Tensor:
    """(rows,) bool, the items that are named or keep a condition.

    Args:
        flagged: Item ids, or conditions such as `restricted=true`.
        vocabulary: The catalogue.

    Raises:
        ValueError: If a text is neither, or no item is flagged.
    """
    found = torch.zeros(len(vocabulary), dtype=torch.bool)
    conditions = ItemConditions(vocabulary, torch.device("cpu"))
    for text in flagged:
        row = int(vocabulary.encode([text])[0])
        if row >= NUM_SPECIAL_ROWS:
            found[row] = True
            continue
        try:
            found |= conditions.keeping(Condition.read(text))
        except ValueError as error:
            raise ValueError(
                f"flagged: {text!r} is not an item of the catalogue, and as a condition: {error}"
            ) from None
    found[:NUM_SPECIAL_ROWS] = False
    if not bool(found.any()):
        raise ValueError(
            f"flagged_weight is given, and flagged={flagged!r} has no item of the catalogue; give item ids, or "
            "conditions such as restricted=true"
        )
    return found

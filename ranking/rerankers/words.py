"""Rules written as words, such as mmr=0.3,calibrate=0.5."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from inspect import signature
from typing import Any

from ...modeling_xcat.arguments_xcat import listed
from ..rerank import Reranker, check_last
from .calibration import Calibrate
from .diversity import DPP, MMR, Unexpectedness
from .knob import Explore, exploration_rules
from .limits import AtLeast, MaxPer, MaxPerCategory, OnePerProduct
from .merchandising import Boost, Bury, Pin
from .popularity import Freshness, LogitAdjustment, PopularityDiscount
from .sampling import PlackettLuce
from .shares import Share

RERANKERS: dict[str, Callable[..., Reranker]] = {
    "mmr": MMR,
    "dpp": DPP,
    "calibrate": Calibrate,
    "unexpected": Unexpectedness,
    "one-per-product": OnePerProduct,
    "max-per-category": MaxPerCategory,
    "max-per": MaxPer,
    "at-least": AtLeast,
    "boost": Boost,
    "bury": Bury,
    "pin": lambda *ids: Pin(ids),
    "popularity-discount": PopularityDiscount,
    "logit-adjustment": LogitAdjustment,
    "share": Share,
    "freshness": Freshness,
    "sample": PlackettLuce,
}
"""Rules by name; the values of a rule are its arguments in their order, with colons between them."""


def read_rerankers(given: str | Reranker | Sequence[str | Reranker]) -> list[Reranker]:
    """Rules from words, objects, or a list of both.

    Args:
        given: Rules, or words such as `mmr=0.3,calibrate=0.5`: rules with commas between them, each a name of
            `RERANKERS`, and after = its arguments with colons between them, such as `max-per=brand:2`. An argument
            with a comma or a colon is in double quotes.

    Raises:
        ValueError: If a name is unknown, an argument is invalid, or a rule follows one that draws at random.

    Example:
        >>> read_rerankers("mmr=0.3,max-per=brand:2")
        [MMR(diversity=0.3), MaxPer(column='brand', most=2)]
    """
    parts: list[Any] = [given] if isinstance(given, str) or callable(given) else listed("rerank", given, "rules")
    rules: list[Reranker] = []
    for part in parts:
        if isinstance(part, str):
            rules += [_rule(word) for word in _split(part, ",") if word]
        elif callable(part):
            rules.append(part)
        else:
            raise ValueError(
                f"rerank holds a value of type {type(part).__name__}; give rules such as MMR(0.3), or words"
            )
    check_last(rules)
    return rules


def rules_of_request(
    rerank: str | Reranker | Sequence[str | Reranker] | None,
    explore: Explore | float | None,
    default: Sequence[Reranker] = (),
) -> list[Reranker]:
    """All rules of a request: those of the knob first.

    Args:
        rerank: As in `read_rerankers`; None for the default.
        explore: As in `exploration_level`; None for no knob.
        default: Rules of the recommender.

    Raises:
        ValueError: As `read_rerankers` and `exploration_level`.
    """
    rules = list(default) if rerank is None else read_rerankers(rerank)
    rules = rules if explore is None else [*exploration_rules(explore), *rules]
    check_last(rules)
    return rules


def _rule(word: str) -> Reranker:
    name, _, value = word.partition("=")
    name = name.strip().lower().replace("_", "-")
    if name not in RERANKERS:
        near = get_close_matches(name, RERANKERS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"rerank: {name!r} is not a rule; {hint}rules are {', '.join(RERANKERS)}")
    read = str.strip if name == "pin" else _argument  # an item id may look like a number
    arguments = [read(text) for text in _split(value, ":")] if value.strip() else []
    try:
        return RERANKERS[name](*arguments)
    except (TypeError, ValueError) as error:
        reason = str(error) if isinstance(error, ValueError) else f"give {_form(name)}"
        raise ValueError(f"rerank: {word!r}: {reason}") from None


def _form(name: str) -> str:
    """The form of a rule, with what may be left out in brackets.

    Example:
        >>> _form("share"), _form("mmr")
        ('share=GROUP:SHARE[:WITHIN]', 'mmr[=DIVERSITY]')
    """
    form, mark = name, "="
    for argument in signature(RERANKERS[name]).parameters.values():
        part = mark + argument.name.upper()
        form += part if argument.default is argument.empty else f"[{part}]"
        mark = ":"
    return form


def _split(text: str, separator: str) -> list[str]:
    """Parts of a text, in which double quotes protect the separator."""
    try:
        return next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])
    except csv.Error as error:
        raise ValueError(f"rerank: {text!r:.200} has no rules in it: {error}") from None


def _argument(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text.strip()

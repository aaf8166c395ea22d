"""Notes for a reader of a list of groups of items, such as brands."""

from __future__ import annotations

from ..modeling_xcat.filters_xcat import Filters
from ..modeling_xcat.recommending_xcat import Basis
from ..modeling_xcat.unknown_users_xcat import unknown_note, why_unknown


def basis_note(column: str, basis: Basis, events: int, unknown: int, profile: bool) -> str | None:
    """What a list was not computed from, as notes of `Recommendations` say it; None if there is nothing to say.

    Args:
        column: The column.
        basis: What the list is computed from.
        events: Events of the history.
        unknown: Events whose item is not in the catalogue.
        profile: As in `recommend_targets`.

    Example:
        >>> basis_note("brand", "none", 0, 0, True)
        "no recommendations: the history is empty; give on_unknown='popular' for popular values"
    """
    if basis == "popular":
        return f"popular values of {column}: {why_unknown(events, profile)}"
    if basis == "none":
        return f"no recommendations: {why_unknown(events, profile)}; give on_unknown='popular' for popular values"
    return unknown_note(unknown, events) if unknown else None


def shortage_note(
    column: str, found: int, left_out: int, values: int, k: int, filters: Filters, popular: bool = False
) -> str | None:
    """Why a list has fewer values than the column and than were wanted; None if it has not.

    Args:
        column: The column.
        found: Values of the list.
        left_out: Values that are left out because the history has them.
        values: All values of the column.
        k: Number of values that were wanted.
        filters: The filters.
        popular: Whether the list has values by their training events.

    Example:
        >>> shortage_note("brand", 1, 2, 3, 10, Filters())
        'only 1 value of brand: the history has 2 of its 3; give exclude_seen=False to list them'
        >>> shortage_note("brand", 0, 1, 1, 10, Filters())
        'no other value of brand: the history has the only one; give exclude_seen=False to list it'
    """
    if found >= min(k, values):
        return None
    reasons, changes = list[str](), list[str]()
    if left_out:
        only = values == 1
        count = f"all {values:,}" if left_out == values else f"{left_out:,} of its {values:,}"
        reasons.append(f"the history has {'the only one' if only else count}")
        changes.append(f"give exclude_seen=False to list {'it' if only else 'them'}")
    others = values - found - left_out
    if others:
        of = "the other one has" if others == 1 else f"the other {others:,} have"
        of = of if found or left_out else f"all {values:,} of the column have"
        reasons.append(f"{of} no item {'with training events ' * popular}that may be recommended")
        if filters != Filters(exclude_seen=filters.exclude_seen, allow_sensitive=filters.allow_sensitive):
            changes.insert(0, "loosen the filters")
    only_left = not others and not found
    what = f"only {found:,} value{'s' * (found > 1)}" if found else f"no {'other ' * only_left}value"
    ending = f"; {' or '.join(changes)}" if changes else ""
    return f"{what} of {column}: {', and '.join(reasons)}{ending}"


def probability_note(purpose: str) -> str:
    """The note on probabilities without a re-ranker.

    Args:
        purpose: What the list is for, in words.
    """
    return (
        "probabilities are too close to 0 and 1, and only their order holds: the model uses no re-ranker for "
        f"{purpose}, and the item-to-item weight was chosen for the order alone; either validation showed no gain of "
        "a re-ranker, or the fit left it out"
    )

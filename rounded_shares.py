"""Shares of a whole as percentages that add up."""

from __future__ import annotations

from collections.abc import Sequence


def percentages(shares: Sequence[float]) -> list[str]:
    """Shares as whole percentages with the sum of the shares, by the largest remainders.

    Args:
        shares: Shares of one whole, 0 or more; some of its parts may be missing.

    Example:
        >>> percentages([1 / 3, 1 / 3, 1 / 3]), percentages([0.615, 0.255, 0.13])
        (['34%', '33%', '33%'], ['62%', '25%', '13%'])
    """
    exact = [100 * share for share in shares]
    whole = [int(share) for share in exact]
    by_rest = sorted(range(len(exact)), key=lambda place: whole[place] - exact[place])
    for place in by_rest[: round(sum(exact)) - sum(whole)]:
        whole[place] += 1
    return [f"{share}%" for share in whole]

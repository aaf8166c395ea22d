"""The game of an attacker and a defender: equilibrium over mixed strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Equilibrium:
    """Equilibrium of a zero-sum game.

    Args:
        value: Expected gain of the attacker if both play it.
        attacker: Probability of each attack.
        defender: Probability of each defence.
    """

    value: float
    attacker: Mapping[str, float]
    defender: Mapping[str, float]


def equilibrium(gains: np.ndarray, attacks: Sequence[str], defences: Sequence[str]) -> Equilibrium:
    """Equilibrium over mixed strategies, by linear programming (von Neumann 1928; Dantzig 1951).

    The attacker's mixture has the largest gain against the best answer of the defender, and the other way round.

    Args:
        gains: (attacks, defences) gain of the attacker, which is the loss of the defender.
        attacks: Names of the rows.
        defences: Names of the columns.

    Raises:
        ValueError: If the shape does not fit the names, or a gain is not finite.

    Example:
        >>> found = equilibrium(np.array([[3.0, -1.0], [-2.0, 1.0]]), ["a", "b"], ["x", "y"])
        >>> round(found.value, 6), {name: round(share, 6) for name, share in found.attacker.items()}
        (0.142857, {'a': 0.428571, 'b': 0.571429})
    """
    gains = np.asarray(gains, dtype=float)
    if gains.shape != (len(attacks), len(defences)) or not gains.size or not np.isfinite(gains).all():
        raise ValueError(
            f"gains has the shape {gains.shape} for {len(attacks)} attacks and {len(defences)} defences, or a value "
            "that is not finite; give a number for each pair"
        )
    attacker, value = _best_mixture(gains)
    defender, _ = _best_mixture(-gains.T)
    return Equilibrium(
        value, dict(zip(attacks, attacker.tolist(), strict=True)), dict(zip(defences, defender.tolist(), strict=True))
    )


def _best_mixture(gains: np.ndarray) -> tuple[np.ndarray, float]:
    """Probabilities of the rows that maximise the least expected gain over the columns, and this gain."""
    from scipy.optimize import linprog

    rows, columns = gains.shape
    found = linprog(
        np.append(np.zeros(rows), -1.0),
        A_ub=np.hstack([-gains.T, np.ones((columns, 1))]),
        b_ub=np.zeros(columns),
        A_eq=np.append(np.ones(rows), 0.0)[None],
        b_eq=[1.0],
        bounds=[*[(0, 1)] * rows, (None, None)],
        method="highs",
    )
    if not found.success:
        raise ValueError(f"gains: no equilibrium was found ({found.message})")
    return np.maximum(found.x[:rows], 0), float(found.x[-1])

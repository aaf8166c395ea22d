"""Result of an attack: a table of attacks and defences, and its equilibrium."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..evaluation.attacks.defences import NONE
from ..evaluation.attacks.exposure_gain import cut_of_gain
from ..evaluation.attacks.game import Equilibrium
from ..evaluation.audits.model_audit import plain
from ..evaluation.bootstrap import Interval
from ..rounded_shares import percentages

NO_ATTACK = "no attack"
_EMPTY = Interval(float("nan"), float("nan"), float("nan"), 0.95, 0)


@dataclass(frozen=True)
class AttackCell:
    """One attack and one defence.

    Args:
        attack: Kind of the attack, or `NO_ATTACK`.
        defence: Name of the defence.
        hits: (users,) share of the promoted items in the list of each real user; NaN for users who had one.
        ndcg: (users,) NDCG.
        hit_rate: Mean of `hits`.
        gain: `hit_rate` less that of tables without attack and defence.
        quality: Mean of `ndcg`.
        change: `quality` less that of tables without attack and defence.
        cost: Fake users and events, or changed titles and characters.
        auc: Probability that the detector scores a fake user higher than a real one; None without either.
        removed: Events that were removed because they promote an item.
        promoting_removed: Events of fake users with promoted items among them.
        promoting: All events of fake users with promoted items.
        titles_removed: Titles that were removed.
        targets_removed: Titles of promoted items among them.
        events_left_out: Events that were left out by limits.
    """

    attack: str
    defence: str
    hits: np.ndarray = field(repr=False, compare=False)
    ndcg: np.ndarray = field(repr=False, compare=False)
    hit_rate: Interval = _EMPTY
    gain: Interval = _EMPTY
    quality: Interval = _EMPTY
    change: Interval = _EMPTY
    cost: Mapping[str, int] = field(default_factory=dict)
    auc: float | None = None
    removed: int = 0
    promoting_removed: int = 0
    promoting: int = 0
    titles_removed: int = 0
    targets_removed: int = 0
    events_left_out: int = 0

    def __str__(self) -> str:
        auc = "" if self.auc is None else f", detector AUC {self.auc:.3f}"
        return (
            f"{self.attack}, {self.defence}: promoted items in {self.hit_rate.mean:.2%} of the lists each, gain "
            f"{self.gain.mean * 100:+.2f} points ({self.gain.low * 100:+.2f} to {self.gain.high * 100:+.2f}), NDCG "
            f"{self.quality.mean:.4f}{auc}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        found: dict[str, Any] = plain(self)
        return {name: value for name, value in found.items() if name not in ("hits", "ndcg")}


@dataclass
class AttackResult:
    """Result of `attack`.

    Args:
        cells: Measurements by attack and defence; the first attack is `NO_ATTACK`.
        targets: Ids of the promoted items.
        share: Fake users as a share of the real ones.
        k: Length of the lists.
        num_users: Real users whose lists were measured.
        start: Weights that each training started from.
        epochs: Its epochs.
        seed: Seed.
        loss_weight: Percentage points of gain that a loss of 1 % of NDCG is worth.
        equilibrium: Equilibrium over mixed strategies.
    """

    cells: dict[tuple[str, str], AttackCell]
    targets: tuple[str, ...]
    share: float
    k: int
    num_users: int
    start: str
    epochs: float
    seed: int
    loss_weight: float
    equilibrium: Equilibrium | None = None

    def payoff(self, attack: str, defence: str) -> float:
        """Payoff of the attacker: percentage points of gain, and the weighted loss of NDCG in per cent.

        Args:
            attack: Kind of the attack.
            defence: Name of the defence.
        """
        cell, before = self.cells[attack, defence], self.cells[NO_ATTACK, NONE]
        return 100 * (cell.gain.mean - self.loss_weight * cell.change.mean / max(before.quality.mean, 1e-9))

    def cut(self, attack: str, defence: str) -> float:
        """Share of an attack's gain that a defence takes away; NaN for an attack without a gain."""
        return cut_of_gain(self.cells[attack, NONE].gain.mean, self.cells[attack, defence].gain.mean)

    def table(self) -> str:
        """The measurements as a Markdown table."""
        before = self.cells[NO_ATTACK, NONE].quality.mean
        lines = [
            f"| attack | defence | hit rate@{self.k} | gain, points | cut of the gain | NDCG@{self.k} | "
            "detector AUC | promoting events removed | events removed | titles removed |",
            "|" + "---|" * 10,
        ]
        for (kind, defence), cell in self.cells.items():
            gain, auc = cell.gain, "" if cell.auc is None else f"{cell.auc:.3f}"
            share = float("nan") if kind == NO_ATTACK or defence == NONE else self.cut(kind, defence)
            cut = "" if math.isnan(share) else f"{share:.0%}"
            lines.append(
                f"| {kind} | {defence} | {cell.hit_rate.mean:.2%} | {gain.mean * 100:+.2f} "
                f"[{gain.low * 100:+.2f}, {gain.high * 100:+.2f}] | {cut} | {cell.quality.mean:.4f} "
                f"({cell.change.mean / before:+.1%}) | {auc} | {cell.promoting_removed} of {cell.promoting} | "
                f"{cell.removed} | {cell.titles_removed} |"
            )
        if self.equilibrium is not None:
            attacker, defender = _mixture(self.equilibrium.attacker), _mixture(self.equilibrium.defender)
            value = f"value {self.equilibrium.value:+.2f} points"
            lines += ["", f"Equilibrium: Attacker {attacker}; defender {defender}; {value}."]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        return {
            "targets": list(self.targets), "share": self.share, "k": self.k, "users": self.num_users,
            "start": self.start, "epochs": self.epochs, "seed": self.seed, "loss_weight": self.loss_weight,
            "cells": [
                {**cell.to_dict(), "cut": plain(self.cut(*name)), "payoff": plain(self.payoff(*name))}
                for name, cell in self.cells.items()
            ],
            "equilibrium": plain(self.equilibrium),
        }  # fmt: skip


def _mixture(shares: Mapping[str, float]) -> str:
    """Kinds of a mixture with their percentages, without those of 0 %."""
    shown = zip(shares, percentages([*shares.values()]), strict=True)
    return ", ".join(f"{name} {share}" for name, share in shown if share != "0%")

"""Effects of promotions on purchases: would the users have bought the item anyway?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...tokenization.progress import stage
from ...tokenization.sequences.promotion_panel import PromotionPanel
from .doubly_robust import Estimate, TreatmentEffect, treatment_effect

BALANCED = 0.1
"""Largest difference of a covariate, in standard deviations, of groups that are comparable."""
NEXT_PERIOD = "promotion in the next period"
OTHER_CATEGORY = "purchase of another category"
SHUFFLED = "promotion shuffled among the rows of the item"
ASSUMPTIONS = (
    "All common causes of a promotion and a purchase are among the covariates: earlier purchases of the user and of "
    "everybody, price, earlier promotions, other promotions of the item, store and time of the year.",
    "Rows with a propensity outside .01 to .9 are left out, so the effects are those of rows that could have been "
    "promoted or not.",
    "A promotion in a store affects only purchases in that store and period. Stocking up and switching between items "
    "are not separated from it.",
    "An item without a row in the promotions was not promoted. A price cut that comes with a promotion counts as part "
    "of it.",
    "Rows are visits of a user and items that the user bought in two earlier periods, so the effects do not extend to "
    "new items.",
)


@dataclass(frozen=True)
class Check:
    """A check whose true effect is 0.

    Args:
        name: What was replaced: the treatment or the outcome.
        estimate: Estimated effect on the treated.
    """

    name: str
    estimate: Estimate

    @property
    def passed(self) -> bool:
        """Whether the interval has 0 in it."""
        return not self.estimate.excludes_zero


@dataclass(frozen=True)
class PromotionEffect:
    """Effect of one kind of promotion on the purchase of the promoted item.

    Args:
        kind: Kind of the promotion.
        effect: The effects.
        checks: Checks with a true effect of 0.
    """

    kind: str
    effect: TreatmentEffect
    checks: tuple[Check, ...]

    @property
    def trusted(self) -> bool:
        """Whether all checks passed and the groups are comparable."""
        return all(one.passed for one in self.checks) and self.effect.overlap.balance <= BALANCED


@dataclass(frozen=True)
class PromotionEffects:
    """Effects of promotions on purchases.

    Args:
        effects: Effects by kind.
        skipped: Reason by kind that has none.
        assumptions: Assumptions in sentences.
        covariates: Names of the covariates.
        num_candidates: Pairs of a visit and a known item, from which the rows were drawn.
        period_days: Length of a period.
        purchase_rate: Share of the drawn rows with a purchase.
    """

    effects: tuple[PromotionEffect, ...]
    skipped: dict[str, str]
    assumptions: tuple[str, ...]
    covariates: tuple[str, ...]
    num_candidates: int
    period_days: float
    purchase_rate: float


def promotion_effects(panel: PromotionPanel, seed: int = 0) -> PromotionEffects:
    """Estimate the effect of each kind of promotion, and check the estimates.

    Errors are robust to dependence within items and within users. Three checks have a true effect of 0: the promotion
    of the next period, which comes after the purchase; the purchase of an item of another category in the same visit;
    and promotions that are shuffled among the rows of each item. If a check fails, do not rely on the estimate.

    Args:
        panel: The rows.
        seed: Seed of the folds and of the shuffling.
    """
    effects, skipped = [], {}
    with stage("effects of promotions", len(panel.treatments), "kinds") as running:
        for kind in panel.treatments:
            try:
                effects.append(_effect(panel, kind, seed))
            except ValueError as error:
                skipped[kind] = str(error)
            running.advance()
    return PromotionEffects(
        tuple(effects), skipped, ASSUMPTIONS, panel.names, panel.num_candidates, panel.period_days,
        float(panel.outcome.mean()),
    )  # fmt: skip


def _effect(panel: PromotionPanel, kind: str, seed: int) -> PromotionEffect:
    treatment, clusters = panel.treatments[kind], [panel.items, panel.users]
    others = [part[:, None] for name, part in panel.treatments.items() if name != kind]
    common = np.concatenate([panel.covariates, *others], axis=1)
    own = np.concatenate([common, treatment[:, None]], axis=1)
    effect = treatment_effect(common, treatment, panel.outcome, clusters, seed=seed)
    known = np.isfinite(panel.other_outcome)
    shuffled = _shuffled(treatment, panel.items, np.random.default_rng(seed))
    later = treatment_effect(own, panel.next_treatments[kind], panel.outcome, clusters, seed=seed)
    elsewhere = treatment_effect(
        common[known], treatment[known], panel.other_outcome[known], [part[known] for part in clusters], seed=seed
    )
    chance = treatment_effect(common, shuffled, panel.outcome, clusters, seed=seed)
    checks = ((NEXT_PERIOD, later), (OTHER_CATEGORY, elsewhere), (SHUFFLED, chance))
    return PromotionEffect(kind, effect, tuple(Check(name, found.treated_only) for name, found in checks))


def _shuffled(values: np.ndarray, groups: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Values in another order within each group."""
    places = np.lexsort((np.arange(len(values)), groups))
    drawn = np.lexsort((generator.random(len(values)), groups))
    shuffled = np.empty_like(values)
    shuffled[places] = values[drawn]
    return shuffled

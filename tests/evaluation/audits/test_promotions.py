"""Effects of promotions: a planted effect, checks that pass and a check that fails."""

from __future__ import annotations

import numpy as np

from xcat_rec.evaluation.audits.doubly_robust import logistic
from xcat_rec.evaluation.audits.promotions import (
    NEXT_PERIOD,
    OTHER_CATEGORY,
    SHUFFLED,
    promotion_effects,
)
from xcat_rec.tokenization.sequences.promotion_panel import PromotionPanel


def panel(seed: int, hidden: float = 0.0, rows: int = 12_000) -> tuple[PromotionPanel, float]:
    """Displays with an effect, mailers without; a hidden cause of display and of purchases of both categories."""
    generator = np.random.default_rng(seed)
    users, items = generator.integers(300, size=rows), generator.integers(400, size=rows)
    popular, habit, cause = generator.normal(size=400)[items], generator.normal(size=rows), generator.normal(size=rows)
    level = 0.5 * popular + 0.7 * habit - 1.5 + hidden * cause
    display = generator.random(rows) < logistic(popular - 1 + 1.5 * hidden * cause)
    mailer = generator.random(rows) < logistic(0.5 * popular - 1)
    later = generator.random(rows) < logistic(popular - 1)
    chances = [logistic(level + 0.8 * arm) for arm in (0, 1)]
    outcome = generator.random(rows) < np.where(display, chances[1], chances[0])
    other = (generator.random(rows) < logistic(0.3 * habit - 1.5 + hidden * cause)).astype(float)
    other[:50] = np.nan
    found = PromotionPanel(
        np.stack([popular, habit], axis=1), ("popular", "habit"), {"display": display, "mailer": mailer},
        {"display": later, "mailer": later}, outcome, other, users, items, 7.0, 10 * rows,
    )  # fmt: skip
    return found, float((chances[1] - chances[0])[display].mean())


def test_a_planted_effect_is_found_and_the_checks_pass() -> None:
    given, truth = panel(0)
    found = promotion_effects(given)
    display, mailer = found.effects
    assert display.effect.treated_only.low < truth < display.effect.treated_only.high
    assert not mailer.effect.treated_only.excludes_zero
    assert [one.name for one in display.checks] == [NEXT_PERIOD, OTHER_CATEGORY, SHUFFLED]
    assert display.trusted and mailer.trusted
    assert found.purchase_rate == given.outcome.mean() and len(found.assumptions) == 5


def test_a_hidden_cause_fails_the_check_of_another_category() -> None:
    found = promotion_effects(panel(1, hidden=1.0)[0]).effects[0]
    failed = [one.name for one in found.checks if not one.passed]
    assert failed == [OTHER_CATEGORY] and not found.trusted


def test_a_kind_with_too_few_rows_is_skipped_with_its_reason() -> None:
    given, _ = panel(2, rows=1000)
    given.treatments["mailer"][:] = False
    found = promotion_effects(given)
    assert [one.kind for one in found.effects] == ["display"] and "0 of 1000 rows" in found.skipped["mailer"]

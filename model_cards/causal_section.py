"""Sections of an audit's report about causes: importance of the history, and effects of promotions."""

from __future__ import annotations

from ..counting import counted_of
from ..evaluation.audits.changed_histories import HistoryImportance
from ..evaluation.audits.doubly_robust import OVERLAP
from ..evaluation.audits.promotions import BALANCED, PromotionEffect, PromotionEffects
from .audit_parts import bullets, interval_cell, plain_text, table


def history_section(found: HistoryImportance, k: int) -> str:
    """Lists of changed histories, as HTML."""
    about = (
        f"<p>Lists of {counted_of(found.num_users, found.num_all_users, 'user')}, if histories had been different. "
        f"With whole histories NDCG@{k} is {found.whole.mean:.3f} ({found.whole.low:.3f} to {found.whole.high:.3f}). "
        "The changes show what the model relies on, "
        "not what users would have bought.</p>"
    )
    rows = [
        [plain_text(one.change), interval_cell(one.ndcg), interval_cell(one.difference, "+.3f"),
         interval_cell(one.replaced)]
        for one in found.changes
    ]  # fmt: skip
    head = ("history", f"NDCG@{k}", "less whole histories", "items replaced")
    return about + table(head, rows)


def promotions_section(found: PromotionEffects) -> str:
    """Effects of promotions, their checks and assumptions, as HTML."""
    parts = ["<p>Would the users have bought the items anyway? Percentage points of purchases per visit.</p>"]
    parts += [_effect(one) for one in found.effects]
    parts += [f"<p>No effect of {plain_text(kind)}: {plain_text(why)}</p>" for kind, why in found.skipped.items()]
    drawn = (
        f"Rows are drawn from {found.num_candidates:,} pairs of a visit and an item, in periods of "
        f"{found.period_days:g} days; {found.purchase_rate:.1%} of them have a purchase."
    )
    names = f"Covariates: {'; '.join(found.covariates)}."
    return "\n".join(parts) + "<h3>Assumptions</h3>" + bullets([*found.assumptions, drawn, names])


def _effect(found: PromotionEffect) -> str:
    effect, overlap = found.effect, found.effect.overlap
    anyway = "" if effect.anyway is None else (
        f" Of the purchases of promoted items, {effect.anyway.value:.0%} would have happened anyway "
        f"({effect.anyway.low:.0%} to {effect.anyway.high:.0%})."
    )  # fmt: skip
    rows = {
        "on promoted items": effect.treated_only, "on all items": effect.everyone,
        "plain difference, not an effect": effect.naive,
        **{f"check: {one.name}, expected 0": one.estimate for one in found.checks},
    }  # fmt: skip
    failed = [one.name for one in found.checks if not one.passed]
    warnings = [f"The check with {name} failed: do not rely on this effect." for name in failed]
    if overlap.balance > BALANCED:
        warnings.append(
            f"The groups are not comparable after weighting: a covariate differs by {overlap.balance:.2f} standard "
            f"deviations; more than {BALANCED:g} is too much."
        )
    about = (
        f"{effect.rows:,} rows, {effect.treated:,} promoted, of {effect.clusters[0]:,} items and "
        f"{effect.clusters[-1]:,} users. Propensities go from {overlap.quantiles[0]:.3f} to "
        f"{overlap.quantiles[-1]:.3f}; {overlap.left_out:.0%} of the rows and {overlap.treated_left_out:.0%} of the "
        f"promoted ones are outside {OVERLAP[0]:g} to {OVERLAP[1]:g} and left out. Effective number of rows without "
        f"promotion: {overlap.effective_rows:,.0f}. Largest difference of a covariate: {overlap.balance_before:.2f} "
        f"standard deviations, and {overlap.balance:.2f} after weighting."
    )
    shown = [
        [plain_text(name), f"{100 * one.value:+.2f}", f"{100 * one.low:+.2f} to {100 * one.high:+.2f}"]
        for name, one in rows.items()
    ]
    return (
        f"<h3>{plain_text(found.kind.capitalize())}</h3><p>{plain_text(anyway.strip())}</p>"
        + table(("effect", "percentage points", "95 % interval"), shown) + f"<p>{plain_text(about)}</p>"
        + bullets(warnings or ["All checks passed."])
    )  # fmt: skip

"""Results of rankings as Markdown tables, for `print` and for a reader at the prompt."""

from __future__ import annotations

from collections.abc import Mapping

from ..counting import counted
from ..modeling_xcat.list_text_xcat import markdown_rows
from .purposes import DISCOVER, NEXT, PURPOSE_MEANINGS, discover_reports
from .ranker_evaluation import RankingReport

CUTOFF = 10
"""Length of the lists that a table shows, if it was measured; otherwise the longest one."""


def ranking_table(reports: Mapping[str, RankingReport], title: str = "") -> str:
    """Metrics of models on the same users, one Markdown table per purpose, best NDCG first.

    Args:
        reports: Reports by name of the model.
        title: Line above the tables.
    """
    parts = [title] if title else []
    for purpose, found in ((NEXT, dict(reports)), (DISCOVER, discover_reports(reports))):
        if not found:
            continue
        first = next(iter(found.values()))
        measured = [int(name.partition("@")[2]) for name in first.metrics]
        k = CUTOFF if CUTOFF in measured else max(measured)
        names = [name for name in first.metrics if name.endswith(f"@{k}")]
        best = sorted(found.items(), key=lambda one: -one[1].metrics[f"ndcg@{k}"])
        rows = [[name, *(f"{report.metrics[metric]:.4f}" for metric in names)] for name, report in best]
        parts += [f"{purpose}: {PURPOSE_MEANINGS[purpose]} ({counted(first.num_users, 'user')})"]
        parts += [markdown_rows(["model", *names], rows)]
    return "\n\n".join(parts)

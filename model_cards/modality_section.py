"""What texts and images of items bring, for a card and for the terminal."""

from __future__ import annotations

from ..counting import counted_of
from ..evaluation.modalities import ModalityReport
from .markdown import table

HEADING = "### Texts and images"
COLUMNS = ["items with", "Recall@10", "NDCG@10", "change of NDCG@10", "Recall@10, cold"]
_UNMEASURED = "What texts and images bring was not measured; an evaluation with modalities measures it."


def modality_section(found: ModalityReport | None, has_images: bool) -> str:
    """A table by condition and what follows from it; "" for a model without images that was not measured.

    Args:
        found: The measurement; None for none.
        has_images: Whether the model has images.
    """
    if found is None:
        return f"{HEADING}\n\n{_UNMEASURED}" if has_images else ""
    shown = counted_of(found.whole.num_users, found.num_all_users, "user")
    told = (
        f"The same model ranks the targets of {shown} with texts or images of all items left out, or exchanged. "
        "Nothing is trained again. Cold: targets without training events."
    )
    return "\n\n".join([f"{HEADING} ({shown})", told, table(COLUMNS, modality_rows(found)), *modality_findings(found)])


def modality_rows(found: ModalityReport) -> list[list[str]]:
    """One row per condition, in the columns `COLUMNS`."""
    rows = []
    for name, report in found.reports.items():
        cold = report.slices["cold"]
        few = f"{cold['recall@10']:.4f}" if cold.get("num_targets") else "n/a"
        change = "-" if report is found.whole else f"{found.change(name):+.1%}"
        rows.append([name, f"{report.value('recall@10'):.4f}", f"{report.value('ndcg@10'):.4f}", change, few])
    return rows


def modality_findings(found: ModalityReport) -> list[str]:
    """Whether the images carry information, in a sentence; empty for a model without images."""
    if found.images_inform is None:
        return []
    difference = found.difference(found.shuffled, found.without)
    measured = "" if difference is None else f" (difference of NDCG@10 {difference})"
    if found.images_inform:
        return [f"Images of other items cost more than no images{measured}, so the images carry information."]
    return [
        f"Images of other items do not cost measurably more than no images{measured}, so on these users the images "
        "carry no measured information."
    ]

"""The section of a card about an update from a log of the service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .markdown import cell, facts_table, section_first

TITLE = "## Update"


def write_updated_card(source: Path, target: Path, rows: Sequence[tuple[str, str]]) -> None:
    """Write the card of a checkpoint for its update: a section about the update, and no metrics for the hub.

    Args:
        source: The card of the checkpoint.
        target: The new card.
        rows: Names and values of the section.
    """
    from huggingface_hub import ModelCard

    card = ModelCard.load(source, ignore_metadata_errors=True)
    card.data.eval_results = None
    section = (
        f"{TITLE}\n\n`xcat update` fine-tuned this checkpoint from a log of the service. The metrics in the other "
        "sections are of the checkpoint before it.\n\n"
        f"{facts_table([[name, cell(value)] for name, value in rows])}"
    )
    card.text = section_first(card.text, section)
    target.write_text(str(card), encoding="utf-8")

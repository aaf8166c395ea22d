"""The section of a card about heads that were fitted after the training."""

from __future__ import annotations

import re
from pathlib import Path

from ..modeling_xcat.configuration_xcat import XCatConfig
from .markdown import cell, facts_table, section_first
from .method import heads_of

TITLE = "## Heads"
_OLDER = re.compile(rf"^{TITLE}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def write_card_with_heads(source: Path, target: Path, config: XCatConfig) -> None:
    """Write the card of a checkpoint with a section about its heads, in place of an older one.

    Args:
        source: The card of the checkpoint without these heads.
        target: The new card.
        config: Configuration of the model with the heads.
    """
    from huggingface_hub import ModelCard

    card = ModelCard.load(source, ignore_metadata_errors=True)
    section = (
        f"{TITLE}\n\n`xcat heads` fitted these heads after the training, in place of earlier ones. Lists of items are "
        "as before, and so are their metrics in the other sections.\n\n"
        f"{facts_table([[f'Head of {cell(column)}', cell(detail)] for column, detail in heads_of(config).items()])}"
    )
    card.text = section_first(_OLDER.sub("", card.text), section)
    target.write_text(str(card), encoding="utf-8")

"""The section of a card about what lists go by, in the sense of article 27 of the Digital Services Act."""

from __future__ import annotations

from ..ranking.list_inputs import NOT_USED, OFF, list_inputs
from .card_data import XCatModelCardData
from .markdown import cell, table


def list_inputs_section(data: XCatModelCardData) -> str:
    """The main parameters in words for customers, and how to change them."""
    config = data.training.config
    if config is None:
        return "Not recorded."
    policy = data.preparation.get("policy") not in (None, "off")
    inputs = list_inputs(config, reads_queries=config.ask_length > 0, policy=policy)
    rows = [[cell(one.name), cell(one.meaning), cell(one.change)] for one in inputs]
    return "\n\n".join(
        [
            "The main parameters of a list, in words for customers, as article 27 of the Digital Services Act asks of "
            "online platforms. The service tells customers the same.",
            table(["Input", "Meaning", "Change"], rows),
            f"{OFF} {NOT_USED}",
        ]
    )

"""Versions of the checkpoint format."""

from typing import Any

FORMAT_VERSION = 14
"""Version of the checkpoint format; code refuses versions newer than it supports.

1: first version. 2: item-to-item weights add nothing to items of the history. 3: re-ranker added. 4: item-to-item
weights from a regression instead of cosines; the re-ranker is a network. Features added to the re-ranker: 5: item
transitions. 6: number and recency of the user's events with a candidate. 7: whether a candidate has no training
events. 8: repurchase share and gap of a candidate. 9: the number of training events of a cold item is unknown instead
of 0. 10: the model reads what a customer asks for. 11: an item-to-item weight and a re-ranker for discovery.
12: rates of first purchases by segment of users, for discovery. 13: a re-ranker for discovery that reads
rates and trends of items. 14: images of items.
"""
SECOND_STAGE_FROM = 3
"""First format version with a re-ranker."""
REGRESSION_FROM = NETWORK_FROM = 4
"""First format version with item-to-item weights from a regression and a network in the re-ranker."""
SUCCESSORS_FROM = 5
"""First format version with item transitions."""
REPEATS_FROM = 6
"""First format version whose re-ranker reads number and recency of the user's events with a candidate."""
UNTRAINED_FROM = 7
"""First format version whose re-ranker reads whether a candidate has no training events."""
RETURNS_FROM = 8
"""First format version whose re-ranker reads repurchase share and gap of a candidate."""
UNKNOWN_COUNTS_FROM = 9
"""First format version whose re-ranker treats the number of training events of a cold item as unknown."""

ASKS_FROM = 10
"""First format version that may read what a customer asks for."""
DISCOVERY_FROM = 11
"""First format version with an item-to-item weight and a re-ranker for discovery, which leaves the history out."""
SEGMENTS_FROM = 12
"""First format version with rates of first purchases by segment of users."""
TRENDS_FROM = 13
"""First format version with trends of items, and a re-ranker for discovery that reads them."""


def check_format(version: Any) -> None:
    """Refuse the format version of a newer library.

    Raises:
        ValueError: If it is newer than `FORMAT_VERSION`, or not a number.
    """
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ValueError(
            f"This checkpoint was made by a newer xcat-rec: it has format version {version!r}, and this code supports "
            f"up to {FORMAT_VERSION}; update xcat-rec, as its README describes the installation."
        )


def switch_off_newer(config: Any) -> None:
    """Switch off the parts of a configuration that checkpoints of its format version lack.

    Args:
        config: An `XCatConfig`; it is changed.
    """
    version = config.format_version
    if not isinstance(version, int):
        return
    if version < SECOND_STAGE_FROM:
        config.num_candidates = 0
    if version < SUCCESSORS_FROM:
        config.num_successors = 0
    if version < ASKS_FROM:
        config.ask_length = 0
    if version < DISCOVERY_FROM:
        config.discover_neighbor_weight = config.discover_candidate_attention = None
        config.discover_untrained_bonus = None
    if version < SEGMENTS_FROM:
        config.num_segments, config.discover_product_weight = 0, None
    if version < TRENDS_FROM:
        config.num_discovery_candidates, config.discover_trends = 0, False

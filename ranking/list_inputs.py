"""What lists go by, in words for customers, and how to change it (Digital Services Act, article 27).

One definition for `/parameters` of the service and for the card.
"""

from __future__ import annotations

from typing import NamedTuple

from ..modeling_xcat.configuration_xcat import XCatConfig

NOT_USED = "Age, gender, origin, place and the price that you paid are not inputs of the model."
OFF = (
    "With profile off, the list is the same for everybody: popular items, or those of the query. No event is read or "
    "stored for it, so items that you had or hid may be in it."
)
"""The option without profiling (article 38)."""


class ListInput(NamedTuple):
    """An input that decides on a list.

    Args:
        name: Its name.
        meaning: A sentence for customers.
        change: The field of a request that changes it or leaves it out.
    """

    name: str
    meaning: str
    change: str


def list_inputs(config: XCatConfig, *, reads_queries: bool, policy: bool) -> list[ListInput]:
    """The inputs of a model's lists, the main ones first.

    Args:
        config: Configuration of the model; only what it reads is named.
        reads_queries: Whether the model reads queries.
        policy: Whether the checkpoint has a content policy.

    Example:
        >>> [one.name for one in list_inputs(XCatConfig(), reads_queries=False, policy=False)][:2]
        ['history', 'items others chose']
    """
    history = "history or user_id; none for popular items; profile off"
    found = [
        ListInput("history", "Items that you viewed or bought, the latest ones most.", history),
        ListInput("items others chose", "Items that customers with the same items chose next.", "history"),
    ]
    if config.use_text and config.num_fusion_layers:
        meaning = "Titles and descriptions that are like those of your items."
        found.append(ListInput("texts of items", meaning, "history"))
    if reads_queries:
        found.append(ListInput("your query", "What you ask for, by its words and its meaning.", "query"))
    if config.num_time_gap_buckets:
        found.append(ListInput("time", "How long ago your events were.", "timestamps"))
    found += [
        ListInput("items you had", "They are left out, so that you see new ones.", "exclude_seen"),
        ListInput("variety", "Whether the list is close to what you know or not.", "explore, rerank"),
        ListInput(
            "limits", "Price, brand, category, stock and other columns.",
            "filters, only_categories, exclude_categories",
        ),
        ListInput("hidden items", "Items that you hid.", "an event of the type hide"),
    ]  # fmt: skip
    if policy:
        meaning = "Alcohol, medicine and other sensitive categories, if you have had none of them."
        found.append(ListInput("content policy", meaning, "allow_sensitive"))
    found.append(ListInput("popularity", "What many customers chose, if nothing is known of you.", "filters"))
    return found

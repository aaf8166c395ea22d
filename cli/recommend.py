"""`xcat recommend`: recommendations for one history or for a file of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def recommend(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder or hub id.")],
    history: Annotated[
        str | None, typer.Option(help="Item ids of one user, oldest first, with commas between.")
    ] = None,
    users: Annotated[
        Path | None, typer.Option(help="Table of events (user_id, item_id, timestamp or order) of many users.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="A text of the user (query, chat); may be repeated.")] = None,
    k: Annotated[int, typer.Option("-k", help="Recommendations a user.")] = 10,
    include_seen: Annotated[bool, typer.Option(help="Recommend items of the history too.")] = False,
    only_category: Annotated[list[str] | None, typer.Option(help="Keep to this category; may be repeated.")] = None,
    exclude_category: Annotated[
        list[str] | None, typer.Option(help="Leave this category out; may be repeated.")
    ] = None,
    cross_category: Annotated[bool, typer.Option(help="Keep to categories that the history lacks.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Recommend items, with titles, scores and the events each rests on.

    Examples:

        xcat recommend my-checkpoint --history B004756YJA,B004ZT0SSG -k 10

        xcat recommend my-checkpoint --users events.parquet --json
    """
    from ..inference.recommender import Filters, XCatRecommender
    from .console import print_json, results
    from .rendering import recommendation_table

    if (history is None) == (users is None):
        raise ValueError("give either --history A,B,C or --users FILE")
    if k < 1:
        raise ValueError(f"-k is {k}; give at least 1")
    if users is None:
        names, histories = ["history"], [_ids(history or "")]
    else:
        from ..tokenization.histories import read_histories

        names, histories = read_histories(users)
    recommender = XCatRecommender.from_pretrained(checkpoint)
    filters = Filters(not include_seen, tuple(exclude_category or ()), only_category or None, cross_category)
    texts = [text] * len(histories) if text else None
    found = recommender.recommend_many(histories, k, texts=texts, filters=filters)
    if json_output:
        rows = [
            {**({"user_id": name} if users is not None else {}), **item.to_dict()}
            for name, items in zip(names, found, strict=True)
            for item in items
        ]
        print_json({"recommendations": rows})
        return
    for name, items in zip(names, found, strict=True):
        results.print(recommendation_table(items, title=f"Recommendations for {name}"))


def _ids(history: str) -> list[str]:
    ids = [part.strip() for part in history.split(",") if part.strip()]
    if not ids:
        raise ValueError("--history is empty; give item ids with commas between")
    return ids

"""`xcat explain`: why an item is recommended to a user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import Overwrite, UserText

if TYPE_CHECKING:
    from ..ranking.explanation.explanation import Explanation, WordInfluence


def explain(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    item: Annotated[str, typer.Option(help="Id of the item to explain, such as B004756YJA.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    history: Annotated[
        str,
        typer.Option(help='Item ids of the user, oldest first: A,B or A,"B, large"; with times: A@2024-01-31,B@...'),
    ] = "",
    query: Annotated[str | None, typer.Option(help="What the user asks for, such as 'warm tent for two'.")] = None,
    text: UserText = None,
    include_seen: Annotated[bool, typer.Option(help="Explain a list that may have items of the history.")] = False,
    method: Annotated[
        Literal["leave-one-out", "integrated-gradients", "additive", "candidate-attention", "attention"],
        typer.Option(help="Method of the influences of events; reasons are always found by leave-one-out."),
    ] = "leave-one-out",
    words: Annotated[bool, typer.Option(help="Find the words that raise the score, which takes most time.")] = True,
    language: Annotated[Literal["en", "zh"], typer.Option(help="Language of the sentence.")] = "en",
    click: Annotated[
        bool, typer.Option("--click", help="Explain the probability of a click, for a model of xcat fit --task click.")
    ] = False,
    context: Annotated[
        list[str] | None,
        typer.Option(help="Value of a context column for --click: price=9.5, or price= if unknown; may be repeated."),
    ] = None,
    heatmap: Annotated[Path | None, typer.Option(help="SVG file for the heat map, such as why.svg.")] = None,
    overwrite: Overwrite = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Explain why an item is recommended: purchases and words that carry it, and its place without them.

    Examples:

        xcat explain my-checkpoint --history B004756YJA,B004ZT0SSG --item B0012345

        xcat explain my-checkpoint --history B004756YJA --query "lip balm" --item B0012345 --heatmap why.svg

        xcat explain my-checkpoint --history B004756YJA --item B0012345 --language zh --json
    """
    from ..workflows.input_checks import check_checkpoint
    from .recommend import entries_of
    from .usage import check_file_to_write

    entries = entries_of(history)
    check_checkpoint(checkpoint, revision)
    check_file_to_write("--heatmap", heatmap, ".svg", overwrite)

    from ..ranking.recommender import XCatRecommender
    from ..ranking.timed_history import read_timed_history

    recommender = XCatRecommender.from_pretrained(checkpoint, revision=revision)
    ids, times = read_timed_history(entries, recommender.vocabulary)
    found = recommender.explain(
        ids, item, query=query, texts=text, timestamps=times, exclude_seen=not include_seen, method=method,
        words=words, language=language, click=click, context=context_of(context),
    )  # fmt: skip
    if heatmap is not None:
        found.heat_map(heatmap)
    _show(found, heatmap, json_output)


def context_of(given: list[str] | None) -> dict[str, str | None] | None:
    """Context columns and their values, None for an empty one; None if none are given."""
    if not given:
        return None
    wrong = next((one for one in given if "=" not in one), None)
    if wrong is not None:
        raise ValueError(f"--context {wrong} has no value; give --context COLUMN=VALUE, such as price=9.5")
    return {name: value or None for name, value in (one.split("=", 1) for one in given)}


def _show(found: Explanation, heatmap: Path | None, json_output: bool) -> None:
    from .console import messages, print_json, results, say
    from .rendering import event_table
    from .wrapping import wrapped

    for note in found.notes:
        say(f"note: {note}")
    if heatmap is not None:
        messages.print(f"heat map: {heatmap}")
    if json_output:
        print_json(found.to_dict())
        return
    results.print(wrapped(found.sentence, results.options.max_width), "", highlight=False, sep="\n")
    if found.events:
        results.print(event_table(found), "", highlight=False, sep="\n")
    for title, words in (
        ("Words of the query", found.query_words), ("Words of the item", found.item_words),
        ("Words of the first reason", found.event_words),
    ):  # fmt: skip
        if words:
            results.print(wrapped(f"{title}: {_of_words(words)}", results.options.max_width), highlight=False)


def _of_words(words: tuple[WordInfluence, ...]) -> str:
    """Words with their influences, the largest first."""
    from ..ranking.explanation.explanation import signed

    ordered = sorted(words, key=lambda one: -one.influence)
    return ", ".join(f"{one.word} {signed(one.influence)}" for one in ordered)

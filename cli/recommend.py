"""`xcat recommend`: recommendations for one history or for a file of many."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..counting import counted, counted_of
from .options import Encoding, Explore, Filter, History, MissingUsers, Overwrite, Rerank, TimeFormat, UserText

if TYPE_CHECKING:
    from pyarrow import Table

    from ..modeling_xcat.recommending_xcat import Recommendations
    from ..ranking.target_recommendations import TargetRecommendations
    from ..serving.batch import BatchRequest
    from ..tokenization.sequences.histories import Histories


_OPTIONS = {
    "give exclude_seen=False": "add --include-seen", "only_categories": "--only-category",
    "exclude_categories": "--exclude-category", "cross_category": "--cross-category",
    "on_unknown='popular'": "--on-unknown popular", "loosen filters": "loosen --filter",
    "name sensitive categories in allow_sensitive": "add --allow-sensitive",
}  # fmt: skip
"""Arguments in notes, and the options that set them."""


def recommend(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    history: History = None,
    users: Annotated[Path | None, typer.Option(help="Events table of many users, such as events.parquet.")] = None,
    columns: Annotated[str | None, typer.Option(help="Column names of --users: item_id=sku,user_id=customer.")] = None,
    index: Annotated[
        Path | None, typer.Option(help="Folder of xcat index, with its added and without its deleted items.")
    ] = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    missing_users: MissingUsers = "drop",
    query: Annotated[
        str | None,
        typer.Option(
            help="What the user asks for, such as 'warm tent for two'; without --history for a new customer."
        ),
    ] = None,
    text: UserText = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Recommend values of a column of the items instead of items: brand, category, campaign or another "
            "column; without those of the history, unless --include-seen is given."
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Recommendations per user.")] = 10,
    include_seen: Annotated[
        bool, typer.Option(help="Also recommend items of the history, or its brands with --target brand.")
    ] = False,
    only_category: Annotated[
        list[str] | None, typer.Option(help="Recommend only from this category; may be repeated.")
    ] = None,
    exclude_category: Annotated[
        list[str] | None, typer.Option(help="Recommend nothing from this category; may be repeated.")
    ] = None,
    allow_sensitive: Annotated[
        list[str] | None,
        typer.Option(
            help="Also recommend from this sensitive category of the content policy, such as alcohol; may be repeated."
        ),
    ] = None,
    cross_category: Annotated[
        bool, typer.Option(help="Recommend only from categories that the history lacks.")
    ] = False,
    filters: Filter = None,
    explore: Explore = None,
    rerank: Rerank = None,
    cold_boost: Annotated[
        float | None,
        typer.Option(
            help="Added to scores of cold items (no training events), such as 0.25; 0.7 doubles their odds. By "
            "default the checkpoint's value."
        ),
    ] = None,
    on_unknown: Annotated[
        Literal["popular", "skip", "error"],
        typer.Option(help="Result for users without a known item: popular (items), skip (empty list) or error."),
    ] = "popular",
    profile: Annotated[
        Literal["on", "off"],
        typer.Option(help="off: the same list for everybody, of popular items or those of --query; no events count."),
    ] = "on",
    reasons: Annotated[
        bool, typer.Option("--reasons", help="Below each item print its reasons, items of the history.")
    ] = False,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Compute --output locally (local) or on a Ray cluster (ray).")
    ] = "local",
    output: Annotated[
        Path | None, typer.Option(help="Parquet file for the recommendations of --users, such as found.parquet.")
    ] = None,
    actors: Annotated[int, typer.Option(help="Number of loaded models on the Ray cluster.")] = 2,
    overwrite: Overwrite = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Recommend items, with titles, categories, prices and scores.

    Without --history, --query and --users, it lists the popular items of each category.

    Examples:

        xcat recommend my-checkpoint --history B004756YJA,B004ZT0SSG -k 10 --reasons

        xcat recommend my-checkpoint --target brand --history B004756YJA,B004ZT0SSG --reasons

        xcat recommend my-checkpoint --query "lip balm" --history B004756YJA

        xcat recommend my-checkpoint --history B004756YJA --explore adventurous --filter "price<20"

        xcat recommend my-checkpoint --history B004756YJA@2024-01-31,B004ZT0SSG@2024-02-03T18:00

        xcat recommend me/my-shop --revision v1 --users events.parquet --json

        xcat recommend my-checkpoint --users events.parquet --engine ray --actors 4 --output found.parquet
    """
    from ..workflows.fields import parse_columns
    from ..workflows.input_checks import check_checkpoint

    history = "" if users is None and output is None and history is None else history
    _check(k, output, history, users, engine, cold_boost, overwrite)
    refused = {"--output": output, "--cold-boost": cold_boost, "--rerank": rerank, "--explore": explore}
    _check_target(target, {**refused, "--profile": None if profile == "on" else profile})
    entries = [] if history is None else entries_of(history)
    parse_columns(columns)
    check_checkpoint(checkpoint, revision)

    from ..checkpoints.saved_tables import saved_event_settings, saved_item_ids, saved_text_columns
    from ..modeling_xcat.filters_xcat import Filters
    from ..modeling_xcat.hub_xcat import locate_checkpoint
    from ..ranking.recommender import XCatRecommender
    from ..ranking.timed_history import read_timed_history
    from ..serving.batch import BatchRequest
    from ..tokenization.out_of_core.prepared_folder import refuse_prepared
    from ..tokenization.sequences.histories import Histories, read_histories
    from ..tokenization.tables.table_columns import saved_columns, table_formats

    refuse_prepared(users, "give")

    # Tables are read as for the checkpoint's training.
    def read(settings: Mapping[str, Any], text_columns: Sequence[str], item_ids: Any) -> Histories:
        names = parse_columns(columns) if columns else saved_columns(settings)
        options: dict[str, Any] = {**table_formats(settings, time_format, encoding), "event_settings": settings}
        assert users is not None
        histories = read_histories(users, names, text_columns, item_ids, missing_users=missing_users, **options)
        _say(histories)
        return histories

    kept = Filters(not include_seen, tuple(exclude_category or ()), only_category or None, cross_category, None,
                   filters or (), tuple(allow_sensitive or ()))  # fmt: skip
    request = BatchRequest(k, kept, tuple(text or ()), cold_boost, on_unknown, query, rerank, explore,
                           None if index is None else str(index), profile == "on")  # fmt: skip
    if output is not None and users is not None:
        # Resolve it once for all processes; otherwise each would query the hub and could find another commit.
        folder = str(locate_checkpoint(checkpoint, revision=revision))
        histories = read(saved_event_settings(folder), saved_text_columns(folder), saved_item_ids(folder))
        _write(output, folder, histories, request, engine, actors, json_output)
        return
    recommender = XCatRecommender.from_pretrained(checkpoint, revision=revision, index=index)
    if users is None:
        ids, times = read_timed_history(entries, recommender.vocabulary)
        histories = Histories(["history"], [ids], timestamps=None if times is None else [times])
    else:
        ids = recommender.vocabulary.column("item_id")
        histories = read(recommender.processor.event_settings or {}, recommender.text_columns, ids)
    owners = None if users is None else histories.user_ids
    given = {**_given(histories, query, text), "filters": kept, "on_unknown": on_unknown}
    explain = reasons or json_output
    if target is not None:
        listed = recommender.recommend_targets_many(histories.items, target, k, explain=explain, **given)
        _show_targets(listed, owners, reasons, json_output)
        return
    given |= {"rerank": rerank, "explore": explore, "cold_boost": cold_boost, "profile": profile == "on"}
    found = recommender.recommend_many(histories.items, k, explain=True if explain else "query", **given)
    _show(found, owners, query, reasons, json_output)


def _given(histories: Histories, query: str | None, text: list[str] | None) -> dict[str, Any]:
    """Histories and options as arguments of the recommender."""
    users = len(histories.items)
    named = {name: getattr(histories, name) for name in ("event_types", "ratings", "timestamps", "event_texts")}
    return {"queries": None if query is None else [query] * users, "texts": [text] * users if text else None, **named}


def _check_target(target: str | None, given: dict[str, Any]) -> None:
    """Refuse options of lists of items for other targets."""
    for name, value in given.items():
        if target is not None and value is not None:
            raise ValueError(f"{name} is for lists of items; leave it out, or leave --target {target} out")


def _show_targets(
    found: Sequence[TargetRecommendations], users: Sequence[str] | None, reasons: bool, json_output: bool
) -> None:
    """Print lists of brands, categories or campaigns."""
    from .console import results
    from .rendering import target_table

    _say_notes(Counter(note for listed in found for note in listed.notes), None if users is None else len(users))
    if json_output:
        _show_json(found, users)
        return
    for place, listed in enumerate(found):
        popular = "Popular values" if listed.basis == "popular" else "Recommendations" if listed else "No values"
        owner = f" for {users[place]}" if users is not None else ""
        results.print(
            target_table(listed, f"{popular} of {listed.target}{owner}", reasons), "", highlight=False, sep="\n"
        )


def _title(found: Recommendations, query: str | None) -> str:
    """Title of the table of one user: the input that the list was computed from."""
    from ..modeling_xcat.queries_xcat import UNREAD
    from ..tokenization.ask_texts import WORDLESS

    if found.basis in ("popular", "none"):
        varied = " of each category" if any(item.category for item in found) else ""
        return f"Popular items{varied}" if found else "No recommendations"
    asked = found.basis == "history" and query and query.strip() and not {UNREAD, WORDLESS} & set(found.notes)
    return f"Recommendations for {'history and query' if asked else found.basis}"


def _show(
    found: Sequence[Recommendations],
    users: Sequence[str] | None,
    query: str | None,
    reasons: bool,
    json_output: bool,
) -> None:
    """Print notes, and one table per user or JSON."""
    from .console import results
    from .rendering import recommendation_table

    _say_notes(Counter(note for items in found for note in items.notes), None if users is None else len(users))
    if json_output:
        _show_json(found, users)
        return
    for place, items in enumerate(found):
        title = _title(items, query) if users is None else f"Recommendations for {users[place]}"
        results.print(recommendation_table(items, title, reasons), "", highlight=False, sep="\n")


def _say(histories: Histories) -> None:
    """Print repairs of and warnings about the table."""
    from .console import say

    for problem in histories.problems:
        say(f"note: {problem}")


def _say_notes(notes: Counter[str], users: int | None) -> None:
    """Print each note about the lists once, with its number of users if there are several."""
    from ..modeling_xcat.queries_xcat import EXCLUSION_REMEDY, PRICE_REMEDY
    from .console import say

    for note, count in notes.items():
        with_times = "write item@time in --history" if users is None else "fill the column timestamp of --users"
        note = note.replace("give timestamps= for all events", with_times)
        note = note.replace(
            PRICE_REMEDY, "xcat chat CHECKPOINT reads price limits, and --filter 'price<20' keeps them"
        )
        note = note.replace(EXCLUSION_REMEDY, "xcat chat CHECKPOINT reads exclusions, and so does --exclude-category")
        for argument, option in _OPTIONS.items():
            note = note.replace(argument, option)
        of = "" if users is None else f" ({counted_of(count, users, 'user')})"
        say(f"note: {note}{of}")


def _show_json(found: Sequence[Any], users: Sequence[str] | None) -> None:
    """Print recommendations as JSON, with user ids if there are several users."""
    from .console import print_json

    if users is None:
        print_json(found[0].to_dict())
        return
    named = zip(users, found, strict=True)
    rows = [{"user_id": user, **item.to_dict(), **items.facts()} for user, items in named for item in items]
    print_json({"recommendations": rows})


def _show_written(output: Path, users: int, rows: int, json_output: bool) -> None:
    from .console import messages, print_json

    messages.print(f"{counted(rows, 'recommendation')} for {counted(users, 'user')}: {output}")
    if json_output:
        print_json({"output": str(output), "num_users": users, "num_rows": rows})


def _check(
    k: int,
    output: Path | None,
    history: str | None,
    users: Path | None,
    engine: str,
    cold_boost: float | None,
    overwrite: bool,
) -> None:
    """Refuse invalid options and outputs before any work is done."""
    from .usage import check_at_least, check_file_to_read, check_file_to_write, check_finite

    if history is not None and users is not None:
        raise ValueError("give either --history A,B,C or --users FILE")
    check_at_least("-k", k, 1)
    check_finite("--cold-boost", cold_boost)
    check_file_to_read("--users", users)
    if output is None:
        if engine != "local":
            raise ValueError(f"--engine {engine} writes a file; add --output FILE.parquet")
        return
    if users is None:
        raise ValueError(f"--output {output} holds recommendations for many users; give --users FILE")
    check_file_to_write("--output", output, ".parquet", overwrite)
    if engine == "ray":
        from ..tokenization.out_of_core.ray_cluster import import_ray

        import_ray()


def _write(
    output: Path,
    checkpoint: str,
    histories: Histories,
    request: BatchRequest,
    engine: str,
    actors: int,
    json_output: bool,
) -> None:
    """Write the recommendations, and print their notes and numbers."""
    from ..serving.batch import histories_table, recommend_locally, write_recommendations

    table, notes = histories_table(histories), Counter[str]()
    if engine == "local":
        found = recommend_locally(checkpoint, table, request, with_empty=True)
    else:
        from ..serving.ray_engine import recommend_with_ray

        found = recommend_with_ray(checkpoint, table, request, actors, with_empty=True)
    written = write_recommendations(_counted(found, notes), output)
    _say_notes(notes, len(histories.user_ids))
    _show_written(output, len(histories.user_ids), written, json_output)


def _counted(tables: Iterable[Table], notes: Counter[str]) -> Iterator[Table]:
    """The tables, while the notes of each list are counted."""
    import pyarrow.compute as pc

    for table in tables:
        notes.update(pc.list_flatten(table.filter(pc.less_equal(table["rank"], 1))["notes"]).to_pylist())
        yield table


def entries_of(line: str, option: str = "--history") -> list[str]:
    """Entries of one CSV line; an entry with a comma is in double quotes. An empty line has none."""
    entries = [part.strip() for part in next(csv.reader([line], skipinitialspace=True), []) if part.strip()]
    if line.strip() and not entries:
        raise ValueError(f"{option} has no item ids; give them with commas between, or {option} '' for none")
    return entries

"""`xcat prepare`: write training sequences from raw tables to disk, out of core."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .options import (
    NEGATIVE_HELP,
    TARGETS_HELP,
    Columns,
    Encoding,
    GuessColumns,
    Images,
    Items,
    MissingUsers,
    Policy,
    TimeFormat,
    UnknownItems,
)

if TYPE_CHECKING:
    from ..tokenization.out_of_core.prepared_folder import PreparedFolder


def prepare(
    data: Annotated[
        str | None,
        typer.Argument(help="One file, a folder with items.* and events.*, a dataset on the hub, or a known source."),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the sequences.")] = Path("prepared"),
    items: Items = None,
    events: Annotated[
        str | None, typer.Option(help="Events table or folder of parquet files, instead of DATA.")
    ] = None,
    columns: Columns = None,
    guess_columns: GuessColumns = False,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    split: Annotated[str, typer.Option(help="Split, such as leave-one-out, or auto; see xcat fit --help.")] = "auto",
    tie_policy: Annotated[
        str, typer.Option(help="Order of a user's events with equal times: file or shuffle.")
    ] = "file",
    seed: Annotated[int, typer.Option(help="Seed of shuffled ties and of cold items.")] = 0,
    max_history: Annotated[
        int | None, typer.Option(help="Latest events kept per evaluated history, such as 50; all by default.")
    ] = None,
    repeats: Annotated[
        Literal["keep", "collapse", "first"],
        typer.Option(
            help="Repeated events of a user with an item: keep (all), collapse (adjacent ones) or first (only)."
        ),
    ] = "keep",
    min_user_events: Annotated[int, typer.Option(help="Minimum events per user, such as 5; 0 for no minimum.")] = 0,
    min_item_events: Annotated[
        int,
        typer.Option(
            help="Minimum events per item, such as 5; items with fewer leave the catalogue; 0 for no minimum."
        ),
    ] = 0,
    session_gap: Annotated[
        int,
        typer.Option(
            help="Seconds without an event that end a session, such as 1800; sessions become baskets. 0 for none."
        ),
    ] = 0,
    cold_items: Annotated[
        float, typer.Option(help="Share of items, up to 0.5, whose training events are removed, such as 0.2.")
    ] = 0.0,
    cold_policy: Annotated[
        Literal["random", "newest"], typer.Option(help="Choice of the cold items: random or newest.")
    ] = "random",
    target_event_types: Annotated[str | None, typer.Option(help=TARGETS_HELP)] = None,
    negative_event_types: Annotated[str | None, typer.Option(help=NEGATIVE_HELP)] = None,
    images: Images = None,
    image_encoder: Annotated[
        str | None, typer.Option(help="Hub id or folder of the vision encoder; by default the packaged one.")
    ] = None,
    image_frames: Annotated[int, typer.Option(help="Images read per item; of more, evenly spread ones.")] = 4,
    image_timeout: Annotated[float, typer.Option(help="Seconds allowed for one download.")] = 10.0,
    image_megabytes: Annotated[float, typer.Option(help="Largest file or download, in megabytes.")] = 20.0,
    policy: Policy = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="local (this machine) or ray (a Ray cluster).")
    ] = "local",
    num_proc: Annotated[int, typer.Option(help="Number of processes, or of parallel tasks on the Ray cluster.")] = 1,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Show customers' values in notes and errors; masked by default.")
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace another preparation in the output folder.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Make training sequences from your tables, out of core, for xcat fit to read.

    Start a killed run again and it resumes where it stopped. An interaction log in parquet is read in pieces, whatever
    its size; other formats are loaded whole.

    Examples:

        xcat prepare my-shop/ --output prepared

        xcat prepare my-shop/ --output prepared --engine ray --num-proc 8

        xcat prepare my-shop/ --output prepared --min-user-events 5 --min-item-events 5 --repeats first

        xcat fit prepared --output my-checkpoint
    """
    import time

    if guess_columns:
        from .guessing import show_guess

        show_guess(data, items, events, encoding)
        return
    from ..workflows.input_checks import check_preparation
    from ..workflows.output_folders import check_preparation_folder
    from .options import only_one
    from .usage import check_at_least, check_tables

    begin = time.perf_counter()
    chosen: dict[str, Any] = {
        "split": split, "tie_policy": tie_policy, "seed": seed, "repeats": repeats, "min_user_events": min_user_events,
        "min_item_events": min_item_events, "session_gap": session_gap, "cold_items": cold_items,
        "cold_policy": cold_policy, "images": only_one("--images", images),
        "image_encoder": image_encoder, "image_frames": image_frames, "image_timeout": image_timeout,
        "image_megabytes": image_megabytes, "policy": policy,
    }  # fmt: skip
    check_preparation(chosen)
    check_at_least("--num-proc", num_proc, 1)
    if max_history is not None:
        check_at_least("--max-history", max_history, 1)
    check_preparation_folder(output)
    check_tables(data, items, events, columns)

    from ..tokenization.out_of_core.inputs import PreparationInputs
    from ..tokenization.out_of_core.prepare import PrepareOptions, prepare_tables
    from ..tokenization.out_of_core.prepared_folder import refuse_prepared
    from ..tokenization.tables.problems import values_shown
    from ..workflows.fields import parse_columns
    from .console import messages
    from .options import parse_event_types

    refuse_prepared(data, "prepare")
    options = PrepareOptions(
        **chosen, max_history=max_history, target_event_types=parse_event_types(target_event_types),
        negative_event_types=parse_event_types(negative_event_types),
    )  # fmt: skip
    with values_shown(show_values):
        inputs = PreparationInputs(
            data,
            items=items,
            events=events,
            columns=parse_columns(columns),
            on_unknown_items=unknown_items,
            missing_users=missing_users,
            time_format=time_format,
            encoding=encoding,
        )
        prepared = prepare_tables(
            inputs, output, options, engine=engine, num_proc=num_proc, overwrite=overwrite,
            progress=messages.is_terminal,
        )  # fmt: skip
    _tell(prepared, time.perf_counter() - begin, json_output, show_values)


def _tell(prepared: PreparedFolder, seconds: float, json_output: bool, show_values: bool) -> None:
    """Print the result."""
    from ..training.provenance import peak_memory_mb
    from .console import messages, print_json, say

    manifest = prepared.manifest
    for problem in prepared.found or prepared.problems():
        say(f"note: {problem.describe(show_values)}")
    for line in manifest.get("images", {}).get("notes", ()):
        say(f"note: {line}")
    messages.print(f"event types: {prepared.roles}", markup=False, highlight=False)
    rows = ", ".join(f"{count:,} {name}" for name, count in manifest["rows"].items())
    messages.print(f"{manifest['events']:,} events of {manifest['users']:,} users, {prepared.split}: {rows}")
    messages.print(f"{seconds:.0f} s, peak memory {peak_memory_mb():.0f} MB; prepared: {prepared.folder}")
    if json_output:
        kept = (
            "name",
            "split",
            "event_types",
            "target_event_types",
            "negative_event_types",
            "rows",
            "events",
            "users",
            "partitions",
            "problems",
            "images",
        )
        print_json({
            "output": str(prepared.folder), **{name: manifest[name] for name in kept if name in manifest},
            "seconds": round(seconds, 1),
            "peak_memory_mb": round(peak_memory_mb()),
        })  # fmt: skip

"""`xcat evaluate`: a checkpoint judged on tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Encoding, TimeFormat

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset, DatasetDict

    from ..inference.recommender import XCatRecommender
    from ..tokenization.schema import ShopTables
    from ..training.preparation import PreparationOptions


def evaluate(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    data: Annotated[
        str | None, typer.Argument(help="Folder with your tables or a prepared one, SOURCE:PATH, or a hub dataset.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub repository.")] = None,
    items: Annotated[str | None, typer.Option(help="Items table, in place of DATA.")] = None,
    events: Annotated[str | None, typer.Option(help="Events table, in place of DATA.")] = None,
    columns: Annotated[str | None, typer.Option(help="Names of your columns: item_id=sku,title=name.")] = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="leave-one-out, last-basket, global-time, user-level, cold-items, column or auto; "
            "without it that of the checkpoint's training."
        ),
    ] = None,
    part: Annotated[str, typer.Option(help="test or validation.")] = "test",
    tie_policy: Annotated[
        str | None, typer.Option(help="file or shuffle: order of events at one time; without it as in training.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the order of ties; without it as in training.")] = None,
    k: Annotated[list[int] | None, typer.Option("-k", help="Cut-offs; may be repeated.")] = None,
    cold_boost: Annotated[
        float | None,
        typer.Option(help="Added to scores of cold items (no training events), in place of the checkpoint's: 0.25."),
    ] = None,
    by_history: Annotated[bool, typer.Option(help="Also show users apart by the length of their history.")] = False,
    by_category: Annotated[
        bool, typer.Option(help="Also show figures by category of the last event and of the target.")
    ] = False,
    category_column: Annotated[
        str | None, typer.Option(help="Column of the items table for --by-category, such as department.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Rank the targets of a split against the whole catalogue, beside popularity and repeat purchase.

    Events are chosen and split as they were for the checkpoint's training, where it says how, but for what is given.
    Targets that are no items of the checkpoint are left out, for all models, and counted.

    Examples:

        xcat evaluate my-checkpoint my-shop/

        xcat evaluate my-checkpoint my-shop/ --split global-time -k 5 -k 20 --json

        xcat evaluate my-checkpoint my-shop/ --by-category --category-column department
    """
    from ..evaluation.categories import DEFAULT_COLUMN, check_category_column
    from ..evaluation.categories import by_category as parted_by_category
    from ..evaluation.comparison import compare_with_baselines
    from ..inference.recommender import XCatRecommender
    from ..tokenization.prepared import load_data
    from .console import category_table, messages, metrics_table, print_json
    from .fitting import MODEL_NAME, report_dict
    from .options import parse_columns

    cutoffs = sorted(set(k or [10, 20]))
    if cutoffs[0] < 1:
        raise ValueError(f"-k is {cutoffs[0]}; give at least 1")
    if part not in ("test", "validation"):
        raise ValueError(f"--part is {part!r}; give test or validation")
    if cold_boost is not None and not math.isfinite(cold_boost):
        raise ValueError(f"--cold-boost is {cold_boost}; give a number, such as 0.25")
    recommender = XCatRecommender.from_pretrained(checkpoint, revision=revision)
    if cold_boost is not None:
        recommender.cold_boost = cold_boost
    catalogue = recommender.processor.catalogue
    column = category_column or (DEFAULT_COLUMN if by_category else None)
    if column is not None:
        check_category_column(catalogue.table.schema, column)
    shop = load_data(
        data,
        items=items,
        events=events,
        columns=parse_columns(columns),
        on_unknown_items="drop",
        time_format=time_format,
        encoding=encoding,
    )
    messages.print(str(shop.report), markup=False, highlight=False)
    options = _options(shop, recommender, {"split": split, "tie_policy": tie_policy, "seed": seed})
    splits, unknown = _splits(shop, recommender, part, options)
    reports = compare_with_baselines(
        {MODEL_NAME: recommender}, splits["train"], splits[part], catalogue,
        trained=recommender.trained, ks=cutoffs,
    )  # fmt: skip
    messages.print(
        metrics_table(
            reports,
            k=10 if 10 in cutoffs else cutoffs[0],
            title=f"{shop.name}, {options.split}, {part}",
            by_history=by_history,
        )
    )
    judged = report_dict(reports[MODEL_NAME])
    if column is not None:
        parted = parted_by_category(reports[MODEL_NAME], splits[part], catalogue, column)
        messages.print(category_table(parted))
        judged["by_category"] = parted.rows
    if json_output:
        del reports[MODEL_NAME]
        baselines = {name: report_dict(report) for name, report in reports.items()}
        print_json({**judged, "baselines": baselines, "unknown_items": unknown, "tables": shop.report.to_dict()})


def _options(shop: ShopTables, recommender: XCatRecommender, given: dict[str, Any]) -> PreparationOptions:
    """How events are chosen and split: as is given, else as in training, else as by default."""
    from ..tokenization.prepared import PreparedShop
    from ..tokenization.sequences import resolve_split
    from ..tokenization.splits import SplitName
    from ..training.preparation import EVENT_OPTIONS, PreparationOptions, resolve_options
    from .console import messages

    given = {name: value for name, value in given.items() if value is not None}
    saved = recommender.processor.event_settings or {}
    trained = {name: saved[name] for name in (*EVENT_OPTIONS, "seed") if name in saved}
    own = dict(trained)
    if isinstance(shop, PreparedShop):  # which was chosen and split before, but for cold items
        later = () if shop.made.get("cold_items") else ("cold_items", "cold_policy", "seed")
        own = {name: trained[name] for name in later if name in trained}
    if own.get("split") == SplitName.COLUMN and shop.events["split"].null_count():
        own["split"] = "auto"
    options = resolve_options(shop, PreparationOptions(**{**own, **given}))
    options.split = str(resolve_split(shop, options.split))
    if trained.get("split", options.split) != options.split:
        messages.print(
            f"note: the checkpoint was trained with the split {trained['split']}; of the log that it was trained on, "
            f"the split {options.split} may ask for events that it has seen",
            markup=False,
        )
    return options


def _splits(
    shop: ShopTables, recommender: XCatRecommender, part: str, options: PreparationOptions
) -> tuple[DatasetDict, dict[str, int]]:
    """The parts of the split, in rows of the checkpoint's catalogue, and how much of what is judged it lacks.

    What is judged has its interests.

    Raises:
        ValueError: If the split leaves no user, or as `_unknown_items`.
    """
    from ..training.interests import shop_interests
    from ..training.preparation import check_parts, select_events, split_events

    processor = recommender.processor
    selected = select_events(shop, options)
    splits = split_events(selected, options, processor.catalogue, processor.event_types)
    unknown = _unknown_items(selected, recommender, splits[part], part, options)
    check_parts(selected, splits, options.split, (part,))
    interests = shop_interests(shop, recommender.model, processor)
    if interests is not None:
        splits[part] = interests.added(splits[part])
    return splits, unknown


def _unknown_items(
    shop: ShopTables, recommender: XCatRecommender, judged: Dataset, part: str, options: PreparationOptions
) -> dict[str, int]:
    """Count, and say, what the checkpoint's catalogue lacks of the targets and of the histories that are judged.

    Args:
        shop: The tables, after `select_events`.
        recommender: The checkpoint.
        judged: The part in rows of its catalogue, which has lost the targets that the catalogue lacks.
        part: Name of the part.
        options: How events are split.

    Raises:
        ValueError: If there are targets, and none of them is an item that the checkpoint has.
    """
    from ..tokenization.vocabulary import UNKNOWN_ROW
    from ..training.preparation import build_vocabulary, split_events
    from .console import messages

    catalogue, kinds = recommender.processor.catalogue, recommender.processor.event_types
    own = build_vocabulary(shop, ())
    whole, known = judged, catalogue
    if (catalogue.encode(own.column("item_id")) == UNKNOWN_ROW).any():
        whole, known = split_events(shop, options, own, kinds)[part], own  # the same cut, with every target
    targets = known.decode(_flat(whole, "targets"))
    lost = [name for name, row in zip(targets, catalogue.encode(targets), strict=True) if row == UNKNOWN_ROW]
    if lost and not len(judged):
        raise ValueError(
            f"events, column item_id: none of the {len(lost):,} targets of {part} is an item that the checkpoint has, "
            f"for example {lost[0]!r}; add the items with xcat catalogue, or give tables with ids that it knows"
        )
    history = _flat(judged, "items")
    counts = {
        "targets": len(lost),
        "all_targets": len(targets),
        "users": len(whole) - len(judged),
        "all_users": len(whole),
        "history_events": int((history == UNKNOWN_ROW).sum()),
        "all_history_events": len(history),
    }
    said = []
    if lost:
        said.append(
            f"{len(lost):,} of {len(targets):,} targets are such items, for example {lost[0]!r}, and are left out for "
            "every model, which flatters the figures"
        )
    if counts["history_events"]:
        said.append(f"{counts['history_events']:,} of {len(history):,} events of the histories are read as unknown")
    if said:
        messages.print(
            f"note: the tables have items that the checkpoint does not have: {'; '.join(said)}; add them with "
            "xcat catalogue",
            markup=False,
            highlight=False,
        )
    return counts


def _flat(split: Dataset, column: str) -> np.ndarray:
    """The values of a column of lists, one after the other."""
    values: np.ndarray = split.with_format("arrow")[:][column].combine_chunks().flatten().to_numpy()
    return values

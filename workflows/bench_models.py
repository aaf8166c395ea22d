"""Bench: several models on one data set, each run in its own process."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..modeling_xcat.configuration_xcat import XCatConfig
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.from_base import check_base_options
from ..training.preparation.options import PreparationOptions
from ..training.recipes import RECIPES, find_recipe
from .baselines import DEFAULT_MODELS, plan_runs
from .bench import BenchRequest, BenchRun
from .bench_worker import run_in_process
from .fields import split_fields
from .fit import check_base
from .results import by_model, compare_models, user_key

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BenchResult:
    """Runs of several models on one test split.

    Args:
        runs: The runs; `run.row["metrics"]` are the metrics of one.
        comparisons: NDCG@10 differences of trained models to the best baseline, with intervals over users.
    """

    runs: list[BenchRun]
    comparisons: list[dict[str, Any]]

    def mean(self, metric: str = "ndcg@10") -> dict[str, float]:
        """Means of a metric over the runs of each model, on all targets.

        Args:
            metric: Name of the metric.
        """
        grouped = by_model([run.row for run in self.runs])
        return {name: sum(row["metrics"][metric] for row in rows) / len(rows) for name, rows in grouped.items()}

    def to_dict(self) -> dict[str, Any]:
        """Convert to the JSON object of `xcat bench --json`."""
        return {"runs": [run.row for run in self.runs], "comparisons": self.comparisons}


def bench(
    data: str | os.PathLike[str],
    models: Sequence[str] = DEFAULT_MODELS,
    *,
    seeds: int = 3,
    base: str | None = None,
    category_column: str | None = None,
    tables: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = logger.info,
    **fields: Any,
) -> BenchResult:
    """Fit several models and evaluate them on one test split; same defaults as `xcat bench`, without its files.

    Args:
        data: What `load_shop` loads: a folder, SOURCE:PATH, a hub dataset or a prepared folder.
        models: Names of models.
        seeds: Runs per trained model, with seeds 0, 1, 2, ...
        base: Checkpoint that xcat-zero-shot and xcat-fine-tuned start from.
        category_column: Column of the items table by which metrics are also grouped; None for no grouping.
        tables: More fields of `BenchRequest` about the tables, such as `{"columns": "item_id=sku"}`.
        tell: Called with every message about the progress; they are logged if left out.
        **fields: Fields of `PreparationOptions`, `XCatConfig` and `XCatTrainingArguments`, for every trained model.

    Raises:
        ValueError: If a name, a field or the tables cannot be used.
        RunFailedError: If the process of a run fails.

    Example (not run: it trains for minutes):
        bench("my-shop", ["popularity", "xcat"], seeds=1).mean("recall@10")
    """
    if "seed" in fields:
        raise ValueError(
            f"seed is {fields['seed']}; give seeds=, the number of runs on one split, or split_seed= for "
            "another draw of ties and cold items"
        )
    path = os.fspath(data)
    requests = [
        BenchRequest(
            model, seed, data=path, fields=fields, base=base, category_column=category_column, **(tables or {})
        )
        for model, seed in plan_runs(models, seeds, base)
    ]
    check_requests(requests)
    runs: list[BenchRun] = []
    for number, request in enumerate(requests, start=1):
        tell(f"{request.model}, seed {request.seed} ({number} of {len(requests)}) ...")
        evaluated = runs[0].row["data"]["judged"] if runs else None
        runs.append(run_in_process(replace(request, judged=evaluated)))
        for note in runs[-1].notes:
            tell(f"note: {note}")
    users = {
        user_key(run.row["model"], run.row["seed"], metric): values
        for run in runs
        for metric, values in run.per_user.items()
    }
    return BenchResult(runs, compare_models([run.row for run in runs], users))


def check_requests(requests: Sequence[BenchRequest]) -> None:
    """Check fields against their classes and the base, before the first run.

    Args:
        requests: The runs; their fields and base are the same.

    Raises:
        ValueError: If a field or the base cannot be used.
    """
    preparation, config, training = split_fields(requests[0].fields)
    with TemporaryDirectory() as folder:
        if requests[0].base is not None:
            check_base(requests[0].base, None, Path(folder) / "output")
            options = PreparationOptions(**{**preparation, "text_encoder": None, "config": config})
            check_base_options(options, requests[0].base)
        for name in dict.fromkeys(request.model for request in requests if request.model in RECIPES):
            recipe = find_recipe(name)
            XCatConfig(**{**recipe.config, **config})
            XCatTrainingArguments(**recipe.training_fields({**training, "output_dir": folder}))

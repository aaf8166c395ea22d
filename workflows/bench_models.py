"""Bench: several models on one data set, each run in its own process."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..evaluation.categories import DEFAULT_COLUMN
from ..evaluation.purposes import NEXT
from ..modeling_xcat.configuration_xcat import XCatConfig
from ..modeling_xcat.list_text_xcat import markdown_rows
from ..tokenization.sources import check_source
from ..tokenization.sources.source import check_reading
from ..tokenization.sources.table_files import tables_of, write_tables
from ..tokenization.tables.schema import MissingUsers, ShopTables, UnknownItems
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.from_base import check_base_options
from ..training.preparation.options import PreparationOptions
from ..training.recipes import RECIPES, find_recipe
from ..training.tasks.next_item import NEXT_ITEM
from .bench_asks import ask_kinds
from .bench_request import BenchRequest, BenchRun
from .bench_results import BenchResults, measured
from .bench_worker import run_in_process
from .click_comparison import compare_click_models
from .click_models import CLICK
from .fields import columns_option, fields_of_task, split_fields, take_task_fields
from .fit import check_base
from .input_checks import check_fields
from .output_folders import check_results
from .results import by_model, compare_asks, compare_models, user_key
from .task_checks import check_bench_task
from .task_runs import plan_task_runs

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource
    from .read_shop import ColumnNames

logger = logging.getLogger(__name__)

SHOWN_METRICS = ("recall@10", "ndcg@10", "coverage@10", "auc", "gauc", "log_loss", "ece")
"""Metrics of the next item or of clicks that a printed result shows."""


@dataclass(frozen=True, repr=False)
class BenchResult:
    """Runs of several models on one test split.

    Args:
        runs: The runs; `run.row["metrics"]` are the metrics of one.
        comparisons: NDCG@10 differences of trained models to the best baseline, with intervals over users; `discover`
            of each has the difference for discovery. For clicks, differences of each model to the best one per metric;
            see `compare_click_models`.
        intervals: For clicks, each metric of each model with its interval; see `compare_click_models`.
        ask_comparisons: NDCG@10 for queries relative to other models, to the query alone and to the history alone; see
            `compare_asks`.
    """

    runs: list[BenchRun]
    comparisons: list[dict[str, Any]]
    intervals: list[dict[str, Any]] = field(default_factory=list)
    ask_comparisons: list[dict[str, Any]] = field(default_factory=list)

    def __repr__(self) -> str:
        """Means over the runs of each model, as a Markdown table."""
        first = self.runs[0].row if self.runs else {"metrics": {}}
        names = [name for name in SHOWN_METRICS if name in first["metrics"]]
        means = {name: self.mean(name) for name in names}
        rows = [
            [model, str(len(runs)), *(f"{means[name][model]:.4f}" for name in names)]
            for model, runs in by_model([run.row for run in self.runs]).items()
        ]
        return markdown_rows(["model", "runs", *names], rows)

    def mean(self, metric: str = "ndcg@10", purpose: str = NEXT) -> dict[str, float]:
        """Means of a metric over the runs of each model, on all targets; NaN if it was not measured.

        Args:
            metric: Name of the metric, such as "ndcg@10", and for clicks "gauc".
            purpose: "next", or "discover" for lists without the items of the history.
        """
        grouped = by_model([run.row for run in self.runs])
        values = {
            name: [found["metrics"][metric] for row in rows if (found := measured(row, purpose))]
            for name, rows in grouped.items()
        }
        return {name: sum(found) / len(found) if found else math.nan for name, found in values.items()}

    def to_dict(self) -> dict[str, Any]:
        """Convert to the JSON object of `xcat bench --json`."""
        found = {"runs": [run.row for run in self.runs], "comparisons": self.comparisons}
        if self.intervals:
            return {**found, "intervals": self.intervals}
        return {**found, "ask_comparisons": self.ask_comparisons}


def bench(
    data: TableSource | Mapping[str, TableSource] | os.PathLike[str] | None = None,
    models: str | Sequence[str] | None = None,
    *,
    seeds: int = 3,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    items: TableSource | None = None,
    events: TableSource | None = None,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    base: str | os.PathLike[str] | None = None,
    by_category: bool = False,
    category_column: str | None = None,
    asks: str | Sequence[str] | None = None,
    task: str = NEXT_ITEM,
    tell: Callable[[str], None] = logger.info,
    **fields: Any,
) -> BenchResult:
    """Fit several models and evaluate them on one test split; same defaults and files as `xcat bench`.

    Args:
        data: A file, a folder, SOURCE:PATH, a hub dataset, a prepared folder or a data frame. Data frames are written
            to a temporary folder, because each run reads the tables in its own process.
        models: Names of models: a list, or one text with commas; None for `DEFAULT_MODELS`, and for clicks
            `DEFAULT_CLICK_MODELS`. For clicks the floors are added.
        seeds: Runs per trained model, with seeds 0, 1, 2, ...
        output: JSON file for the results; each run is added when it ends, and the values per user are written to
            `NAME.users.npz` beside it. None for no files.
        resume: Whether to keep the runs in `output` and add the missing ones.
        overwrite: Whether results in `output` may be replaced; with `resume` they are kept.
        items: Items table, instead of `data`: a file or data frame; None to derive it from the events.
        events: Events table, instead of `data`.
        columns: Column names: `TableColumns`, `{"item_id": "sku"}`, or "item_id=sku,title=name".
        time_format: As in `load_shop`.
        encoding: As in `load_shop`.
        unknown_items: "error" refuses events of items that the items table lacks, "drop" leaves them out.
        missing_users: "error" refuses events without a user, "drop" leaves them out.
        base: Checkpoint that xcat-zero-shot and xcat-fine-tuned start from.
        by_category: Whether to add metrics by category of the last event and of the target.
        category_column: Column of the items table for these metrics; None for the default one.
        asks: Kinds of queries to measure the rankings with: one of `ASK_KINDS`, which are made of the targets, or
            "query", the queries of events; or several.
        task: What the models are trained for: "next-item"; "click" for models of clicks, with options of
            `ClickOptions` among the fields (negatives="category"); or "MODULE:NAME" of another package, whose model
            ranks items. A `Task` itself cannot be given, because each run has its own process.
        tell: Called with every message about the progress; they are logged if left out.
        **fields: Fields of `PreparationOptions`, `XCatConfig` and `XCatTrainingArguments`, for every trained model,
            and options of the task.

    Raises:
        ValueError: If a name, a field, the tables or the output cannot be used.
        RunFailedError: If the process of a run fails.

    Example (not run: it trains for minutes):
        bench("my-shop", ["popularity", "xcat"], seeds=1).mean("recall@10")
    """
    if "seed" in fields:
        raise ValueError(
            f"seed is {fields['seed']}; give seeds=, the number of runs on one split, or split_seed= for "
            "another draw of ties and cold items"
        )
    fields, task_options = take_task_fields(fields, task)
    split_fields(fields, [*signature(bench).parameters, *fields_of_task(task)])
    column = category_column or (DEFAULT_COLUMN if by_category else None)
    if resume and output is None:
        raise ValueError("resume=True adds runs to a file; name it: output='bench.json'")
    results = None if output is None else BenchResults(Path(output))
    if results is not None:
        check_results(results.path, resume, overwrite)
    base = None if base is None else os.fspath(base)
    check_bench_task(task, task_options, base=base, asks=asks)
    planned, mapping = plan_task_runs(models, seeds, base, task), columns_option(columns)
    check_source(data, items=items, events=events)
    with _places({"data": data, "items": items, "events": events}, encoding, tell) as tables:
        requests = [
            BenchRequest(
                model, seed, tables["data"], tables["items"], tables["events"], mapping, time_format=time_format,
                encoding=encoding,
                unknown_items=unknown_items, missing_users=missing_users, fields=fields, base=base,
                category_column=column, asks=",".join(ask_kinds(asks)) or None,
                task=None if task == NEXT_ITEM else task, task_options=task_options,
            )
            for model, seed in planned
        ]  # fmt: skip
        check_requests(requests)
        if results is not None:
            results.open(resume, overwrite, requests[0].options)
        runs = _run_missing(requests, results, tell)
    users = {
        user_key(run.row["model"], run.row["seed"], metric): values
        for run in runs
        for metric, values in run.per_user.items()
    }
    rows = [run.row for run in runs]
    if task == CLICK:
        intervals, differences = compare_click_models(rows, users)
        return BenchResult(runs, differences, intervals)
    return BenchResult(runs, compare_models(rows, users), ask_comparisons=compare_asks(rows, users))


@contextmanager
def _places(
    given: Mapping[str, Any], encoding: str | None, tell: Callable[[str], None]
) -> Iterator[dict[str, str | None]]:
    """The places of `data`, `items` and `events`, as texts; data frames are written to a temporary folder."""
    places = {name: os.fspath(place) for name, place in given.items() if isinstance(place, str | os.PathLike)}
    frames = {name: table for name, table in given.items() if name not in places and table is not None}
    if isinstance(frames.get("data"), ShopTables):
        raise ValueError(
            "data has tables that are already loaded, and each run reads the tables in its own process; give the "
            "place or data frame that load_shop read, with columns= and its other arguments"
        )
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "shop"
        folder.mkdir()
        for problem in write_tables(tables_of(frames["data"]) if "data" in frames else frames, folder, encoding):
            tell(f"note: {problem}")
        written = {name: folder if name == "data" else folder / f"{name}.parquet" for name in frames}
        yield dict.fromkeys(given) | places | {name: str(place) for name, place in written.items()}


def _run_missing(
    requests: Sequence[BenchRequest], results: BenchResults | None, tell: Callable[[str], None]
) -> list[BenchRun]:
    """Make the runs that the file does not have, and add each to it."""
    runs = [] if results is None else results.runs
    for number, request in enumerate(requests, start=1):
        label = f"{request.model}, seed {request.seed} ({number} of {len(requests)})"
        if results is not None and results.has(request.model, request.seed):
            tell(f"{label}: already in the file")
            continue
        tell(f"{label} ...")
        known: dict[str, Any] = {
            name: next((found for run in runs if (found := run.row.get("data", {}).get(name))), None)
            for name in ("judged", "hashes")
        }
        runs.append(run_in_process(replace(request, **known)))
        for note in runs[-1].notes:
            tell(f"note: {note}")
        if results is not None:
            results.add(runs[-1])
    return runs


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
        check_reading(
            requests[0].unknown_items, requests[0].missing_users, requests[0].time_format, requests[0].encoding
        )
        check_fields(preparation, config, training, ranked=requests[0].task in (None, NEXT_ITEM))
        for name in dict.fromkeys(request.model for request in requests if request.model in RECIPES):
            recipe = find_recipe(name)
            XCatConfig(**{**recipe.config, **config})
            XCatTrainingArguments(**recipe.training_fields({**training, "output_dir": folder}))

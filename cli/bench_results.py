"""Results of a benchmark: their file, means, standard deviations and significant differences."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..evaluation.ranker_evaluation import LOST, RankingReport
from ..modeling_xcat.saving_xcat import usual_permissions
from ..workflows.results import Row, by_model, user_key
from .metric_tables import metrics_table
from .plain_tables import Column, PlainTable
from .usage import check_results

if TYPE_CHECKING:
    from ..workflows.bench import BenchRun

NOTHING = "-"
_BLOCKS = (("", "recall@10"), ("", "ndcg@10"), ("switch", "ndcg@10"), ("new_category", "ndcg@10"))
_COLD_BLOCKS = (("cold", "ndcg@10"), (LOST, "ndcg@10"))


class BenchResults:
    """The rows of a file `NAME.json`, and the values per user in `NAME.users.npz` next to it.

    Args:
        path: The JSON file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users_path = path.with_suffix(".users.npz")
        self.rows: list[Row] = []
        self.users: dict[str, np.ndarray] = {}

    def open(self, resume: bool, options: Mapping[str, Any]) -> None:
        """Read existing results before any work is done.

        Args:
            resume: Whether the file may exist; its rows are then kept.
            options: `options` of the new rows.

        Raises:
            ValueError: If the file exists and `resume` is false, or its rows were made with other options.
        """
        check_results(self.path, resume)
        if not self.path.exists():
            return
        self.rows = read_rows(self.path)
        if not self.users_path.is_file() and self.rows:
            raise ValueError(
                f"--resume: {self.users_path}, which belongs to {self.path}, is missing; start again without --resume"
            )
        if self.rows:
            with np.load(self.users_path) as arrays:
                self.users = {name: arrays[name] for name in arrays.files}
        for row in self.rows:
            if row.get("options") != options:
                differing = sorted(
                    name
                    for name in {*options, *(row.get("options") or {})}
                    if (row.get("options") or {}).get(name) != options.get(name)
                )
                raise ValueError(
                    f"--resume: {row['model']}, seed {row['seed']} in {self.path} was run with another "
                    f"{', '.join(differing)}; give the same options, or another --output"
                )

    @property
    def judged(self) -> str | None:
        """Fingerprint of the evaluated data; None if no run stores it, as in files of older versions."""
        return next((digest for row in self.rows if (digest := row.get("data", {}).get("judged"))), None)

    def has(self, model: str, seed: int) -> bool:
        """Whether the file has a run."""
        return any(row["model"] == model and row["seed"] == seed for row in self.rows)

    def add(self, run: BenchRun) -> None:
        """Add a run and write both files atomically, the rows last."""
        model, seed = run.row["model"], run.row["seed"]
        self.rows.append(run.row)
        self.users.update({user_key(model, seed, metric): values for metric, values in run.per_user.items()})
        _replace(self.users_path, lambda file: np.savez_compressed(file, **self.users))  # type: ignore[arg-type]
        text = json.dumps(self.rows, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        _replace(self.path, lambda file: file.write(text.encode()))


def read_rows(path: Path) -> list[Row]:
    """The rows of a file.

    Raises:
        ValueError: If `xcat bench` did not write it.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); give a file that xcat bench wrote") from None
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and {"model", "seed"} <= row.keys() for row in rows
    ):
        raise ValueError(f"{path} is not a list of runs; give a file that xcat bench wrote")
    return rows


def values_of(rows: Sequence[Row], part: str, metric: str) -> list[float]:
    """Values of a metric over runs, without values that are not numbers.

    Args:
        rows: Runs of one model.
        part: Name of a slice, or `LOST`; empty for all targets.
        metric: Name of the metric.
    """
    found = [_metrics_of(row, part).get(metric) for row in rows]
    return [float(value) for value in found if value is not None]


def _metrics_of(row: Row, part: str) -> Mapping[str, Any]:
    if part == LOST:
        return row.get(LOST) or {}
    metrics: Mapping[str, Any] = row["slices"].get(part, {}) if part else row["metrics"]
    return metrics


def spread(values: Sequence[float], digits: int = 4) -> str:
    """Mean and sample standard deviation; only the mean for a single value.

    Example:
        >>> spread([0.1, 0.2]), spread([0.1]), spread([])
        ('0.1500 ± 0.0707', '0.1000', '-')
    """
    if not values:
        return NOTHING
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def bench_blocks(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(slice, metric) of the blocks of a table; blocks of cold items only if there are cold targets."""
    cold = any(row["slices"].get("cold", {}).get("num_targets") for row in rows)
    return [*_BLOCKS, *(_COLD_BLOCKS if cold else [])]


def mean_reports(results: BenchResults) -> dict[str, RankingReport]:
    """One report per model: means over its runs, overall and per user."""
    found = {}
    for model, rows in by_model(results.rows).items():
        first = rows[0]
        keys = [key.split("/", 2)[2] for key in results.users if key.startswith(f"{model}/{first['seed']}/")]
        per_user = {
            key: np.mean([results.users[f"{model}/{row['seed']}/{key}"] for row in rows], axis=0) for key in keys
        }
        slices = {name: _means(rows, name, metrics) for name, metrics in first["slices"].items()}
        found[model] = RankingReport(
            metrics=_means(rows, "", first["metrics"]),
            slices=slices,
            num_users=first["data"]["test_users"],
            num_targets=first["data"]["test_targets"],
            per_user=per_user,
            lost_to_untrained=_means(rows, LOST, first.get(LOST) or {}),
        )
    return found


def _means(rows: Sequence[Row], part: str, metrics: Mapping[str, Any]) -> dict[str, float]:
    values = {name: values_of(rows, part, name) for name in metrics}
    return {name: float(np.mean(found)) if found else math.nan for name, found in values.items()}


def results_table(rows: Sequence[Row], reports: Mapping[str, RankingReport], title: str = "") -> PlainTable:
    """Metrics per model with confidence intervals over users, standard deviations over seeds, and seconds.

    Args:
        rows: Runs.
        reports: Result of `mean_reports` for them.
        title: Line above the table.
    """
    grouped = by_model(rows)

    def deviation(model: str, block: tuple[str, str]) -> str:
        values = values_of(grouped[model], *block)
        if len(values) < 2:
            return ""
        found = float(np.std(values, ddof=1))
        return f"± {100 * found:.1f} %" if block[0] == LOST else f"± {found:.4f}"

    several = max(map(len, grouped.values())) > 1
    table = metrics_table(reports, bench_blocks(rows), title, deviation if several else None)
    seconds = {model: [float(row["fit_seconds"]) for row in group] for model, group in grouped.items()}
    beside = {model: f"± {np.std(found, ddof=1):.1f}" if len(found) > 1 else "" for model, found in seconds.items()}
    timed = [
        ("", "fit, s", model, f"{np.mean(seconds[model]):.1f}", *([beside[model]] if several else []), "")
        for model in sorted(seconds, key=lambda name: float(np.mean(seconds[name])))
    ]
    runs = ", ".join(f"{model} {len(group)}" for model, group in grouped.items())
    below = [f"runs: {runs}; values are means over seeds"]
    below += ["±: sample standard deviation over seeds"] if several else []
    return replace(table, rows=[*table.rows, "", *timed], below=[*table.below, *below])


def comparison_table(compared: Sequence[Mapping[str, Any]]) -> PlainTable:
    """One line per comparison."""
    first = compared[0]
    rows = [
        (one["model"], one["baseline"], f"{one['difference']:+.4f}", f"{one['low']:+.4f} to {one['high']:+.4f}")
        for one in compared
    ]
    columns = (
        Column("model", cut=True), Column("minus", cut=True), Column(first["metric"], right=True),
        Column(f"{100 * first['level']:.0f} % interval", right=True),
    )  # fmt: skip
    return PlainTable(f"Difference to the best baseline, {first['users']:,} users", columns, rows)


def comparison_lines(compared: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence per comparison."""
    return [
        f"{one['model']} - {one['baseline']}: {one['metric']} {one['difference']:+.4f}, "
        f"{one['level']:.0%} interval {one['low']:+.4f} to {one['high']:+.4f} over {one['users']:,} users"
        for one in compared
    ]


def _replace(path: Path, write: Any) -> None:
    """Write a file atomically; an error names it as it was given."""
    try:
        _write(path, write)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write(path: Path, write: Any) -> None:
    temporary: BinaryIO
    with NamedTemporaryFile(dir=path.absolute().parent, prefix=f".{path.name}.", delete=False) as temporary:  # type: ignore[assignment]
        try:
            write(temporary)
            temporary.flush()
            os.fsync(temporary.fileno())
        except BaseException:
            os.unlink(temporary.name)
            raise
    usual_permissions([Path(temporary.name)])
    os.replace(temporary.name, path)

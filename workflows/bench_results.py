"""Results of a benchmark: their file, means, standard deviations and significant differences."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO

import numpy as np

from ..evaluation.purposes import DISCOVER, NEXT
from ..evaluation.ranker_evaluation import LOST, RankingReport
from ..modeling_xcat.saving_xcat import usual_permissions
from .bench_request import BenchRun
from .output_folders import check_results
from .results import Row, by_model, user_key

NOTHING = "-"


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

    def open(self, resume: bool, overwrite: bool, options: Mapping[str, Any]) -> None:
        """Read existing results before any work is done.

        Args:
            resume: Whether the rows of an existing file are kept.
            overwrite: Whether an existing file may be replaced, unless its rows are kept.
            options: `options` of the new rows.

        Raises:
            ValueError: If the file exists and may not be changed, or its rows were made with other options.
        """
        check_results(self.path, resume, overwrite)
        if not (resume and self.path.exists()):
            return
        self.rows = read_rows(self.path)
        if not self.users_path.is_file() and self.rows:
            raise ValueError(
                f"resume=True: {self.users_path}, which belongs to {self.path}, is missing; leave out resume=True to "
                "start again"
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
                    f"resume=True: {row['model']}, seed {row['seed']} in {self.path} was run with another "
                    f"{', '.join(differing)}; give the same options, or another output="
                )

    @property
    def runs(self) -> list[BenchRun]:
        """The runs with their values per user, in the order of the file."""
        runs = []
        for row in self.rows:
            start = user_key(row["model"], row["seed"], "")
            users = {name[len(start) :]: values for name, values in self.users.items() if name.startswith(start)}
            runs.append(BenchRun(row, users))
        return runs

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
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}); give a file that xcat bench wrote") from None
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and {"model", "seed"} <= row.keys() for row in rows
    ):
        raise ValueError(f"{path} is not a list of runs; give a file that xcat bench wrote")
    return rows


def values_of(rows: Sequence[Row], part: str, metric: str, purpose: str = NEXT) -> list[float]:
    """Values of a metric over runs, without values that are not numbers.

    Args:
        rows: Runs of one model.
        part: Name of a slice, or `LOST`; empty for all targets.
        metric: Name of the metric.
        purpose: One of `PURPOSES`.
    """
    found = [_metrics_of(measured(row, purpose), part).get(metric) for row in rows]
    return [float(value) for value in found if value is not None]


def measured(row: Row, purpose: str) -> Mapping[str, Any]:
    """The part of a run with `metrics` and `slices` of a purpose; empty if it was not measured.

    Args:
        row: A run.
        purpose: One of `PURPOSES`.
    """
    return row if purpose == NEXT else row.get(purpose) or {}


def _metrics_of(found: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    if part == LOST:
        return found.get(LOST) or {}
    metrics: Mapping[str, Any] = found.get("slices", {}).get(part, {}) if part else found.get("metrics", {})
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


def mean_reports(runs: Sequence[BenchRun]) -> dict[str, RankingReport]:
    """One report per model: means over its runs, overall and per user.

    Args:
        runs: Runs of one data set.
    """
    users = {(run.row["model"], run.row["seed"]): run.per_user for run in runs}
    found = {}
    for model, rows in by_model([run.row for run in runs]).items():
        values = [users[model, row["seed"]] for row in rows]
        shared = [key for key in values[0] if all(key in found for found in values)]  # older runs lack discovery
        per_user = {key: np.mean([found[key] for found in values], axis=0) for key in shared}
        found[model] = _mean_report(rows, per_user, NEXT)
    return found


def _mean_report(rows: Sequence[Row], per_user: dict[str, np.ndarray], purpose: str) -> RankingReport:
    first = measured(rows[0], purpose)
    data, discover = rows[0]["data"], None
    users, targets = data["test_users"], data["test_targets"]
    if purpose == NEXT and all(measured(row, DISCOVER) for row in rows):
        start = f"{DISCOVER}."
        new = {key.removeprefix(start): values for key, values in per_user.items() if key.startswith(start)}
        per_user = {key: values for key, values in per_user.items() if not key.startswith(start)}
        discover = _mean_report(rows, new, DISCOVER)
    return RankingReport(
        metrics=_means(rows, "", first["metrics"], purpose),
        slices={name: _means(rows, name, metrics, purpose) for name, metrics in first["slices"].items()},
        num_users=first.get("num_users", users),
        num_targets=first.get("num_targets", targets),
        per_user=per_user,
        lost_to_untrained=_means(rows, LOST, first.get(LOST) or {}, purpose),
        discover=discover,
    )


def _means(rows: Sequence[Row], part: str, metrics: Mapping[str, Any], purpose: str) -> dict[str, float]:
    values = {name: values_of(rows, part, name, purpose) for name in metrics}
    return {name: float(np.mean(found)) if found else math.nan for name, found in values.items()}


def comparison_lines(compared: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence per comparison and purpose."""
    both = [found for one in compared for found in (one, one.get(DISCOVER)) if found]
    return [
        f"{one['model']} - {one['baseline']}: {one['metric']} {one['difference']:+.4f}, "
        f"{one['level']:.0%} interval {one['low']:+.4f} to {one['high']:+.4f} over {one['users']:,} users"
        for one in both
    ]


def ask_lines(compared: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence per comparison of `compare_asks`."""
    return [
        f"{one['model']}, {one['kind']} queries: {one['metric']} of history and query {ratio_text(one)} times that of "
        f"{one['against']}, {one['users']:,} users"
        for one in compared
    ]


def ratio_text(one: Mapping[str, Any]) -> str:
    """A ratio of `compare_asks` with its interval.

    Example:
        >>> ratio_text({"ratio": 1.25, "low": 1.1, "high": 1.402}), ratio_text({"ratio": None})
        ('1.25 (1.10 to 1.40)', '-')
    """
    if one["ratio"] is None:
        return NOTHING
    ends = "" if one["low"] is None else f" ({one['low']:.2f} to {one['high']:.2f})"
    return f"{one['ratio']:.2f}{ends}"


def ask_kinds_of(rows: Sequence[Row]) -> list[str]:
    """Kinds of queries that some rows were measured with."""
    return list(dict.fromkeys(kind for row in rows for kind in row.get("asks") or {}))


def ask_values(rows: Sequence[Row], kind: str, part: str, metric: str = "") -> list[float]:
    """Values of runs for a kind of queries.

    Args:
        rows: Runs of one model.
        kind: Kind of queries.
        part: A key of the kind, such as "query_alone".
        metric: Name of a metric in it; empty for a number.
    """
    found = [value for row in rows if (value := ((row.get("asks") or {}).get(kind) or {}).get(part)) is not None]
    return [float(value[metric] if metric else value) for value in found]


def _replace(path: Path, write: Any) -> None:
    """Write a file atomically; an error names it as it was given."""
    try:
        _write(path, write)
    except OSError as error:
        if error.errno is None:  # it has only a text
            raise
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

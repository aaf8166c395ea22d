"""Studies: hyperparameter searches in a SQLite file, which a killed search resumes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..tokenization.extras import check_packages

STUDY_NAME = "xcat"
SETTINGS = "settings"
"""Attribute of a study with the data and settings of its trials."""
EPOCHS = "epochs"
"""Attribute of a trial with its number of epochs."""
_AGAIN = "repeats"
"""Attribute of a trial that repeats a killed one, with its number."""
_PLOT_SIZE = (6.4, 4.0)


def open_study(path: Path, direction: Any, settings: Mapping[str, Any] | None = None, seed: int = 0) -> Any:
    """Open a study, or create it. Trials that a kill has left running are marked as failed and run again.

    Args:
        path: SQLite file, such as study.db.
        direction: "maximize" or "minimize".
        settings: Data and settings of the trials, as JSON; a study with others is refused. None to compare nothing.
        seed: Seed of the sampler.

    Returns:
        The `optuna.Study`.

    Raises:
        MissingExtraError: If optuna is not installed.
        ValueError: If the file is not a study, or was made with other settings or another direction.
    """
    check_packages("a hyperparameter search", ("optuna",), "tune")
    import optuna

    if path.exists() and path.stat().st_size and path.read_bytes()[:6] != b"SQLite":
        raise ValueError(
            f"study={str(path)!r} is not a SQLite file; give the file of an earlier search, or a new name"
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _readable(path):
        study = optuna.create_study(
            storage=_storage(path), study_name=STUDY_NAME, direction=direction, load_if_exists=True
        )
        trials, made = study.get_trials(deepcopy=False), study.direction.name.lower()
        if not isinstance(study.user_attrs.get(SETTINGS, {}), Mapping):
            raise TypeError("its settings are no object")
    if made != direction:
        raise ValueError(
            f"study={str(path)!r} was made to {made} its metric, and this search is to {direction}; "
            "give another study="
        )
    _check_settings(study, path, settings)
    for trial in (trial for trial in trials if trial.state == optuna.trial.TrialState.RUNNING):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params, user_attrs={_AGAIN: trial.number})
    # The seed differs after each start, otherwise a resumed search would draw the first values again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.get_trials(deepcopy=False)))
    study.pruner = optuna.pruners.MedianPruner()
    return study


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Let errors of a damaged file name it; optuna and sqlalchemy raise errors of many types."""
    try:
        yield
    except Exception as error:
        told = next(iter(str(error).splitlines()), "")
        raise ValueError(
            f"study={str(path)!r} cannot be read as a study ({type(error).__name__}: {told}); give the file of an "
            "earlier search, or a new name"
        ) from error


def load_study(path: Path) -> Any:
    """Load a study to read it; see `open_study`."""
    import optuna

    return optuna.load_study(study_name=STUDY_NAME, storage=_storage(path))


def _storage(path: Path) -> str:
    return f"sqlite:///{path.resolve()}"


def _check_settings(study: Any, path: Path, settings: Mapping[str, Any] | None) -> None:
    if settings is None:
        return
    now: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    saved = study.user_attrs.get(SETTINGS)
    if saved is None:
        study.set_user_attr(SETTINGS, now)
    elif saved != now:
        names = sorted(name for name in {*saved, *now} if saved.get(name) != now.get(name))
        shown = "; ".join(_difference(name, now.get(name), saved.get(name)) for name in names)
        raise ValueError(
            f"study={str(path)!r} was made with other data or settings: {shown}. Give the same ones to continue it, "
            "or another study="
        )


def _difference(name: str, now: Any, saved: Any) -> str:
    """What differs, without the digits of a hash."""
    if isinstance(now, str) and re.fullmatch("[0-9a-f]{64}", now):
        return f"{name} is another one"
    return f"{name} is {now!r}, in the study {saved!r}"


def finished(study: Any) -> int:
    """Number of trials that ended or were pruned."""
    return sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in study.get_trials(deepcopy=False))


@contextmanager
def one_search(path: Path) -> Iterator[None]:
    """Refuse a second search on a study while one is running; it would take the running trial for a killed one.

    Args:
        path: The study.

    Raises:
        ValueError: If a search is running.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(path.with_name(f"{path.name}.lock"), "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(
                f"study={str(path)!r} has a search that is running; wait for its end, or give another study="
            ) from None
        try:
            yield
        finally:
            os.unlink(lock.name)


def trial_table(study: Any) -> list[dict[str, Any]]:
    """All trials as plain values: `number`, `state`, `value`, `epochs`, `seconds`, `values` and `repeats`."""
    return [
        {
            "number": trial.number,
            "state": trial.state.name.lower(),
            "value": trial.value,
            "epochs": trial.user_attrs.get(EPOCHS, len(trial.intermediate_values)),
            "seconds": None if trial.duration is None else round(trial.duration.total_seconds(), 1),
            "values": dict(trial.params),
            "repeats": trial.user_attrs.get(_AGAIN),
        }
        for trial in study.get_trials(deepcopy=False)
        if trial.state.name != "WAITING"
    ]


def importances(study: Any) -> dict[str, float]:
    """Importance of each searched value, which sum to 1: PED-ANOVA (Watanabe et al., IJCAI 2023).

    Returns:
        Name to importance, highest first; empty if fewer than two trials ended, or none differ.
    """
    import optuna

    if importance_notes(study):
        return {}
    found = optuna.importance.get_param_importances(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
    return {name: float(value) for name, value in found.items()}


def importance_notes(study: Any) -> list[str]:
    """Why a study has no importances and no plot of them, in a sentence; empty if it has."""
    values = [trial.value for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    if len(values) < 2:
        return [f"no importances: they need at least 2 trials that ended, and {len(values)} did; give more trials"]
    if len(set(values)) < 2:
        return [f"no importances: all {len(values)} trials that ended have the metric {values[0]:.4f}; search more"]
    return []


def draw_plots(study: Any, path: Path, metric: str) -> list[Path]:
    """Draw the history and, if known, the importances of a study beside its file.

    Args:
        study: The study.
        path: Its file; study.db gets study-history.png and study-importance.png.
        metric: Name of the metric.

    Returns:
        The files.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    check_packages("plots of a search", ("matplotlib",), "tune")
    from matplotlib.figure import Figure

    trials = study.get_trials(deepcopy=False)
    figure = Figure(figsize=_PLOT_SIZE, layout="constrained")
    axes = figure.subplots()
    ended = [trial for trial in trials if trial.state.name == "COMPLETE"]
    pruned = [trial for trial in trials if trial.state.name == "PRUNED" and trial.value is not None]
    for name, some, marker in (("ended", ended, "o"), ("pruned", pruned, "x")):
        axes.scatter([trial.number for trial in some], [trial.value for trial in some], marker=marker, label=name)
    better = max if study.direction.name == "MAXIMIZE" else min
    values = [trial.value for trial in ended]
    best = [better(values[: place + 1]) for place in range(len(values))]
    axes.step([trial.number for trial in ended], best, where="post", label="best")
    axes.set(xlabel="trial", ylabel=f"{metric} of validation")
    axes.legend()
    files = [path.with_name(f"{path.stem}-history.png")]
    figure.savefig(files[0])
    found = importances(study)
    if found:
        figure = Figure(figsize=_PLOT_SIZE, layout="constrained")
        axes = figure.subplots()
        axes.barh(list(found)[::-1], list(found.values())[::-1])
        axes.set(xlabel=f"importance for {metric} of validation")
        files.append(path.with_name(f"{path.stem}-importance.png"))
        figure.savefig(files[1])
    return files

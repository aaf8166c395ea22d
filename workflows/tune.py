"""Tune: search hyperparameters on the validation split, in a study that a killed search continues."""

from __future__ import annotations

import copy
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..modeling_xcat.arguments_xcat import whole_number
from ..tokenization.extras import check_packages
from ..tokenization.progress import quiet_transformers
from ..tokenization.tables.schema import MissingUsers, ShopTables, UnknownItems
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.options import PreparationOptions
from ..training.preparation.prepare import prepare_training
from ..training.search_space import DEFAULT_SPACE, read_space, space_function
from ..training.studies import draw_plots, importance_notes, importances, load_study, trial_table
from ..training.trainer import XCatTrainer
from .fields import split_fields
from .fit_request import FitRequest
from .input_checks import check_fields, check_training
from .option_fields import TRAINING, option_fields
from .read_shop import read_shop
from .resume import started_with
from .similar_names import did_you_mean

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource
    from .read_shop import ColumnNames, ShopSource

logger = logging.getLogger(__name__)

TRIALS = 20


@dataclass(frozen=True)
class TuneResult:
    """Result of a search.

    Args:
        values: The best values of the searched arguments.
        value: Their metric on the validation split.
        metric: Name of the metric.
        trials: All trials, as `training.studies.trial_table` gives them.
        importances: Importance of each argument; they sum to 1. Empty if fewer than two trials ended, or none differ.
        study: File of the study.
        plots: Files of the plots.
        fields: Given fields; `fit(data, **result.fields, **result.values)` trains with the best values.
        notes: Why there are no importances, in a sentence; empty if there are.
    """

    values: dict[str, Any]
    value: float
    metric: str
    trials: list[dict[str, Any]]
    importances: dict[str, float]
    study: Path
    plots: list[Path] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON, without `fields`."""
        return {
            "values": self.values, "value": self.value, "metric": self.metric, "importances": self.importances,
            "trials": self.trials, "study": str(self.study), "plots": [str(file) for file in self.plots],
            "notes": self.notes,
        }  # fmt: skip


def tune(
    data: ShopSource | None = None,
    study: str | os.PathLike[str] = "study.db",
    *,
    items: TableSource | None = None,
    events: TableSource | None = None,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    trials: int = TRIALS,
    space: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = logger.info,
    **fields: Any,
) -> TuneResult:
    """Search training arguments by the metric of the best epoch on the validation split; same as `xcat tune`.

    Trials are kept in a SQLite file. The same call continues it, also after a kill, until `trials` have ended or were
    pruned. The test split is not evaluated, and the study has no metric of it.

    Args:
        data: As in `fit`, and so are the other arguments up to `missing_users`.
        study: SQLite file, such as study.db; plots are written beside it.
        items: Items table.
        events: Events table.
        columns: Column names.
        time_format: Format of times.
        encoding: Encoding of the files.
        unknown_items: "error" or "drop".
        missing_users: "error" or "drop".
        trials: Number of all trials in the study.
        space: Training argument to its values, as in `read_space`: `{"learning_rate": "5e-4..1e-2:log"}`. None for
            `DEFAULT_SPACE` without the given fields.
        tell: Called with every message about the progress.
        **fields: Fields of `PreparationOptions`, `XCatConfig` and `XCatTrainingArguments`, the same for all trials.

    Returns:
        The best values and all trials.

    Raises:
        ImportError: If optuna or matplotlib is not installed.
        ValueError: If tables, a field, the space or the study cannot be used.

    Example (not run: it trains for minutes):
        found = tune("my-shop", "study.db", trials=20)
        fit("my-shop", "CKPT", **found.fields, **found.values)
    """
    preparation, config, training = split_fields(fields, signature(tune).parameters)
    chosen = check_tuning(study, trials, space, preparation, config, training)
    shop = read_shop(
        data, items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
        unknown_items=unknown_items, missing_users=missing_users,
    )  # fmt: skip
    return tune_shop(shop, Path(study), int(trials), chosen, (preparation, config, training), tell)


def check_tuning(
    study: str | os.PathLike[str],
    trials: int,
    space: Mapping[str, Any] | None,
    preparation: Mapping[str, Any],
    config: Mapping[str, Any],
    training: Mapping[str, Any],
) -> dict[str, Any]:
    """Refuse a search that cannot run, before any data is read; returns the search space.

    Raises:
        ImportError: If optuna or matplotlib is not installed.
        ValueError: If an argument cannot be used.
    """
    check_packages("a hyperparameter search", ("optuna", "matplotlib"), "tune")
    check_fields(preparation, config, training)
    whole_number("trials", trials)
    if not isinstance(space, Mapping | None):
        raise ValueError(
            f"space is a value of type {type(space).__name__}; give a dict such as "
            "{'learning_rate': '5e-4..1e-2:log'}"
        )
    if not Path(study).parent.is_dir() or Path(study).is_dir():
        raise ValueError(f"study is {str(study)!r}; give a file in a folder that exists, such as study.db")
    if training.get("eval_strategy", "epoch") == "no":
        raise ValueError("eval_strategy is 'no', and a search needs metrics of epochs; leave it out")
    chosen = {name: values for name, values in DEFAULT_SPACE.items() if name not in training}
    chosen = dict(space) if space is not None else chosen
    known = option_fields(TRAINING)
    for one in read_space(chosen):
        if one.name not in known:
            raise ValueError(
                f"space: {one.name!r} is not a training argument{did_you_mean(one.name, known)}; give some such as "
                "'learning_rate', 'weight_decay' and 'num_train_epochs'"
            )
        if one.name in training:
            raise ValueError(f"{one.name} is given and is in space, too; leave it out of one of them")
        for value in one.ends:
            check_training({**training, one.name: value})
    return chosen


@quiet_transformers()
def tune_shop(
    shop: ShopTables,
    study: Path,
    trials: int,
    space: Mapping[str, Any],
    fields: tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]],
    tell: Callable[[str], None] = logger.info,
) -> TuneResult:
    """Search on validated tables; see `tune`.

    Args:
        shop: The tables.
        study: File of the study.
        trials: Number of all trials in it.
        space: Result of `check_tuning`.
        fields: Fields of `PreparationOptions`, `XCatConfig` and `XCatTrainingArguments`.
        tell: Called with every message.
    """
    import optuna

    preparation, config, training = fields
    options = shop.resolved(PreparationOptions(**preparation, config=dict(config)))
    folder = study.with_name(f"{study.stem}-trials")
    given = {"seed": options.seed, "tune_second_stage": False, "save_total_limit": 1, **training}
    arguments = XCatTrainingArguments(output_dir=str(folder), **given)
    inputs = started_with(
        FitRequest(shop, folder, preparation=preparation, config=config, training=training), options,
        arguments.world_size,
    )  # fmt: skip
    settings = {**inputs["settings"], **inputs["hashes"], "space": dict(space)}
    metric = str(arguments.metric_for_best_model)
    tell(f"preparing {shop.name} ...")
    prepared = prepare_training(shop, options, "bf16" if arguments.bf16 else "fp32")
    prepared.data.require("validation")
    trainer = XCatTrainer(
        None, arguments, prepared.splits["train"], prepared.splits["validation"], prepared.processor,
        interests=prepared.interests, model_init=lambda: copy.deepcopy(prepared.model),
    )  # fmt: skip
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    draw = space_function(space)

    def drawn(trial: Any) -> dict[str, Any]:
        shutil.rmtree(folder, ignore_errors=True)  # weights of the trial before
        values = draw(trial)
        tell(f"trial {trial.number}: {', '.join(f'{name} {_short(value)}' for name, value in values.items())}")
        return values

    try:
        best = trainer.hyperparameter_search(drawn, n_trials=trials, study=study, settings=settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    opened = load_study(study)
    return TuneResult(
        values=best.hyperparameters, value=best.objective, metric=metric, trials=trial_table(opened),
        importances=importances(opened), study=study, plots=draw_plots(opened, study, metric),
        fields={**preparation, **config, **training}, notes=importance_notes(opened),
    )  # fmt: skip


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""`xcat tune`: search hyperparameters on the validation split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..counting import counted
from ..rounded_shares import percentages
from .options import Columns, Data, Encoding, Events, Items, MissingUsers, TimeFormat, UnknownItems

if TYPE_CHECKING:
    from ..workflows.tune import TuneResult

SHOWN = 10


def tune(
    context: typer.Context,
    data: Data = None,
    study: Annotated[
        Path, typer.Option(help="SQLite file of the trials, such as study.db; the same command continues it.")
    ] = Path("study.db"),
    trials: Annotated[int, typer.Option(help="Number of trials in the study, those before a kill included.")] = 20,
    space: Annotated[
        str | None,
        typer.Option(
            help="Searched training arguments: learning_rate=5e-4..1e-2:log,num_train_epochs=8|16; by default "
            "learning_rate, weight_decay and new_category_weight."
        ),
    ] = None,
    items: Items = None,
    events: Events = None,
    columns: Columns = None,
    time_format: TimeFormat = None,
    encoding: Encoding = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    config_file: Annotated[
        Path | None, typer.Option("--config", help="YAML file with values for any of the fields below.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Search hyperparameters by the metric of the best epoch on the validation split.

    Trials are pruned by epoch. The study is a file, so a killed search continues with the same command. The test split
    is not evaluated. At the end it prints the command that trains with the best values, and writes plots of history
    and importance beside the study. Fields as in xcat fit are the same for all trials.

    Examples:

        xcat tune my-shop/ --trials 20 --study study.db

        xcat tune my-shop/ --space "learning_rate=1e-3..5e-3:log,num_train_epochs=8|16" --hidden-size 64
    """
    from .options import parse_extra, read_yaml, split_fields
    from .usage import check_at_least, check_tables

    check_at_least("--trials", trials, 1)
    check_tables(data, items, events, columns)
    values = {**read_yaml(config_file), **parse_extra(context.args)}
    values.pop("card", None)
    fields = split_fields(values)
    chosen = _space(space)

    from ..tokenization.extras import check_packages
    from ..tokenization.progress import stage

    check_packages("a hyperparameter search", ("optuna", "matplotlib"), "tune")
    with stage("loading libraries"):
        from ..workflows.read_shop import read_shop
        from ..workflows.tune import check_tuning, tune_shop
        from .console import messages, print_json, say
        from .fit_command import fit_command, given_options

    searched = check_tuning(study, trials, chosen, *fields)
    shop = read_shop(
        data, items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
        unknown_items=unknown_items, missing_users=missing_users,
    )  # fmt: skip
    say(str(shop.report))
    found = tune_shop(shop, study, trials, searched, fields, tell=say)
    _show(found)
    command = fit_command(data, {**values, **found.values}, _of_fit(given_options(context)), here=True)
    messages.print(f"to train with the best values:\n{command}", markup=False, highlight=False, soft_wrap=True)
    if json_output:
        print_json(found.to_dict())


def _space(text: str | None) -> dict[str, str] | None:
    """The search space of the command line."""
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    for name, equals, values in pairs:
        if not (name.strip() and equals and values.strip()):
            raise ValueError(f"--space is {text!r}; give NAME=LOW..HIGH or NAME=A|B, with commas between")
    names = [name.strip().lstrip("-").replace("-", "_") for name, _, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"--space names {twice[0]!r} twice; give all its values once, such as A|B|C")
    return {name: values.strip() for name, (_, _, values) in zip(names, pairs, strict=True)}


def _of_fit(given: dict[str, Any]) -> dict[str, Any]:
    """The given options without those of the search."""
    return {name: value for name, value in given.items() if name not in ("study", "trials", "space")}


def _show(found: TuneResult) -> None:
    """Print the best trials and the importances."""
    from .console import measurements
    from .plain_tables import Column, PlainTable

    names = list(found.values)
    ended = [trial for trial in found.trials if trial["state"] == "complete"]
    ended.sort(key=lambda trial: abs(trial["value"] - found.value))  # the best one is first
    rows = []
    for trial in ended[:SHOWN]:
        searched = [_short(trial["values"][name]) for name in names]
        rows.append((str(trial["number"]), f"{trial['value']:.4f}", str(trial["epochs"]), *searched))
    columns = [Column(name, right=True) for name in ("trial", found.metric, "epochs", *names)]
    pruned = sum(trial["state"] == "pruned" for trial in found.trials)
    below = [f"{counted(len(ended), 'trial')} ended; pruned: {pruned:,}; metrics are of the validation split"]
    if found.importances:
        shown = zip(found.importances, percentages([*found.importances.values()]), strict=True)
        below.append("importance: " + ", ".join(f"{name} {share}" for name, share in shown))
    below += found.notes
    below.append(f"study: {found.study}; plots: {', '.join(map(str, found.plots))}")
    measurements().print(PlainTable("best trials", columns, rows, below), highlight=False)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

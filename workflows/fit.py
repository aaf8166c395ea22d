"""Fit: train, evaluate and save a checkpoint with its card."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..checkpoints.adapter_choices import check_groups
from ..checkpoints.adapters import (
    DEFAULT_GROUPS,
    is_adapter,
    parameter_counts,
    require_peft,
)
from ..checkpoints.json_files import TRAINING_FOLDER
from ..checkpoints.load import bare_model, note_catalogue
from ..checkpoints.review import carry_decisions
from ..evaluation.click_evaluation import ClickReport
from ..evaluation.comparison import compare_with_baselines
from ..evaluation.more_metrics import metric_names
from ..evaluation.ranker_evaluation import RankingReport
from ..model_cards.callback import ModelCardCallback, attach_card
from ..model_cards.card import write_card
from ..model_cards.card_data import XCatModelCardData
from ..model_cards.results import overall_limits
from ..modeling_xcat.hub_xcat import is_local
from ..modeling_xcat.pretrained_xcat import XCatPreTrainedModel
from ..modeling_xcat.saving_xcat import ADAPTER_CONFIG, ADAPTER_WEIGHTS, CARD_FILE, written_whole
from ..ranking.recommender import XCatRecommender
from ..tokenization.progress import quiet_transformers, stage
from ..tokenization.sequences.click_rows import ClickData
from ..tokenization.tables.schema import MissingUsers, UnknownItems
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.options import PreparationOptions, PreparedTraining
from ..training.provenance import peak_memory_mb
from ..training.tasks.next_item import NEXT_ITEM
from ..training.tasks.task import Task
from ..training.trainer import XCatTrainer
from .card_baselines import fit_baselines
from .click_evaluation import click_fit_notes, compare_clicks
from .fields import fields_of_task, split_fields, take_task_fields
from .fit_card import begin_card, complete_card
from .fit_preparation import prepare_fit, ranking_model
from .fit_request import FitRequest
from .fit_result import MODEL_NAME, FitResult
from .input_checks import check_checkpoint, check_fields
from .output_folders import check_base_choice, check_output, last_checkpoint
from .read_shop import read_shop
from .resume import StartedWith, check_resumable, check_same_inputs, started_with
from .task_checks import check_task

if TYPE_CHECKING:
    from peft import PeftModel

    from ..tokenization.sources.generic import TableSource
    from .read_shop import ColumnNames, ShopSource

logger = logging.getLogger(__name__)

_WEIGHT_FILES = (
    "config.json", "model.safetensors", "items.arrow", "policy.json", ADAPTER_CONFIG, ADAPTER_WEIGHTS, CARD_FILE,
    ".eval_results/*",
)  # fmt: skip
"""Files removed when a checkpoint is replaced; the old card describes another model."""
_COSTS = ("runtime", "per_second", "preparation_time")
"""Ends of names of measured times among the metrics of a prediction."""


def check_base(base: str | None, peft: str | None, output: Path) -> None:
    """Refuse an invalid base or adapter before any data is read.

    Raises:
        ImportError: If an adapter is given and peft is not installed.
        ValueError: If an adapter has no base, the base is an adapter, or the output would replace the base.
    """
    check_base_choice(base, peft, output)
    if base is not None:
        check_checkpoint(base)
    if peft is not None:
        require_peft()
    if base is not None and is_adapter(base):
        raise ValueError(
            f"base={base!r} is an adapter; give its base, or merge the two first (load_adapted, merge_and_unload)"
        )


@contextmanager
def _nothing_left_behind(output: Path) -> Iterator[None]:
    """Remove a new output folder if training fails."""
    existed = output.exists()
    try:
        yield
    except ValueError:
        if not existed and last_checkpoint(output) is None:
            shutil.rmtree(output, ignore_errors=True)
        raise


@quiet_transformers()
def fit_shop(request: FitRequest, tell: Callable[[str], None] = logger.info) -> FitResult:
    """Prepare, train, evaluate on the test split, and save model, processor and card.

    Args:
        request: The data, the model and its training.
        tell: Called with every message about the progress, such as warnings about the data.

    Raises:
        ValueError: If tables, fields or the output cannot be used.
    """
    begin = request.begun or time.perf_counter()
    task = check_task(request.task, request.peft, request.card_baselines, request.task_options)
    options = request.shop.resolved(PreparationOptions(**request.preparation, config=dict(request.config)))
    training = {"seed": options.seed, **request.training}
    arguments = XCatTrainingArguments(output_dir=str(request.output / TRAINING_FOLDER), **training)
    _check_push(request, arguments)
    arguments.share_precision()
    inputs = started_with(request, options, arguments.world_size)
    if request.resume:
        check_same_inputs(request.output, inputs, tell)
    tell(f"preparing {request.shop.name} ...")
    prepared, trained_model, own_catalogue = prepare_fit(request, options, arguments, task)
    task = task.for_data(prepared.data)
    parameters = parameter_counts(trained_model)
    _tell_prepared(prepared, task.ranks and task.tunes_lists(arguments), tell)
    split = prepared.data.split
    card = begin_card(request, options, prepared, arguments, split)
    tell(f"training {parameters[0]:,} of {parameters[1]:,} parameters")
    start = time.perf_counter()
    with _nothing_left_behind(request.output):
        trainer = _trainer(request, prepared, trained_model, arguments, card, StartedWith(inputs), task)
        checkpoint = last_checkpoint(request.output) if request.resume else None
        state = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    train_seconds = time.perf_counter() - start
    model = ranking_model(prepared, task.trained_model(bare_model(trained_model)))
    ranker = XCatRecommender(prepared.model, prepared.processor) if task.ranks else None
    reports = {} if ranker is None else _compared(request, ranker, prepared, training, task, tell)
    clicks, notes = _clicks(ranker, prepared, reports)
    for note in notes:
        tell(f"note: {note}")
    measured: Mapping[str, Any] = clicks or reports
    outcome = FitResult(
        model=model,
        prepared=prepared,
        reports=reports,
        metrics=measured[MODEL_NAME].metrics if measured else _metrics(trainer, prepared),
        ranker=ranker,
        split=split,
        output=request.output,
        train_seconds=train_seconds,
        total_seconds=time.perf_counter() - begin,
        peak_memory_mb=peak_memory_mb(),
        epochs=round(float(state.metrics.get("epoch", 0)), 2),
        parameters=trainer.trained_parameters.counts or parameters,
        adapter=trained_model if request.peft else None,
        own_catalogue=own_catalogue,
        arguments=trainer.args,
        card=card,
        clicks=clicks,
        notes=[*prepared.notes, *notes],
    )
    if trainer.is_world_process_zero():
        if task.ranks:
            complete_card(card, outcome, MODEL_NAME)
        _save(outcome, card if task.ranks and request.card is not None else None)
        if arguments.push_to_hub:
            trainer.push_output(request.output)
    trainer.accelerator.wait_for_everyone()
    return outcome


def _tell_prepared(prepared: PreparedTraining, fits_queries: bool, tell: Callable[[str], None]) -> None:
    """Say what was prepared; refuse data without a validation or test split."""
    tell(f"event types: {prepared.data.roles}")
    if isinstance(prepared.data, ClickData) and prepared.data.source:
        tell(f"labels: {prepared.data.source}; lists of next items are measured on the positive ones")
    for note in prepared.notes:
        tell(f"note: {note}")
    prepared.data.require("validation", "test")
    if fits_queries and prepared.ask_sources is not None:
        tell(str(prepared.ask_sources))


def _compared(
    request: FitRequest,
    recommender: XCatRecommender,
    prepared: PreparedTraining,
    training: Mapping[str, Any],
    task: Task,
    tell: Callable[[str], None],
) -> dict[str, RankingReport]:
    """Reports of the model and of the baselines on the test split; empty if the model was not trained to rank."""
    test, validation = (task.ranked_rows(prepared.splits[part]) for part in ("test", "validation"))
    if not len(test) or (isinstance(prepared.data, ClickData) and not recommender.model.config.next_item_weight):
        return {}
    folder = request.output / TRAINING_FOLDER / "card-baselines"
    compared = fit_baselines(request.card_baselines, prepared, training, folder, tell)
    return compare_with_baselines(
        {**compared, MODEL_NAME: recommender},
        prepared.splits["train"],
        test,
        prepared.processor.catalogue,
        trained=prepared.trained,
        validation=validation,
        metrics=metric_names(training.get("metrics", ())),
    )


def _clicks(
    ranker: XCatRecommender | None, prepared: PreparedTraining, reports: Mapping[str, RankingReport]
) -> tuple[dict[str, ClickReport], list[str]]:
    """Click metrics on the test split, if the model predicts clicks, and notes on all metrics."""
    limits = overall_limits(reports, MODEL_NAME) if reports else []
    notes = [f"the trained model was compared with baselines on the test split. {limit}" for limit in limits]
    if ranker is None or not isinstance(prepared.data, ClickData):
        return {}, notes
    clicks = compare_clicks(ranker, prepared.data, "test")
    return clicks, [*notes, *click_fit_notes(clicks, reports, prepared.data)]


def _metrics(trainer: XCatTrainer, prepared: PreparedTraining) -> dict[str, float]:
    """Loss and metrics of the task on the test split."""
    found = trainer.predict(prepared.splits["test"]).metrics or {}
    names = {key: key.removeprefix("test_") for key in found}
    return {names[key]: value for key, value in found.items() if not names[key].endswith(_COSTS)}


def _check_push(request: FitRequest, arguments: XCatTrainingArguments) -> None:
    if arguments.push_to_hub and not arguments.hub_model_id:
        raise ValueError("push_to_hub needs a repository; give hub_model_id='NAMESPACE/NAME'")
    if arguments.push_to_hub and request.peft and request.base and is_local(request.base):
        raise ValueError(
            f"push_to_hub=True: the adapter would store the folder {request.base} as its base, which others cannot "
            "find; push the base first and give base='NAMESPACE/NAME', or push the adapter later with its base_repo="
        )


def _trainer(
    request: FitRequest,
    prepared: PreparedTraining,
    model: XCatPreTrainedModel | PeftModel,
    arguments: XCatTrainingArguments,
    card: XCatModelCardData,
    inputs: StartedWith,
    task: Task,
) -> XCatTrainer:
    """The trainer, with the callbacks that save the inputs, fill the card and, if it is wanted, write it."""
    trainer = XCatTrainer(
        model,
        arguments,
        train_dataset=prepared.splits["train"],
        eval_dataset=prepared.splits["validation"],
        processing_class=prepared.processor,
        interests=prepared.interests,
        task=task,
    )
    trainer.add_callback(inputs)
    trainer.ranked_later = (len(request.card_baselines) + 5 if task.ranks else 1) * len(prepared.splits["test"])
    if request.card is not None and task.ranks:
        attach_card(trainer, card)
    else:
        trainer.add_callback(ModelCardCallback(card, trainer))
    return trainer


def fit(
    data: ShopSource | None = None,
    output: str | os.PathLike[str] = "checkpoint",
    *,
    items: TableSource | None = None,
    events: TableSource | None = None,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    unknown_items: UnknownItems = "error",
    missing_users: MissingUsers = "error",
    base: str | os.PathLike[str] | None = None,
    task: Task | str = NEXT_ITEM,
    peft: str | None = None,
    lora_rank: int = 8,
    lora_targets: Sequence[str] = DEFAULT_GROUPS,
    card: Mapping[str, Any] | None = MappingProxyType({}),
    card_baselines: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    tell: Callable[[str], None] = logger.info,
    **fields: Any,
) -> FitResult:
    """Train a model, evaluate it beside baselines and save it; same defaults as `xcat fit`.

    Args:
        data: Tables: a folder, SOURCE:PATH, a hub dataset, a prepared folder, a data frame, or the result of
            `load_shop`. A file or data frame has events with the columns of their items.
        output: Folder of the checkpoint.
        items: Items table, instead of `data`: a file or data frame; None to derive it from the events.
        events: Events table, instead of `data`.
        columns: Column names, such as `{"item_id": "sku"}`; None for the base's names, or our own.
        time_format: As in `load_shop`; None for the format of the base's tables, or to detect it.
        encoding: Likewise.
        unknown_items: "error" refuses events of items that the items table lacks, "drop" leaves them out.
        missing_users: "error" refuses events without a user, "drop" leaves them out.
        base: Checkpoint to start from, a folder or NAMESPACE/NAME on the hub; None for a new model.
        task: What to train for: the name of a registered task, "MODULE:NAME" of another package, or a `Task`. A task
            whose model ranks no items has neither baselines nor a card; `metrics` of the result has its metrics.
        peft: Method of an adapter that is trained on the base, such as "lora"; None to train the weights themselves.
        lora_rank: Rank of the adapter.
        lora_targets: Parts of the model that get the adapter.
        card: The author's fields of the model card, such as `{"license": "mit"}`; None for no card.
        card_baselines: Models without texts to train and compare with in the card, such as "sasrec".
        resume: Whether to resume an unfinished training in `output`, with the data and settings it was started with.
        overwrite: Whether a checkpoint in `output` may be replaced.
        tell: Called with every message about the progress, such as warnings about the data; they are logged if left
            out.
        **fields: Fields of `PreparationOptions`, `XCatConfig` and `XCatTrainingArguments`: `split="last-basket"`,
            `hidden_size=64`, `num_train_epochs=3`; with task="click" also of `ClickOptions`: `negatives="popularity"`.

    Returns:
        The trained model and its metrics; `result.reports["XCat"].metrics["ndcg@10"]` is one of them.

    Raises:
        ValueError: If the tables, a field or the output cannot be used.

    Example (not run: it trains for minutes):
        fit("my-shop", "CKPT", split="leave-one-out", seed=1).recommender.recommend(["1082185"])
    """
    output, base = Path(output), None if base is None else os.fspath(base)
    fields, task_options = take_task_fields(fields, task)
    preparation, config, training = split_fields(fields, [*signature(fit).parameters, *fields_of_task(task)])
    check_output(output, resume, overwrite)
    if resume:
        check_resumable(output)
    check_base(base, peft, output)
    check_groups(lora_targets)
    check_task(task, peft, card_baselines, task_options)
    check_fields(preparation, config, training, ranked=task == NEXT_ITEM)
    XCatModelCardData().given(card or {})
    shop = read_shop(
        data, items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
        unknown_items=unknown_items, missing_users=missing_users, saved=base,
    )  # fmt: skip
    request = FitRequest(
        shop, output, preparation, config, training, resume=resume, base=base, task=task, task_options=task_options,
        peft=peft, lora_rank=lora_rank, lora_targets=tuple(lora_targets), card=None if card is None else dict(card),
        data=os.fspath(data) if isinstance(data, str | os.PathLike) else None, card_baselines=tuple(card_baselines),
    )  # fmt: skip
    return fit_shop(request, tell)


def _save(outcome: FitResult, card: XCatModelCardData | None) -> None:
    """Save a whole checkpoint, or an adapter, with its catalogue if that is not the base's."""
    note_catalogue(outcome.model, processor := outcome.prepared.processor)
    processor.policy = carry_decisions(outcome.output, processor.policy)
    with stage("saving"), written_whole(outcome.output, replaced=_WEIGHT_FILES) as unfinished:
        if outcome.adapter is None:
            outcome.model.save_pretrained(unfinished)
        else:
            outcome.adapter.save_pretrained(unfinished, save_embedding_layers=False)
            (unfinished / CARD_FILE).unlink(missing_ok=True)  # peft's template has only the path of the base
        if outcome.own_catalogue or outcome.adapter is None or processor.policy is not None:
            processor.save_pretrained(unfinished)
        if card is not None:
            with stage("writing the model card"):
                write_card(card, unfinished)
    shutil.rmtree(outcome.output / TRAINING_FOLDER, ignore_errors=True)

"""The main job: tables to a trained, judged, saved checkpoint with its card. `xcat fit` and `xcat demo` share it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..evaluation.comparison import compare_with_baselines
from ..evaluation.protocol import RankingReport
from ..inference.recommender import XCatRecommender
from ..model_cards.card import XCatCardData, build_card
from ..model_cards.settings import describe_hardware, model_settings, training_settings
from ..tokenization.schema import ShopTables
from ..tokenization.sequences import resolve_split
from ..training.arguments import XCatTrainingArguments
from ..training.preparation import PreparationOptions, PreparedTraining, prepare_training
from ..training.trainer import XCatTrainer
from .console import messages, peak_memory_mb

MODEL_NAME = "XCat"
TRAINING_FOLDER = "training"
CARD_METRICS = ("recall@10", "ndcg@10", "mrr@10")


@dataclass
class FitRequest:
    """What to fit, and where to put it.

    Args:
        shop: Validated tables.
        output: Folder of the checkpoint.
        preparation: Fields of `PreparationOptions`.
        config: Fields of `XCatConfig`.
        training: Fields of `XCatTrainingArguments`.
        resume: Whether to go on from the last saved epoch in `output`.
    """

    shop: ShopTables
    output: Path
    preparation: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False


@dataclass
class FitOutcome:
    """What came of it."""

    recommender: XCatRecommender
    prepared: PreparedTraining
    reports: dict[str, RankingReport]
    split: str
    output: Path
    train_seconds: float
    total_seconds: float
    peak_memory_mb: float
    epochs: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the model's own figures at the top, the baselines' below."""
        baselines = {name: report_dict(report) for name, report in self.reports.items() if name != MODEL_NAME}
        return {
            **report_dict(self.reports[MODEL_NAME]),
            "baselines": baselines,
            "split": self.split,
            "checkpoint": str(self.output),
            "train_seconds": round(self.train_seconds, 1),
            "total_seconds": round(self.total_seconds, 1),
            "peak_memory_mb": round(self.peak_memory_mb),
            "epochs": self.epochs,
        }


def report_dict(report: RankingReport) -> dict[str, Any]:
    """A report for JSON: `metrics`, `slices` and counts."""
    return {
        "metrics": report.metrics,
        "slices": report.slices,
        "num_users": report.num_users,
        "num_targets": report.num_targets,
    }


def check_output(output: Path, resume: bool = False, overwrite: bool = False) -> None:
    """Refuse an output folder that holds something else, before any work is done.

    Args:
        output: The folder.
        resume: Whether an unfinished training in it is gone on with.
        overwrite: Whether a checkpoint of ours in it may be replaced; anything else is refused all the same.

    Raises:
        ValueError: If the folder is a file, or not empty; or if there is nothing to resume.
    """
    if int(os.environ.get("RANK", "0")):
        return  # the first process looks; the others would find what it has begun to write
    if output.exists() and not output.is_dir():
        raise ValueError(f"--output {output} is a file; give a folder")
    unfinished = last_checkpoint(output) is not None
    if resume:
        if not unfinished:
            raise ValueError(f"--resume: {output} holds no unfinished training; leave --resume out to begin anew")
    elif output.exists() and any(output.iterdir()):
        if not unfinished and [entry.name for entry in output.iterdir()] == [TRAINING_FOLDER]:
            shutil.rmtree(output / TRAINING_FOLDER)  # of a run that ended before its first checkpoint
            return
        if overwrite and (unfinished or (output / "items.arrow").is_file()):
            shutil.rmtree(output / TRAINING_FOLDER, ignore_errors=True)
            return
        remedy = (
            "add --resume to go on with it" if unfinished else "give another folder, add --overwrite, or remove it"
        )
        raise ValueError(f"--output {output} is not empty; {remedy}")


def last_checkpoint(output: Path) -> Path | None:
    """The newest checkpoint of an unfinished training that was written to its end; Trainer writes its state last."""
    whole = [state.parent for state in (output / TRAINING_FOLDER).glob("checkpoint-*/trainer_state.json")]
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


@contextmanager
def _nothing_left_behind(output: Path) -> Iterator[None]:
    """Bad input that shows itself only in training leaves no folder that was not there before."""
    existed = output.exists()
    try:
        yield
    except ValueError:
        if not existed and last_checkpoint(output) is None:
            shutil.rmtree(output, ignore_errors=True)
        raise


def fit_shop(request: FitRequest) -> FitOutcome:
    """Prepare, train, judge on the test split, and save model, processor and card."""
    begin = time.perf_counter()
    options = PreparationOptions(**request.preparation, config=dict(request.config))
    training = {"seed": options.seed, **request.training}
    arguments = XCatTrainingArguments(output_dir=str(request.output / TRAINING_FOLDER), **training)
    arguments.share_precision()
    messages.print(f"preparing {request.shop.name} ...")
    prepared = prepare_training(request.shop, options, "bf16" if arguments.bf16 else "fp32")
    for note in prepared.notes:
        messages.print(f"note: {note}", markup=False)
    for part in ("validation", "test"):
        if not len(prepared.splits[part]):
            raise ValueError(
                f"events: split {options.split!r} leaves no user in {part} ({request.shop.events.height} rows); users "
                "need three events (or baskets) each for it, or choose another --split"
            )
    start = time.perf_counter()
    with _nothing_left_behind(request.output):
        trainer = XCatTrainer(
            prepared.model,
            arguments,
            train_dataset=prepared.splits["train"],
            eval_dataset=prepared.splits["validation"],
            processing_class=prepared.processor,
        )
        checkpoint = last_checkpoint(request.output) if request.resume else None
        state = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    train_seconds = time.perf_counter() - start
    recommender = XCatRecommender(prepared.model, prepared.processor)
    reports = compare_with_baselines(
        {MODEL_NAME: recommender},
        prepared.splits["train"],
        prepared.splits["test"],
        prepared.processor.catalogue,
        trained=prepared.trained,
    )
    outcome = FitOutcome(
        recommender=recommender,
        prepared=prepared,
        reports=reports,
        split=resolve_split(request.shop, options.split),
        output=request.output,
        train_seconds=train_seconds,
        total_seconds=time.perf_counter() - begin,
        peak_memory_mb=peak_memory_mb(),
        epochs=round(float(state.metrics.get("epoch", 0)), 2),
    )
    if trainer.is_world_process_zero():
        _save(outcome, _card(outcome, request.shop, options, arguments))
    trainer.accelerator.wait_for_everyone()
    return outcome


def _save(outcome: FitOutcome, card: str) -> None:
    outcome.prepared.model.save_pretrained(outcome.output)
    outcome.prepared.processor.save_pretrained(outcome.output)
    (outcome.output / "README.md").write_text(card, encoding="utf-8")
    shutil.rmtree(outcome.output / TRAINING_FOLDER, ignore_errors=True)


def _card(outcome: FitOutcome, shop: ShopTables, options: PreparationOptions, arguments: XCatTrainingArguments) -> str:
    own = outcome.reports[MODEL_NAME]
    example = outcome.prepared.splits["test"][0]["items"][-3:]
    vocabulary = outcome.prepared.processor.catalogue
    filled = {name: part for name, part in own.slices.items() if part["num_targets"]}
    return build_card(
        XCatCardData(
            title=f"XCat for {shop.name}",
            dataset_name=shop.name,
            num_users=shop.events["user_id"].n_unique(),
            num_items=vocabulary.num_items,
            num_events=shop.events.height,
            split=outcome.split,
            tie_policy=options.tie_policy,
            seed=options.seed,
            metrics={name: {m: r.metrics[m] for m in CARD_METRICS} for name, r in outcome.reports.items()},
            slices={
                part: {name: {m: r.slices[part][m] for m in CARD_METRICS} for name, r in outcome.reports.items()}
                for part in filled
            },
            own_name=MODEL_NAME,
            num_targets={"all": own.num_targets, **{name: int(part["num_targets"]) for name, part in filled.items()}},
            model_settings=model_settings(outcome.prepared.model.config),
            training_settings=training_settings(arguments),
            hardware=describe_hardware(),
            training_seconds=outcome.train_seconds,
            base_model=outcome.prepared.text_encoder,
            example_history=vocabulary.decode(example),
        )
    )

"""XCatModelCardData: all that a card is made of; the author's part is given, the rest is filled as training goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCardData

from ..evaluation.audits.exposure import Audit
from ..evaluation.ranker_evaluation import RankingReport
from .dataset_facts import DatasetFacts

if TYPE_CHECKING:
    from ..modeling_xcat.configuration_xcat import XCatConfig
    from ..training.arguments import XCatTrainingArguments

DESCRIPTION = (
    "The behaviour of a user is encoded as a sequence of events and attends, by cross-attention, to the text of the "
    "items in it; every item of the catalogue that the checkpoint carries is scored"
)
INTENDED_USE = (
    "To propose items of the catalogue to a user whose events with them are known, within and across categories.",
    "Not for decisions about people, and not for items, users or languages that the figures say nothing about.",
)
LIMITS = (
    "The figures replay recorded behaviour. They do not measure what users would do if they were shown these items.",
    "Recorded behaviour favours what was popular and visible, and the model learns that too; see the audit.",
    "Items without training events are scored by their text and attributes alone; see the slice `cold`.",
    "Items that are not in the checkpoint's catalogue are read as unknown and are never recommended.",
    "Texts in languages that the text encoder does not know help little.",
)
AUTHOR_FIELDS = (
    "model_name", "model_id", "description", "task", "intended_use", "limits", "citation", "language", "license",
    "license_name", "license_link", "tags", "dataset_name", "dataset_id", "dataset_revision", "benchmark_task",
    "base_model", "base_model_revision",
)  # fmt: skip
"""Fields that the author of a card may give, such as in the section `card` of the configuration file."""


@dataclass
class TrainingRecord:
    """What a training run was, as `ModelCardCallback` writes it down.

    Args:
        config: Configuration of the model.
        arguments: Arguments of the training.
        log: The trainer's history of logs: losses and validation metrics with their epoch and step.
        best_step: Step whose weights the checkpoint holds; None for the last.
        resumed_at: Step at which this run took up an earlier one; 0 for a run of one piece.
        seconds: Wall time of the training of this run, evaluations included; None while it goes on.
        evaluation_seconds: Part of it that evaluations took.
        hardware: The machine, as by `describe_hardware`.
        processes: Processes that trained together.
        emissions: Fields of the hub's `co2_eq_emissions`, with `energy_kwh` and `tracker_version` besides; None where
            codecarbon did not measure.
    """

    config: XCatConfig | None = None
    arguments: XCatTrainingArguments | None = None
    log: list[dict[str, Any]] = field(default_factory=list)
    best_step: int | None = None
    resumed_at: int = 0
    seconds: float | None = None
    evaluation_seconds: float = 0.0
    hardware: str = "not recorded"
    processes: int = 1
    emissions: dict[str, Any] | None = None


@dataclass(repr=False)
class XCatModelCardData(ModelCardData):
    """What a card says. All of it is published: do not put secrets here, though paths and tokens are scrubbed.

    As `ModelCardData` it is the metadata of the card (`to_dict`, `to_yaml`); `build_card` writes the whole.

    Args:
        model_name: Name of the model.
        model_id: Hub id under which the model will be found, or None for a checkpoint folder.
        description: One sentence about the model, without its full stop.
        task: The task in a few words.
        intended_use: What the model is for, and what it is not for.
        limits: What a user should know before relying on it; what the figures show is added.
        citation: BibTeX entry of the model, or None for that of the library alone.
        language: Language codes of the texts.
        license: Licence id of the weights, or None to leave it open.
        license_name: Name of a licence that has no id.
        license_link: Where that licence can be read.
        tags: Further tags for the hub.
        dataset_name: Name of the data for people.
        dataset_id: Hub id of the data, or None.
        dataset_revision: Commit of the data on the hub; where there is none, a hash of the tables stands in the card.
        benchmark_task: Id of the task in the `eval.yaml` of `dataset_id`, if that is a benchmark on the hub.
        base_model: Hub id of the text encoder, or of the checkpoint that training began with.
        base_model_revision: Commit of the base model, if known.
        base_checkpoint: Whether `base_model` is a checkpoint of this library rather than a text encoder.
        adapter: Method of the adapter, if the checkpoint is one.
        model_type: Class of the model.
        parameters: Parameters that were trained, and all; None if unknown.
        split: Name of the split.
        tie_policy: Order of a user's events at one time: "file" or "shuffle".
        seeds: Name to seed.
        preparation: Options of the preparation that are not at their default.
        notes: What preparing the data had to say, one sentence each.
        command: Command that trains this model again, or None.
        example_history: Item ids for the usage example.
        training: What the training run was.
        own_name: Which name in `results` is this model; the others are for comparison.
        results: Reports on the test targets by name of the model; empty where nothing was measured.
        card_metrics: Metrics that the tables show.
        dataset: Gives the facts of the data; called when a card is built.
        audit: Gives the audit of the recommendations; called when a card is built.
    """

    model_name: str | None = None
    model_id: str | None = None
    description: str = DESCRIPTION
    task: str = "Next-item recommendation over a whole catalogue"
    intended_use: Sequence[str] = INTENDED_USE
    limits: Sequence[str] = LIMITS
    citation: str | None = None
    language: str | list[str] | None = None
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    tags: list[str] | None = None
    dataset_name: str = "data"
    dataset_id: str | None = None
    dataset_revision: str | None = None
    benchmark_task: str | None = None
    base_model: str | list[str] | None = None
    base_model_revision: str | None = None
    base_checkpoint: bool = False
    adapter: str | None = None
    model_type: str = "XCatForNextItem"
    parameters: tuple[int, int] | None = None
    split: str = "not recorded"
    tie_policy: str = "file"
    seeds: Mapping[str, int] = field(default_factory=dict)
    preparation: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    command: str | None = None
    example_history: Sequence[str] = ("item-1", "item-2")
    training: TrainingRecord = field(default_factory=TrainingRecord)
    own_name: str = "XCat"
    results: Mapping[str, RankingReport] = field(default_factory=dict)
    card_metrics: Sequence[str] = ("recall@10", "ndcg@10", "mrr@10")
    dataset: Callable[[], DatasetFacts] | None = None
    audit: Callable[[], Audit] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The metadata of the card, as it stands in its YAML block."""
        from .metadata import card_metadata

        values: dict[str, Any] = card_metadata(self).to_dict()
        return values

    def to_yaml(self, line_break: str | None = None, original_order: list[str] | None = None) -> str:
        """The metadata as YAML."""
        from .metadata import card_metadata

        return card_metadata(self).to_yaml(line_break, original_order)

    def given(self, values: Mapping[str, Any]) -> XCatModelCardData:
        """A copy with what the author says.

        Args:
            values: Values of some of `AUTHOR_FIELDS`.

        Raises:
            ValueError: If a name is none of them, or a value has the wrong type.
        """
        for name, value in values.items():
            if name not in AUTHOR_FIELDS:
                raise ValueError(f"card: {name!r} is no field of a card; give some of {', '.join(AUTHOR_FIELDS)}")
            wants_list = name in ("intended_use", "limits", "tags")
            fits = isinstance(value, str) or (name == "language" and isinstance(value, list))
            if value is not None and (not isinstance(value, list) if wants_list else not fits):
                raise ValueError(f"card: {name} is {value!r}; give {'a list' if wants_list else 'a text'}")
        return dataclasses.replace(self, **{name: value for name, value in values.items() if value is not None})

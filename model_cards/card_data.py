"""XCatModelCardData: the data of a card; the author gives a part, training fills the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCardData

from ..evaluation.audits.exposure import Audit
from ..evaluation.modalities import ModalityReport
from ..evaluation.ranker_evaluation import RankingReport
from .dataset_facts import DatasetFacts

if TYPE_CHECKING:
    from ..modeling_xcat.configuration_xcat import XCatConfig
    from ..training.arguments import XCatTrainingArguments
    from .click_section import ClickFacts

DESCRIPTION = (
    "A behaviour encoder reads the user's events, and cross-attention connects them to the texts of their items. "
    "The model scores every item of the catalogue in the checkpoint"
)
INTENDED_USE = (
    "Recommendation of catalogue items to users with recorded events, within and across categories.",
    "Not for decisions about people. Not for items, users or languages that were not part of the evaluation.",
)
LIMITS = (
    "The metrics replay recorded behaviour. They do not measure how users would react to these recommendations.",
    "Recorded behaviour favours popular and visible items, and the model learns this bias; see the audit.",
    "Cold items (no training events) are scored by their texts, images and attributes alone; see the slice `cold`.",
    "Items outside the checkpoint's catalogue are read as unknown and are never recommended.",
    "Texts in languages that the text encoder was not trained on help little.",
)
AUTHOR_FIELDS = (
    "model_name", "model_id", "description", "task", "intended_use", "limits", "citation", "language", "license",
    "license_name", "license_link", "tags", "dataset_name", "dataset_id", "dataset_revision", "benchmark_task",
    "base_model", "base_model_revision",
)  # fmt: skip
"""Fields that the author of a card may give, for example in the section `card` of the configuration file."""


@dataclass
class TrainingRecord:
    """Record of a training run, written by `ModelCardCallback`.

    Args:
        config: Configuration of the model.
        arguments: Arguments of the training.
        log: The trainer's history of logs: losses and validation metrics with their epoch and step.
        best_step: Step of the checkpoint's weights; None for the last.
        resumed_at: Step at which this run resumed an earlier one; 0 for an uninterrupted run.
        seconds: Wall time of the training of this run, evaluations included; None during training.
        evaluation_seconds: Part of it spent on evaluations.
        hardware: The machine, from `describe_hardware`.
        processes: Number of training processes.
        emissions: Fields of the hub's `co2_eq_emissions`, plus `energy_kwh` and `tracker_version`; None if
            codecarbon did not run.
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
    """Data of a card. All of it is published: do not put secrets here, although paths and tokens are removed.

    As a `ModelCardData` it is the metadata of the card (`to_dict`, `to_yaml`); `build_card` writes the whole card.

    Args:
        model_name: Name of the model.
        model_id: Hub id of the model, or None for a checkpoint folder.
        description: One sentence about the model, without its full stop.
        task: The task in a few words.
        intended_use: Uses that the model is for, and uses it is not for.
        limits: Limitations; limitations found by the evaluation are added.
        citation: BibTeX entry of the model, or None to cite only the library.
        language: Language codes of the texts; `fit` detects it, unless the author gives it.
        license: Licence id of the weights, or None if not stated.
        license_name: Name of a licence without an id.
        license_link: Address of that licence.
        tags: More tags for the hub.
        dataset_name: Readable name of the data.
        dataset_id: Hub id of the data, or None.
        dataset_revision: Commit of the data on the hub; without one, the card has a hash of the tables.
        benchmark_task: Id of the task in the `eval.yaml` of `dataset_id`, if that is a benchmark on the hub.
        base_model: Hub id of the text encoder, or of the checkpoint that training started from.
        base_model_revision: Commit of the base model, if known.
        base_checkpoint: Whether `base_model` is a checkpoint of this library rather than a text encoder.
        adapter: Method of the adapter, if the checkpoint is one.
        model_type: Class of the model.
        parameters: Numbers of trained and of all parameters; None if unknown.
        split: Name of the split.
        tie_policy: Order of a user's events with equal times: "file" or "shuffle".
        seeds: Name to seed.
        preparation: Non-default options of the preparation.
        notes: Notes of the preparation, one sentence each.
        unknown_tokens: Share of tokens that the text encoder does not know, in texts of "items" and of "users".
        command: Command that trains this model again, or None.
        example_history: Item ids for the usage example.
        training: Record of the training run.
        own_name: Name of this model in `results`; the others are for comparison.
        results: Reports on the test targets by model name; empty without an evaluation.
        card_metrics: Metrics shown in the tables.
        dataset: Computes the facts of the data; called when a card is built.
        audit: Computes the audit of the recommendations; called when a card is built.
        clicks: Facts of a model that predicts clicks; None for other models.
        modalities: Measures what texts and images bring; called when a card is built. None for no measurement.
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
    unknown_tokens: Mapping[str, float] = field(default_factory=dict)
    command: str | None = None
    example_history: Sequence[str] = ("item-1", "item-2")
    training: TrainingRecord = field(default_factory=TrainingRecord)
    own_name: str = "XCat"
    results: Mapping[str, RankingReport] = field(default_factory=dict)
    card_metrics: Sequence[str] = ("recall@10", "ndcg@10", "mrr@10")
    dataset: Callable[[], DatasetFacts] | None = None
    audit: Callable[[], Audit] | None = None
    clicks: ClickFacts | None = None
    modalities: Callable[[], ModalityReport] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The metadata of the card, as in its YAML block."""
        from .metadata import card_metadata

        values: dict[str, Any] = card_metadata(self).to_dict()
        return values

    def to_yaml(self, line_break: str | None = None, original_order: list[str] | None = None) -> str:
        """The metadata as YAML."""
        from .metadata import card_metadata

        return card_metadata(self).to_yaml(line_break, original_order)

    def given(self, values: Mapping[str, Any]) -> XCatModelCardData:
        """A copy with the author's fields.

        Args:
            values: Values of some of `AUTHOR_FIELDS`.

        Raises:
            ValueError: If a name is not one of them, or a value has the wrong type.
        """
        for name, value in values.items():
            if name not in AUTHOR_FIELDS:
                raise ValueError(f"card: {name!r} is not a card field; give some of {', '.join(AUTHOR_FIELDS)}")
            wants_list = name in ("intended_use", "limits", "tags")
            fits = isinstance(value, str) or (name == "language" and isinstance(value, list))
            if value is not None and (not isinstance(value, list) if wants_list else not fits):
                raise ValueError(f"card: {name} is {value!r}; give {'a list' if wants_list else 'a text'}")
        return dataclasses.replace(self, **{name: value for name, value in values.items() if value is not None})

"""The card of a fit: facts known before training, then results."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..evaluation.audits.exposure import Audit, audit_recommendations
from ..evaluation.modalities import ModalityReport
from ..model_cards.card_data import INTENDED_USE, XCatModelCardData
from ..model_cards.click_section import click_facts
from ..model_cards.click_words import RANKING, label_words
from ..model_cards.dataset_facts import DatasetFacts, describe_dataset
from ..model_cards.markdown import is_hub_id
from ..model_cards.pretraining_section import FIELDS as PRETRAINING_FIELDS
from ..model_cards.run_cards import popular_items
from ..modeling_xcat.hub_xcat import fetched_commit
from ..modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ..modeling_xcat.modeling_pretraining_xcat import XCatForPreTraining
from ..tokenization.sequences.click_rows import ClickData
from ..tokenization.sequences.event_options import EventOptions
from ..tokenization.sources import split_data
from ..tokenization.text_language import find_language
from ..training.arguments import XCatTrainingArguments
from ..training.preparation.options import PreparationOptions, PreparedTraining
from .modalities import CARD_USERS, measure_modalities

if TYPE_CHECKING:
    from .fit_request import FitRequest
    from .fit_result import FitResult

_TOLD_ELSEWHERE = {
    "cache_dir", "config", "image_encoder", "seed", "split", "split_seed", "text_encoder", "tie_policy",
}  # fmt: skip


def begin_card(
    request: FitRequest,
    options: PreparationOptions,
    prepared: PreparedTraining,
    arguments: XCatTrainingArguments,
    split: str,
) -> XCatModelCardData:
    """Start the card before training; facts of the data are counted when it is written.

    Args:
        request: Inputs of the fit; `request.card` is not None.
        options: Options of the preparation.
        prepared: The prepared data.
        arguments: Arguments of the training.
        split: Name of the split, resolved.

    Raises:
        ValueError: If an author's field is not a card field.
    """
    base = request.base or prepared.text_encoder
    config = prepared.model.config
    encoder_commit = getattr(config.text_config, "_commit_hash", None)
    path = split_data(request.data)[1] if request.data else None
    dataset_id = path if path and not Path(path).exists() and is_hub_id(path) and "/" in path else None
    seeds = {"training": arguments.seed, "split": options.seed if options.split_seed is None else options.split_seed}
    vocabulary = prepared.processor.catalogue

    @functools.cache
    def dataset() -> DatasetFacts:
        return describe_dataset(prepared.data.selected, vocabulary, prepared.splits)

    language = find_language(vocabulary.column("text").to_pylist())
    return XCatModelCardData(
        language=None if language is None else language.code,
        model_name=f"XCat for {request.shop.name}",
        model_id=arguments.hub_model_id,
        dataset_name=request.shop.name,
        dataset_id=dataset_id,
        dataset_revision=None if dataset_id is None else _cached_revision(dataset_id),
        base_model=str(Path(base).absolute()) if Path(base).exists() else base,
        base_model_revision=fetched_commit(request.base) if request.base else encoder_commit,
        base_checkpoint=request.base is not None,
        adapter=request.peft,
        split=str(split),
        tie_policy=options.tie_policy,
        seeds=seeds,
        notes=tuple(prepared.notes),
        unknown_tokens=prepared.unknown_tokens,
        preparation=changed_options(options),
        command=request.command,
        example_history=popular_items(prepared.model, vocabulary, 3),
        dataset=dataset,
        **_of_head(prepared),
    ).given(request.card or {})


def _of_head(prepared: PreparedTraining) -> dict[str, Any]:
    """Fields of the card of a base, or of a model that predicts clicks; none for other models."""
    if isinstance(prepared.model, XCatForPreTraining):
        return PRETRAINING_FIELDS
    if not isinstance(prepared.model, XCatForClickPrediction) or not isinstance(prepared.data, ClickData):
        return {}
    words, ranks = label_words(prepared.data), prepared.model.config.next_item_weight > 0
    task = f"{words.task}, and {RANKING}" if ranks else words.task
    return {"task": task, "intended_use": (words.use, *INTENDED_USE[0 if ranks else 1 :])}


def complete_card(card: XCatModelCardData, outcome: FitResult, own_name: str) -> None:
    """Add the results.

    Args:
        card: The card.
        outcome: Result of the fit.
        own_name: Name of the model in the reports.
    """

    @functools.cache
    def audit() -> Audit:
        prepared = outcome.prepared
        counts = prepared.model.model.items.item_counts.cpu().numpy()
        histories = prepared.splits["test"].with_format(None)["items"]
        return audit_recommendations(outcome.reports, own_name, histories, prepared.processor.catalogue, counts)

    @functools.cache
    def modalities() -> ModalityReport:
        prepared = outcome.prepared
        return measure_modalities(
            prepared.model, prepared.processor, prepared.splits["test"], most_users=CARD_USERS
        )  # fmt: skip

    card.own_name = own_name
    if outcome.clicks and isinstance(outcome.model, XCatForClickPrediction):
        data = outcome.prepared.data
        assert isinstance(data, ClickData)
        card.clicks = click_facts(outcome.model, data, outcome.clicks)
    if not outcome.reports:  # the model was not trained to rank
        return
    card.results, card.audit = outcome.reports, audit
    if outcome.model.config.image_dim:
        card.modalities = modalities
    more = [f"{name}@10" for name in outcome.reports[own_name].requested]
    card.card_metrics = list(dict.fromkeys((*card.card_metrics, *more)))


def changed_options(options: EventOptions) -> dict[str, Any]:
    """Options with a value other than their default that a card does not state elsewhere."""
    defaults = type(options)()
    names = [field.name for field in dataclasses.fields(options) if field.name not in _TOLD_ELSEWHERE]
    return {name: getattr(options, name) for name in names if getattr(options, name) != getattr(defaults, name)}


def _cached_revision(dataset: str) -> str | None:
    """The commit of a just downloaded hub dataset, from the cache."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=dataset, repo_type="dataset")
    noted = folder / "refs" / "main"
    return noted.read_text(encoding="utf-8").strip() if noted.is_file() else None

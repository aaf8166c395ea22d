"""Builds the model card, the README.md of a checkpoint, from what is known about it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from string import Template
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from .scrubbing import is_secret_name, scrub

DESCRIPTION = (
    "The behaviour of a user is encoded as a sequence of events and attends, by cross-attention, to the text of the "
    "items in it; every item of the catalogue that the checkpoint carries is scored"
)
LIMITS = (
    "The figures replay recorded behaviour. They do not measure what users would do if they were shown these items.",
    "Recorded behaviour favours what was popular and visible, and the model learns that too.",
    "Items without training events are scored by their text and attributes alone; see the slice `cold`.",
    "Items that are not in the checkpoint's catalogue are read as unknown and are never recommended.",
    "Texts in languages that the text encoder does not know help little.",
)
CITATION = """@software{xcat_rec,
  title = {xcat-rec: cross-attention recommendation across item categories},
  author = {{The xcat-rec authors}},
  version = {%s},
  license = {Apache-2.0}
}"""
SLICES = {
    "switch": "category differs from that of the last event",
    "new_category": "category absent from the whole history",
    "cold": "item without training events",
    "unseen": "item absent from the user's history",
}
PACKAGES = ("xcat-rec", "transformers", "torch", "datasets", "tokenizers")


@dataclass
class XCatCardData:
    """What a card says. Everything is published: do not put secrets here, though paths and tokens are scrubbed.

    Args:
        title: Name of the model.
        dataset_name: Name of the data for people.
        num_users: Users with events.
        num_items: Items of the catalogue.
        num_events: Events.
        split: Name of the split, such as "leave-one-out".
        tie_policy: Order of events at one time: "file" or "shuffle".
        seed: Seed of ties, initial weights and training.
        metrics: Model name to metric name (such as "recall@10") to value, baselines included.
        slices: Slice name to the same as `metrics`.
        own_name: Which model name in `metrics` is this model; the others are for comparison.
        num_targets: Slice name to number of test targets; "all" for the whole test set.
        model_settings: Fields of the model configuration that are not at their default.
        training_settings: Training arguments that are not at their default.
        hardware: The machine, as by `describe_hardware`.
        training_seconds: Wall time of training, or None if unknown.
        base_model: Hub id of the text encoder, or None for a model without one.
        model_id: Hub id under which the model will be found, or None for a checkpoint folder.
        dataset_id: Hub id of the data, or None.
        example_history: Item ids for the usage example.
        task: The task in a few words.
        model_type: The kind of model, in a few words.
        description: One sentence about the model, without its full stop.
        pipeline_tag: Task name for the hub.
        tags: Further tags for the hub.
        language: Language codes of the texts.
        license: Licence id of the weights, or None to leave it open.
        limits: What a user should know before relying on the model.
        citation: BibTeX entry, or None for that of the library.
    """

    title: str
    dataset_name: str
    num_users: int
    num_items: int
    num_events: int
    split: str
    tie_policy: str
    seed: int
    metrics: Mapping[str, Mapping[str, float]]
    slices: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    own_name: str = "XCat"
    num_targets: Mapping[str, int] = field(default_factory=dict)
    model_settings: Mapping[str, Any] = field(default_factory=dict)
    training_settings: Mapping[str, Any] = field(default_factory=dict)
    hardware: str = "not recorded"
    training_seconds: float | None = None
    base_model: str | None = None
    model_id: str | None = None
    dataset_id: str | None = None
    example_history: Sequence[str] = ("item-1", "item-2")
    task: str = "Next-item recommendation over a whole catalogue"
    model_type: str = "XCatForNextItem"
    description: str = DESCRIPTION
    pipeline_tag: str = "item-recommendation"
    tags: Sequence[str] = ()
    language: Sequence[str] = ()
    license: str | None = None
    limits: Sequence[str] = LIMITS
    citation: str | None = None


def build_card(data: XCatCardData) -> str:
    """Write the card.

    Args:
        data: What is known about the model.

    Returns:
        The text of README.md: YAML front matter and Markdown, without local paths or secrets.

    Raises:
        ValueError: If the model's own figures are missing from the metrics.
    """
    if data.own_name not in data.metrics:
        have = ", ".join(map(repr, data.metrics)) or "nothing"
        raise ValueError(f"the card needs the metrics of {data.own_name!r}, and has {have}; set own_name or add them")
    template = Template(files(__package__).joinpath("template.md").read_text(encoding="utf-8"))
    library = _versions().get("xcat-rec", "unknown")
    card = template.substitute(
        metadata=_metadata(data),
        title=_line(data.title),
        task=_line(data.task),
        description=_line(data.description) + ".",
        model_type=_cell(data.model_type),
        base_model=_base_model_cell(data.base_model),
        dataset=_dataset_cell(data),
        size=f"{data.num_users:,} users, {data.num_items:,} items, {data.num_events:,} events",
        split=_cell(data.split),
        tie_policy=_cell(_TIES.get(data.tie_policy, data.tie_policy)),
        seed=str(data.seed),
        model_id=_usable_id(data.model_id),
        history=json.dumps([_line(item) for item in data.example_history], ensure_ascii=False),
        metrics=_metrics_table(data),
        slices=_slices_section(data),
        hardware=_line(data.hardware),
        training_time=_duration(data.training_seconds),
        model_settings=_settings_table(data.model_settings),
        training_settings=_settings_table(data.training_settings),
        versions="\n".join(f"- {name} {number}" for name, number in _versions().items()),
        limits="\n".join(f"- {_line(limit)}" for limit in data.limits) or "- None recorded.",
        citation=(data.citation or CITATION % library).strip(),
    )
    return scrub(card)


_TIES = {"file": "as in the file", "shuffle": "drawn with the seed"}


def _metadata(data: XCatCardData) -> str:
    """The YAML front matter, with this model's own overall figures as model-index."""
    own = {name: value for name, value in data.metrics[data.own_name].items() if math.isfinite(value)}
    results = [
        EvalResult(
            task_type=data.pipeline_tag,
            task_name=_line(data.task),
            dataset_type=_usable_id(data.dataset_id) if data.dataset_id else _slug(data.dataset_name),
            dataset_name=_line(data.dataset_name),
            dataset_split="test",
            metric_type=name.partition("@")[0],
            metric_name=_metric_label(name),
            metric_value=round(float(value), 6),
        )
        for name, value in own.items()
    ]
    tags = ["recommendation", "sequential-recommendation", "cross-attention", *map(_line, data.tags)]
    card_data = ModelCardData(
        language=list(data.language) or None,
        license=data.license,
        library_name="xcat-rec",
        pipeline_tag=data.pipeline_tag,
        tags=list(dict.fromkeys(tags)),
        base_model=data.base_model if data.base_model and _is_hub_id(data.base_model) else None,
        datasets=[data.dataset_id] if data.dataset_id and _is_hub_id(data.dataset_id) else None,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        model_name=_line(data.title),
        eval_results=results or None,
    )
    text: str = card_data.to_yaml(line_break="\n")
    return text.strip()


def _metrics_table(data: XCatCardData) -> str:
    counted = f" ({data.num_targets['all']:,} targets)" if "all" in data.num_targets else ""
    return f"### All targets{counted}\n\n{_comparison(data.metrics, data.own_name)}"


def _slices_section(data: XCatCardData) -> str:
    parts = []
    for name, models in data.slices.items():
        meaning = SLICES.get(name, "")
        counted = f"{data.num_targets[name]:,} targets" if name in data.num_targets else ""
        note = "; ".join(part for part in (meaning, counted) if part)
        heading = f"### Targets in `{_line(name)}`" + (f" ({note})" if note else "")
        parts.append(f"{heading}\n\n{_comparison(models, data.own_name)}")
    return "\n\n".join(parts) or "No slices were measured."


def _comparison(models: Mapping[str, Mapping[str, float]], own_name: str) -> str:
    """A table of models by metrics, the best of each column in bold."""
    names = list(dict.fromkeys(metric for values in models.values() for metric in values))
    best = {name: max((v[name] for v in models.values() if _measured(v, name)), default=None) for name in names}
    ordered = sorted(models, key=lambda model: model != own_name)
    lines = [
        "| model | " + " | ".join(_metric_label(name) for name in names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for model in ordered:
        values = models[model]
        cells = []
        for name in names:
            number = f"{values[name]:.4f}" if _measured(values, name) else "n/a"
            cells.append(f"**{number}**" if _measured(values, name) and values[name] == best[name] else number)
        lines.append(f"| {_cell(model)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _measured(values: Mapping[str, float], name: str) -> bool:
    return name in values and math.isfinite(values[name])


def _metric_label(name: str) -> str:
    """The spelling that readers know.

    >>> _metric_label("ndcg@10"), _metric_label("recall@5"), _metric_label("coverage@10")
    ('NDCG@10', 'Recall@5', 'Coverage@10')
    """
    metric, at, cutoff = name.partition("@")
    label = metric.upper() if metric in {"ndcg", "mrr", "map", "auc"} else metric.capitalize()
    return _cell(f"{label}{at}{cutoff}")


def _settings_table(settings: Mapping[str, Any]) -> str:
    shown = {name: value for name, value in settings.items() if not is_secret_name(name)}
    if not shown:
        return "All at their defaults."
    rows = [f"| `{_cell(name)}` | `{_cell(_plain(value))}` |" for name, value in shown.items()]
    return "\n".join(["| setting | value |", "|---|---|", *rows])


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        value = {name: entry for name, entry in value.items() if not is_secret_name(str(name))}
    return json.dumps(value, ensure_ascii=False, default=str).replace("`", "'")


def _dataset_cell(data: XCatCardData) -> str:
    known = f" (`{data.dataset_id}`)" if data.dataset_id and _is_hub_id(data.dataset_id) else ""
    return _cell(data.dataset_name) + known


def _base_model_cell(base_model: str | None) -> str:
    if base_model is None:
        return "none"
    return f"`{_cell(base_model)}`" if _is_hub_id(base_model) else "a local one, not on the hub"


def _usable_id(model_id: str | None) -> str:
    return model_id if model_id and _is_hub_id(model_id) else "path/to/this/folder"


def _is_hub_id(name: str) -> bool:
    return re.fullmatch(r"(?:[\w-][\w.-]*/)?[\w-][\w.-]*", name) is not None and scrub(name) == name


def _duration(seconds: float | None) -> str:
    """A length of time.

    >>> _duration(75.4), _duration(3700), _duration(0.6), _duration(None)
    ('1 min 15 s', '1 h 1 min', '1 s', 'not recorded')
    """
    if seconds is None:
        return "not recorded"
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "data"


def _line(text: str) -> str:
    """One line: a newline would end the heading, list entry or sentence that the text stands in."""
    return " ".join(str(text).split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")

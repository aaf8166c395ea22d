"""The training section of a card."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..evaluation.purposes import DISCOVER
from ..training.provenance import package_versions
from .card_data import TrainingRecord, XCatModelCardData
from .markdown import cell, duration, line, metric_label, settings_table, table
from .method import Ingredient, losses_of_model, parts_of
from .settings import model_settings, training_settings

PLACES = {
    "DATA": "the data file or folder", "PREPARED": "a new folder", "ITEMS": "the items table",
    "EVENTS": "the events table", "BASE": "the base's folder", "TEXT_ENCODER": "the text encoder's folder",
}  # fmt: skip
"""Words of a command that replace a file or folder of the original machine."""
LOGGED_METRICS = (
    "validation loss", "recall@10", "ndcg@10", "discover_ndcg@10", "slices.switch.ndcg@10",
    "slices.new_category.ndcg@10",
)  # fmt: skip


def training_section(data: XCatModelCardData) -> str:
    """Losses, training log, hardware and time, emissions, settings, command and versions."""
    record = data.training
    losses, parts, settings = "Not recorded.", "Not recorded.", ("Not recorded.", "Not recorded.")
    if record.config is not None:
        losses = _listed(losses_of_model(data.model_type, record.config, record.arguments))
        parts = _listed(parts_of(record.config))
        fitted = "Not recorded." if record.arguments is None else settings_table(training_settings(record.arguments))
        settings = settings_table(model_settings(record.config)), fitted
    written = {
        "Losses": losses,
        "Model components": parts,
        "Training log": training_log(record),
        "Hardware and time": machine_and_time(record),
        "Non-default preparation settings": settings_table(data.preparation),
        "Non-default model settings": settings[0],
        "Non-default training settings": settings[1],
        "Command": command_text(data.command) if data.command else "Not recorded.",
        "Versions": "\n".join(f"- {name} {number}" for name, number in package_versions().items()),
    }
    return "\n\n".join(f"### {heading}\n\n{text}" for heading, text in written.items())


def command_text(command: str) -> str:
    """The command as a code block, with an explanation of its words in capitals."""
    words = [word for word in PLACES if re.search(rf"(?<![\w=-]){word}(?![\w])", command)]
    told = "; ".join(f"`{word}` is {PLACES[word]}" for word in words)
    block = f"```bash\n{' '.join(command.splitlines())}\n```"
    return f"{block}\n\nReplace the words in capitals: {told}." if told else block


def logged_steps(log: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Losses and validation metrics of a training, by step; later evaluations are left out.

    Args:
        log: The trainer's history of logs.
    """
    rows: dict[int, dict[str, Any]] = {}
    for entry in log[: _end_of_training(log)]:
        if "loss" in entry or any(name.startswith("eval_") for name in entry):
            row = rows.setdefault(int(entry.get("step", 0)), {})
            names = {name: "validation loss" if name == "eval_loss" else name.removeprefix("eval_") for name in entry}
            row.update({names[name]: value for name, value in entry.items()})
    return rows


def _end_of_training(log: Sequence[Mapping[str, Any]]) -> int:
    ends = [place for place, entry in enumerate(log) if "train_runtime" in entry]
    return ends[-1] if ends else len(log)


def training_log(record: TrainingRecord) -> str:
    """Loss and validation metrics by epoch; the row in bold has the weights of the checkpoint."""
    rows = logged_steps(record.log)
    if not rows:
        return "Nothing was logged."
    shown = [name for name in LOGGED_METRICS if any(_is_number(row.get(name)) for row in rows.values())]
    lines = []
    for step, row in sorted(rows.items()):
        cells = [f"{float(row.get('epoch') or 0):g}" if _whole(row) else f"{float(row['epoch']):.2f}", f"{step}"]
        cells.append(f"{float(row['loss']):.4f}" if _is_number(row.get("loss")) else "-")
        cells += [f"{row[name]:.4f}" if _is_number(row.get(name)) else "-" for name in shown]
        lines.append([f"**{text}**" for text in cells] if step == record.best_step else cells)
    head = ["epoch", "step", "training loss", *map(_logged_label, shown)]
    legend = "Metrics are computed on the validation targets."
    if record.best_step in rows:
        legend += " The row in bold is the checkpoint."
    later = [told for entry in record.log[_end_of_training(record.log) :] if (told := _evaluation(entry))]
    lines_of_later = "".join(f"\n\nEvaluated after training: {told}." for told in later)
    return f"{table(head, lines)}\n\n{legend}{lines_of_later}"


def _evaluation(entry: dict[str, Any]) -> str:
    """Metrics of a manual evaluation, with the name of its data set; empty for other log entries."""
    found = []
    for name, value in entry.items():
        metric = max((m for m in LOGGED_METRICS if name.endswith(f"_{m}")), key=len, default="")
        place = name.removesuffix(f"_{metric}")
        if metric and _is_number(value) and not place.endswith(f"_{DISCOVER}"):
            found.append(f"`{cell(place)}` {_logged_label(metric)} {value:.4f}")
    return ", ".join(found)


def machine_and_time(record: TrainingRecord) -> str:
    """Hardware, time and emissions."""
    spent = f"of which evaluation {duration(record.evaluation_seconds)}" if record.evaluation_seconds else ""
    time = duration(record.seconds) + (f", {spent}" if spent and record.seconds is not None else "")
    if record.resumed_at:
        time += f"; counted from step {record.resumed_at}, where the run was resumed"
    lines = [f"- Machine: {line(record.hardware)}.", f"- Processes: {record.processes}.", f"- Training time: {time}."]
    if record.emissions is None:
        lines.append("- Emissions: not measured (codecarbon did not run).")
    else:
        found = record.emissions
        lines.append(
            f"- Emissions: {found['emissions']:.4g} g of CO2 equivalent for {found['energy_kwh']:.4g} kWh in "
            f"{line(found['geographical_location'])}, estimated by codecarbon {line(found['tracker_version'])}."
        )
    return "\n".join(lines)


def _listed(parts: Iterable[Ingredient]) -> str:
    return "\n".join(f"- {line(part.name)}: {line(part.detail)}." for part in parts)


def _logged_label(name: str) -> str:
    if name == "validation loss":
        return name
    part, _, metric = name.removeprefix("slices.").rpartition(".")
    return metric_label(metric) + (f" `{cell(part)}`" if part else "")


def _whole(row: dict[str, Any]) -> bool:
    return float(row.get("epoch") or 0).is_integer()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)

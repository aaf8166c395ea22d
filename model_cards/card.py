"""Builds the model card, the README.md of a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from string import Template

from ..modeling_xcat.saving_xcat import CARD_FILE
from .card_data import XCatModelCardData
from .figures_section import audit_section, evaluation_section, limits_section
from .list_inputs_section import list_inputs_section
from .markdown import line
from .metadata import LIBRARY, eval_result_files
from .scrubbing import scrub
from .sections import citation_section, data_section, intended_use, overview, usage_section
from .training_section import training_section

logger = logging.getLogger(__name__)

UNWRITTEN = "This section could not be written."

SECTIONS: dict[str, Callable[[XCatModelCardData], str]] = {
    "metadata": lambda data: data.to_yaml(line_break="\n").strip(),
    "title": lambda data: line(data.model_name or f"XCat for {data.dataset_name}"),
    "overview": overview,
    "intended_use": intended_use,
    "usage": usage_section,
    "list_inputs": list_inputs_section,
    "data": data_section,
    "evaluation": evaluation_section,
    "audit": audit_section,
    "training": training_section,
    "limits": limits_section,
    "citation": citation_section,
}
"""Function for each placeholder of the template."""

_WITHOUT = {"metadata": f"library_name: {LIBRARY}", "title": "XCat"}


def build_card(data: XCatModelCardData) -> str:
    """Write the card.

    A section that fails logs a warning and says so in the card; the other sections are still written.

    Args:
        data: The data of the card.

    Returns:
        The text of README.md: YAML front matter and Markdown, without local paths or secrets.
    """
    template = Template(files(__package__).joinpath("template.md").read_text(encoding="utf-8"))
    return scrub(template.substitute({name: _written(name, write, data) for name, write in SECTIONS.items()}))


def write_card(data: XCatModelCardData, folder: str | Path) -> list[Path]:
    """Write the card into a checkpoint's folder, and the files for the hub's leaderboards if there are any.

    Args:
        data: The data of the card.
        folder: The checkpoint.

    Returns:
        The files.
    """
    contents = {CARD_FILE: build_card(data)}
    try:
        contents |= eval_result_files(data)
    except Exception as error:  # as for a section
        logger.warning("no file for the leaderboards of the hub could be written: %r", error)
    written = []
    for name, content in contents.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        written.append(path)
    return written


def _written(name: str, write: Callable[[XCatModelCardData], str], data: XCatModelCardData) -> str:
    try:
        return write(data)
    except Exception as error:  # any error: a card must never stop the run that it describes
        logger.warning("section %r of the model card could not be written: %r", name, error)
        return _WITHOUT.get(name, UNWRITTEN)

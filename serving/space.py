"""The files of a Space."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from huggingface_hub import ModelCard

from ..evaluation.modules import GRADIO
from ..modeling_xcat.hub_xcat import CARRIED
from ..modeling_xcat.pushing_xcat import shared_files
from ..modeling_xcat.saving_xcat import CARD_FILE, written_whole
from .space_app import APP

CHECKPOINT_FOLDER = "checkpoint"
REQUIRED = ("numpy", "pyarrow", "transformers")
"""Packages that the code of a checkpoint imports, besides torch."""
OF_PAGE = (*REQUIRED, "polars", "prometheus-client", "selectolax", "torch")
"""Packages that the page imports, besides gradio."""
ROOMS = (
    "catalogue", "checkpoints", "evaluation", "exporting", "modeling_baselines", "modeling_xcat", "ranking", "serving",
    "tokenization",
)  # fmt: skip
"""Rooms of the package that the page needs: those below training."""
_PACKAGE = Path(__file__).parent.parent

README = """---
title: {title}
emoji: 🛒
colorFrom: blue
colorTo: green
sdk: gradio
sdk_version: {gradio}
app_file: app.py
pinned: false
{licence}{models}---

# {plain_title}

Recommends items to a history of items with {source}, a model made with xcat-rec.
The page is that of `xcat web`. The part of the package xcat-rec that it needs is in the folder `xcat_rec`.
Start it here with `pip install -r requirements.txt` and `python app.py`.
"""
INTERESTS = "The model was trained with users' interests. The page does not read interests; the package xcat-rec does."


@dataclass(frozen=True)
class SpaceFiles:
    """Inputs of a Space.

    Args:
        folder: The checkpoint.
        repository: Repository that the Space loads it from; None to copy it into the Space.
        revision: Commit of the repository.
        title: Title of the page; None for one with the name of the checkpoint.
    """

    folder: Path
    repository: str | None
    revision: str | None
    title: str | None = None


def write_space(files: SpaceFiles, output: Path) -> list[str]:
    """Write a Space into a folder, atomically.

    Args:
        files: The inputs.
        output: The folder.

    Returns:
        Paths of the files, in the folder.
    """
    name = (files.repository or files.folder.absolute().name).rpartition("/")[2]
    title = files.title or f"Recommendations of {name}"
    fields = {
        "checkpoint": repr(files.repository or CHECKPOINT_FOLDER),
        "revision": repr(files.revision),
        "name": repr(name),
        "title": repr(files.title),
    }
    with written_whole(output) as unfinished:
        (unfinished / "app.py").write_text(APP.format(**fields), encoding="utf-8")
        for source in package_files():
            copy = unfinished / "xcat_rec" / source.relative_to(_PACKAGE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        (unfinished / "requirements.txt").write_text(requirements(), encoding="utf-8")
        readme = README.format(
            licence=card_licence(files.folder),
            title=json.dumps(title, ensure_ascii=False),
            plain_title=title,
            gradio=GRADIO,
            models="" if files.repository is None else f"models:\n- {files.repository}\n",
            source=f"`{files.repository}`" if files.repository else "the checkpoint in this folder",
        )
        if reads_interests(files.folder):
            readme += f"{INTERESTS}\n"
        (unfinished / "README.md").write_text(readme, encoding="utf-8")
        if files.repository is None:
            (unfinished / CHECKPOINT_FOLDER).mkdir()
            for path in shared_files(files.folder, CARRIED):
                shutil.copyfile(files.folder / path, unfinished / CHECKPOINT_FOLDER / path)
    return sorted(path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())


def card_licence(folder: Path) -> str:
    """Lines of metadata with the licence that the checkpoint's own card states; empty if it states none."""
    if not (folder / CARD_FILE).is_file():
        return ""
    stated = ModelCard.load(folder / CARD_FILE, ignore_metadata_errors=True).data.to_dict()
    fields = {name: stated[name] for name in ("license", "license_name", "license_link") if stated.get(name)}
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True) if fields else ""


def reads_interests(folder: Path) -> bool:
    """Whether a checkpoint was trained with users' interests; its code cannot read them without the package."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return "interests" in config.get("memory_sources", ())


def package_files() -> Iterator[Path]:
    """The files of this package that the page needs."""
    yield from sorted(path for path in _PACKAGE.glob("*") if path.suffix == ".py" or path.name == "LICENSE")
    for room in ROOMS:
        yield from sorted((_PACKAGE / room).rglob("*.py"))


def requirements() -> str:
    """Requirements of the Space, with the installed versions. The hub installs that gradio itself."""
    lines = sorted([f"gradio=={GRADIO}", *pinned(OF_PAGE)])
    return "\n".join(["--extra-index-url https://download.pytorch.org/whl/cpu", *lines, ""])


def pinned(packages: Sequence[str]) -> list[str]:
    """Requirements of packages, sorted, with the installed versions."""
    return [f"{name}=={importlib.metadata.version(name).partition('+')[0]}" for name in sorted(packages)]

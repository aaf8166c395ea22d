"""The files of a Space."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..evaluation.modules import GRADIO
from ..modeling_xcat.hub_xcat import CARRIED, shared_files
from ..modeling_xcat.saving_xcat import written_whole
from ..tokenization.vocabulary import ItemVocabulary

CHECKPOINT_FOLDER = "checkpoint"
SHOWN_ITEMS = 2000

APP = '''"""A page that recommends items to a history; written by `xcat space`."""

import os

import gradio as gr

from xcat_rec import XCatRecommender

CHECKPOINT = {checkpoint}
REVISION = {revision}
SHOWN_ITEMS = {shown_items}

if REVISION is None:  # the checkpoint lies beside this file
    CHECKPOINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), CHECKPOINT)
recommender = XCatRecommender.from_pretrained(CHECKPOINT, revision=REVISION)
vocabulary = recommender.vocabulary


def choices():
    """The first items of the catalogue by title; other ids can be typed in."""
    names = vocabulary.table.column_names
    table = vocabulary.table.slice(0, SHOWN_ITEMS).select([n for n in ("item_id", "title") if n in names])
    return [(str(row.get("title") or row["item_id"]), row["item_id"]) for row in table.to_pylist()]


def recommend(history, k, cross_category):
    """Rows of a table: item, title, category, score, and the events the recommendation rests on."""
    if not history:
        raise gr.Error("Choose at least one item.")
    try:
        found = recommender.recommend([str(item) for item in history], int(k), cross_category=bool(cross_category))
    except ValueError as error:
        raise gr.Error(str(error)) from error
    return [
        [item.item_id, item.title, item.category or "", round(item.score, 3), ", ".join(r.title for r in item.because)]
        for item in found
    ]


with gr.Blocks(title={title}) as demo:
    gr.Markdown("# " + {title})
    history = gr.Dropdown(
        choices(), value={example}, multiselect=True, allow_custom_value=True, label="History, oldest first"
    )
    k = gr.Slider(1, 50, value=10, step=1, label="Recommendations")
    cross_category = gr.Checkbox(False, label="Only categories that the history lacks")
    button = gr.Button("Recommend", variant="primary")
    table = gr.Dataframe(headers=["item", "title", "category", "score", "because of"], interactive=False)
    button.click(recommend, [history, k, cross_category], table, api_name="recommend")

if __name__ == "__main__":
    demo.launch()
'''

README = """---
title: {title}
emoji: 🛒
colorFrom: blue
colorTo: green
sdk: gradio
sdk_version: {gradio}
app_file: app.py
pinned: false
license: apache-2.0
{models}---

# {plain_title}

Recommends items to a history of items with {source}, a model made with xcat-rec.
Start it here with `pip install -r requirements.txt` and `python app.py`.
"""


@dataclass(frozen=True)
class SpaceFiles:
    """What a Space is made of.

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
    """Write a Space into a folder, whole or not at all.

    Args:
        files: What it is made of.
        output: The folder.

    Returns:
        Paths of the files, in the folder.
    """
    vocabulary = ItemVocabulary.load(files.folder)
    name = (files.repository or files.folder.absolute().name).rpartition("/")[2]
    title = files.title or f"Recommendations of {name}"
    fields = {
        "checkpoint": repr(files.repository or CHECKPOINT_FOLDER),
        "revision": repr(files.revision),
        "shown_items": SHOWN_ITEMS,
        "title": repr(title),
        "example": repr(vocabulary.column("item_id").slice(0, 2).to_pylist()),
    }
    with written_whole(output) as unfinished:
        (unfinished / "app.py").write_text(APP.format(**fields), encoding="utf-8")
        (unfinished / "requirements.txt").write_text(requirements(), encoding="utf-8")
        readme = README.format(
            title=json.dumps(title, ensure_ascii=False),
            plain_title=title,
            gradio=GRADIO,
            models="" if files.repository is None else f"models:\n- {files.repository}\n",
            source=f"`{files.repository}`" if files.repository else "the checkpoint beside it",
        )
        (unfinished / "README.md").write_text(readme, encoding="utf-8")
        if files.repository is None:
            (unfinished / CHECKPOINT_FOLDER).mkdir()
            for path in shared_files(files.folder, CARRIED):
                shutil.copyfile(files.folder / path, unfinished / CHECKPOINT_FOLDER / path)
    return sorted(path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())


def requirements() -> str:
    """What the Space needs, in the versions it was written with; the hub brings gradio itself."""
    from .. import __version__

    torch = importlib.metadata.version("torch").partition("+")[0]
    return f"--extra-index-url https://download.pytorch.org/whl/cpu\nxcat-rec=={__version__}\ntorch=={torch}\n"

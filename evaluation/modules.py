"""Metrics as `evaluate` modules: written to a folder, loaded, or pushed as a Space."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from ..modeling_xcat.hub_xcat import HUB_ERRORS, hub_error
from .click_prediction.click_metrics import ABOUT as ABOUT_CLICKS
from .recommendation_ranking.ranking_metrics import ABOUT

COMBINED, CLICKS = "recommendation_ranking", "click_prediction"
METRIC_MODULES = (*ABOUT, COMBINED, *ABOUT_CLICKS, CLICKS)
"""Names of the modules: one per metric, and one with all metrics of rankings and of click predictions."""

GRADIO = "6.31.0"
"""Version of gradio for the pages of Spaces."""

_SOURCE = Path(__file__).parent
_DEFINITIONS = {COMBINED: "ranking_metrics.py", CLICKS: "click_metrics.py"}
_TITLES = {"ndcg": "NDCG", "mrr": "MRR", "auc": "AUC", "gauc": "GAUC", "ece": "ECE"}
_METRICS = re.compile(r"^METRICS = .*$", re.MULTILINE)
_REQUIREMENTS = "evaluate>=0.4.5\ndatasets>=4.0\nnumpy>=1.26\n"

_APP = '''"""A page that computes the metric; written by `xcat push --metric`."""

import json
import os

import evaluate
import gradio as gr

metric = evaluate.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), {script!r}))


{compute}


demo = gr.Interface(
    compute,
    [
        {inputs}
    ],
    gr.JSON(label="Result"),
    title={title!r},
    description=metric.description,
)

if __name__ == "__main__":
    demo.launch()
'''

_COMPUTE = {
    COMBINED: '''def compute(predictions, references, ks, num_items):
    """Compute the metric from lists given as JSON."""
    try:
        return metric.compute(
            predictions=json.loads(predictions), references=json.loads(references),
            ks=[int(k) for k in ks.split(",")], num_items=int(num_items) or None,
        )
    except (ValueError, TypeError) as error:
        raise gr.Error(str(error)) from error''',
    CLICKS: '''def compute(predictions, references, users):
    """Compute the metric from lists given as JSON."""
    try:
        return metric.compute(
            predictions=json.loads(predictions), references=json.loads(references),
            users=json.loads(users) if users.strip() else None,
        )
    except (ValueError, TypeError) as error:
        raise gr.Error(str(error)) from error''',
}
_INPUTS = {
    COMBINED: """gr.Textbox('[["tent", "lamp"], ["boots", "tent"]]', label="Recommendations per user, as JSON"),
        gr.Textbox('[["lamp"], ["kite"]]', label="Relevant items per user, as JSON"),
        gr.Textbox("1,2", label="Cut-offs"),
        gr.Number(4, precision=0, label="Items in the catalogue, for coverage; 0 if unknown"),""",
    CLICKS: """gr.Textbox("[0.9, 0.2, 0.4]", label="Probability of a click per impression, as JSON"),
        gr.Textbox("[1, 0, 1]", label="Labels, as JSON"),
        gr.Textbox('["u", "u", "v"]', label="Users, as JSON, for GAUC; empty if unknown"),""",
}
_EXAMPLE = {
    COMBINED: 'predictions=[["tent", "lamp"], ["boots", "tent"]],\n    references=[["lamp"], ["kite"]], ks=[1, 2]',
    CLICKS: 'predictions=[0.9, 0.2, 0.4], references=[1, 0, 1], users=["u", "u", "v"]',
}
_USAGE = {
    COMBINED: """- `predictions`: one list of recommended items per user, best first, all of one length; ids are
  strings or integers.
- `references`: one list of relevant items per user; a user without any is left out.
- `ks`: cut-offs; by default 1, 5, 10, 20 and 50, up to the length of the lists.
- `num_items`: number of items in the catalogue, for coverage.

The result maps `{name}@k` and the like to numbers from 0 to 1, means over users. An item that is not in a user's list
counts as ranked below it, so items need not be sampled.""",
    CLICKS: """- `predictions`: probability of a click per impression.
- `references`: 1 if the impression was clicked, else 0.
- `users`: user of each impression, for GAUC.

The result maps the metrics' names to numbers. With GAUC, `gauc_users` and `gauc_users_left_out` count users with both
labels, and users with one label only, who have no AUC. Weights of GAUC are the users' impressions.""",
}

_README = """---
title: {title}
emoji: 📏
colorFrom: blue
colorTo: green
sdk: gradio
sdk_version: {gradio}
app_file: app.py
pinned: false
license: apache-2.0
tags:
- evaluate
- metric
- recommendation
description: >-
  {short}
---

# {title}

{about}

## Use

```python
import evaluate

metric = evaluate.load("{place}")
metric.compute({example})
```

{usage}
"""


def write_metric(name: str, folder: str | Path, place: str | None = None) -> Path:
    """Write the `evaluate` module of a metric, with the page and the card of a Space.

    Args:
        name: One of `METRIC_MODULES`.
        folder: Folder to create the module's folder in.
        place: NAMESPACE/NAME to push it to; None for a local module.

    Returns:
        The folder, named like the module: `evaluate.load` loads it without a network.

    Raises:
        ValueError: If there is no such metric.
    """
    if name not in METRIC_MODULES:
        raise ValueError(f"there is no metric {name!r}; give one of {', '.join(METRIC_MODULES)}")
    family = COMBINED if name in (*ABOUT, COMBINED) else CLICKS
    about = ABOUT if family == COMBINED else ABOUT_CLICKS
    chosen = tuple(about) if name == family else (name,)
    called = name if place is None else place.rpartition("/")[2]
    target = Path(folder) / called
    target.mkdir(parents=True, exist_ok=True)
    script = (_SOURCE / family / f"{family}.py").read_text(encoding="utf-8")
    title = _TITLES.get(name, name.replace("_", " ").capitalize())
    kind = "ranked recommendations" if family == COMBINED else "click predictions"
    more = ", num_items=4" if "coverage" in chosen else ""
    card = _README.format(
        title=title, gradio=GRADIO, short=about.get(name, f"Metrics of {kind}."),
        about="\n".join(f"- {about[one]}" for one in chosen), place=place or target,
        example=_EXAMPLE[family] + more, usage=_USAGE[family].format(name=chosen[0]),
    )  # fmt: skip
    definitions = _DEFINITIONS[family]
    page = _APP.format(script=f"{called}.py", title=title, compute=_COMPUTE[family], inputs=_INPUTS[family])
    files = {
        f"{called}.py": _METRICS.sub(f"METRICS = {json.dumps(list(chosen))}", script),
        definitions: (_SOURCE / family / definitions).read_text(encoding="utf-8"),
        "app.py": page,
        "requirements.txt": _REQUIREMENTS,
        "README.md": card,
    }
    for file, content in files.items():
        (target / file).write_text(content, encoding="utf-8")
    return target


def load_metric(name: str) -> Any:
    """Load the `evaluate` module of a metric, without a network.

    Args:
        name: One of `METRIC_MODULES`.

    Raises:
        ValueError: If there is no such metric.

    Example:
        >>> load_metric("recall").compute(predictions=[["tent", "lamp"]], references=[["lamp"]], ks=[1, 2])
        {'recall@1': 0.0, 'recall@2': 1.0}
    """
    import evaluate

    with tempfile.TemporaryDirectory() as place:  # evaluate keeps its own copy
        return evaluate.load(str(write_metric(name, place)))


def push_metric(
    name: str,
    repository: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    message: str = "Upload metric",
    token: str | bool | None = None,
) -> Any:
    """Push the `evaluate` module of a metric to the hub, as a Space, in one commit.

    Args:
        name: One of `METRIC_MODULES`.
        repository: NAMESPACE/NAME of the Space; created if it does not exist.
        private: Whether to create it as private; None for the namespace's default.
        revision: Branch to push to; None for the main branch.
        create_pr: Whether to open a pull request instead of changing the branch.
        message: Title of the commit.
        token: Token for the hub; None for `HF_TOKEN` or the token of `hf auth login`.

    Returns:
        The commit.

    Raises:
        OSError: If the hub refuses or cannot be reached.
        ValueError: If there is no such metric, or the repository's name is not NAMESPACE/NAME.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    if repository.count("/") != 1 or not all(repository.split("/")):
        raise ValueError(f"{repository} is not a repository name; give NAMESPACE/NAME")
    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as place:
        folder = write_metric(name, place, repository)
        try:
            space = api.create_repo(
                repository, repo_type="space", space_sdk="gradio", private=private, exist_ok=True
            ).repo_id
            if revision is not None:
                api.create_branch(space, branch=revision, repo_type="space", exist_ok=True)
            return api.create_commit(
                space,
                [CommitOperationAdd(path.name, str(path)) for path in sorted(folder.iterdir())],
                repo_type="space", revision=revision, create_pr=create_pr, commit_message=message,
            )  # fmt: skip
        except HUB_ERRORS as error:
            raise hub_error(error, repository, revision) from error

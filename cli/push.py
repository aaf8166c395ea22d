"""`xcat push`: upload a checkpoint to the hub."""

from __future__ import annotations

from typing import Annotated

import typer

from ..counting import counted


def push(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub to copy.")],
    repository: Annotated[
        str | None, typer.Argument(help="NAMESPACE/NAME on the hub; created if it does not exist.", show_default=False)
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Instead of a checkpoint, push a metric as a Space: recall, ndcg, mrr, hit_rate, coverage, all."
        ),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    revision: Annotated[str | None, typer.Option(help="Branch, such as trial; created if it does not exist.")] = None,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead of pushing.")] = False,
    base_repo: Annotated[
        str | None, typer.Option(help="For an adapter: NAMESPACE/NAME of its base, if it was trained on a folder.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Tag for this version, such as v1.")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Upload weights with 16 bits per number: fp16 or bf16.", show_default=False)
    ] = None,
    message: Annotated[str | None, typer.Option(help="Title of the commit, such as 'Add items'.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Upload a checkpoint to the hub in one commit: model, catalogue, tokenizer, code and card. Also uploads adapters.

    Uses HF_TOKEN or the token of `hf auth login`, HF_ENDPOINT and HF_HOME. An interrupted push changes nothing,
    and the next push uploads only the missing files.

    Examples:

        xcat push my-checkpoint me/my-shop --private

        xcat push my-checkpoint me/my-shop --revision trial --tag v2

        xcat push my-checkpoint me/my-shop --dtype bf16

        xcat push my-checkpoint them/their-model --create-pr

        xcat push my-adapter me/my-adapter --base-repo me/my-shop

        xcat push --metric ndcg me/ndcg   # then, anywhere: evaluate.load("me/ndcg")
    """
    if metric is not None:
        if any(value is not None for value in (repository, base_repo, tag, dtype)):
            raise ValueError("--metric takes one NAMESPACE/NAME, and no checkpoint, --base-repo, --tag or --dtype")
        _push_metric(metric, checkpoint, private, revision, create_pr, message, json_output)
        return
    if repository is None:
        raise ValueError(f"the repository is missing; write xcat push {checkpoint} NAMESPACE/NAME")
    if repository.count("/") != 1:
        raise ValueError(f"{repository} is not the name of a repository; give NAMESPACE/NAME")
    from ..workflows.input_checks import check_checkpoint as check_there

    check_there(checkpoint)

    from ..workflows.push import push as push_checkpoint
    from .console import messages, print_json

    pushed = push_checkpoint(
        checkpoint,
        repository,
        private=private or None,
        revision=revision,
        create_pr=create_pr,
        tag=tag,
        message=message or "Upload checkpoint",
        base_repo=base_repo,
        dtype=dtype,
    )
    commit = pushed.commit
    if pushed.left_out:
        left = ", ".join(pushed.left_out)
        messages.print(f"note: not uploaded, because not part of a checkpoint: {left}", markup=False)
    messages.print(f"{counted(len(pushed.files), 'file')}: {pushed.url}", markup=False)
    if json_output:
        print_json({
            "repository": commit.repo_url.repo_id, "revision": commit.pr_revision or revision or "main",
            "commit": commit.oid, "url": pushed.url, "pull_request": commit.pr_url, "tag": tag, "files": pushed.files,
        })  # fmt: skip


def _push_metric(
    metric: str,
    repository: str,
    private: bool,
    revision: str | None,
    create_pr: bool,
    message: str | None,
    json_output: bool,
) -> None:
    from ..evaluation.modules import COMBINED, push_metric
    from .console import messages, print_json

    name = COMBINED if metric == "all" else metric
    commit = push_metric(
        name, repository, private=private or None, revision=revision, create_pr=create_pr,
        message=message or f"Upload metric {name}",
    )  # fmt: skip
    where = commit.pr_url or commit.commit_url
    messages.print(f'{where}; evaluate.load("{repository}") loads it', markup=False)
    if json_output:
        print_json({"repository": repository, "metric": name, "commit": commit.oid, "url": str(where)})

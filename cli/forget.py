"""`xcat forget`: delete everything that is stored of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..serving.state.forgetting import Forgotten


def forget(
    users: Annotated[list[str], typer.Argument(help="Ids of the users.")],
    state: Annotated[str, typer.Option(help="Folder with the files of the service, or redis://HOST:PORT/0.")],
    redact_reviews: Annotated[
        bool,
        typer.Option(help="Replace ids in the reasons of review.jsonl, too; the hashes of its lines are new then."),
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Delete everything of users: events, stated wishes, lists, reactions, and rows of tables in the folder.

    A file that cannot be changed or searched does not keep the others from it; it is named, and the exit code is 1.
    A model that was trained on their events is not changed: train again without them.

    Examples:

        xcat forget anna --state state/

        xcat forget anna bo --state state/ --json
    """
    from ..workflows.forget import forget as forget_users
    from .console import messages, print_json, say

    found = forget_users(users, state, redact_reviews=redact_reviews)
    for one in found.deleted:
        messages.print(f"{one.file}: {_deleted(one)}", markup=False, highlight=False)
    if not found.deleted:
        messages.print("nothing is stored of them", highlight=False)
    for file in found.left:
        say(f"note: {file} still has an id of them; look whether it is about the user, and delete it")
    for bad in found.failed:
        say(f"failed: {bad.file}: {bad.reason}")
    if json_output:
        print_json(found.to_dict())
    if found.failed:
        raise typer.Exit(1)


def _deleted(one: Forgotten) -> str:
    """What was deleted from a file, in words."""
    if one.kind in ("database", "server"):
        return f"everything of {one.rows:,} of the users was deleted"
    if one.kind == "review":
        return f"{one.rows:,} reasons were changed, and the hashes from there on; note the new last one"
    return f"{one.rows:,} {one.kind if one.kind == 'lines' else 'rows'} of them were deleted"

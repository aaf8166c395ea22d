"""`xcat forget`: delete everything that is stored of users."""

from __future__ import annotations

from typing import Annotated

import typer


def forget(
    users: Annotated[list[str], typer.Argument(help="Ids of the users.")],
    state: Annotated[str, typer.Option(help="Folder with the files of the service, or redis://HOST:PORT/0.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Delete everything of users: events, stated wishes, lists, reactions, and rows of tables in the folder.

    A model that was trained on their events is not changed: train again without them.

    Examples:

        xcat forget anna --state state/

        xcat forget anna bo --state state/ --json
    """
    from ..workflows.forget import forget as forget_users
    from .console import messages, print_json, say

    found = forget_users(users, state)
    for one in found.deleted:
        messages.print(f"{one.rows:,} deleted ({one.kind}): {one.file}", markup=False, highlight=False)
    if not found.deleted:
        messages.print("nothing is stored of them", highlight=False)
    for file in found.left:
        say(f"note: {file} still has an id of them; look whether it is about the user, and delete it")
    if json_output:
        print_json(found.to_dict())

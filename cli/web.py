"""`xcat web`: show a checkpoint in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def web(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for a free one.")] = 7860,
    compare: Annotated[
        str | None, typer.Option(help="Another checkpoint, to show both lists side by side, such as my-other.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page, such as 'Gift finder'.")] = None,
    log: Annotated[
        Path | None, typer.Option(help="Store of xcat serve for the operator's view, such as state.db; only read.")
    ] = None,
    service: Annotated[
        str | None, typer.Option(help="Running xcat serve for the operator's view, such as http://127.0.0.1:8000.")
    ] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="File whose first line is a key of that service.")] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Load pictures of items from the web addresses in the catalogue.")
    ] = False,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with the URL when the page answers.")
    ] = False,
) -> None:
    """Show a checkpoint in a browser: lists with reasons, a chat, a comparison of two checkpoints, an operator's view.

    The page is in English and Chinese, and loads nothing from other hosts. Needs the extra web. `xcat space` writes
    the same page for the hub.

    Examples:

        xcat web my-checkpoint

        xcat web my-checkpoint --compare my-other --log state.db --service http://127.0.0.1:8000
    """
    from ..workflows.input_checks import check_checkpoint
    from .usage import check_file_to_read

    check_checkpoint(checkpoint, None)
    if compare is not None:
        check_checkpoint(compare, None)
    check_file_to_read("--log", log)
    check_file_to_read("--api-key-file", api_key_file)

    from ..serving.http.settings import LOCAL_HOSTS, ServeSettings
    from ..serving.web.desk import Sources
    from ..serving.web.run import WebOptions
    from ..serving.web.run import web as run
    from .console import messages, print_json

    keys = ServeSettings(api_key_file=api_key_file).keys()
    sources = Sources(log, service, next(iter(keys), None))
    if host not in LOCAL_HOSTS:
        messages.print("note: everybody who reaches this address can use the page", markup=False)

    def started(url: str) -> None:
        messages.print(f"ready: {url}", markup=False)
        if json_output:
            print_json({"url": url})

    run(checkpoint, WebOptions(title, compare, sources, pictures), host=host, port=port, started=started)

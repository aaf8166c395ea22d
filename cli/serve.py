"""`xcat serve`: answer requests over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    checkpoint: Annotated[str, typer.Argument(help="Checkpoint folder, or NAMESPACE/NAME on the hub.")],
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for a free one; 8000 by default.")] = None,
    store: Annotated[
        str | None, typer.Option(help="Log of events and lists: memory:, sqlite:///state.db, redis://HOST:PORT/0.")
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(help="Folder of an index, where changes of items are saved; or qdrant://HOST:PORT/NAME."),
    ] = None,
    support_log: Annotated[
        Path | None, typer.Option(help="Table with the columns question and answer, for /chat, such as support.csv.")
    ] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="File with one key per line, such as keys.txt.")] = None,
    cors_origins: Annotated[
        str | None, typer.Option(help="Web pages that may call the service: https://shop.example,https://b.example.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Threads that compute lists; 1 by default.")] = None,
    max_together: Annotated[
        int | None, typer.Option(help="Requests whose lists are computed in one batch; 16 by default.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes behind the port, with one store; 1 by default.")
    ] = None,
    max_waiting: Annotated[
        int | None, typer.Option(help="Requests that may wait for a thread; 32 by default.")
    ] = None,
    max_delay: Annotated[
        float | None, typer.Option(help="Seconds; requests that would wait for longer are refused; 0.5 by default.")
    ] = None,
    max_batch: Annotated[int | None, typer.Option(help="Requests, events or items per call; 32 by default.")] = None,
    max_body_bytes: Annotated[int | None, typer.Option(help="Largest body; 1000000 by default.")] = None,
    max_k: Annotated[int | None, typer.Option(help="Largest list; 200 by default.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds that a request may wait; 5 by default.")] = None,
    body_timeout: Annotated[
        float | None, typer.Option(help="Seconds in which a body has to arrive; 10 by default.")
    ] = None,
    expire_after: Annotated[
        float | None, typer.Option(help="Seconds after a user's last event until the events are deleted.")
    ] = None,
    drain: Annotated[
        float | None, typer.Option(help="Seconds for running requests at the end; 10 by default.")
    ] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with the URL when the service answers.")
    ] = False,
) -> None:
    """Answer requests over HTTP: lists, chats, events, items and users. Needs the extra serve.

    Every option is also an environment variable, such as XCAT_SERVE_PORT. The page /docs describes the requests.

    Examples:

        xcat serve my-checkpoint --port 8000 --store sqlite:///state.db

        xcat serve my-checkpoint --host 0.0.0.0 --api-key-file keys.txt
    """
    from ..workflows.input_checks import check_checkpoint

    check_checkpoint(checkpoint, None)

    from ..serving.http.settings import LOCAL_HOSTS, ServeSettings
    from .console import messages, print_json

    origins = None if cors_origins is None else tuple(one.strip() for one in cors_origins.split(",") if one.strip())
    settings = ServeSettings.from_environment(
        {
            "host": host, "port": port, "store": store, "index": index, "support_log": support_log,
            "api_key_file": api_key_file, "cors_origins": origins, "workers": workers, "processes": processes,
            "max_waiting": max_waiting,
            "max_delay": max_delay, "max_batch": max_batch, "max_body_bytes": max_body_bytes, "max_k": max_k,
            "timeout": timeout, "body_timeout": body_timeout, "expire_after": expire_after, "drain": drain,
        }
    )  # fmt: skip
    if settings.host not in LOCAL_HOSTS and settings.api_key_file is None:
        messages.print(
            "note: no API key is set, so everybody who reaches this address can read and write", markup=False
        )

    from ..serving.http.run import serve as run

    def started(url: str) -> None:
        messages.print(f"ready: {url}/docs", markup=False)
        if json_output:
            print_json({"url": url})

    run(checkpoint, settings, started=started)

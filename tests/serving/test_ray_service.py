"""The example of Ray Serve: two replicas on two nodes answer with one store."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

import pytest

from ..hub.checkpoints import save_checkpoint
from ..ray_cluster import two_nodes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("ray") is None or find_spec("ray.serve") is None, reason="needs pip install 'ray[serve]'"
    ),
]
SCRIPT = Path(__file__).parents[2] / "examples" / "deployment" / "ray_service.py"
SECONDS = 900
"""Time for the replicas to load the model on a busy machine."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("ray-serve")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {
        "XCAT_CHECKPOINT": str(save_checkpoint(folder / "checkpoint")), "XCAT_PORT": str(port),
        "XCAT_SERVE_STORE": f"sqlite:///{folder}/state.db", "RAY_USAGE_STATS_ENABLED": "0",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, (folder / "log").open("w") as log:
        for name in ("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S"):
            patch.setenv(name, "120")  # 5 s and 10 s are too short on a busy machine
        with two_nodes():
            yield from served(folder, port, {**os.environ, **own}, log)


def served(folder: Path, port: int, environment: dict[str, str], log: TextIO) -> Iterator[str]:
    import ray

    environment["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    command = [sys.executable, str(SCRIPT)]
    process, tries = subprocess.Popen(command, env=environment, stdout=log, stderr=log), 1
    try:
        end = time.monotonic() + SECONDS
        while ask(f"http://127.0.0.1:{port}/health/ready")[0] != 200:
            if process.poll() is not None and tries < 5:  # it waits for its proxy for 60 s, which goes on starting
                process, tries = subprocess.Popen(command, env=environment, stdout=log, stderr=log), tries + 1
            assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()[-3000:]
            time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def ask(url: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None
    except OSError:
        return 0, None


def test_two_replicas_share_events(url: str) -> None:
    for number in range(10):
        event = {"user_id": "anna", "item_id": f"item-{number:02d}", "timestamp": 1_700_000_000 + number}
        assert ask(f"{url}/events", event) == (200, {"accepted": 1, "duplicates": 0})
        for _ in range(3):
            status, found = ask(f"{url}/recommend", {"user_id": "anna", "k": 40})
            shown = {item["item_id"] for item in found["recommendations"]}
            assert status == 200 and not {f"item-{past:02d}" for past in range(number + 1)} & shown
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    counts = [line.rpartition(" ")[2] for line in lines if line.startswith('xcat_requests_total{route="/recommend"')]
    assert 0 < sum(map(float, counts)) < 30, "the metrics are of one replica, and the other has answered, too"

"""A Redis server that the tests of this room share; each test finds it empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from ..redis_server import redis_url


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_url(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def empty_redis(_server: str) -> str:
    """URL of an empty Redis server."""
    redis.Redis.from_url(_server).flushall()
    return _server

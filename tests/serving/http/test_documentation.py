"""OpenAPI: every route with its errors and an example that the service answers as documented."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from xcat_rec.serving.http.app import create_app
from xcat_rec.serving.http.engine import Engine
from xcat_rec.serving.http.settings import ServeSettings

from ...hub.checkpoints import save_checkpoint

COMPUTED = {"400", "401", "408", "413", "422", "429", "503"}
"""Statuses of errors of every route that computes."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("documented") / "checkpoint")


@pytest.fixture(scope="module")
def client(checkpoint: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Engine(str(checkpoint), ServeSettings()))) as client:
        yield client


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, one) for path, found in described["paths"].items() for method, one in found.items()]


def examples(schema: dict[str, Any], described: dict[str, Any]) -> list[Any]:
    """Examples of a schema: its own, or one made of those of its fields."""
    if "$ref" in schema:
        return examples(described["components"]["schemas"][schema["$ref"].rpartition("/")[2]], described)
    if "oneOf" in schema or "anyOf" in schema:
        return [one for part in schema.get("oneOf") or schema["anyOf"] for one in examples(part, described)]
    if "examples" in schema:
        return list(schema["examples"])
    fields = schema.get("properties", {})
    missing = [name for name in schema.get("required", ()) if "examples" not in fields[name]]
    assert not missing, f"{schema.get('title')} has no example of {missing}"
    return [{name: field["examples"][0] for name, field in fields.items() if "examples" in field}]


def test_every_route_has_a_text_an_answer_and_its_errors(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert len(operations(described)) >= 17
    for method, path, one in operations(described):
        assert one["description"].endswith("."), path
        (content,) = one["responses"]["200"]["content"].values()
        assert content["schema"], path
        if "requestBody" in one or "parameters" in one:
            assert set(one["responses"]) >= COMPUTED | {"200"}, path
            assert "Retry-After" in one["responses"]["429"]["headers"]
        for parameter in one.get("parameters", ()):
            assert parameter["schema"].get("examples") or parameter.get("examples"), path
        assert method in ("get", "post", "delete")


def test_every_example_is_answered_as_documented(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    described = client.get("/openapi.json").json()
    sent = 0
    with caplog.at_level(logging.ERROR):
        for method, path, one in operations(described):
            bodies: list[Any] = [None]
            if "requestBody" in one:
                bodies = examples(one["requestBody"]["content"]["application/json"]["schema"], described)
            for body in bodies:
                at = path.replace("{user_id}", "anna").replace("{item_id}", "1082185")
                answer = client.request(method, at, json=body)
                sent += 1
                assert str(answer.status_code) in one["responses"] and answer.status_code < 500, (path, answer.text)
                of_model = any(
                    word in answer.text for word in ("catalogue", "read queries", "checkpoint:", "no clicks")
                )
                assert answer.status_code in (200, 404) or of_model, (path, body, answer.text)
    assert sent >= 20 and not caplog.records


def test_the_key_is_documented_where_it_is_asked_for(checkpoint: Path, tmp_path: Path, client: TestClient) -> None:
    assert "security" not in client.get("/openapi.json").json()
    file = tmp_path / "keys"
    file.write_text("canary-key\n")
    with TestClient(create_app(Engine(str(checkpoint), ServeSettings(api_key_file=file)))) as closed:
        described = closed.get("/openapi.json", headers={"X-API-Key": "canary-key"}).json()
    assert described["security"] == [{"key": []}] and described["paths"]["/health/live"]["get"]["security"] == []
    assert described["components"]["securitySchemes"]["key"]["name"] == "X-API-Key"
    assert "canary" not in json.dumps(described)


def test_the_description_is_counted_by_its_route(client: TestClient) -> None:
    client.get("/openapi.json")
    lines = client.get("/metrics").text.splitlines()
    assert any(line.startswith('xcat_requests_total{route="/openapi.json",status="2xx"}') for line in lines)
    assert not any('route="unknown",status="2xx"' in line for line in lines)

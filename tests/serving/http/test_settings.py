"""Settings of the service: arguments before variables, secrets never shown, limits checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from xcat_rec.cli.app import main
from xcat_rec.serving.http.settings import ServeSettings

from ...hub.checkpoints import save_checkpoint


def test_arguments_come_before_environment_variables() -> None:
    variables = {
        "XCAT_SERVE_PORT": "9000",
        "XCAT_SERVE_HOST": "0.0.0.0",
        "XCAT_SERVE_CORS_ORIGINS": "https://a, https://b",
    }
    found = ServeSettings.from_environment({"port": 9001, "host": None}, variables)
    assert (found.port, found.host, found.cors_origins) == (9001, "0.0.0.0", ("https://a", "https://b"))
    paths = ServeSettings.from_environment({}, {"XCAT_SERVE_API_KEY_FILE": "keys", "XCAT_SERVE_EXPIRE_AFTER": "2.5"})
    assert (paths.api_key_file, paths.expire_after) == (Path("keys"), 2.5)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"XCAT_SERVE_PORT": "many"}, "XCAT_SERVE_PORT is 'many'; give a number"),
        ({"XCAT_SERVE_PORT": "70000"}, "port is 70000"),
        ({"XCAT_SERVE_WORKERS": "0"}, "workers is 0; give 1 or more"),
        ({"XCAT_SERVE_TIMEOUT": "0"}, "timeout is 0.0; give a number of seconds above 0"),
    ],
)
def test_wrong_values_are_named(variables: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ServeSettings.from_environment({}, variables)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("canary-1\n\n canary-2 \n")
    settings = ServeSettings(store="redis://name:canary-3@host:6379/0", api_key_file=file)
    assert settings.keys() == {"canary-1", "canary-2"}
    assert "canary" not in str(settings.public())
    assert settings.public()["store"] == "redis://***@host:6379/0"
    url = "rediss://host/0?password=canary-4&username=canary-5"
    asked = ServeSettings.from_environment({"api_key_file": file}, {"XCAT_SERVE_STORE": url})
    assert asked.public()["store"] == "rediss://host/0?***" and asked.store == url
    for shown in (repr(settings), str(asked), f"{settings} {asked!r}"):
        assert "canary" not in shown and "ServeSettings(host='127.0.0.1'" in shown
    assert ServeSettings.from_dict(settings.to_dict()) == settings


def test_a_store_that_cannot_be_reached_shows_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = save_checkpoint(tmp_path / "checkpoint")
    monkeypatch.setenv("XCAT_SERVE_STORE", "redis://canary-1:canary-2@127.0.0.1:1/0?password=canary-3")
    with pytest.raises(SystemExit) as stop:
        main(["serve", str(checkpoint), "--port", "0"])
    written = capsys.readouterr()
    assert stop.value.code == 2 and "state 127.0.0.1:1: no Redis answers" in written.err
    assert "canary" not in written.out + written.err


def test_a_file_without_keys_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("\n")
    with pytest.raises(ValueError, match="has no key"):
        ServeSettings(api_key_file=tmp_path / "keys").keys()
    assert ServeSettings().keys() == frozenset()

"""The table of environment variables in docs/deploy.md is that of the settings."""

from __future__ import annotations

from dataclasses import fields

from xcat_rec.cli.app import load_command
from xcat_rec.docs.site import settings
from xcat_rec.serving.http.settings import PREFIX, ServeSettings


def test_the_table_has_every_setting_with_its_default_and_effect() -> None:
    assert settings.PAGE.read_text(encoding="utf-8") == settings.page(), "run `make pages`"
    rows = [row.strip("| ").split(" | ") for row in settings.table().splitlines()[2:]]
    assert [row[0] for row in rows] == [f"`{PREFIX}{one.name.upper()}`" for one in fields(ServeSettings)]
    assert all(len(row) == 4 and row[3].endswith((".", "refused with status 429.")) for row in rows)


def test_every_setting_is_an_option_of_the_command() -> None:
    options = {name for one in load_command("serve").params for name in one.opts}
    assert {row.split(" | ")[1].strip("`") for row in settings.table().splitlines()[2:]} <= options

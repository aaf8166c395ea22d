"""The command in a card trains the model again, whatever it was trained with."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import polars as pl
import pytest

from xcat_rec.cli.app import load_command
from xcat_rec.cli.fit import fit
from xcat_rec.cli.fit_command import FIELDS_NOT_SHOWN, NOT_SHOWN, fit_command, given_options
from xcat_rec.cli.options import parse_extra
from xcat_rec.model_cards.scrubbing import is_secret_name
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.training.arguments import XCatTrainingArguments
from xcat_rec.training.preparation.options import PreparationOptions

from ..tiny_shop import events_table, items_table, save_text_encoder
from .commands import run

SMALL = [
    "--hidden-size", "32", "--num-attention-heads", "2", "--max-history", "8", "--use-cpu", "--precision", "fp32",
    "--per-device-train-batch-size", "10",
]  # fmt: skip
NAMES = {"item_id": "Stock Code", "title": "Description, short", "user_id": "Customer ID", "timestamp": "InvoiceDate"}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables with other column names, in files of two formats, and a configuration file."""
    folder = tmp_path_factory.mktemp("fit-command")
    names = NAMES | {"title": "Description"}
    items, log = (
        {old: new for old, new in names.items() if old in table.columns} for table in (items_table(), events_table())
    )
    (folder / "shop").mkdir()
    items_table().rename(items).write_csv(folder / "shop" / "items.csv")
    moment = pl.from_epoch("timestamp").dt.strftime("%d/%m/%Y %H:%M:%S")
    events_table().with_columns(timestamp=moment).rename(log).write_csv(folder / "shop" / "events.csv")
    events_table().with_columns(timestamp=moment).rename(log).write_parquet(folder / "log.parquet")
    save_text_encoder(folder / "encoder")
    (folder / "fields.yaml").write_text(
        "num-train-epochs: 1\ntext_fields: [title, brand]\nlearning_rate: 5.0e-3\nlr_scheduler_kwargs: {}\n"
        "item_features: []\nseed: 5\n"
    )
    return folder


def printed(card: Path) -> list[str]:
    """The command of a card as a shell splits it, a list for each `&&`."""
    (block,) = re.findall(r"### Command\n\n```bash\n(.*)\n```", card.read_text(encoding="utf-8"))
    return shlex.split(block)


def replaced(words: list[str], **meant: str) -> list[str]:
    return [meant.get(word.partition(".")[0], word) for word in words]


def columns() -> str:
    return ",".join(f"{name}={column}" for name, column in (NAMES | {"title": "Description"}).items())


def test_the_printed_command_trains_the_model_again(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    items, events, encoder = str(places / "shop/items.csv"), str(places / "log.parquet"), str(places / "encoder")
    given = [
        "fit", "--items", items, "--events", events, "--columns", columns(), "--time-format", "%d/%m/%Y %H:%M:%S",
        "--config", str(places / "fields.yaml"), "--text-encoder", encoder, "--output", str(tmp_path / "first"),
    ]  # fmt: skip
    first = run([*given, *SMALL, "--split", "leave-one-out", "--json"], capsys)
    words = printed(tmp_path / "first" / "README.md")
    assert words[:2] == ["xcat", "fit"] and str(tmp_path) not in " ".join(words) and str(places) not in " ".join(words)
    assert {"ITEMS.csv", "EVENTS.parquet", "TEXT_ENCODER", columns()} <= set(words)
    clean = tmp_path / "clean"
    clean.mkdir()
    monkeypatch.chdir(clean)
    again = run([*replaced(words[1:], ITEMS=items, EVENTS=events, TEXT_ENCODER=encoder), "--json"], capsys)
    assert again["checkpoint"] == "checkpoint" and (clean / "checkpoint" / "README.md").is_file()
    for part in ("metrics", "slices", "baselines", "epochs", "trained_parameters", "num_targets"):
        assert json.dumps(again[part]) == json.dumps(first[part]), part
    assert sorted(printed(clean / "checkpoint" / "README.md")) == sorted(words)


def test_of_a_prepared_folder_the_preparation_is_printed_too(
    places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop, encoder = str(places / "shop"), str(places / "encoder")
    chosen = ["--split", "leave-one-out", "--repeats", "first", "--min-user-events", "3", "--time-format", "day-first"]
    run(["prepare", shop, "--columns", columns(), *chosen, "--output", str(tmp_path / "ready"), "--json"], capsys)
    options = ["--text-encoder", encoder, "--num-train-epochs", "1", *SMALL]
    first = run(["fit", str(tmp_path / "ready"), *options, "--output", str(tmp_path / "first"), "--json"], capsys)
    words = printed(tmp_path / "first" / "README.md")
    middle = words.index("&&")
    monkeypatch.chdir(tmp_path)
    meant = {"DATA": shop, "PREPARED": "made again", "TEXT_ENCODER": encoder}
    run([*replaced(words[1:middle], **meant), "--json"], capsys)
    again = run([*replaced(words[middle + 2 :], **meant), "--json"], capsys)
    assert json.dumps(again["metrics"]) == json.dumps(first["metrics"])


def other(kind: Any, default: Any) -> Any:
    """A value of a type that is not the default."""
    if get_origin(kind) is Literal:
        return next(choice for choice in get_args(kind) if choice != default)
    kinds = {int: 7, float: 0.5, str: "a b,c=d's", Path: "some/where", list[str]: "a b"}
    return next(value for known, value in kinds.items() if known == kind or known in get_args(kind))


def test_every_option_of_fit_is_in_the_command_or_said_not_to_matter() -> None:
    """A new option of `xcat fit` is in the command by itself; one that does not change the model goes to NOT_SHOWN."""
    command = load_command("fit")
    names = {parameter.name for parameter in command.params} - {"help"}
    assert names >= NOT_SHOWN, "these are no parameters any more"
    types = get_type_hints(fit)
    for parameter in command.params:
        if parameter.name == "help" or parameter.param_type_name != "option":
            continue
        value = not parameter.default if parameter.is_flag else other(types[parameter.name], parameter.default)
        flag = (parameter.opts if value else parameter.secondary_opts)[-1:] if parameter.is_flag else []
        with command.make_context("fit", flag or [parameter.opts[-1], str(value)]) as context:
            options = given_options(context)
            expected = context.params[parameter.name]
        if parameter.name in NOT_SHOWN:
            assert not options, parameter.name
            continue
        assert options == {parameter.name: expected}, f"{parameter.name} is not in the command of the card"
        words = shlex.split(fit_command("shop", {}, options))
        with command.make_context("fit", words[2:]) as context:
            assert context.params[parameter.name] == expected, parameter.name


VALUES = {
    "bool": [True, False], "int": [7], "float": [0.5, 1e-05], "str": ["abc", "123", "off", "%d/%m/%Y", "a: b", "null"],
    "list": [["a", "b"], [], ["on"], ["a,b"], ["x y"]], "dict": [{"a": 1.5, "b": "c"}],
}  # fmt: skip


@pytest.mark.parametrize("value", [value for kind in VALUES.values() for value in kind], ids=repr)
def test_values_of_fields_come_through_the_shell(value: Any) -> None:
    words = shlex.split(fit_command("shop", {"any_field": value}))
    read = parse_extra(words[5:])["any_field"]
    listed = read if not isinstance(value, list) or isinstance(read, list) else str(read).split(",")
    assert listed == value and type(listed) is type(value)


@pytest.mark.parametrize("owner", [PreparationOptions, XCatConfig, XCatTrainingArguments])
def test_every_field_that_is_given_is_in_the_command(owner: type) -> None:
    names = [field.name for field in dataclasses.fields(owner)]
    kept = [n for n in names if n not in FIELDS_NOT_SHOWN and not n.startswith("hub_") and not is_secret_name(n)]
    words = shlex.split(fit_command("shop", dict.fromkeys(names, 0.25)))
    assert parse_extra(words[5:]) == dict.fromkeys(kept, 0.25) and len(kept) > 15


def test_the_command_names_no_place_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    (tmp_path / "schedule.json").write_text("{}")
    fields = {
        "text_encoder": str(tmp_path), "hub_token": "q8sW2xkPz", "hub_model_id": "me/x", "push_to_hub": True,
        "cache_dir": "/home/jo", "item_features": ["brand"], "max_steps": None, "learning_rate": 1e-3,
        "deepspeed": str(tmp_path / "schedule.json"),
    }  # fmt: skip
    assert fit_command("complete-journey", fields, {"base": "base", "peft": "lora", "lora_rank": 4}) == (
        "xcat fit complete-journey --output checkpoint --base BASE --peft lora --lora-rank 4 "
        "--text-encoder TEXT_ENCODER --item-features brand --learning-rate 0.001 --deepspeed DEEPSPEED.json"
    )
    assert fit_command("shop/events", {}, {"base": "shop/base", "unknown_items": "drop"}) == (
        "xcat fit shop/events --output checkpoint --base shop/base --unknown-items drop"
    )
    assert fit_command("amazon-2023:reviews/:All_Beauty", {}).startswith("xcat fit amazon-2023:DATA:All_Beauty ")
    assert fit_command(None, {}) == "xcat fit DATA --output checkpoint"
    assert fit_command(None, {}, {"items": "me/items", "events": "me/events"}) == (
        "xcat fit --output checkpoint --items me/items --events me/events"
    )

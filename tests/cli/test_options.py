from __future__ import annotations

from pathlib import Path

import pytest

from xcat_rec.cli.options import parse_extra, read_yaml, split_fields
from xcat_rec.workflows.fields import parse_columns


def test_fields_go_where_they_belong():
    values = parse_extra(["--hidden-size=64", "--learning-rate", "1e-3", "--max-text-length", "32", "--bf16"])
    assert split_fields(values) == (
        {"max_text_length": 32},
        {"hidden_size": 64},
        {"learning_rate": 0.001, "bf16": True},
    )


def test_the_boost_of_cold_items_has_its_name_in_every_command():
    assert split_fields({"cold_boost": 0.5}) == ({}, {"untrained_bonus": 0.5}, {})


def test_whole_numbers_may_be_written_as_floats_and_lists_with_commas():
    preparation, config, training = split_fields(
        {"text_fields": "title,brand", "hidden_size": 64.0, "num_train_epochs": 3, "metric_ks": [5]}
    )
    assert preparation == {"text_fields": ("title", "brand")}
    assert isinstance(config["hidden_size"], int)
    assert training == {"num_train_epochs": 3, "metric_ks": [5]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hiden_size": 1}, "unknown option --hiden-size; did you mean --hidden-size"),
        ({"hidden_size": 1.5}, "hidden_size is 1.5; give a whole number"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'; give a number"),
        ({"use_text": "perhaps"}, "use_text is 'perhaps'; give true or false"),
        ({"num_item_rows": 5}, "unknown option --num-item-rows"),
        ({"dtype": "float16"}, "unknown option --dtype"),
        ({"metric_ks": "five"}, "metric_ks is 'five'; give whole numbers separated by commas"),
        ({"hidden_size": True}, "hidden_size is True; give a number"),
        ({"learning_rate": True}, "learning_rate is True; give a number"),
    ],
)
def test_wrong_fields_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        split_fields(values)


@pytest.mark.parametrize(
    ("written", "field", "value"),
    [
        ("--metric-ks=5", "metric_ks", [5]),
        ("--metric-ks=5,20", "metric_ks", [5, 20]),
        ("--metric-ks=[5, 20]", "metric_ks", [5, 20]),
        ("--memory-sources=item_text", "memory_sources", ["item_text"]),
        ("--memory-sources=item_text, user_text", "memory_sources", ["item_text", "user_text"]),
        ("--item-features=brand,category", "item_features", ("brand", "category")),
        ("--text-fields=", "text_fields", ()),
        ("--cache-dir=states", "cache_dir", Path("states")),
        ("--seed=3", "seed", 3),
        ("--eval-strategy=no", "eval_strategy", "no"),  # which YAML reads as false
        ("--use-text=no", "use_text", False),
        ("--bf16", "bf16", True),
        ("--max-steps=1e3", "max_steps", 1000),
        ("--weight-decay=-0.5", "weight_decay", -0.5),
        ("--report-to=tensorboard", "report_to", "tensorboard"),
    ],
)
def test_values_have_the_type_of_their_field(written, field, value):
    chosen = {name: v for room in split_fields(parse_extra([written])) for name, v in room.items()}
    assert chosen == {field: value}
    assert type(chosen[field]) is type(value) or isinstance(value, Path)


def test_a_value_without_an_option_is_refused():
    with pytest.raises(ValueError, match="'64' is not an option"):
        parse_extra(["64"])


def test_yaml(tmp_path):
    file = tmp_path / "fields.yaml"
    file.write_text("hidden-size: 64\nlearning_rate: 0.01\n")
    assert read_yaml(file) == {"hidden_size": 64, "learning_rate": 0.01}
    file.write_text("learning_rate: 1e-3\nweight_decay: -.5E2\noutput_dir: '1e-3'\nrun_name: 1e\n")
    assert read_yaml(file) == {"learning_rate": 0.001, "weight_decay": -50.0, "output_dir": "1e-3", "run_name": "1e"}
    file.write_text("- 1\n")
    with pytest.raises(ValueError, match="holds a list"):
        read_yaml(file)
    file.write_text("a: [")
    with pytest.raises(ValueError, match="is not valid YAML"):
        read_yaml(file)


def test_columns():
    columns = parse_columns("item_id=sku,title=name")
    assert (columns.item_id, columns.title, columns.user_id) == ("sku", "name", "user_id")
    with pytest.raises(ValueError, match="'sku'; give name=column"):
        parse_columns("sku")


@pytest.mark.parametrize("text", ["2024-02-30", "[e", "- [" * 5_000, "seed: 2024-13-01", "&a [*b]"])
def test_values_that_yaml_cannot_read_are_named(text: str, tmp_path: Path):
    with pytest.raises(ValueError, match="is not a valid value"):
        parse_extra(["--split", text.removeprefix("seed: ")])
    (tmp_path / "fit.yaml").write_text(f"seed: {text}\n")
    with pytest.raises(ValueError, match=r"fit\.yaml is not valid YAML"):
        read_yaml(tmp_path / "fit.yaml")
    (tmp_path / "fit.yaml").write_bytes(b"seed: \xff\n")
    with pytest.raises(ValueError, match=r"fit\.yaml is not valid YAML"):
        read_yaml(tmp_path / "fit.yaml")

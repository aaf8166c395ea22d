"""The whole card matches one pattern, has the expected content, and no local path or secret."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, metadata_load

from xcat_rec import XCatConfig
from xcat_rec.model_cards import card as card_module
from xcat_rec.model_cards.card import UNWRITTEN, build_card, write_card
from xcat_rec.model_cards.card_data import TrainingRecord, XCatModelCardData
from xcat_rec.model_cards.results import overall_limits

from .card_pattern import CARD
from .example_card import FACTS, arguments, example_card, example_results

Change = Callable[[Path], dict[str, Any]]


def _training(folder: Path, **changes: Any) -> TrainingRecord:
    return dataclasses.replace(example_card(folder).training, **changes)


CHANGES: dict[str, Change] = {
    "all": lambda folder: {},
    "hub": lambda folder: {
        "base_model": "shop/base", "base_checkpoint": True, "model_id": "shop/xcat", "dataset_id": "shop/events",
        "dataset_revision": "c9745ed1d9f207416be6d2e6f8de32d1f16199bf", "language": ["en", "zh"], "license": "other",
        "license_name": "shop-licence", "license_link": "https://example.org/licence", "tags": ["retail"],
        "citation": "@misc{shop,\n  title = {A shop}\n}",
    },
    "adapter": lambda folder: {"adapter": "lora", "base_model": "shop/base", "base_checkpoint": True},
    "nothing known": lambda folder: {
        "base_model": None, "parameters": None, "seeds": {}, "preparation": {}, "notes": [], "command": None,
        "training": TrainingRecord(), "results": {}, "dataset": None, "audit": None, "split": "not recorded",
    },
    "line breaks and bars": lambda folder: {
        "model_name": "two\nlines | and: a bar", "dataset_name": 'of "quotes" | bars\n', "notes": ["a\nb. "],
        "preparation": {"note": "a `tick` | a bar\nand a line"}, "example_history": ["it's", "a b"],
    },
    "local": lambda folder: {
        "base_model": "/home/jo/minilm", "model_id": "/home/jo/ckpt", "dataset_name": "/home/jo/shop",
        "dataset_id": "../shop",
    },
    "gbce": lambda folder: {
        "training": _training(folder, config=XCatConfig(objective="gbce", behavior_encoder="gru", num_item_rows=9))
    },
    "sampled, resumed, emissions": lambda folder: {
        "tie_policy": "shuffle",
        "training": _training(
            folder, config=XCatConfig(objective="sampled_softmax", num_neighbors=0), resumed_at=10, seconds=4000.0,
            emissions={
                "emissions": 0.25, "source": "codecarbon", "training_type": "fine-tuning",
                "geographical_location": "France", "hardware_used": "a CPU", "energy_kwh": 0.002,
                "tracker_version": "3.3.2",
            },
        ),
    },
    "no single users": lambda folder: {
        "results": {n: dataclasses.replace(r, per_user={}) for n, r in example_results().items()}
    },
    "no times": lambda folder: {
        "dataset": lambda: dataclasses.replace(
            FACTS, first_event=None, citation="", licence="", homepage="", users_of_parts={}, problems=()
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_whole_card(name: str, tmp_path: Path) -> None:
    card = build_card(example_card(tmp_path, **CHANGES[name](tmp_path)))
    assert re.fullmatch(CARD, card), card
    assert ModelCard(card).data.library_name == "xcat-rec"


@pytest.mark.parametrize(
    "left_out",
    [
        "library_name: xcat-rec", "| Base |", "| Seeds |", "| Split |", "| Revision |", "| Time range |", "SHA-256",
        "## Intended use", "xcat recommend ", "trust_remote_code=True", "### All targets", "[0.9000, 0.9250]",
        "### Targets in `cold`", "### Discovery: all targets",
        "### Discovery: targets in `switch`", "## Audit", "### Popularity", "### Exposure by brand", "### Losses",
        "### Training log",
        "- Processes: 1.", "Training time: 2 min 34 s", "- Emissions: ", "### Command", "### Versions",
        "## Limitations", "## What lists go by", "| Input | Meaning |",
        "## Citation", "@article", "| training loss |",
    ],
)  # fmt: skip
def test_the_pattern_notices_missing_parts(left_out: str, tmp_path: Path) -> None:
    config = XCatConfig(objective="sampled_softmax", event_types=["purchase"])
    card = build_card(example_card(tmp_path, training=_training(tmp_path, config=config)))
    card = card.replace("| XCat | **1.0000** [1.0000, 1.0000]", "| XCat | **0.9125** [0.9000, 0.9250]", 1)
    assert re.fullmatch(CARD, card)
    assert left_out in card
    assert not re.fullmatch(CARD, card.replace(left_out, "", 1))


def test_the_pattern_refuses_an_unfilled_place(tmp_path: Path) -> None:
    card = build_card(example_card(tmp_path))
    assert "$" not in card
    assert not re.fullmatch(CARD, card.replace("| Split | last-basket |", "| Split | ${split} |"))


def test_metrics_are_beside_baselines_with_intervals(tmp_path: Path) -> None:
    card = build_card(example_card(tmp_path))
    whole = card.split("### All targets (40 of 40 users)")[1].split("###")[0]
    assert "| XCat | **1.0000** [1.0000, 1.0000] | **0.5" in whole
    assert whole.index("| XCat |") < whole.index("| popularity |")
    assert "NDCG@10, XCat minus popularity: +0." in whole and "; XCat is better." in whole
    other = card.split("### Targets in `new_category` (the category is not in the user's history; 5 targets)")[1]
    assert "| popularity | **1.0000** [1.0000, 1.0000] | **1.0000** [1.0000, 1.0000] |" in other.split("###")[0]
    assert "; popularity is better." in other.split("###")[0]
    assert "### Targets in `cold` (the item has no training events; 0 targets)\n\nNo targets in this slice." in card
    assert "history_" not in card, "slices by history length are only in the results"


def test_discovery_has_its_own_metrics(tmp_path: Path) -> None:
    results = example_results()
    card = build_card(example_card(tmp_path))
    whole = card.split("### Discovery: all targets (30 of 30 users)")[1].split("###")[0]
    for name, report in results.items():
        new = report.discover
        assert new is not None and new.value("ndcg@10") != report.value("ndcg@10")
        assert f"{new.value('ndcg@10'):.4f}" in whole.split(f"| {name} |")[1].splitlines()[0]
    switch = card.split("### Discovery: targets in `switch` (the category differs from that of the last event; 20 tar")
    assert (
        "NDCG@10, XCat minus popularity: " in switch[1].split("###")[0]
        and "### Discovery: targets in `unseen`" not in card
    )
    assert "- In discovery, on the targets in `new_category`, popularity has a higher NDCG@10." in card
    assert "| NDCG@10 (discover) |" in card.split("### Training log")[1]

    none = {name: dataclasses.replace(report, discover=None) for name, report in results.items()}
    card = build_card(example_card(tmp_path, results=none))
    assert "Discovery was not measured: no user has a target that is not in the history." in card
    assert re.fullmatch(CARD, card) and "In discovery" not in card and "(discover)" not in card.split("---")[1]


def test_slices_with_a_better_baseline_are_limitations(tmp_path: Path) -> None:
    limits = build_card(example_card(tmp_path)).split("## Limitations")[1].split("## Citation")[0]
    assert "- On the targets in `new_category`, popularity has a higher NDCG@10." in limits
    assert "- No test target is in `cold`: the model was not evaluated there." in limits
    assert "On all targets" not in limits
    same = {name: example_results()["XCat"] for name in ("XCat", "popularity")}
    limits = build_card(example_card(tmp_path, results=same)).split("## Limitations")[1]
    assert "- On all targets, it is not significantly better than popularity." in limits
    assert overall_limits(same, "XCat") == [
        "On all targets, it is not significantly better than popularity.",
        "In discovery, on all targets, it is not significantly better than popularity.",
    ]
    assert overall_limits(example_results(), "XCat") == [
        "In discovery, on all targets, it is not significantly better than popularity."
    ]


def test_nothing_is_claimed_that_was_not_measured(tmp_path: Path) -> None:
    data = example_card(tmp_path, results={}, audit=None)
    card = build_card(data)
    assert "The model was not evaluated on test targets." in card
    assert "No recommendations were audited." in card
    assert "The model was not evaluated on test targets: the quality" in card
    metadata = yaml.safe_load(card.split("---")[1])
    assert not {"model-index", "metrics", "datasets", "co2_eq_emissions"} & set(metadata)
    assert "Metrics are computed on the validation targets." in card


def test_the_log_shows_the_checkpoint_in_bold(tmp_path: Path) -> None:
    card = build_card(example_card(tmp_path))
    table = card.split("### Training log\n\n")[1].split("\n\n")[0].splitlines()
    assert table == [
        "| epoch | step | training loss | Recall@10 | NDCG@10 (discover) | NDCG@10 `switch` |",
        "|---|---|---|---|---|---|",
        "| 1 | 10 | 4.0000 | 0.2500 | - | 0.1250 |",
        "| **2** | **20** | **3.5000** | **0.5000** | **0.2500** | **0.3750** |",
    ]


def test_settings_and_sources_are_stated(tmp_path: Path) -> None:
    card = build_card(example_card(tmp_path))
    for told in (
        "| `hidden_size` | `64` |", '| `event_types` | `["purchase"]` |', "| `learning_rate` | `0.003` |",
        "| `max_text_length` | `32` |", "- Cross-entropy over the whole catalogue: no item is sampled.",
        "@inproceedings{kang2018sasrec",
        "@inproceedings{steck2019ease", "The data: dunnhumby, The Complete Journey.", "- the hub cannot be reached.",
        "revision `c9745ed1d9f207416be6d2e6f8de32d1f16199bf`", "2016-12-26 to 2017-12-31 (UTC)",
    ):  # fmt: skip
        assert told in card, told
    assert "petrov2023" not in card and "sarwar2001" not in card
    gbce = build_card(example_card(tmp_path, training=_training(tmp_path, config=XCatConfig(objective="gbce"))))
    assert "@inproceedings{petrov2023gsasrec" in gbce


def test_a_failing_section_warns_and_leaves_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Any:
        raise RuntimeError("no audit today")

    with caplog.at_level(logging.WARNING):
        card = build_card(example_card(tmp_path, audit=broken))
    assert "section 'audit' of the model card could not be written: RuntimeError('no audit today')" in caplog.text
    assert f"## Audit\n\n{UNWRITTEN}\n\n## Training" in card
    assert not re.fullmatch(CARD, card)
    whole = build_card(example_card(tmp_path))
    assert card.partition("## Audit")[0] == whole.partition("## Audit")[0]
    assert card.partition("## Training")[2] == whole.partition("## Training")[2]


@pytest.mark.parametrize("name", card_module.SECTIONS)
def test_any_section_may_fail(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: XCatModelCardData) -> str:
        raise ZeroDivisionError

    monkeypatch.setitem(card_module.SECTIONS, name, broken)
    card = build_card(example_card(tmp_path))
    assert ModelCard(card).data.library_name == "xcat-rec"
    assert card.count("\n## ") == 9


def test_results_of_another_name_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    card = build_card(example_card(tmp_path, own_name="YCat"))
    assert "results has popularity, XCat, but not own_name 'YCat'" in caplog.text
    assert f"## Evaluation\n\n{UNWRITTEN}" in card


def test_author_fields(tmp_path: Path) -> None:
    data = example_card(tmp_path).given({"license": "mit", "limits": ["Trained on one shop."], "language": ["en"]})
    card = build_card(data)
    assert "license: mit" in card and "- Trained on one shop.\n" in card and "| Language of the texts | en |" in card
    with pytest.raises(ValueError, match="'licence' is not a card field; give some of model_name"):
        data.given({"licence": "mit"})
    with pytest.raises(ValueError, match="limits is 'none'; give a list"):
        data.given({"limits": "none"})
    with pytest.raises(ValueError, match="license is 3; give a text"):
        data.given({"license": 3})


def test_nothing_local_or_secret_gets_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "hf" + "_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"
    amazon, plain, home = "AKIA" + "ABCDEFGHIJKLMNOP", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEK", "/home/jo"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", plain)
    monkeypatch.setenv("SHOP_PASSWORD", "correct-horse")
    settings = {
        "text_config": {"name": f"{home}/minilm", "auth_token": "q8sW2xkPz"}, "hub_token": token,
        "data": "C:\\Users\\jo\\shop", "env": f"HF_TOKEN={token}", "key": amazon, "other": plain,
        "aws_secret_access_key": "q8sW2xkPz",
    }  # fmt: skip
    facts = dataclasses.replace(FACTS, problems=(f"read from {home}/shop/events.csv",), homepage="C:\\Users\\jo\\shop")
    args = arguments(tmp_path)
    args.logging_dir_note = f"{home}/logs"  # type: ignore[attr-defined]
    args.hub_token = token
    args.deepspeed = f"{home}/deepspeed.json"
    planted: dict[str, Any] = {
        "model_name": f"XCat from {home}/runs/1", "dataset_name": f"{home}/shop data/events.csv",
        "preparation": settings, "base_model": f"{home}/minilm", "model_id": f"{home}/checkpoint",
        "base_model_revision": f"{home}/x", "dataset_revision": f"{home}/y", "benchmark_task": f"{home}/task",
        "dataset_id": f"{home}/shop", "example_history": [f"{home}/item", token], "dataset": lambda: facts,
        "limits": [f"Trained on {home}/shop/events.csv with {token}."], "notes": [f"cache in {home}/.cache", plain],
        "command": f"xcat fit {home}/shop --hub-token {token} --note correct-horse --api-key q8sW2xkPz",
        "results": {**example_results(), f"{home}/other": example_results()["popularity"]},
        "description": "Key " + amazon, "license": f"see {home}/LICENSE", "tags": [f"{home}/tag"],
        "training": _training(tmp_path, arguments=args, hardware=f"node of jo, {home}, D:\\models"),
    }  # fmt: skip
    write_card(example_card(tmp_path, **planted), tmp_path / "card")
    card = (tmp_path / "card" / "README.md").read_text()
    assert re.fullmatch(CARD, card), card
    for leak in (
        home,
        token,
        amazon,
        plain,
        "correct-horse",
        "\\Users",
        "D:\\",
        "q8sW2xkPz",
        "hub_token",
        str(tmp_path),
    ):
        assert leak not in card, leak
    assert yaml.safe_load(card.split("---")[1])["library_name"] == "xcat-rec"


def test_metadata_round_trips(tmp_path: Path) -> None:
    data = example_card(
        tmp_path, dataset_id="shop/events", language=["en", "zh"], license="apache-2.0", model_id="shop/xcat"
    )
    (path,) = write_card(data, tmp_path / "card")
    loaded = ModelCard.load(path)
    assert loaded.data.to_dict() == data.to_dict() == metadata_load(path)
    assert loaded.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert loaded.data.datasets == ["shop/events"]
    assert loaded.data.metrics == ["recall", "ndcg", "mrr"]
    own, labels = example_results()["XCat"], ("Recall@10", "NDCG@10", "MRR@10")
    assert own.discover is not None
    figures = {result.metric_name: result.metric_value for result in loaded.data.eval_results}
    expected = {label: own.metrics[label.lower()] for label in labels}
    expected |= {f"{label} (discover)": own.discover.metrics[label.lower()] for label in labels}
    assert figures == {label: round(value, 6) for label, value in expected.items()}
    assert {(r.dataset_type, r.dataset_split) for r in loaded.data.eval_results} == {("shop/events", "test")}

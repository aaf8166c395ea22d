"""The whole card matches one pattern, says what it should, and lets nothing local or secret out."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest
import yaml
from huggingface_hub import ModelCard

from xcat_rec.model_cards.card import XCatCardData, build_card

NUMBER = r"(?:\*\*-?\d+\.\d{4}\*\*|-?\d+\.\d{4}|n/a)"
TABLE = rf"\| model \|(?: [A-Z]\w*@\d+ \|)+\n\|---\|(?:---\|)+\n(?:\| [^|\n]+ \|(?: {NUMBER} \|)+\n)+"
SETTINGS = r"(?:All at their defaults\.\n|\| setting \| value \|\n\|---\|---\|\n(?:\| `\w+` \| `[^`\n]+` \|\n)+)"
CARD = rf"""---
(?:[^\n]+\n)*?library_name: xcat-rec
(?:[^\n]+\n)*?pipeline_tag: item-recommendation
tags:
- recommendation
(?:- [^\n]+\n)*model-index:
- name: [^\n]+
  results:
(?:  [^\n]+\n)+---

# [^\n]+

[^\n]+\. [^\n]+\.

\| \| \|
\|---\|---\|
\| Model type \| [^\n]+ \|
\| Text encoder \| [^\n]+ \|
\| Data \| [^\n]+ \|
\| Size \| [\d,]+ users, [\d,]+ items, [\d,]+ events \|
\| Split \| [\w-]+ \|
\| Order of simultaneous events \| [^\n]+ \|
\| Seed \| \d+ \|

## How to use it

```python
from xcat_rec import XCatRecommender

recommender = XCatRecommender\.from_pretrained\("(?P<id>[\w./-]+)"\)
recommender\.recommend\(\["[^\n]+"\], k=10\)
```

Without `xcat_rec` installed, the checkpoint carries its own code:

```python
from transformers import AutoModel, AutoProcessor

model = AutoModel\.from_pretrained\("(?P=id)", trust_remote_code=True\)
processor = AutoProcessor\.from_pretrained\("(?P=id)", trust_remote_code=True\)
```

## Figures

Measured on the held-out test targets\. [^\n]+
[^\n]+

### All targets(?: \([\d,]+ targets\))?

{TABLE}
(?:(?:### Targets in `\w+`(?: \([^\n]+\))?\n\n{TABLE}\n)+|No slices were measured\.\n\n)## Training

Ran on: [^\n]+\. Training time: (?:not recorded|\d+ h \d+ min|\d+ min \d+ s|\d+ s)\.

### Settings of the model

{SETTINGS}
### Settings of the training

{SETTINGS}
### Versions

(?:- [\w-]+ \d[^\n]*\n)+
## Limits

(?:- [^\n]+\.\n)+
## Citation

```bibtex
@\w+\{{[^`]+\}}
```
"""


def card_data(**changes: object) -> XCatCardData:
    data = XCatCardData(
        title="XCat on The Complete Journey",
        dataset_name="The Complete Journey",
        num_users=2469,
        num_items=26_391,
        num_events=1_419_018,
        split="last-basket",
        tie_policy="file",
        seed=7,
        metrics={
            "popularity": {"recall@10": 0.0512, "ndcg@10": 0.0411, "mrr@10": 0.03},
            "XCat": {"recall@10": 0.1234, "ndcg@10": 0.0987, "mrr@10": 0.02},
        },
        slices={
            "switch": {
                "XCat": {"recall@10": 0.11, "ndcg@10": 0.07},
                "popularity": {"recall@10": 0.05, "ndcg@10": 0.04},
            },
            "new_category": {"XCat": {"recall@10": 0.04}, "popularity": {"recall@10": 0.03}},
            "cold": {"XCat": {"recall@10": math.nan}, "popularity": {"recall@10": math.nan}},
        },
        num_targets={"all": 19_000, "switch": 15_000, "new_category": 2_000, "cold": 0},
        model_settings={"hidden_size": 64, "event_types": ["purchase"]},
        training_settings={"num_train_epochs": 3, "learning_rate": 0.002},
        hardware="x86_64 CPU with AVX2, 2 cores, 24 GiB of memory",
        training_seconds=154.2,
        base_model="sentence-transformers/all-MiniLM-L6-v2",
        example_history=["1082185", "995242"],
    )
    return dataclasses.replace(data, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"slices": {}, "num_targets": {}, "model_settings": {}, "training_settings": {}, "training_seconds": None},
        {
            "base_model": None,
            "model_id": "shop/xcat",
            "dataset_id": "shop/events",
            "language": ["en"],
            "license": "mit",
        },
        {"title": "two\nlines | and: a bar", "dataset_name": 'of "quotes" | bars\n', "tags": ["retail"]},
        {"base_model": "/home/jo/minilm", "model_id": "/home/jo/ckpt", "dataset_name": "/home/jo/shop"},
        {
            "model_settings": {"note": "a `tick` | a bar\nand a line"},
            "tie_policy": "shuffle",
            "training_seconds": 4000,
        },
    ],
)
def test_whole_card(changes: dict[str, object]) -> None:
    card = build_card(card_data(**changes))
    assert re.fullmatch(CARD, card), card


@pytest.mark.parametrize(
    "left_out",
    [
        "## Limits",
        "library_name: xcat-rec",
        "| Seed | 7 |",
        "Training time: 2 min 34 s",
        "### Versions",
        "### All targets",
    ],
)
def test_the_pattern_notices_what_is_missing(left_out: str) -> None:
    card = build_card(card_data())
    assert left_out in card
    assert not re.fullmatch(CARD, card.replace(left_out, ""))


def test_the_pattern_refuses_an_unfilled_place() -> None:
    assert "$" not in build_card(card_data())
    assert not re.fullmatch(CARD, build_card(card_data()).replace("| Seed | 7 |", "| Seed | ${seed} |"))


def test_metadata() -> None:
    card = ModelCard(build_card(card_data(dataset_id="shop/events", language=["en", "zh"], license="apache-2.0")))
    assert card.data.library_name == "xcat-rec"
    assert card.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert card.data.datasets == ["shop/events"]
    assert card.data.language == ["en", "zh"]
    figures = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert figures == {"Recall@10": 0.1234, "NDCG@10": 0.0987, "MRR@10": 0.02}
    assert {result.dataset_type for result in card.data.eval_results} == {"shop/events"}


def test_figures_stand_beside_baselines() -> None:
    card = build_card(card_data())
    assert "| XCat | **0.1234** | **0.0987** | 0.0200 |\n| popularity | 0.0512 | 0.0411 | **0.0300** |" in card
    assert "### Targets in `switch` (category differs from that of the last event; 15,000 targets)" in card
    assert "| XCat | n/a |" in card
    assert '| `event_types` | `["purchase"]` |' in card


def test_missing_own_figures() -> None:
    with pytest.raises(ValueError, match="needs the metrics of 'XCat', and has 'popularity'"):
        build_card(card_data(metrics={"popularity": {"recall@10": 0.1}}))


def test_nothing_local_or_secret_gets_out() -> None:
    token = "hf" + "_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"
    home = "/home/jo"
    planted = {
        "title": f"XCat from {home}/runs/1",
        "dataset_name": f"{home}/shop data/events.csv",
        "model_settings": {"text_config": {"name": f"{home}/minilm", "auth_token": "q8sW2xkPz"}, "hub_token": token},
        "training_settings": {
            "logging_dir": f"{home}/logs",
            "data": "C:\\Users\\jo\\shop",
            "env": f"HF_TOKEN={token}",
        },
        "hardware": f"node of jo, {home}",
        "base_model": f"{home}/minilm",
        "model_id": f"{home}/checkpoint",
        "dataset_id": f"{home}/shop",
        "example_history": [f"{home}/item", token],
        "limits": [f"Trained on {home}/shop/events.csv with {token}."],
        "metrics": {"XCat": {"recall@10": 0.1}, f"{home}/other": {"recall@10": 0.2}},
    }
    card = build_card(card_data(**planted))
    assert re.fullmatch(CARD, card), card
    for leak in (home, token, "Users", "q8sW2xkPz", "hub_token"):
        assert leak not in card
    assert yaml.safe_load(card.split("---")[1])["library_name"] == "xcat-rec"

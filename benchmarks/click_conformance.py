"""Conformance of click models: the same black-box checks on ours and on those of other libraries, as one table.

The other libraries run in an environment of their own (`--peer-python`) with torch-rechub, deepctr-torch and fuxictr;
the models of FuxiCTR are in a clone of its repository (`--fuxictr`). Prints a Markdown table, or JSON with `--json`.

    python benchmarks/click_conformance.py --peer-python .venv-peers/bin/python --fuxictr FuxiCTR
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig

import xcat_rec.modeling_baselines as baselines
from xcat_rec.modeling_xcat.configuration_xcat import XCatConfig
from xcat_rec.modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from xcat_rec.tokenization.vocabulary import NUM_SPECIAL_ROWS

PEERS = Path(__file__).with_name("peers")
sys.path.insert(0, str(PEERS))

from click_checks import CATEGORIES, CHECKS, ITEMS, WIDTH, Batch, run_checks  # noqa: E402

OURS = ("MeanPooling", "DIN", "DIEN", "BST", "DMIN")


class OwnPort:
    """A model of this package."""

    def __init__(self, name: str) -> None:
        config = getattr(baselines, name + "Config")(
            num_item_rows=ITEMS, num_category_rows=CATEGORIES, embedding_dim=WIDTH, hidden_sizes=(16, 8)
        )
        self.module: Any = getattr(baselines, name + "Model")(config)
        self.item_table = self.module.items.ids.weight
        self.has_auxiliary_loss = self.module.needs_negatives
        self.fixed_length = False

    def __call__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        output = self.module(**batch)
        return torch.sigmoid(output.logits), output.auxiliary_loss

    def loss(self, batch: Batch) -> torch.Tensor:
        """Training loss."""
        loss: torch.Tensor = self.module(**batch).loss
        return loss


class XCatPort:
    """XCat: a text per item, whose states are drawn, in place of the categories of the batch."""

    has_auxiliary_loss = False
    fixed_length = False

    def __init__(self) -> None:
        text = BertConfig(
            vocab_size=9, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=WIDTH
        )
        config = XCatConfig(
            text_config=text, text_dim=WIDTH, num_item_rows=ITEMS, num_texts=ITEMS, hidden_size=16,
            intermediate_size=16, num_attention_heads=2, max_history=60, hidden_dropout=0.0, attention_dropout=0.0,
            id_dropout=0.0,
        )  # fmt: skip
        torch.manual_seed(0)
        self.module: Any = XCatForClickPrediction(config)
        items = self.module.model.items
        items.text_states.normal_()
        items.text_token_mask[1:] = True
        items.text_index[NUM_SPECIAL_ROWS:] = torch.arange(NUM_SPECIAL_ROWS, ITEMS)
        items.item_counts.copy_(1 + torch.arange(ITEMS) % 5)  # an item without events has no id embedding
        self.item_table = items.id_embeddings.weight

    def _inputs(self, batch: Batch) -> Batch:
        items = batch["item_ids"]
        rows, length = items.shape
        present = (items > 0).sum(1)
        last = torch.where(present > 0, torch.arange(rows) * length + present - 1, -1)
        return {"item_ids": items, "click_positions": last, "click_items": batch["candidate_ids"]}

    def __call__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        return torch.sigmoid(self.module(**self._inputs(batch)).logits), None

    def loss(self, batch: Batch) -> torch.Tensor:
        """Training loss: clicks and next items."""
        following = torch.nn.functional.pad(batch["item_ids"][:, 1:], (0, 1))
        labels = torch.where(following > 0, following, -100)
        output = self.module(**self._inputs(batch), labels=labels, click_labels=batch["labels"])
        loss: torch.Tensor = output.loss
        return loss


def main() -> None:
    """Check the models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="Python of an environment with the other libraries")
    parser.add_argument("--fuxictr", help="clone of reczoo/FuxiCTR")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {"xcat-rec XCat": run_checks(XCatPort())}
    results |= {f"xcat-rec {name}": run_checks(OwnPort(name)) for name in OURS}
    if options.peer_python:
        command = [options.peer_python, str(PEERS / "click_ports.py")]
        command += ["--fuxictr", options.fuxictr] if options.fuxictr else []
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        results |= json.loads(done.stdout.splitlines()[-1])
    if options.json:
        print(json.dumps(results))
        return
    print("| model | passed | what fails |\n|---|---|---|")
    for name, found in results.items():
        failed: dict[str, list[str]] = {}
        for check, result in found.items():
            if result not in ("pass", "-"):
                failed.setdefault(result, []).append(check)
        count = sum(result == "pass" for result in found.values())
        applied = sum(result != "-" for result in found.values()) if len(found) > 1 else len(CHECKS)
        reasons = "; ".join(f"{', '.join(checks)}: {result}" for result, checks in failed.items())
        print(f"| {name} | {count} of {applied} | {reasons} |")


if __name__ == "__main__":
    main()

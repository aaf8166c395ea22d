"""Checks of the click models of torch-rechub, DeepCTR-Torch and FuxiCTR, run by a Python that has them.

FuxiCTR's models are in the folder `model_zoo` of its repository, not in its package. Prints one JSON object, from
model to check to result.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from click_checks import CATEGORIES, ITEMS, WIDTH, Batch, padded, run_checks
from torch.nn.functional import binary_cross_entropy


class Port:
    """A model of a library: its module, its table of items, and a call."""

    has_auxiliary_loss = False
    fixed_length = False

    def __init__(self, module: torch.nn.Module, item_table: torch.Tensor) -> None:
        self.module, self.item_table = module, item_table

    def loss(self, batch: Batch) -> torch.Tensor:
        """Training loss."""
        scores, auxiliary = self(batch)
        loss = binary_cross_entropy(scores, batch["labels"])
        return loss if auxiliary is None else loss + auxiliary.sum()

    def __call__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Probabilities and auxiliary loss."""
        raise NotImplementedError


class RechubPort(Port):
    """A model of torch-rechub."""

    def __init__(self, name: str, padding: int | None = 0, *, softmax: bool = False) -> None:
        from torch_rechub.basic.features import SequenceFeature, SparseFeature

        sizes = {"item": ITEMS, "category": CATEGORIES}
        target = [SparseFeature(key, size, WIDTH, padding_idx=padding) for key, size in sizes.items()]
        context = [SparseFeature("context", 3, WIDTH)]

        def sequence(prefix: str) -> list[Any]:
            return [
                SequenceFeature(prefix + key, size, WIDTH, pooling="concat", shared_with=key, padding_idx=padding)
                for key, size in sizes.items()
            ]

        kind = getattr(importlib.import_module(f"torch_rechub.models.ranking.{name.lower()}"), name)
        mlp = {"dims": [16, 8]}
        if name == "DIN":
            module = kind(context, sequence("hist_"), target, mlp, {"dims": [8], "use_softmax": softmax})
        elif name == "DIEN":
            module = kind(context, sequence("hist_"), sequence("neg_"), target, mlp)
            self.has_auxiliary_loss = True
        else:
            module = kind(context, sequence("hist_"), target, mlp, nhead=4, max_seq_len=60)
        super().__init__(module, module.embedding.embed_dict["item"].weight)

    def __call__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        found = self.module(
            {
                "item": batch["candidate_ids"], "category": batch["candidate_category_ids"],
                "hist_item": batch["item_ids"], "hist_category": batch["category_ids"],
                "neg_item": batch["negative_ids"], "neg_category": batch["negative_category_ids"],
                "context": batch["candidate_ids"] % 3,
            }
        )  # fmt: skip
        return found if isinstance(found, tuple) else (found, None)


class DeepCTRPort(Port):
    """A model of DeepCTR-Torch, which is made for one length: one module per length, with the same weights."""

    def __init__(self, name: str, **options: Any) -> None:
        self.name, self.options = name, options
        self.has_auxiliary_loss = name == "DIEN"
        module = self._made(9)
        super().__init__(module, module.embedding_dict["item"].weight)

    def _made(self, length: int) -> torch.nn.Module:
        from deepctr_torch import models
        from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat

        columns = [SparseFeat("item", ITEMS, WIDTH), SparseFeat("category", CATEGORIES, WIDTH)]
        for prefix in ("hist_", "neg_hist_")[: 2 if self.has_auxiliary_loss else 1]:
            columns += [
                VarLenSparseFeat(
                    SparseFeat(prefix + key, size, WIDTH, embedding_name=key), length, length_name="seq_length"
                )
                for key, size in (("item", ITEMS), ("category", CATEGORIES))
            ]
        made: torch.nn.Module = getattr(models, self.name)(
            columns, ["item", "category"], dnn_hidden_units=(16, 8), **self.options
        )
        return made

    def __call__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        length = batch["item_ids"].shape[1]
        module: Any = self.module
        if length != 9:
            state = dict(module.named_parameters()) | dict(module.named_buffers())
            other: Any = self._made(length).train(module.training)
            inputs = self._inputs(other, batch)
            scores = torch.func.functional_call(other, state, (inputs,))
            return scores.squeeze(1), getattr(other, "aux_loss", None) if self.has_auxiliary_loss else None
        scores = module(self._inputs(module, batch))
        return scores.squeeze(1), module.aux_loss if self.has_auxiliary_loss else None

    def _inputs(self, module: Any, batch: Batch) -> torch.Tensor:
        values = {
            "item": batch["candidate_ids"], "category": batch["candidate_category_ids"],
            "hist_item": batch["item_ids"], "hist_category": batch["category_ids"],
            "neg_hist_item": batch["negative_ids"], "neg_hist_category": batch["negative_category_ids"],
            "seq_length": (batch["item_ids"] > 0).sum(1),
        }  # fmt: skip
        parts = [values[name].reshape(len(values[name]), -1) for name in module.feature_index]
        return torch.cat(parts, dim=1).float()


class FuxiPort(Port):
    """A model of FuxiCTR's model_zoo."""

    def __init__(self, name: str, folder: Path, **options: Any) -> None:
        from fuxictr.features import FeatureMap

        self.has_auxiliary_loss = name in ("DIEN", "DMIN")
        self.fixed_length = name in ("BST", "DMIN")
        features: OrderedDict[str, Any] = OrderedDict()
        for key, size in (("item", ITEMS), ("category", CATEGORIES)):
            features[key] = {"type": "categorical", "source": "", "vocab_size": size, "padding_idx": 0}
            for prefix in ("hist_", "neg_")[: 2 if self.has_auxiliary_loss else 1]:
                features[prefix + key] = {
                    "type": "sequence", "source": "", "vocab_size": size, "padding_idx": 0, "max_len": 12,
                    "share_embedding": key, "feature_encoder": None,
                }  # fmt: skip
        features = OrderedDict(sorted(features.items(), key=lambda pair: "_" in pair[0]))
        mapped = FeatureMap("checks", tempfile.gettempdir())
        mapped.features, mapped.labels, mapped.default_emb_dim = features, ["label"], WIDTH
        mapped.num_fields, mapped.input_length = len(features), len(features)
        sys.path.insert(0, str(folder / "model_zoo" / name / "src"))
        kind = getattr(importlib.import_module(name), name)
        fields = {"target_field": [("item", "category")], "sequence_field": [("hist_item", "hist_category")]}
        if self.has_auxiliary_loss:
            fields["neg_seq_field"] = [("neg_item", "neg_category")]
        prefix = "" if name == "DMIN" else f"{name.lower()}_"
        module = kind(
            mapped,
            dnn_hidden_units=[16, 8],
            embedding_dim=WIDTH,
            batch_norm=False,
            **{prefix + key: value for key, value in fields.items()},
            **options,
            optimizer="adam",
            loss="binary_crossentropy",
            verbose=0,
            metrics=["AUC"],
            model_root=tempfile.gettempdir(),
        )
        super().__init__(module, next(p for key, p in module.named_parameters() if key.endswith(".item.weight")))

    def _inputs(self, batch: Batch) -> Batch:
        if self.fixed_length:
            batch = padded(batch, 12 - batch["item_ids"].shape[1])
        inputs = {
            "item": batch["candidate_ids"], "category": batch["candidate_category_ids"],
            "hist_item": batch["item_ids"], "hist_category": batch["category_ids"],
        }  # fmt: skip
        if self.has_auxiliary_loss:
            inputs |= {"neg_item": batch["negative_ids"], "neg_category": batch["negative_category_ids"]}
        return inputs

    def __call__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        found = self.module(self._inputs(batch))
        scores = found["y_pred"].squeeze(1)
        auxiliary = None
        if self.has_auxiliary_loss and self._wants_auxiliary:
            labels = batch["labels"][:, None]
            module: Any = self.module
            plain = module.loss_fn(found["y_pred"], labels, reduction="mean")
            auxiliary = module.add_loss(found, labels) - plain
        return scores, auxiliary

    _wants_auxiliary = False


class FuxiAuxiliaryPort(FuxiPort):
    """The same, with its auxiliary loss, which scores alone do not need."""

    _wants_auxiliary = True


def main() -> None:
    """Check every model that the environment has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fuxictr", type=Path, help="clone of reczoo/FuxiCTR, for its model_zoo")
    options = parser.parse_args()
    torch.set_num_threads(1)
    makers: dict[str, Any] = {
        "torch-rechub DIN": lambda: RechubPort("DIN"),
        "torch-rechub DIN, softmax": lambda: RechubPort("DIN", softmax=True),
        "torch-rechub DIN, no padding_idx": lambda: RechubPort("DIN", None),
        "torch-rechub DIEN": lambda: RechubPort("DIEN"),
        "torch-rechub BST": lambda: RechubPort("BST"),
    }
    makers["DeepCTR-Torch DIN"] = lambda: DeepCTRPort("DIN")
    makers["DeepCTR-Torch DIEN"] = lambda: DeepCTRPort("DIEN", gru_type="AUGRU", use_negsampling=True)
    if options.fuxictr:
        extra: dict[str, dict[str, Any]] = {
            "DIEN": {"aux_loss_alpha": 1.0},
            "DMIN": {"aux_loss_lambda": 1.0, "num_heads": 4},
            "BST": {"num_heads": 4},
        }
        for name in ("DIN", "DIEN", "DMIN", "BST"):
            makers[f"FuxiCTR {name}"] = lambda name=name: FuxiPort(name, options.fuxictr, **extra.get(name, {}))
    results = {}
    for label, make in makers.items():
        try:
            model = make()
        except Exception as error:  # a library that does not import or build is reported, not hidden
            results[label] = {"build": f"{type(error).__name__}: {error}"[:160]}
            continue
        results[label] = run_checks(model)
        if isinstance(model, FuxiPort) and model.has_auxiliary_loss:
            model.__class__ = FuxiAuxiliaryPort
            found = run_checks(model)
            wanted = ("auxiliary loss", "no future in auxiliary loss", "all weights trained")
            results[label] |= {name: found[name] for name in wanted}
    print(json.dumps(results))


if __name__ == "__main__":
    main()

"""Black-box checks of click models, the same for ours and for other libraries; it imports torch alone.

A model is called with a batch, a dictionary of tensors padded on the right with 0: `item_ids`, `category_ids`,
`negative_ids`, `negative_category_ids` (rows, events), `candidate_ids`, `candidate_category_ids` (rows,), `labels`.
It returns (rows,) scores, and its auxiliary loss or None. All its weights are drawn at random, so that no check passes
because weights are small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import nn

ITEMS, CATEGORIES, WIDTH = 50, 8, 8
HISTORY = ("item_ids", "category_ids", "negative_ids", "negative_category_ids")
Batch = dict[str, torch.Tensor]


class ClickPort(Protocol):
    """What the checks need of a model."""

    module: nn.Module
    item_table: torch.Tensor
    """The (items, width) embedding table."""
    has_auxiliary_loss: bool
    fixed_length: bool
    """Whether the model takes histories of one length only, so that no two paddings can be compared."""

    def __call__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]: ...

    def loss(self, batch: Batch) -> torch.Tensor:
        """Training loss."""


def batch_of(*lengths: int) -> Batch:
    """A batch of histories of some lengths, whose items are distinct."""
    generator = torch.Generator().manual_seed(1)
    longest, rows = max(*lengths, 1), len(lengths)
    # The last two items are in no history: checks use them as negatives.
    items = torch.stack([torch.randperm(ITEMS - 4, generator=generator)[: longest + 1] + 2 for _ in range(rows)])
    there = torch.arange(longest) < torch.tensor(lengths)[:, None]
    other = (items[:, :longest] + 5) % (ITEMS - 4) + 2
    return {
        "item_ids": items[:, :longest] * there, "category_ids": (items[:, :longest] % 7 + 1) * there,
        "negative_ids": other * there, "negative_category_ids": (other % 7 + 1) * there,
        "candidate_ids": items[:, longest], "candidate_category_ids": items[:, longest] % 7 + 1,
        "labels": (torch.arange(rows) % 2).float(),
    }  # fmt: skip


def padded(batch: Batch, more: int) -> Batch:
    """The batch with more padding on the right."""
    return batch | {name: nn.functional.pad(batch[name], (0, more)) for name in HISTORY}


def rows_of(batch: Batch, rows: list[int]) -> Batch:
    """Some rows of a batch, padded as they are."""
    return {name: values[rows] for name, values in batch.items()}


def randomise(module: nn.Module) -> None:
    """Draw all weights; the running statistics of normalisations stay, and so do rows of zeros for padding."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in module.modules():
            for parameter in part.parameters(recurse=False):
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
            if isinstance(part, nn.Embedding) and part.padding_idx is not None:
                part.weight[part.padding_idx] = 0


def _same(one: torch.Tensor, other: torch.Tensor) -> bool | str:
    gap = float((one - other).detach().abs().max())
    return gap <= 1e-6 or f"differs by {gap:.2g}"


def _padding(model: ClickPort, more: int) -> bool | str:
    batch = batch_of(3, 7, 1, 5)
    return _same(model(batch)[0], model(padded(batch, more))[0])


def _alone(model: ClickPort) -> bool | str:
    batch = batch_of(3, 7, 2, 5)
    together = model(batch)[0]
    return _same(together, torch.cat([model(rows_of(batch, [row]))[0] for row in range(4)]))


def _shuffled(model: ClickPort) -> bool | str:
    batch, order = batch_of(3, 7, 2, 5), [2, 0, 3, 1]
    return _same(model(batch)[0][order], model(rows_of(batch, order))[0])


def _empty(model: ClickPort) -> bool | str:
    batch = batch_of(3, 0, 2, 0)
    scores = model(batch)[0]
    if not bool(scores.isfinite().all()):
        return "not finite"
    return _same(scores, model(padded(batch, 5))[0])


def _one_history(model: ClickPort) -> bool | str:
    batch = batch_of(3, 0, 0)
    return _same(model(batch)[0][:1], model(rows_of(batch, [0]))[0])


def _all_empty(model: ClickPort) -> bool | str:
    batch = batch_of(3, 0, 2, 0)
    return _same(model(batch)[0][[1, 3]], model(rows_of(batch, [1, 3]))[0])


def _deterministic(model: ClickPort) -> bool | str:
    batch = batch_of(3, 7, 1, 5)
    return bool(torch.equal(model(batch)[0], model(batch)[0]))


def _gradient(model: ClickPort) -> bool | str:
    batch = batch_of(7, 4)
    for row in range(2):
        (gradient,) = torch.autograd.grad(model(batch)[0][row], model.item_table)
        own = {*batch["item_ids"][row].tolist(), int(batch["candidate_ids"][row])} - {0}
        missing = [item for item in own if not gradient[item].any()]
        if missing:
            return f"{len(missing)} of {len(own)} items without gradient"
    return True


def _trained(model: ClickPort) -> bool | str:
    model.module.train()
    trained = {name: value for name, value in model.module.named_parameters() if value.requires_grad}
    before = {name: value.detach().clone() for name, value in trained.items()}
    optimizer = torch.optim.SGD(model.module.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model.loss(batch_of(6, 3, 9, 4, 7, 2)).backward()
        optimizer.step()
    model.module.eval()
    # A bias may stay, for it has no effect before a batch normalisation.
    weights = {name: value for name, value in trained.items() if value.ndim > 1}
    still = [name for name, value in weights.items() if torch.equal(value, before[name])]
    return not still or f"{len(still)} of {len(weights)} stay, e.g. {still[0]}"


def _auxiliary(model: ClickPort) -> bool | str:
    """Whether there is an auxiliary loss, one number, which padding does not change and the negatives do."""
    batch = batch_of(3, 7, 1, 5)
    loss = model(batch)[1]
    if loss is None or loss.numel() != 1:
        return "no single number" if loss is not None else "no auxiliary loss"
    other = model(padded(batch, 5))[1]
    assert other is not None
    changed = batch | {"negative_ids": torch.where(batch["negative_ids"] > 0, ITEMS - 1, 0)}
    drawn = model(changed)[1]
    assert drawn is not None
    if torch.equal(drawn, loss):
        return "negatives do not change it"
    return _same(loss, other)


def _order(model: ClickPort) -> bool | str:
    """Whether the state after event 1 depends on it alone, by what the negative of event 2 changes in the loss."""
    batch = batch_of(7)
    losses = []
    for negative in (ITEMS - 2, ITEMS - 1):
        changed = batch | {"negative_ids": batch["negative_ids"].clone()}
        changed["negative_ids"][0, 1] = negative
        losses.append(model(changed)[1])
    if losses[0] is None or losses[1] is None:
        return "no auxiliary loss"
    (gradient,) = torch.autograd.grad(losses[1].sum() - losses[0].sum(), model.item_table)
    if not gradient[batch["item_ids"][0, 0]].any():
        return "the negative of event 2 is not compared with the state after event 1"
    size = float(gradient[batch["item_ids"][0, 2:]].abs().max())
    return size < 1e-5 or f"it reads later events (gradient {size:.2g})"


CHECKS: dict[str, Callable[[Any], bool | str]] = {
    "padding 5": lambda model: _padding(model, 5),
    "padding 48": lambda model: _padding(model, 48),
    "alone": _alone,
    "shuffled": _shuffled,
    "empty history": _empty,
    "one history in a batch": _one_history,
    "only empty histories": _all_empty,
    "deterministic": _deterministic,
    "gradient to all items": _gradient,
    "auxiliary loss": _auxiliary,
    "no future in auxiliary loss": _order,
    "all weights trained": _trained,
}
PADDING = ("padding 5", "padding 48")
AUXILIARY = ("auxiliary loss", "no future in auxiliary loss")


def run_checks(model: ClickPort) -> dict[str, str]:
    """Results by check: "pass", "-" (does not apply), or what is wrong."""
    randomise(model.module)
    model.module.eval()
    results = {}
    for name, check in CHECKS.items():
        if (name in AUXILIARY and not model.has_auxiliary_loss) or (name in PADDING and model.fixed_length):
            results[name] = "-"
            continue
        try:
            found = check(model)
        except Exception as error:  # what a library raises is its result
            found = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:90]
        results[name] = "pass" if found is True else str(found or "differs")
    return results

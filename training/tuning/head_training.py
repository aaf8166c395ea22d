"""Train heads of targets over the fixed states of a model: states with the groups of the next event, and the loss."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from torch import nn

from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...tokenization.item_groups import ItemGroups
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import stage
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from .user_samples import spread_users

EVENTS, QUICK_EVENTS = 20, 5
"""Latest labelled events per training row that a head is trained on; the second number in a quick training."""
MOST_STATES = 500_000
"""Maximum training states; with more, evenly spread rows are used."""
BATCH, EPOCHS, RATE = 1024, 8, 2e-3
_ROWS = 64


@dataclass(frozen=True)
class NextGroups:
    """Groups of the item after each state, which has at least one.

    Args:
        codes: (pairs,) groups, state by state.
        starts: (states + 1,) position in `codes` where the groups of each state begin.
    """

    codes: torch.Tensor
    starts: torch.Tensor

    def of(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Labels of some states, each of them with weights that sum to 1.

        Args:
            states: (n,) numbers of states.

        Returns:
            (pairs,) places in `states`, (pairs,) groups, and (pairs,) weights.

        Example:
            >>> found = NextGroups(torch.tensor([4, 1, 2]), torch.tensor([0, 1, 3])).of(torch.tensor([1, 0]))
            >>> [values.tolist() for values in found]
            [[0, 0, 1], [1, 2, 4], [0.5, 0.5, 1.0]]
        """
        first, counts = self.starts[states], self.starts[states + 1] - self.starts[states]
        begins = (first - counts.cumsum(0) + counts).repeat_interleave(counts)
        places = torch.arange(len(states), device=states.device).repeat_interleave(counts)
        numbers = torch.arange(len(places), device=states.device) + begins
        return places, self.codes[numbers], 1 / counts[places]


def next_groups(labels: torch.Tensor, groups: ItemGroups) -> tuple[torch.Tensor, NextGroups]:
    """The groups of labels.

    Args:
        labels: (states,) item indices.
        groups: Groups of the items.

    Returns:
        (n,) numbers of the states whose item has a group, and the groups of these states.
    """
    codes, counts = groups.expanded(labels.cpu().numpy())
    some = np.flatnonzero(counts)
    starts = np.append(0, np.cumsum(counts[some]))
    return torch.from_numpy(some), NextGroups(torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(starts))


@torch.no_grad()
def training_states(
    model: XCatForNextItem, processor: XCatProcessor, rows: Dataset, most: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """States before the labelled events of training rows.

    Args:
        model: The model, in evaluation mode.
        processor: Its processor.
        rows: Training sequences or windows; the latest events that the model reads are used.
        most: Maximum labelled events per row, the latest ones.

    Returns:
        (states, hidden) float32 states, and (states,) item indices of the next events.
    """
    base, plain = model.model, rows.with_format(None)
    chosen = [int(row) for row in spread_users(plain, max(1, MOST_STATES // most))]
    states, labels = [], []
    with stage("encoding training rows for heads", len(chosen), "rows") as running:
        for start in range(0, len(chosen), _ROWS):
            some = plain.select(chosen[start : start + _ROWS]).to_list()
            running.advance(len(some))
            some = [row for row in some if len(row["items"]) > 1]
            if not some:
                continue
            inputs = processor.collate(some, layout="right", with_labels=True)
            following = inputs.pop("labels")
            inputs.pop("loss_weights", None)
            there = following >= NUM_SPECIAL_ROWS
            kept = there & (there.flip(1).cumsum(1).flip(1) <= most)
            placed = {name: value.to(base.device) for name, value in inputs.items()}
            hidden = base(**placed, return_dict=True).last_hidden_state.float().cpu()
            states.append(hidden[kept])
            labels.append(following[kept])
    empty = torch.zeros(0, model.config.hidden_size), torch.zeros(0, dtype=torch.long)
    return (torch.cat(states), torch.cat(labels)) if states else empty


def linear_head(hidden: int, popularity: torch.Tensor, seed: int = 0) -> nn.Linear:
    """A linear head whose bias starts at the popularity of the groups.

    Args:
        hidden: Width of the states.
        popularity: (groups,) shares of the training events.
        seed: Seed of the weights.
    """
    head: nn.Linear = nn.utils.skip_init(nn.Linear, hidden, len(popularity))
    with torch.no_grad():
        head.weight.normal_(std=0.02, generator=torch.Generator().manual_seed(seed))
        head.bias.copy_((popularity + 1e-6).log())
    return head


def group_loss(logits: torch.Tensor, wanted: NextGroups, states: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the next groups, which have equal shares of a state's label.

    Args:
        logits: (n, groups) logits.
        wanted: The next groups of all states.
        states: (n,) numbers of the states.
    """
    places, codes, weights = wanted.of(states)
    return (logits.logsumexp(1).sum() - (weights * logits[places, codes]).sum()) / len(states)


@torch.enable_grad()
def train_head(
    head: nn.Module, states: torch.Tensor, wanted: NextGroups, judge: Callable[[nn.Module], float], seed: int = 0
) -> tuple[nn.Module, list[float]]:
    """Train a head with the cross-entropy of the next groups until a metric falls.

    Args:
        head: From (n, hidden) states to (n, groups) logits.
        states: (states, hidden) fixed states.
        wanted: Their next groups.
        judge: The metric of a head, computed after each epoch.
        seed: Seed of the batches.

    Returns:
        The head of the best epoch, and the metric of each epoch.
    """
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, EPOCHS * -(-len(states) // BATCH))
    best, kept, values = -1.0, copy.deepcopy(head), []
    generator = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        head.train()
        for part in torch.randperm(len(states), generator=generator).split(BATCH):
            loss = group_loss(head(states[part]), wanted, part)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        values.append(judge(head.eval()))
        if values[-1] <= best:
            break
        best, kept = values[-1], copy.deepcopy(head)
    return kept, values

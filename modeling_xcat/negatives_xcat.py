"""Objectives over a sample of the catalogue, and its sampling."""

from __future__ import annotations

import torch
from torch import distributed


def generalised_bce(
    states: torch.Tensor,
    items: torch.Tensor,
    targets: torch.Tensor,
    *,
    sampling_rate: float,
    calibration: float,
    weights: torch.Tensor | None = None,
    bonus_items: torch.Tensor | None = None,
    bonus: torch.Tensor | None = None,
    bonus_apart: bool = False,
) -> torch.Tensor:
    """Summed generalised binary cross-entropy of events against sampled items (gSASRec, Petrov and Macdonald 2023).

    Binary cross-entropy over few negatives makes a model overconfident. Raising the positive's probability to the
    power beta = a (t (1 - 1/a) + 1/a), with sampling rate a and calibration t, corrects it (their equations 8 and 10):
    t = 0 is plain binary cross-entropy, t = 1 is full calibration.

    Args:
        states: (events, hidden) behaviour states, already divided by the temperature.
        items: (candidates, hidden) representations of the sampled items, the targets among them.
        targets: (events,) index of the right candidate; all other candidates are negatives of the event.
        sampling_rate: Negatives as a share of all possible negatives.
        calibration: t, from 0 to 1.
        weights: (events,) factor of each event's loss; None for 1.
        bonus_items: As in `chunked_cross_entropy`.
        bonus: As in `chunked_cross_entropy`.
        bonus_apart: As in `chunked_cross_entropy`.

    Returns:
        Scalar sum over events of the mean over candidates, float32, in nats.

    Example:
        >>> states, items = torch.zeros(1, 2), torch.ones(3, 2)
        >>> loss = generalised_bce(states, items, torch.tensor([0]), sampling_rate=1, calibration=0)
        >>> round(loss.item(), 4)  # the mean of three fair coins
        0.6931
    """
    beta = calibration * (sampling_rate - 1) + 1
    scores = torch.mm(states, items.T).float()
    if bonus_items is None or bonus is None:
        return _summed_bce(scores, targets, beta, weights)
    if not bonus_apart:
        return _summed_bce(scores.scatter_add(1, bonus_items, bonus), targets, beta, weights)
    left_over = _summed_bce(scores.detach().scatter_add(1, bonus_items, bonus), targets, beta, weights)
    return _summed_bce(scores, targets, beta, weights) + left_over - left_over.detach()


def _summed_bce(
    scores: torch.Tensor, targets: torch.Tensor, beta: float, weights: torch.Tensor | None
) -> torch.Tensor:
    index = targets[:, None]
    positive = scores.gather(1, index)
    negative = torch.nn.functional.softplus(scores).scatter(1, index, 0.0).sum(1)
    losses = (beta * torch.nn.functional.softplus(-positive.squeeze(1)) + negative) / scores.shape[1]
    return losses.sum() if weights is None else losses @ weights


def sample_candidates(
    targets: torch.Tensor, item_counts: torch.Tensor, num_negatives: int, first_row: int, shared: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw the candidates of a sampled softmax: the batch's targets and uniform negatives, each item once.

    An item with training probability p is among the n targets of a batch with probability 1 - (1 - p)^n, and among
    K uniform draws out of V with 1 - (1 - 1/V)^K; the two are independent (mixed negative sampling, Yang et al. 2020).

    Args:
        targets: (events,) item indices of the targets.
        item_counts: (item rows,) training events of each item.
        num_negatives: Uniform draws, with replacement.
        first_row: First row that is an item.
        shared: Whether all processes have the same candidates: the draws of the first and the targets of all. Every
            process must call this.

    Returns:
        (candidates,) sorted item indices, and their (candidates,) log inclusion probabilities.
    """
    num_items = item_counts.shape[0] - first_row
    # A seed is shared instead of item indices, because it is all that processes need.
    seed = torch.randint(2**62, (1,))
    if shared and distributed.is_available() and distributed.is_initialized():
        targets, seed = _of_all_processes(targets, seed)
    generator = torch.Generator(targets.device).manual_seed(int(seed))
    draws = torch.randint(
        first_row, item_counts.shape[0], (num_negatives,), device=targets.device, generator=generator
    )
    rows = torch.unique(torch.cat([targets, draws]))
    share = item_counts[rows].double() / item_counts.sum().clamp(min=1)
    log_absent = len(targets) * torch.log1p(-share.clamp(max=1 - 1e-9)) + num_negatives * torch.log1p(
        torch.tensor(-1.0 / max(num_items, 2), dtype=torch.float64, device=targets.device)
    )
    return rows, torch.log(-torch.expm1(log_absent)).float()


def _of_all_processes(targets: torch.Tensor, seed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The (events,) targets of all processes, however many each has, and the seed of the first."""
    mine = torch.cat([seed, torch.tensor([len(targets)])]).to(targets.device)
    heads = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
    distributed.all_gather(heads, mine)
    counts = [int(head[1]) for head in heads]
    padded = torch.nn.functional.pad(targets, (0, max(counts) - len(targets)))
    parts = [torch.empty_like(padded) for _ in heads]
    distributed.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)]), heads[0][:1]

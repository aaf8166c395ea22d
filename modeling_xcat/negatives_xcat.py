"""Objectives over a sample of the catalogue, and its sampling."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import distributed

_ELU = 0.5
"""Parameter of the ELU on the scores of `bpr_max`; the default of its authors."""
_LOWEST = -1e30


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

    def summed(scored: torch.Tensor) -> torch.Tensor:
        return _weighted_sum(_bce(scored, targets, beta), weights)

    return with_bonus(summed, scores, bonus_items, bonus, bonus_apart)


def with_bonus(
    summed: Callable[[torch.Tensor], torch.Tensor],
    scores: torch.Tensor,
    bonus_items: torch.Tensor | None,
    bonus: torch.Tensor | None,
    apart: bool,
) -> torch.Tensor:
    """The loss of scores with a bonus.

    Args:
        summed: Computes the summed loss of (events, candidates) scores.
        scores: (events, candidates) scores without the bonus.
        bonus_items: As in `chunked_cross_entropy`, also the other two.
        bonus: As above.
        apart: As `bonus_apart`.
    """
    if bonus_items is None or bonus is None:
        return summed(scores)
    if not apart:
        return summed(scores.scatter_add(1, bonus_items, bonus))
    left_over = summed(scores.detach().scatter_add(1, bonus_items, bonus))
    return summed(scores) + left_over - left_over.detach()


def _weighted_sum(losses: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    return losses.sum() if weights is None else losses @ weights


def _bce(scores: torch.Tensor, targets: torch.Tensor, beta: float) -> torch.Tensor:
    index = targets[:, None]
    positive = scores.gather(1, index)
    negative = torch.nn.functional.softplus(scores).scatter(1, index, 0.0).sum(1)
    return (beta * torch.nn.functional.softplus(-positive.squeeze(1)) + negative) / scores.shape[1]


def bpr_max(scores: torch.Tensor, targets: torch.Tensor, penalty: float) -> torch.Tensor:
    """BPR-max losses of events against all other candidates (Hidasi and Karatzoglou 2018).

    With s the softmax of the scores r_j of the negatives, the loss of an event with target score r is
    -log sum_j s_j sigmoid(r - r_j) + penalty sum_j s_j r_j^2. As in the authors' code, scores go through an ELU first.

    Hidasi and Karatzoglou, "Recurrent Neural Networks with Top-k Gains for Session-based Recommendations", CIKM 2018.

    Args:
        scores: (events, candidates) scores; -inf for no candidate.
        targets: (events,) index of the right candidate.
        penalty: Weight of the squared scores.

    Returns:
        (events,) losses in nats.

    Example:
        >>> round(bpr_max(torch.tensor([[1.0, 1.0]]), torch.tensor([0]), penalty=0.5).item(), 4)  # log 2 + 1 / 2
        1.1931
    """
    index = targets[:, None]
    there = scores.isfinite().scatter(1, index, False)
    scores = torch.nn.functional.elu(scores.masked_fill(scores.isneginf(), 0.0), _ELU)
    shares = scores.masked_fill(~there, _LOWEST).log_softmax(1)
    wins = torch.nn.functional.logsigmoid(scores.gather(1, index) - scores)
    losses = penalty * (shares.exp() * scores.square()).sum(1) - (shares + wins).logsumexp(1)
    return losses * there.any(1)  # an event without negatives has no loss


def sample_candidates(
    targets: torch.Tensor,
    item_counts: torch.Tensor,
    num_negatives: int,
    first_row: int,
    shared: bool = False,
    exponent: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw the candidates of a sampled softmax: the batch's targets and drawn negatives, each item once.

    An item with training probability p is among the n targets of a batch with probability 1 - (1 - p)^n, and among
    K draws with probability q with 1 - (1 - q)^K; the two are independent (mixed negative sampling, Yang et al. 2020).

    Args:
        targets: (events,) item indices of the targets.
        item_counts: (item rows,) training events of each item.
        num_negatives: Draws, with replacement.
        first_row: First row that is an item.
        shared: Whether all processes have the same candidates: the draws of the first and the targets of all. Every
            process must call this.
        exponent: Exponent of an item's count in the draws: 0 draws all items alike; above 0, cold items are not drawn
            (sample_alpha of GRU4Rec).

    Returns:
        (candidates,) sorted item indices, and their (candidates,) log inclusion probabilities.
    """
    num_items = item_counts.shape[0] - first_row
    # A seed is shared instead of item indices, because it is all that processes need.
    seed = torch.randint(2**62, (1,))
    if shared and distributed.is_available() and distributed.is_initialized():
        targets, seed = _of_all_processes(targets, seed)
    generator = torch.Generator(targets.device).manual_seed(int(seed))
    drawn_share: torch.Tensor | None = None
    if exponent and bool(item_counts[first_row:].any()):
        mass = item_counts[first_row:].double().pow(exponent) * (item_counts[first_row:] > 0)
        drawn_share = torch.cat([mass.new_zeros(first_row), mass / mass.sum()])
        places = torch.rand(num_negatives, dtype=torch.float64, device=targets.device, generator=generator)
        draws = torch.searchsorted(drawn_share.cumsum(0), places, right=True).clamp(max=len(item_counts) - 1)
    else:
        draws = torch.randint(
            first_row, item_counts.shape[0], (num_negatives,), device=targets.device, generator=generator
        )
    rows = torch.unique(torch.cat([targets, draws]))
    share = item_counts[rows].double() / item_counts.sum().clamp(min=1)
    drawn = share.new_tensor(1.0 / max(num_items, 2)) if drawn_share is None else drawn_share[rows]
    log_absent = len(targets) * torch.log1p(-share.clamp(max=1 - 1e-9))
    log_absent = log_absent + num_negatives * torch.log1p(-drawn.clamp(max=1 - 1e-9))
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

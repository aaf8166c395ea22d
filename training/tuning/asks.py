"""Fit how a model reads what customers ask for, with asks made of the targets of the validation split."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from ...evaluation.recommendation_ranking.ranking_metrics import per_user_metrics
from ...modeling_xcat.asks_xcat import FIELDS, XCatAskReader
from ...modeling_xcat.first_stage_xcat import FirstStage
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...modeling_xcat.recent_events_xcat import RecentEvents
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import Stage, stage
from .ask_rows import asked_rows, asks_per_user
from .reranker import STANDARD_ERRORS

MOST_ASKS, QUICK_ASKS = 4096, 1024
"""Maximum asks of a fit."""
_WORDS, _MEANING = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0), (0.0, 5.0, 10.0, 20.0, 40.0)
_LARGE = ((6.0, 0.0), (6.0, 5.0), (6.0, 10.0), (6.0, 20.0), (6.0, 40.0), (3.0, 40.0), (1.0, 40.0), (0.0, 40.0))
VIEWS = (
    *[view for view in product(_WORDS, _MEANING) if any(view)],
    *[(times * words, times * meaning) for times in (4.0, 100.0) for words, meaning in _LARGE],
)
"""Candidate weights of words and meaning in the view of the score. With the largest ones the history only decides
between items that fit the query equally well, so the choice includes the order of the query alone."""

_TUNED = 512
"""Asks for choosing the weights of the view."""
_ROWS_AT_ONCE = 1 << 22
_BATCH, _PASSES, _LEAST_STEPS, _MOST_STEPS = 96, 8, 60, 500
_DISTANCE, _DECAY = 4.0, 0.1
_TOKENS, _MEASURED = 6, 3
"""Tokens of a synthetic ask and steps with it, to measure the time of a step."""
_FITTED = ("key", "weight", "expand", "expand_bias", "contract")


@dataclass(frozen=True)
class AskGain:
    """What cross-attention to the ask gains, on asks that it was not fitted to.

    Args:
        asks: Number of asks that were measured.
        words: Weight of shared words in the first stage.
        meaning: Weight of the texts' cosine.
        before: Mean NDCG@k of history and ask without cross-attention to the ask.
        after: Mean NDCG@k with it.
        standard_error: Standard error of the mean difference.
    """

    asks: int
    words: float
    meaning: float
    before: float
    after: float
    standard_error: float

    @property
    def pays(self) -> bool:
        """Whether the gain is significant."""
        return self.after - self.before > STANDARD_ERRORS * self.standard_error


@dataclass(frozen=True)
class _Sample:
    """Candidates of asks.

    Args:
        found: (asks, candidates, tokens, fields) which fields have which token, uint8.
        rarity: (asks, tokens).
        own: (asks, candidates, features).
        scores: (asks, candidates) scores without cross-attention to the ask.
        places: (asks,) number of the target among the candidates, -1 for none.
    """

    found: torch.Tensor
    rarity: torch.Tensor
    own: torch.Tensor
    scores: torch.Tensor
    places: torch.Tensor

    def attended(self, reader: XCatAskReader, part: torch.Tensor) -> torch.Tensor:
        rarity = self.rarity[part]
        found = self.found[part].float()
        pairs = torch.cat([found, rarity[:, None, :, None].expand(*found.shape[:3], 1)], -1)
        return reader.attend(pairs, self.own[part], rarity)


@torch.no_grad()
def fit_asks(
    model: XCatForNextItem,
    processor: XCatProcessor,
    dataset: Dataset,
    *,
    k: int = 10,
    seed: int = 0,
    quick: bool = False,
) -> AskGain | None:
    """Tune the weights of the ask's view of the score, fit cross-attention to the ask, and enable it if it gains.

    A user's ask is made of a target of the row, with the kinds of `AskWriter`, or what the user really asked for
    (column `asks`). Some asks are ranked without their history, as those of new customers.

    Args:
        model: A trained model with `ask_length`; its reader and `ask_attention` are changed.
        processor: Its processor.
        dataset: Rows with `items` and `targets` that the model was not trained on.
        k: Cut-off of the NDCG.
        seed: Seed of asks, folds and initial weights.
        quick: Whether to use at most `QUICK_ASKS` asks.

    Returns:
        The gain; None if no ask can be made, because the items have no words.
    """
    reader = model.model.asks
    if reader is None:
        raise ValueError("the model reads no asks; give an ask_length above 0")
    training = model.training
    model.eval()
    model.config.ask_attention = False
    rows, asks, targets = asked_rows(processor, dataset, QUICK_ASKS if quick else MOST_ASKS, seed)
    if not rows:
        return None
    with stage("tuning the weights of queries", len(VIEWS), "weights") as running:
        some = slice(None, None, max(1, len(rows) // _TUNED))
        reader.view.copy_(_best_view(model, processor, rows[some], asks[some], targets[some], k, running))
    words, meaning = reader.view.tolist()
    if not reader.is_fitted or not model.config.num_candidates:
        model.train(training)
        return AskGain(0, words, meaning, 0.0, 0.0, 0.0)
    with stage("collecting candidates of queries", len(rows), "queries") as running:
        sample = _collect(model, processor, rows, asks, targets, running)
    generator = torch.Generator().manual_seed(seed)
    held_out = _of_some_items(targets, generator)
    with torch.enable_grad():
        with stage("validating cross-attention to queries"):
            _fit(reader, sample, (~held_out).nonzero().squeeze(1), generator)
        before, after = _ndcg(reader, sample, held_out.nonzero().squeeze(1), k)
        gain = AskGain(
            len(before), words, meaning, _mean(before), _mean(after), _standard_error(after - before)
        )  # fmt: skip
        if gain.pays:
            with stage("fitting cross-attention to queries"):
                _fit(reader, sample, torch.arange(len(rows)), generator)
            model.config.ask_attention = True
    model.train(training)
    return gain


def ask_work(reader: XCatAskReader, users: int, quick: bool = False) -> tuple[int, float]:
    """Work of `fit_asks`: histories that are ranked with an ask, and estimated seconds to fit the attention to asks.

    Args:
        reader: The reader; it is not changed.
        users: Number of rows of the fit.
        quick: As in `fit_asks`.
    """
    most = QUICK_ASKS if quick else MOST_ASKS
    users = min(users, most)
    asks = users * asks_per_user(users, most)
    views = len(range(0, asks, max(1, asks // _TUNED)))
    count = min(reader.config.num_candidates, reader.config.num_items)
    if not count or not asks:
        return views, 0.0
    own = len(reader.mean) - reader.key.numel()
    sample = _Sample(
        torch.zeros(_BATCH, count, _TOKENS, len(FIELDS), dtype=torch.uint8), torch.ones(_BATCH, _TOKENS),
        torch.zeros(_BATCH, count, own), torch.zeros(_BATCH, count), torch.zeros(_BATCH, dtype=torch.long),
    )  # fmt: skip
    copied, chosen, generator = copy.deepcopy(reader), torch.arange(_BATCH), torch.Generator().manual_seed(0)
    for _ in range(2):  # the first run is slower
        started = time.perf_counter()
        _fit(copied, sample, chosen, generator, _MEASURED)
    step = (time.perf_counter() - started) / _MEASURED
    return views + asks, step * (_steps(2 * asks // 3) + _steps(asks))


def _steps(asks: int) -> int:
    """Steps of a fit to a number of asks."""
    return min(_MOST_STEPS, max(_LEAST_STEPS, _PASSES * asks // _BATCH))


def _of_some_items(targets: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(asks,) True for the asks of a third of the target items, so that memorising items is no gain."""
    items = targets.unique()
    chosen = items[torch.randperm(len(items), generator=generator)[: len(items) // 3]]
    return torch.isin(targets, chosen)


def _mean(values: torch.Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0


def _standard_error(differences: torch.Tensor) -> float:
    """Standard error of the mean; infinite for fewer than two values."""
    return float(differences.std()) / len(differences) ** 0.5 if len(differences) > 1 else math.inf


def _first_stages(
    model: XCatForNextItem, processor: XCatProcessor, rows: list[dict[str, Any]], asks: list[str]
) -> Iterator[tuple[torch.Tensor, FirstStage, RecentEvents]]:
    """Numbers of some rows, their score before re-ranking, and their latest events, batch by batch."""
    base, size = model.model, max(1, min(256, _ROWS_AT_ONCE // model.config.num_item_rows))
    for part in torch.arange(len(rows)).split(size):
        numbers = part.tolist()
        read = base.read_asks(**_on(base.device, processor.ask_inputs([asks[i] for i in numbers])))
        states, recent, _ = base.encode_queries(**_on(base.device, processor.collate([rows[i] for i in numbers])))
        yield part, base.first_stage(states, recent, asks=read), recent


def _best_view(
    model: XCatForNextItem,
    processor: XCatProcessor,
    rows: list[dict[str, Any]],
    asks: list[str],
    targets: torch.Tensor,
    k: int,
    running: Stage,
) -> torch.Tensor:
    """(2,) weights of words and meaning with the best NDCG@k."""
    base = model.model
    table = base.item_side(base.items().float())
    found = np.zeros(len(VIEWS))
    assert base.asks is not None
    base.asks.view.fill_(1.0)
    for part, first, _ in _first_stages(model, processor, rows, asks):
        asked = first.asked
        assert asked is not None
        plain = first.scores(table) - asked.block(0, len(table))
        index = asked.text_index
        words, meaning = asked.words.index_select(1, index), asked.meaning.index_select(1, index)
        own = targets[part].to(base.device)[:, None]
        for number, (of_words, of_meaning) in enumerate(VIEWS):
            scores = plain + of_words * words
            if of_meaning:
                scores += of_meaning * meaning
            ranks = (scores >= scores.gather(1, own)).sum(1, keepdim=True)
            found[number] += per_user_metrics(ranks.cpu().numpy(), [k])[f"ndcg@{k}"].sum()
    running.advance(len(VIEWS))
    return torch.tensor(VIEWS[int(found.argmax())])


def _collect(
    model: XCatForNextItem,
    processor: XCatProcessor,
    rows: list[dict[str, Any]],
    asks: list[str],
    targets: torch.Tensor,
    running: Stage,
) -> _Sample:
    base, config = model.model, model.config
    assert base.asks is not None
    table = base.item_side(base.items().float())
    parts: list[tuple[torch.Tensor, ...]] = []
    count = min(config.num_candidates, config.num_items)
    for part, first, recent in _first_stages(model, processor, rows, asks):
        assert first.asked is not None
        rarity = first.asked.asks.rarity
        best = first.scores(table).topk(count, dim=1)
        scores, _ = base.second_stage(first, recent, best.indices, best.values, table)
        evidence = scores - first.given(best.indices)
        for some in torch.arange(len(part)).split(32):
            pairs, own = base.asks.features(first.asked[some], best.indices[some], evidence[some], base.items)
            hits = best.indices[some] == targets[part][some, None].to(base.device)
            places = torch.where(hits.any(1), hits.int().argmax(1), -1)
            parts.append((pairs[..., :-1].to(torch.uint8).cpu(), rarity[some].cpu(), own.cpu(),
                          scores[some].cpu(), places.cpu()))  # fmt: skip
        running.advance(len(part))
    longest = max(found.shape[2] for found, *_ in parts)
    padded = [
        (
            torch.nn.functional.pad(found, (0, 0, 0, longest - found.shape[2])),
            torch.nn.functional.pad(rarity, (0, longest - rarity.shape[1])),
            *others,
        )
        for found, rarity, *others in parts
    ]
    return _Sample(*(torch.cat(of_part) for of_part in zip(*padded, strict=True)))


def _on(device: torch.device, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.to(device) for name, value in inputs.items()}


def _fit(
    reader: XCatAskReader, sample: _Sample, asks: torch.Tensor, generator: torch.Generator, steps: int | None = None
) -> None:
    """Fit the weights to (asks,) numbers of the sample; asks without a target among the candidates are left out."""
    asks = asks[sample.places[asks] >= 0]
    steps = _steps(len(asks)) if steps is None else steps
    device = reader.view.device
    weights = {name: torch.zeros_like(getattr(reader, name)) for name in _FITTED}
    bound = reader.expand.shape[1] ** -0.5
    for name in ("expand", "expand_bias"):
        weights[name] = ((torch.rand(weights[name].shape, generator=generator) * 2 - 1) * bound).to(device)
    with torch.no_grad():
        reader.key.zero_()
        seen = torch.cat([sample.attended(reader, part).flatten(0, 1) for part in asks[:512].split(64)] or
                         [torch.zeros(1, len(reader.mean))])  # fmt: skip
        reader.mean.copy_(seen.mean(0))
        deviation = seen.std(0, correction=0)
        reader.scale.copy_(torch.where(deviation > 1e-3, deviation, torch.inf))
    weights = {name: value.requires_grad_() for name, value in weights.items()}
    optimizer = torch.optim.AdamW(weights.values(), lr=_DISTANCE / steps, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for _ in range(steps if len(asks) else 0):
        batch = asks[torch.randint(len(asks), (_BATCH,), generator=generator)]
        bonus = torch.func.functional_call(
            _Bonus(reader), {f"reader.{name}": value for name, value in weights.items()}, (sample, batch)
        )
        loss = torch.nn.functional.cross_entropy(sample.scores[batch] + bonus, sample.places[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        for name, value in weights.items():
            getattr(reader, name).copy_(value.detach())


class _Bonus(torch.nn.Module):
    """Bonuses of a sample, as a module whose weights can be replaced."""

    def __init__(self, reader: XCatAskReader) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, sample: _Sample, part: torch.Tensor) -> torch.Tensor:
        return self.reader.bonus(sample.attended(self.reader, part))


def _ndcg(reader: XCatAskReader, sample: _Sample, asks: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(asks,) NDCG@k without and with cross-attention to the ask; 0 if the target is no candidate."""
    with torch.no_grad():
        bonus = torch.cat([_Bonus(reader)(sample, part) for part in asks.split(_BATCH)])
    found = []
    for scores in (sample.scores[asks], sample.scores[asks] + bonus):
        places = sample.places[asks]
        ranks = (scores >= scores.gather(1, places.clamp(min=0)[:, None])).sum(1)
        ranks = torch.where(places < 0, k + 1, ranks)[:, None]
        found.append(torch.from_numpy(per_user_metrics(ranks.numpy(), [k])[f"ndcg@{k}"]))
    return found[0], found[1]

"""Users with a target among their candidates, and the features that the re-ranker is fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from datasets import Dataset
from torch import nn

from ...evaluation.ranks import pad_targets
from ...modeling_xcat.discovery_ranker_xcat import new_categories
from ...modeling_xcat.modeling_xcat import XCatForNextItem
from ...modeling_xcat.reranker_xcat import CandidateFeatures
from ...tokenization.processing_xcat import XCatProcessor
from ...tokenization.progress import Stage
from .held_out import fingerprint
from .novel_targets import targets_of

_SCORES_AT_ONCE = 1 << 22
_USERS_AT_ONCE = 128
ELSEWHERE, NO_TARGET = -1, -2
"""Places of a target that is not a candidate, and of a missing target."""


@dataclass(frozen=True)
class CandidateSample:
    """Candidates of users with a target among them; to the others a second stage makes no difference.

    Args:
        found: Their features; those of pairs in half precision, with the features of a candidate side by side.
        places: (users, targets) number of each target among the candidates, `ELSEWHERE`, or `NO_TARGET`.
        given: (users, candidates) `untrained_bonus` of each, which no weight is fitted to and all are ranked with.
        rows: Fingerprint of the row of each user.
        new: (users, targets) True for targets whose category the history lacks, for discovery; None for next items.
    """

    found: CandidateFeatures
    places: torch.Tensor
    given: torch.Tensor
    rows: list[int]
    new: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.places)

    def part(
        self, users: torch.Tensor, device: torch.device, columns: torch.Tensor | None = None
    ) -> CandidateFeatures:
        """The features of some users, and of (users, columns) candidates or all of them, where they are worked on."""
        found = self.found
        if columns is None:
            pairs, candidates = found.pairs[users], found.candidates[users]
        else:
            place = (users[:, None] * found.pairs.shape[1] + columns).flatten()  # which is faster than two indices
            pairs, candidates = (
                part.flatten(0, 1).index_select(0, place).view(*columns.shape, *part.shape[2:])
                for part in (found.pairs, found.candidates)
            )
        # One copy casts and turns them round.
        turned = pairs.to(device).permute(3, 0, 2, 1).to(torch.float32, memory_format=torch.contiguous_format)
        return CandidateFeatures(turned.permute(1, 3, 2, 0), candidates.to(device), found.events[users].to(device))


@torch.no_grad()
def collect_candidates(
    model: XCatForNextItem,
    processor: XCatProcessor,
    dataset: Dataset,
    chosen: np.ndarray,
    running: Stage,
    discover: bool = False,
) -> tuple[CandidateSample, int]:
    """The candidates of (users,) rows, and how many of those have a target, among the candidates or not.

    For discovery the candidates are the best items that the history lacks, and its items are no targets.
    """
    base, config = model.model, model.config
    reranker = base.discover_candidates if discover else base.candidates
    assert reranker is not None
    table = base.item_side(base.items().float())
    sources = base.candidate_sources(table)
    width = max(len(targets) for targets in dataset["targets"])
    parts: list[CandidateSample] = []
    judged = 0
    for part in np.array_split(chosen, -(-len(chosen) // max(1, _SCORES_AT_ONCE // len(table)))):
        rows = [dataset[int(i)] for i in part]
        inputs = {name: value.to(base.device) for name, value in processor.collate(rows).items()}
        states, recent, _ = base.encode_queries(**inputs)
        if discover:
            recent = recent.discovering([row["items"] for row in rows])
        best = base.score_states(states, recent, table).topk(min(config.num_candidates, config.num_items), dim=1)
        targets = torch.from_numpy(pad_targets([targets_of(row, discover) for row in rows])).to(base.device)
        targets = nn.functional.pad(targets, (0, width - targets.shape[1]), value=-1)
        first = base.first_stage(states, recent)
        judged += int((targets >= 0).any(1).sum())
        places = _places(best.indices, targets)
        new = None if recent.seen is None else new_categories(base.items.category_values, recent.seen, targets).cpu()
        # One part even of no users: there may be nobody with a target among the candidates.
        for some in (places >= 0).any(1).nonzero().squeeze(1).split(_USERS_AT_ONCE):
            given = first.given(best.indices[some])
            found = reranker.features(
                first.queries[some], recent[some], best.indices[some], best.values[some] - given, sources
            )
            own = [fingerprint(rows[i]) for i in some.tolist()]
            sample = _sample_of(found, places[some], given, own, config.candidate_window)
            parts.append(replace(sample, new=None if new is None else new[some.cpu()]))
        running.advance(len(part))
    sampled = [part.found for part in parts]
    features = CandidateFeatures(
        torch.cat([f.pairs for f in sampled]),
        torch.cat([f.candidates for f in sampled]),
        torch.cat([f.events for f in sampled]),
    )
    places, given = torch.cat([part.places for part in parts]), torch.cat([part.given for part in parts])
    new = torch.cat([part.new for part in parts if part.new is not None]) if discover else None
    return CandidateSample(features, places, given, [row for part in parts for row in part.rows], new), judged


def _places(rows: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(users, targets) places of (users, targets) rows among (users, candidates) rows, or the two above."""
    hits = rows[:, None, :] == targets[:, :, None]
    places = torch.where(hits.any(2), hits.int().argmax(2), ELSEWHERE)
    return torch.where(targets < 0, NO_TARGET, places)


def _sample_of(
    found: CandidateFeatures, places: torch.Tensor, given: torch.Tensor, rows: list[int], window: int
) -> CandidateSample:
    """Features of `window` events each, in half precision and in the main memory."""
    missing = window - found.events.shape[1]
    pairs = nn.functional.pad(found.pairs, (0, 0, 0, missing))
    return CandidateSample(
        CandidateFeatures(
            pairs.to("cpu", torch.float16, memory_format=torch.contiguous_format),
            found.candidates.cpu(),
            nn.functional.pad(found.events, (0, missing)).cpu(),
        ),
        places.cpu(),
        given.cpu(),
        rows,
    )

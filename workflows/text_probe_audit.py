"""Text probes of a checkpoint: lists with words about gender or origin exchanged in the texts of items and queries."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ..catalogue.change import change_catalogue
from ..evaluation.audits.text_probes import PROBES, QUERIES, TextProbe, exchanged_words
from ..evaluation.bootstrap import confidence_interval, paired_bootstrap
from ..evaluation.purposes import history_rows, without_history
from ..evaluation.ranks import pad_targets, target_ranks, top_rows
from ..evaluation.recommendation_ranking.ranking_metrics import per_user_metrics
from ..ranking.recommender import XCatRecommender
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS, ItemVocabulary
from .checkpoint_evaluation import EvaluationData

USERS = 500
"""Most users whose lists are compared."""
_AT_ONCE = 128


def text_probe_audit(
    recommender: XCatRecommender, data: EvaluationData, k: int, most_users: int = USERS, seed: int = 0
) -> tuple[TextProbe, ...]:
    """Compare lists before and after an exchange of words; nothing is trained.

    Items: the text of every item that has such words is encoded again. Queries: the same users ask for both. A probe
    without an item is left out, and so are queries of a model that does not read them.

    Args:
        recommender: The checkpoint.
        data: Data of an evaluation.
        k: Length of the lists.
        most_users: Most users, drawn with the seed.
        seed: Seed of the draw.
    """
    split: Any = data.splits[data.part].with_format(None)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(split))[:most_users])
    rows = [dict(split[int(place)]) for place in chosen]
    before = _scores(recommender, rows)
    found = []
    for probe, pairs in PROBES.items():
        changed, items = _exchanged(recommender, pairs)
        if len(items):
            after = _scores(changed, rows)
            values = _compared(before, after, rows, k)
            deviations = _deviation(before, after)[:, items].mean(dim=1)
            changed_ndcg, ndcg = (_ndcg(scores, rows, k) for scores in (after, before))
            found.append(TextProbe(
                probe, "items", len(items), confidence_interval(values), confidence_interval(deviations.numpy()),
                paired_bootstrap(changed_ndcg, ndcg),
            ))  # fmt: skip
    if recommender.model.model.asks is not None:
        found += [_queries(recommender, rows, probe, pairs, k) for probe, pairs in QUERIES.items()]
    return tuple(found)


def _exchanged(recommender: XCatRecommender, pairs: Sequence[tuple[str, str]]) -> tuple[XCatRecommender, np.ndarray]:
    """A copy with exchanged words in the texts of items, and the indices of the changed items."""
    table = recommender.vocabulary.table
    texts = [text or "" for text in table["text"].to_pylist()]
    other = [exchanged_words(text, pairs) for text in texts]
    places = np.flatnonzero([one != two for one, two in zip(texts, other, strict=True)]) + NUM_SPECIAL_ROWS
    if not len(places):
        return recommender, places
    column = table.schema.get_field_index("text")
    vocabulary = ItemVocabulary(table.set_column(column, "text", pa.array(other, pa.string())))
    model = deepcopy(recommender.model)
    changed = XCatRecommender(model, change_catalogue(model, recommender.processor, vocabulary), recommender.rerankers)
    changed.pool = recommender.pool
    return changed, places


def _queries(
    recommender: XCatRecommender, rows: Sequence[dict[str, Any]], probe: str, pairs: Sequence[tuple[str, str]], k: int
) -> TextProbe:
    values, deviations = [], []
    for pair in pairs:
        one, other = (_scores(recommender, [{**row, "ask": query} for row in rows]) for query in pair)
        values.append(_compared(one, other, rows, k))
        deviations.append(_deviation(one, other)[:, NUM_SPECIAL_ROWS:].mean(dim=1).numpy())
    return TextProbe(
        probe, "queries", len(pairs), confidence_interval(np.mean(values, axis=0)),
        confidence_interval(np.mean(deviations, axis=0)),
    )  # fmt: skip


def _scores(recommender: XCatRecommender, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
    parts = [recommender.score_rows(rows[at : at + _AT_ONCE]).cpu().float() for at in range(0, len(rows), _AT_ONCE)]
    return torch.cat(parts)


def _compared(one: torch.Tensor, other: torch.Tensor, rows: Sequence[dict[str, Any]], k: int) -> np.ndarray:
    """(users,) share of a list of new items that the other list lacks."""
    lists = [top_rows(without_history(scores, history_rows(rows)), k).numpy() for scores in (one, other)]
    replaced = [1 - len(np.intersect1d(a, b)) / len(a) for a, b in zip(*lists, strict=True)]
    return np.array(replaced)


def _deviation(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(users, rows) change of each score without sign, in standard deviations of the user's scores; special rows 0."""
    spread = one[:, NUM_SPECIAL_ROWS:].std(dim=1, keepdim=True).clamp(min=1e-9)
    return torch.nan_to_num((other - one).abs() / spread, nan=0.0, posinf=0.0)


def _ndcg(scores: torch.Tensor, rows: Sequence[dict[str, Any]], k: int) -> np.ndarray:
    ranks = target_ranks(scores, torch.from_numpy(pad_targets([row["targets"] for row in rows])))
    found: np.ndarray = per_user_metrics(ranks.numpy(), [k])[f"ndcg@{k}"]
    return found

"""The guards of an update: what a log and a new model have to pass before a checkpoint is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from ..evaluation.bootstrap import Interval, confidence_interval, paired_bootstrap
from ..evaluation.log_checks import list_growth, user_growth, with_others_targets
from ..evaluation.purposes import history_rows, without_history
from ..evaluation.ranker_evaluation import evaluate_ranker
from ..evaluation.ranks import top_rows
from ..modeling_xcat.arguments_xcat import finite_number
from ..ranking.recommender import XCatRecommender
from ..tokenization.vocabulary import NUM_SPECIAL_ROWS
from .errors import UpdateRefusedError
from .update_data import UpdateLog

METRIC, DEPTH = "ndcg@10", 10
USERS, ORDER, LIKENESS, LOG, EARLIER, LISTS = "users", "order", "likeness", "log", "earlier", "lists"
"""Names of the guards."""
GROWTH = 0.1
"""Largest growth of an item's share of the log's users, and of lists, that passes."""
LEAST_LIKENESS = 0.75
"""Least metric of the old model on the log that passes, as a share of the metric on earlier users."""
LOSS, DRAWN_LOSS = 0.05, 0.15
"""Largest relative loss of the metric that passes, on earlier users and on histories drawn from the old model. The old
model is the best one for its own draws, so every change loses there."""
DRAWN = 512
"""Histories that are drawn, where there are no earlier tables."""
_SHUFFLES, _STRICT = 5, 0.998
_BATCH = 256
_STEPS, _CHOICES = 4, 20


@dataclass(frozen=True)
class Guard:
    """A check that an update has to pass.

    Args:
        name: Its name.
        passed: Whether it was passed.
        value: The measured value, with its interval where it has one.
        limit: The limit that it is compared with.
        about: The finding, in a sentence.
    """

    name: str
    passed: bool
    value: Interval | float
    limit: float
    about: str

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain values, for JSON."""
        found = self.value
        value = {"value": found} if isinstance(found, float) else {
            "value": found.mean, "low": found.low, "high": found.high
        }  # fmt: skip
        return {"name": self.name, "passed": self.passed, **value, "limit": self.limit, "about": self.about}


class Guards:
    """The guards of one update, in order; the first one that is not passed ends it.

    Args:
        old: The old model.
        log: The log.
        earlier: Test rows of the earlier tables; None without tables.
        growth: Largest growth of an item's share.
        tell: Called with a line per guard.

    Attributes:
        passed: The guards that were passed.
    """

    def __init__(
        self, old: XCatRecommender, log: UpdateLog, earlier: Dataset | None, growth: float, tell: Callable[[str], None]
    ) -> None:
        self.old, self.log, self.earlier, self.growth, self.tell = old, log, earlier, growth, tell
        self.passed: list[Guard] = []
        self._before = np.zeros(0)

    def check_log(self) -> None:
        """Check the log with the old model, before anything is trained.

        Raises:
            UpdateRefusedError: If a guard is not passed.
        """
        counts = self.old.model.model.items.user_counts().cpu().numpy()
        self._require(users_guard(self.log.histories, counts, self.growth, self._name))
        self._before = metric_of_users(self.old, self.log.data.test)
        self._require(order_guard(self.old, self.log.data.test, self._before))
        if self.earlier is not None:
            self._require(likeness_guard(self._before, metric_of_users(self.old, self.earlier)))

    def check_model(self, new: XCatRecommender, seed: int) -> None:
        """Compare the new model with the old one.

        Args:
            new: The new model.
            seed: Seed of the histories that are drawn where there are no earlier tables.

        Raises:
            UpdateRefusedError: If a guard is not passed.
        """
        self._require(log_guard(self._before, metric_of_users(new, self.log.data.test)))
        rows = drawn_rows(self.old, seed=seed) if self.earlier is None else self.earlier
        before, after = (metric_of_users(model, rows) for model in (self.old, new))
        self._require(earlier_guard(before, after, drawn=self.earlier is None))
        self._require(lists_guard(self.old, new, rows, self.growth))

    def _require(self, guard: Guard) -> None:
        self.tell(f"guard {guard.name} {'passed' if guard.passed else 'NOT passed'}: {guard.about}")
        if not guard.passed:
            found = f"update refused by the guard {guard.name!r}, and nothing was written: {guard.about}"
            raise UpdateRefusedError(found, [one.to_dict() for one in (*self.passed, guard)])
        self.passed.append(guard)

    def _name(self, row: int) -> str:
        return self.old.vocabulary.decode([row])[0]


def check_growth(growth: float) -> None:
    """Refuse a limit that is not a share.

    Raises:
        ValueError: If it is not above 0 and at most 1.
    """
    if not 0 < finite_number("growth", growth) <= 1:
        raise ValueError(f"growth is {growth}; give a share above 0 and at most 1, such as {GROWTH}")


def metric_of_users(recommender: XCatRecommender, rows: Dataset) -> np.ndarray:
    """(users,) NDCG@10 of the next item, of all items of the catalogue."""
    report = evaluate_ranker(
        recommender, rows, recommender.vocabulary, trained=recommender.trained, ks=[DEPTH], metrics=["ndcg"]
    )
    return report.per_user[METRIC]


def order_guard(old: XCatRecommender, rows: Dataset, values: np.ndarray) -> Guard:
    """Whether the old model predicts the log's events better from their own histories than from those of others.

    Args:
        old: The old model.
        rows: The latest part of the log.
        values: Its metric on them.
    """
    others = np.mean([metric_of_users(old, with_others_targets(rows, seed)) for seed in range(_SHUFFLES)], axis=0)
    gain = confidence_interval(values - others, level=_STRICT)
    return Guard(
        ORDER, gain.low > 0, gain, 0.0,
        f"{METRIC} of the old model is {values.mean():.4f} with the users' own histories and {others.mean():.4f} with "
        f"those of others, difference {gain}; in a real log histories explain what follows",
    )  # fmt: skip


def users_guard(histories: list[list[int]], counts: np.ndarray, limit: float, name: Callable[[int], str]) -> Guard:
    """Whether no item suddenly has many more users than in the earlier training.

    Args:
        histories: Item indices of the log's users.
        counts: (rows,) earlier users per item.
        limit: Largest growth of a share of users.
        name: Id of an item index.
    """
    growth = user_growth(histories, counts)
    item, most = int(growth.argmax()), float(growth.max())
    return Guard(
        USERS, most <= limit, most, limit,
        f"the share of users who have item {name(item)} grew most, by {most:.1%} of users beyond chance"
        if most > 0
        else "no item has more users than in the earlier training, beyond chance",
    )  # fmt: skip


def likeness_guard(log: np.ndarray, earlier: np.ndarray) -> Guard:
    """Whether the old model predicts the log nearly as well as earlier users.

    Args:
        log: (users,) metric of the old model on the latest part of the log.
        earlier: (users,) metric of the old model on test users of the earlier tables.
    """
    share = float(log.mean() / max(earlier.mean(), 1e-9))
    return Guard(
        LIKENESS, share >= LEAST_LIKENESS, share, LEAST_LIKENESS,
        f"{METRIC} of the old model is {log.mean():.4f} on the latest part of the log and {earlier.mean():.4f} on "
        f"test users of the earlier tables, a share of {share:.2f}",
    )  # fmt: skip


def log_guard(before: np.ndarray, after: np.ndarray) -> Guard:
    """Whether the new model is not worse on the latest part of the log.

    Args:
        before: (users,) metric of the old model.
        after: (users,) that of the new one.
    """
    gain = paired_bootstrap(after, before)
    return Guard(LOG, gain.mean >= 0, gain, 0.0, _change("the latest part of the log", before, after, gain))


def earlier_guard(before: np.ndarray, after: np.ndarray, drawn: bool) -> Guard:
    """Whether the new model has forgotten little about users whom the log cannot change.

    Args:
        before: (users,) metric of the old model.
        after: (users,) that of the new one.
        drawn: Whether the users were drawn from the old model (`drawn_rows`).
    """
    gain = paired_bootstrap(after, before)
    limit = -(DRAWN_LOSS if drawn else LOSS) * float(before.mean())
    where = "histories drawn from the old model" if drawn else "the test users of the earlier tables"
    return Guard(EARLIER, gain.mean >= limit, gain, limit, _change(where, before, after, gain))


def _change(where: str, before: np.ndarray, after: np.ndarray, gain: Interval) -> str:
    return f"{METRIC} on {where} went from {before.mean():.4f} to {after.mean():.4f}, difference {gain}"


def lists_guard(old: XCatRecommender, new: XCatRecommender, rows: Dataset, limit: float) -> Guard:
    """Whether no item suddenly is in many more lists of users whom the log cannot change.

    The mean share of lists of an item is added to the limit, because in a small catalogue every change is a large one.

    Args:
        old: The old model.
        new: The new model.
        rows: Rows of these users.
        limit: Largest growth of a share of lists.
    """
    limit += DEPTH / old.vocabulary.num_items
    growth = list_growth(lists_of(old, rows), lists_of(new, rows), len(old.vocabulary))
    item, most = int(growth.argmax()), float(growth.max())
    return Guard(
        LISTS, most <= limit, most, limit,
        f"item {old.vocabulary.decode([item])[0]} is in more lists of {DEPTH} than before, by {most:.1%} of the lists",
    )  # fmt: skip


def lists_of(recommender: XCatRecommender, rows: Dataset) -> np.ndarray:
    """(users, 10) item indices of the lists that users with these histories get, without what they had."""
    found, plain = [], rows.with_format(None).to_list()
    for start in range(0, len(plain), _BATCH):
        part = plain[start : start + _BATCH]
        scores = without_history(recommender.discover_rows(part), history_rows(part))
        found.append(top_rows(scores, DEPTH).cpu().numpy())
    return np.concatenate(found)


def drawn_rows(recommender: XCatRecommender, count: int = DRAWN, seed: int = 0) -> Dataset:
    """Histories drawn from a model, each with its next item as the target.

    The first item is drawn by training events, and each next one from the best 20 by score. They stand in for users of
    the earlier training, of whom a checkpoint has no data (pseudo-rehearsal, Robins 1995).

    Args:
        recommender: The model.
        count: Number of histories.
        seed: Seed of the draw.
    """
    draw = torch.Generator().manual_seed(seed)
    counts = recommender.model.model.items.item_counts.float().cpu()
    items = torch.multinomial(counts, count, replacement=True, generator=draw)[:, None]
    for _ in range(_STEPS):
        rows = _rows(recommender, items)
        scores = torch.cat([recommender.score_rows(rows[at : at + _BATCH]) for at in range(0, count, _BATCH)]).cpu()
        best = scores.topk(min(_CHOICES, scores.shape[1] - NUM_SPECIAL_ROWS), dim=1)
        place = torch.multinomial(best.values.softmax(1), 1, generator=draw)
        items = torch.cat([items, best.indices.gather(1, place)], 1)
    targets = [[int(item)] for item in items[:, -1]]
    rows = [{**row, "targets": given} for row, given in zip(_rows(recommender, items[:, :-1]), targets, strict=True)]
    return Dataset.from_list(rows)


def _rows(recommender: XCatRecommender, items: torch.Tensor) -> list[dict[str, Any]]:
    return recommender.processor.history_rows([recommender.vocabulary.decode(row) for row in items.numpy()])

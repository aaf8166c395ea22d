"""Attack and defence of a checkpoint: gains of attackers, effects and costs of defences, and the equilibrium."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from datasets import Dataset

from ..evaluation.attacks.defences import ALL, DEFENCES, NONE, Defended, defend_shop
from ..evaluation.attacks.exposure_gain import target_hits
from ..evaluation.attacks.game import equilibrium
from ..evaluation.attacks.shop_attack import ATTACKS, SHARE, TARGETS, Attack, attack_shop, choose_targets
from ..evaluation.bootstrap import confidence_interval, paired_bootstrap
from ..evaluation.ranker_evaluation import evaluate_ranker
from ..modeling_xcat.arguments_xcat import finite_number, whole_number
from ..modeling_xcat.modeling_click_xcat import XCatForClickPrediction
from ..ranking.recommender import XCatRecommender
from ..tokenization.extras import check_packages
from ..tokenization.tables.schema import MissingUsers, UnknownItems
from ..tokenization.text.item_text import item_texts
from .attack_refit import EPOCHS, STARTS, Start, refit
from .attack_result import NO_ATTACK, AttackCell, AttackResult
from .checkpoint_evaluation import evaluation_data
from .output_folders import ATTACK_FILES, check_files_of_folder
from .read_shop import read_shop

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource
    from .read_shop import ColumnNames, ShopSource

logger = logging.getLogger(__name__)

MOST_USERS = 2_000
"""Real users whose lists are measured, drawn at random."""
LOSS_WEIGHT = 1.0


def attack(
    checkpoint: str | os.PathLike[str] | XCatRecommender,
    data: ShopSource | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    items: TableSource | None = None,
    events: TableSource | None = None,
    columns: ColumnNames | None = None,
    time_format: str | None = None,
    encoding: str | None = None,
    unknown_items: UnknownItems = "drop",
    missing_users: MissingUsers = "drop",
    kind: str | Sequence[str] = "bandwagon",
    share: float = SHARE,
    defend: str | Sequence[str] = (NONE, ALL),
    targets: int = TARGETS,
    promote: Sequence[str] | None = None,
    k: int = 10,
    start: Start = "checkpoint",
    epochs: float = EPOCHS,
    most_users: int = MOST_USERS,
    loss_weight: float = LOSS_WEIGHT,
    seed: int = 0,
    overwrite: bool = False,
    revision: str | None = None,
    tell: Callable[[str], None] = logger.info,
) -> AttackResult:
    """Attack a checkpoint and defend it, like `xcat attack`.

    The tables are attacked, and each defence changes them as it finds them: it sees neither the tables before, nor who
    is fake. The checkpoint is trained again on each result. Lists and NDCG are those of real test users.

    Args:
        checkpoint: A folder, NAMESPACE/NAME on the hub, or a recommender.
        data: As in `evaluate_checkpoint`, and so are `items` to `missing_users` and `revision`. The items have to be
            those of the checkpoint.
        output: Folder for `attack.json` and `table.md`; None to write nothing.
        items: Items table, instead of `data`.
        events: Events table, instead of `data`.
        columns: Column names; None for the names in the checkpoint's training.
        time_format: Format of times.
        encoding: Encoding of text files.
        unknown_items: "drop" or "error".
        missing_users: "drop" or "error".
        kind: Kinds of attacks, names in `ATTACKS`.
        share: Fake users as a share of the real ones.
        defend: Defences, names in `DEFENCES`; "none" is always measured. The detector does not simulate the kind of
            the attack that it meets.
        targets: Number of unpopular items that are promoted, drawn with the seed.
        promote: Ids of the promoted items, instead.
        k: Length of the lists.
        start: "checkpoint" fine-tunes its weights, "new" trains new ones; see `refit`.
        epochs: Epochs of each training; 0 to compute counts and item-to-item weights only.
        most_users: Real users whose lists are measured.
        loss_weight: Percentage points of the attacker's gain that a loss of 1 % of NDCG is worth to both, in the
            equilibrium.
        seed: Seed of all draws and of the training.
        overwrite: Whether an earlier result in `output` may be replaced.
        revision: Branch, tag or commit of a hub repository.
        tell: Called with a line per measurement.

    Returns:
        The table of attacks and defences, and its equilibrium.

    Raises:
        ImportError: If scipy is not installed (extra `attack`).
        ValueError: If an argument is invalid, the checkpoint predicts clicks, or the tables lack items of it.

    Example (not run: it trains for minutes):
        attack("CKPT", "my-shop", kind="bandwagon", defend=["detect", "all"]).equilibrium
    """
    kinds, defences = check_attack(kind, share, defend, k, start, epochs, output, overwrite)
    if not isinstance(checkpoint, XCatRecommender):
        checkpoint = XCatRecommender.from_pretrained(checkpoint, revision=revision)
    if isinstance(checkpoint.model, XCatForClickPrediction):
        raise ValueError("checkpoint predicts clicks, and an attack is on lists; give a checkpoint of next items")
    shop = read_shop(
        data, items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
        unknown_items=unknown_items, missing_users=missing_users, saved=checkpoint.processor.event_settings,
    )  # fmt: skip
    lacking = sorted(set(promote or ()) - set(shop.items["item_id"]))
    if lacking:
        raise ValueError(f"promote has {lacking[0]!r}, which is not an item of the shop")
    promoted = tuple(promote) if promote is not None else choose_targets(shop, targets, seed)
    attacks = {name: attack_shop(shop, name, promoted, share=share, seed=seed) for name in kinds}
    rows = _some(evaluation_data(checkpoint, shop).splits["test"], most_users, seed)
    measure = _Measurement(checkpoint, rows, promoted, k, {"start": start, "epochs": epochs, "seed": seed})
    result = AttackResult({}, promoted, share, k, len(rows), start, epochs, seed, loss_weight)
    before = measure.cell(Attack(NO_ATTACK, shop, promoted), NONE)
    for one in (Attack(NO_ATTACK, shop, promoted), *attacks.values()):
        for defence in defences:
            result.cells[one.kind, defence] = cell = measure.cell(one, defence, before)
            tell(str(cell))
            _write(result, output)
    gains = np.array([[result.payoff(name, defence) for defence in defences] for name in kinds])
    result.equilibrium = equilibrium(gains, kinds, defences)
    _write(result, output)
    return result


def check_attack(
    kind: str | Sequence[str],
    share: float,
    defend: str | Sequence[str],
    k: int,
    start: str,
    epochs: float,
    output: str | os.PathLike[str] | None,
    overwrite: bool,
) -> tuple[list[str], list[str]]:
    """Refuse arguments that cannot be used, before anything is read.

    Returns:
        Kinds of attacks, and defences with "none" first.

    Raises:
        ImportError: If scipy is not installed.
        ValueError: If an argument is invalid, or the output has other files or an earlier result.
    """
    check_packages("an attack", ["scipy"], "attack")
    kinds = _names("kind", kind, ATTACKS)
    defences = list(dict.fromkeys([NONE, *_names("defend", defend, DEFENCES)]))
    if not 0 < finite_number("share", share) <= 1:
        raise ValueError(f"share is {share}; give a share of the real users above 0 and at most 1, such as {SHARE}")
    whole_number("k", k, 1)
    if start not in STARTS:
        raise ValueError(f"start is {start!r}; give one of {', '.join(STARTS)}")
    if finite_number("epochs", epochs) < 0:
        raise ValueError(f"epochs is {epochs}; give 0 or more")
    if output is not None:
        check_files_of_folder(Path(output), ATTACK_FILES, "the results of an attack", overwrite)
    return kinds, defences


def _names(argument: str, given: str | Sequence[str], known: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys([given] if isinstance(given, str) else given))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"{argument} has {unknown[0] if unknown else ''!r}; give names of {', '.join(known)}")
    return names


def _some(rows: Dataset, most: int, seed: int) -> Dataset:
    """Rows drawn at random, if there are too many."""
    if len(rows) <= whole_number("most_users", most, 1):
        return rows
    return rows.select(np.sort(np.random.default_rng(seed).permutation(len(rows))[:most]))


def _promoting(attacked: Attack) -> set[tuple[str, str]]:
    """Users and items of the events of fake users with promoted items."""
    fake = pl.col("user_id").is_in(list(attacked.fakes)) & pl.col("item_id").is_in(list(attacked.targets))
    return set(attacked.shop.events.filter(fake).select("user_id", "item_id").rows())


class _Measurement:
    """Trains and measures; tables that are the same are measured once."""

    def __init__(
        self, old: XCatRecommender, rows: Dataset, promoted: Sequence[str], k: int, training: dict[str, Any]
    ) -> None:
        self.old, self.rows, self.k, self.training = old, rows, k, training
        self.targets = old.vocabulary.encode(list(promoted)).tolist()
        self.known: dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray]] = {}

    def cell(self, attacked: Attack, defence: str, before: AttackCell | None = None) -> AttackCell:
        """The measurement of an attack and a defence."""
        defended = defend_shop(attacked.shop, defence, unknown=attacked.kind, seed=self.training["seed"])
        hits, ndcg = self._values(defended)
        base = before or AttackCell(attacked.kind, defence, hits, ndcg)
        detected, promoting = defended.detected, _promoting(attacked)
        return AttackCell(
            attacked.kind, defence, hits, ndcg, confidence_interval(hits), paired_bootstrap(hits, base.hits),
            confidence_interval(ndcg), paired_bootstrap(ndcg, base.ndcg), attacked.cost,
            auc=None if detected is None or not attacked.fakes else detected.auc(attacked.fakes),
            removed=len(defended.removed), promoting_removed=len(promoting & set(defended.removed)),
            promoting=len(promoting),
            titles_removed=len(defended.titles), targets_removed=len(set(defended.titles) & set(attacked.targets)),
            events_left_out=defended.left_out,
        )  # fmt: skip

    def _values(self, defended: Defended) -> tuple[np.ndarray, np.ndarray]:
        """(users,) share of the targets in a list, and NDCG, after training on the tables."""
        shop, weights = defended.shop, defended.weights
        texts = item_texts(shop.items, self.old.processor.text_fields)
        key = (tuple(texts), shop.events.height, int(shop.events.hash_rows(0).sum()), *weights.items())
        if key not in self.known:
            found = refit(self.old, shop, weights=weights, **self.training)
            report = evaluate_ranker(
                found,
                self.rows,
                found.vocabulary,
                trained=found.trained,
                ks=[self.k],
                metrics=["ndcg"],
                progress=False,
            )
            assert report.top is not None
            histories = self.rows.with_format(None)["items"][:]
            hits = target_hits(report.top[:, : self.k], self.targets, histories)
            self.known[key] = hits, report.per_user[f"ndcg@{self.k}"]
        return self.known[key]


def _write(result: AttackResult, output: str | os.PathLike[str] | None) -> None:
    if output is None:
        return
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n"
    for name, text in zip(ATTACK_FILES, (content, result.table()), strict=True):
        (folder / name).write_text(text, encoding="utf-8")

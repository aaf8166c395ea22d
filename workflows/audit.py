"""Audit of a checkpoint: popularity bias, exposure and quality for groups of users."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from ..counting import counted
from ..evaluation.audits.item_exposure import PATIENCE
from ..evaluation.audits.membership import Membership
from ..evaluation.audits.model_audit import AuditedUsers, PurposeAudit, audit_purpose, plain
from ..evaluation.audits.popularity import SHORT_HEAD
from ..evaluation.audits.text_probes import TextProbe
from ..evaluation.baseline_names import POPULARITY
from ..evaluation.purposes import PURPOSES
from ..evaluation.ranker_evaluation import RankingReport, evaluate_ranker
from ..model_cards.audit_card import audit_card_section, check_audit_card, write_audit_section
from ..model_cards.audit_page import audit_page
from ..modeling_xcat.arguments_xcat import whole_number
from ..modeling_xcat.list_text_xcat import markdown_rows
from ..ranking.recommender import XCatRecommender
from ..ranking.rerank import Reranker, pool_size
from ..ranking.rerankers.knob import Explore
from ..ranking.rerankers.sampling import PlackettLuce
from ..ranking.rerankers.words import rules_of_request
from ..tokenization.tables.schema import MissingUsers, ShopTables, UnknownItems
from ..training.tasks.next_item import NEXT_ITEM
from .audit_findings import Finding, strongest_findings, without_popularity_bias
from .causal_audit import CausalAudit, causal_audit
from .checkpoint_evaluation import CheckpointEvaluation, EvaluationData, evaluate_checkpoint
from .fit_result import MODEL_NAME
from .membership_audit import membership_audit
from .output_folders import AUDIT_FILES, check_files_of_folder
from .read_shop import read_shop
from .text_probe_audit import text_probe_audit

if TYPE_CHECKING:
    from ..tokenization.sources.generic import TableSource
    from .read_shop import ColumnNames, ShopSource

DRAWS, TEMPERATURE = 5, 0.1
Measured = TypeVar("Measured")


@dataclass(frozen=True, repr=False)
class AuditResult:
    """Result of `audit`.

    Args:
        purposes: Audits of XCat and of popularity by purpose, "next" and "discover"; a purpose that no user has a
            target of is left out.
        findings: The strongest findings.
        checked: Sentences on what was examined without a finding: popularity bias.
        data: Data of the evaluation.
        k: Length of the lists.
        draws: Lists drawn per user.
        temperature: Temperature of the draws.
        output: Folder of the written files; None for none.
        causal: Importance of the history and effects of promotions; None if they were not asked for.
        membership: Membership inference; None if it was not asked for.
        text_probes: Changes of lists with exchanged words; None if they were not asked for.
    """

    purposes: dict[str, PurposeAudit]
    findings: list[Finding]
    data: EvaluationData
    k: int
    draws: int
    temperature: float
    output: Path | None = field(default=None)
    causal: CausalAudit | None = None
    membership: Membership | None = None
    text_probes: tuple[TextProbe, ...] | None = None
    checked: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        """The main measures as Markdown tables, and the findings."""
        columns = ["model", f"NDCG@{self.k}", "average popularity", "long-tail share", "Gini", "coverage"]
        parts = []
        for purpose, audit in self.purposes.items():
            rows = [
                [name, f"{one.quality.mean:.4f}", f"{one.popularity.arp.mean:.1f}", f"{one.popularity.aplt.mean:.3f}",
                 f"{one.popularity.gini:.3f}", f"{one.popularity.coverage:.3f}"]
                for name, one in audit.models.items()
            ]  # fmt: skip
            parts.append(f"{purpose} ({counted(audit.num_users, 'user')})\n\n{markdown_rows(columns, rows)}")
        found = [f"{one.purpose}: {one.text} {one.remedy}" for one in self.findings]
        return "\n\n".join([*parts, *found, *self.checked])

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON, as `audit.json` has it."""
        return {
            "k": self.k, "draws": self.draws, "temperature": self.temperature, "patience": PATIENCE,
            "short_head": SHORT_HEAD, "split": self.data.options.split, "notes": self.data.notes,
            "findings": plain(self.findings), "checked": self.checked, "purposes": plain(self.purposes),
            "causal": plain(self.causal), "membership": plain(self.membership),
            "text_probes": plain(self.text_probes),
        }  # fmt: skip


def audit(
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
    k: int = 10,
    draws: int = DRAWS,
    temperature: float = TEMPERATURE,
    revision: str | None = None,
    rerank: str | Sequence[str | Reranker] | None = None,
    explore: Explore | float | None = None,
    causal: bool = False,
    card: bool = False,
    membership: bool = False,
    text_probes: bool = False,
    overwrite: bool = False,
    **options: Any,
) -> AuditResult:
    """Audit the lists of a checkpoint, beside popularity, on the test split, like `xcat audit`.

    Lists are those of the evaluation, for both purposes. They are also drawn at random, for the expected exposure of
    lists that vary. Users are grouped by activity, and by the columns of the users table if the data have one.

    Args:
        checkpoint: A folder, NAMESPACE/NAME on the hub, or a recommender.
        data: As in `evaluate_checkpoint`, and so are `items` to `missing_users`, `revision`, `rerank` and `explore`.
        output: Folder for `audit.json` and `report.html`; None to write nothing.
        items: Items table, instead of `data`.
        events: Events table, instead of `data`.
        columns: Column names; None for the names in the checkpoint's training.
        time_format: Format of times.
        encoding: Encoding of text files.
        unknown_items: "drop" or "error".
        missing_users: "drop" or "error".
        k: Length of the lists.
        draws: Lists drawn per user, each an evaluation of its own; 0 for none.
        temperature: `PlackettLuce.temperature` of the draws.
        revision: Branch, tag or commit of a hub repository.
        rerank: Re-ranking rules, to audit lists with them.
        explore: Likewise.
        causal: Whether to measure, too, lists of changed histories and, if the data have promotions in stores, their
            effects on purchases.
        card: Whether to write the metrics and findings into the card of the checkpoint's folder, in place of those of
            an earlier audit.
        membership: Whether to attack the checkpoint by its losses, to see whether they tell users of the training.
        text_probes: Whether to measure, too, how lists change if words about gender or origin are exchanged.
        overwrite: Whether an earlier audit in `output` may be replaced.
        **options: Fields of `PreparationOptions` about events, such as `split`.

    Returns:
        The audit.

    Raises:
        OSError: If there is no such checkpoint.
        ValueError: If an argument is invalid, the rules draw at random themselves, or the output has other files or
            an earlier audit.

    Example (not run: it needs a checkpoint):
        audit("CKPT", "my-shop", "AUDIT").findings
    """
    check_audit(k, draws, temperature, output, overwrite)
    place = _card_folder(checkpoint) if card else None
    if not isinstance(checkpoint, XCatRecommender):
        checkpoint = XCatRecommender.from_pretrained(checkpoint, revision=revision)
    rules = rules_of_request(rerank, explore, checkpoint.rerankers)
    if draws and any(isinstance(rule, PlackettLuce) for rule in rules):
        raise ValueError("the re-ranking rules draw at random, and so do draws; give draws=0, or other rules")
    shop = read_shop(
        data, items=items, events=events, columns=columns, time_format=time_format, encoding=encoding,
        unknown_items=unknown_items, missing_users=missing_users, saved=checkpoint.processor.event_settings,
    )  # fmt: skip
    judged = evaluate_checkpoint(checkpoint, shop, ks=[k], rerank=rules, task=NEXT_ITEM, **options)
    assert isinstance(judged, CheckpointEvaluation)
    drawn = [_drawn(checkpoint, judged, [*rules, PlackettLuce(temperature, seed)], k) for seed in range(draws)]
    reports = {MODEL_NAME: judged.report, POPULARITY: judged.baselines[POPULARITY]}
    users = _users(checkpoint, judged.data, shop)
    found = {name: audit_purpose(name, reports, users, k, {MODEL_NAME: drawn}) for name in PURPOSES}
    purposes = {name: part for name, part in found.items() if part is not None}
    folder = None if output is None else Path(output)
    causes = (
        _with_rules(checkpoint, rules, k, lambda: causal_audit(checkpoint, judged.data, shop, k)) if causal else None
    )
    findings, checked = strongest_findings(purposes, k), without_popularity_bias(purposes)
    attacked = membership_audit(checkpoint, judged.data) if membership else None
    probes = None
    if text_probes:
        probes = _with_rules(checkpoint, rules, k, lambda: text_probe_audit(checkpoint, judged.data, k))
    result = AuditResult(
        purposes, findings, judged.data, k, draws, temperature, folder, causes, attacked, probes, checked
    )  # fmt: skip
    if folder is not None:
        _write(result, folder, shop.name)
    if place is not None:
        facts = {**_facts(result, shop.name), "Re-ranking rules": ", ".join(map(repr, rules)) or "none"}
        write_audit_section(place, audit_card_section(purposes, k, facts, _sentences(result), checked))
    return result


def _card_folder(checkpoint: object) -> Path:
    """The folder of a checkpoint whose card is written."""
    if isinstance(checkpoint, XCatRecommender):
        raise ValueError("card is True, and the checkpoint is a recommender; give its folder, or leave card= out")
    folder = Path(str(checkpoint))
    check_audit_card(folder)
    return folder


def check_audit(
    k: int, draws: int, temperature: float, output: str | os.PathLike[str] | None, overwrite: bool
) -> None:
    """Refuse arguments that cannot be used, before anything is read.

    Raises:
        ValueError: If one is, or the output has other files or an earlier audit.
    """
    if whole_number("k", k) < 1:
        raise ValueError(f"k is {k}; give at least 1")
    whole_number("draws", draws, 0)
    PlackettLuce(temperature)
    if output is not None:
        check_files_of_folder(Path(output), AUDIT_FILES, "the audit", overwrite)


def _drawn(recommender: XCatRecommender, judged: CheckpointEvaluation, rules: list[Reranker], k: int) -> RankingReport:
    """The evaluation of lists that are drawn at random."""
    rows = judged.data.splits[judged.data.part]
    return _with_rules(recommender, rules, k, lambda: evaluate_ranker(
        recommender, rows, recommender.vocabulary, trained=recommender.trained, ks=[k], name="drawn lists"
    ))  # fmt: skip


def _with_rules(
    recommender: XCatRecommender, rules: list[Reranker], k: int, measure: Callable[[], Measured]
) -> Measured:
    """Measure lists of `k` items with re-ranking rules."""
    own, pool = recommender.rerankers, recommender.pool
    recommender.rerankers, recommender.pool = rules, pool or pool_size(k)
    try:
        return measure()
    finally:
        recommender.rerankers, recommender.pool = own, pool


def _users(recommender: XCatRecommender, data: EvaluationData, shop: ShopTables) -> AuditedUsers:
    rows = data.splits[data.part].with_format(None)
    people = getattr(shop, "users", None)
    columns = None
    if people is not None:
        ids = pl.DataFrame({"user_id": rows["user_id"][:]}, schema={"user_id": pl.String})
        columns = ids.join(people, on="user_id", how="left", maintain_order="left").drop("user_id")
    counts = recommender.model.model.items.item_counts.cpu().numpy()
    return AuditedUsers(rows["items"][:], rows["targets"][:], recommender.vocabulary, counts, columns)


def _write(result: AuditResult, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"data": name, **result.to_dict()}
    causal, notes = result.causal, list(result.data.notes)
    history, promotions = (None, None) if causal is None else (causal.history, causal.promotions)
    notes += [] if result.membership is None else [f"M{str(result.membership)[1:]}."]
    notes += map(str, result.text_probes or ())
    notes += [causal.note] if causal is not None and causal.note else []
    page = audit_page(
        result.purposes, result.k, own=MODEL_NAME, title=f"Audit of XCat on {name}", facts=_facts(result, name),
        findings=_sentences(result), checked=result.checked, notes=notes, history=history, promotions=promotions,
    )  # fmt: skip
    for file, text in zip(AUDIT_FILES, (json.dumps(content, indent=1, ensure_ascii=False) + "\n", page), strict=True):
        (folder / file).write_text(text, encoding="utf-8", errors="replace")


def _facts(result: AuditResult, name: str) -> dict[str, object]:
    return {
        "Data": name, "Split": f"{result.data.options.split}, {result.data.part}", "Items per list": result.k,
        "Drawn lists per user": f"{result.draws}, at temperature {result.temperature:g}",
    }  # fmt: skip


def _sentences(result: AuditResult) -> list[str]:
    return [f"{one.text} {one.remedy}" for one in result.findings]

"""`audit` and `xcat audit`: the same result, the written files, users' columns, and refused outputs."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import xcat_rec
from xcat_rec.evaluation.audits.exposure import audit_popularity
from xcat_rec.evaluation.audits.model_audit import PurposeAudit
from xcat_rec.evaluation.audits.popularity import tail_per_user
from xcat_rec.evaluation.audits.promotions import promotion_effects
from xcat_rec.model_cards.audit_card import BEGIN, END
from xcat_rec.model_cards.causal_section import promotions_section
from xcat_rec.workflows import text_probe_audit
from xcat_rec.workflows.audit_findings import strongest_findings, without_popularity_bias
from xcat_rec.workflows.checkpoint_evaluation import evaluation_data
from xcat_rec.workflows.membership_audit import _losses, _without_last

from ..cli.commands import refused, run
from ..evaluation.audits.test_promotions import panel
from ..hub.checkpoints import save_checkpoint
from ..tiny_shop import write_shop


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint, and a shop with a users table."""
    folder = tmp_path_factory.mktemp("audit")
    data = write_shop(folder / "shop")
    plans = [f"<b>{'gold' if n % 2 else 'plain'}</b>" for n in range(60)]
    pl.DataFrame({"user_id": [f"user-{n:02d}" for n in range(60)], "plan": plans}).write_csv(data / "users.csv")
    return save_checkpoint(folder / "checkpoint"), data


def test_the_call_and_the_command_agree_and_write_the_same(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, data = places
    found = xcat_rec.audit(checkpoint, data, tmp_path / "one", draws=2)
    assert json.loads((tmp_path / "one" / "audit.json").read_text()) == {
        "data": "shop", **json.loads(json.dumps(found.to_dict())),
    }  # fmt: skip
    command = ["audit", str(checkpoint), str(data), "--output", str(tmp_path / "two"), "--draws", "2", "--json"]
    assert run(command, capsys) == json.loads(json.dumps(found.to_dict()))
    pages = [(tmp_path / name / "report.html").read_text() for name in ("one", "two")]
    assert pages[0] == pages[1] and not re.search(r"https?://|<script|<link|<img|user-\d", pages[0])
    assert "&lt;b&gt;gold" in pages[0] and "<b>gold" not in pages[0] and pages[0].count("<svg") >= 6
    refused(command, capsys, ["--output", "holds an earlier result; give another folder or --overwrite"])
    with pytest.raises(ValueError, match="holds an earlier result; give another folder or overwrite=True"):
        xcat_rec.audit(checkpoint, data, tmp_path / "one", draws=0)
    replaced = xcat_rec.audit(checkpoint, data, tmp_path / "one", draws=0, overwrite=True)
    assert json.loads((tmp_path / "one" / "audit.json").read_text())["draws"] == replaced.draws == 0


def test_lists_and_users_are_those_of_the_evaluation(places: tuple[Path, Path]) -> None:
    checkpoint, data = places
    found, judged = xcat_rec.audit(checkpoint, data, draws=2), xcat_rec.evaluate(checkpoint, data, ks=[10])
    assert list(found.purposes) == ["next", "discover"]
    counts = xcat_rec.load(checkpoint).model.model.items.item_counts.cpu().numpy()
    for purpose, audited in found.purposes.items():
        report = judged.report if purpose == "next" else judged.report.discover
        own = audited.models["XCat"]
        assert (own.quality.mean, audited.num_users) == (pytest.approx(report.metrics["ndcg@10"]), report.num_users)
        assert own.popularity.arp.mean == pytest.approx(tail_per_user(report.top, counts)[:, 0].mean(), abs=1e-9)
        assert own.popularity.coverage == pytest.approx(report.metrics["coverage@10"])
        assert sum(own.popularity.targets) == report.num_targets
        assert own.drawn is not None and own.drawn.disparity.mean < own.exposure.disparity.mean
        assert [group.shares.attribute for group in own.groups] == ["category", "brand", "price band"]
        assert {one.group for one in own.users if one.attribute == "plan"} == {"<b>gold</b>", "<b>plain</b>"}
    discounted = xcat_rec.audit(checkpoint, data, draws=0, rerank="popularity-discount=1")
    arps = [one.purposes["next"].models["XCat"].popularity.arp.mean for one in (discounted, found)]
    assert arps[0] < arps[1] and discounted.purposes["next"].models["XCat"].drawn is None
    assert found.findings and all(one.text.endswith(".") and one.remedy for one in found.findings)
    assert [one.size for one in found.findings] == sorted((one.size for one in found.findings), reverse=True)
    _check_both_purposes(found.purposes["next"])
    assert found.checked == without_popularity_bias(found.purposes)


def _check_both_purposes(audited: PurposeAudit) -> None:
    """A finding of both purposes is one, and lists without popularity bias are said to have none."""
    alone, both = strongest_findings({"next": audited}, 10, 99), {"next": audited, "discover": audited}
    joined = strongest_findings(both, 10, 99)
    assert len(joined) == len(alone) > 1
    assert all(one.text.count("The same holds for lists of new items: ") == 1 for one in joined)
    assert all(one.text.startswith(other.text) for one, other in zip(joined, alone, strict=True))
    biased = replace(audited, history_tail=replace(audited.history_tail, mean=1.0, low=1.0, high=1.0))
    even = replace(audited, history_tail=replace(audited.history_tail, mean=0.0, low=0.0, high=0.0))
    assert any("fewer long-tail items" in one.text for one in strongest_findings({"next": biased}, 10, 99))
    assert without_popularity_bias({"next": biased}) == []
    (sentence,) = without_popularity_bias({"next": even, "discover": even})
    assert sentence.startswith("No popularity bias was found: long-tail items are ")
    assert sentence.count("of lists of") == 2 and sentence.endswith("0.0% of histories.")


def test_membership_inference_compares_losses_of_the_training_with_held_out_ones(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    """Random weights have learned nothing, so the attack is near chance; its losses are cross-entropies."""
    checkpoint, data = places
    found = xcat_rec.audit(checkpoint, data, tmp_path / "audit", draws=0, membership=True)
    attacked = found.membership
    assert attacked is not None and attacked.members == attacked.others == 60
    assert 0.3 < attacked.auc.mean < 0.7 and attacked.auc.low < attacked.auc.mean < attacked.auc.high
    assert (
        json.loads((tmp_path / "audit" / "audit.json").read_text())["membership"]["auc"]["mean"] == attacked.auc.mean
    )
    assert "Membership inference by the loss: AUC" in (tmp_path / "audit" / "report.html").read_text()
    recommender = xcat_rec.load(checkpoint)
    row = found.data.splits["test"].with_format(None)[0]
    scores = recommender.score_rows([row])[0].double()
    expected = -float(scores.log_softmax(0)[row["targets"][0]])
    assert _losses(recommender, [(row, row["targets"][0])]).tolist() == pytest.approx([expected])
    short = {"items": [5], "ratings": [1.0]}
    assert _without_last(short) is None
    assert _without_last({"items": [5, 6], "ratings": [1.0, 2.0], "user_id": "u"}) == (
        {"items": [5], "ratings": [1.0], "user_id": "u"}, 6
    )  # fmt: skip


def test_text_probes_exchange_words_in_items_and_queries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_shop(tmp_path / "shop")
    checkpoint = save_checkpoint(tmp_path / "checkpoint", reads_queries=True)
    recommender = xcat_rec.load(checkpoint)
    judged = evaluation_data(recommender, xcat_rec.load_shop(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(text_probe_audit.PROBES, "gender", [("tents", "boots")])
        found = text_probe_audit.text_probe_audit(recommender, judged, 10)[0]
    assert (found.probe, found.texts, found.changed) == ("gender", "items", 21)
    assert 0 < found.replaced.mean <= 1 and found.scores.low > 0 and found.difference is not None
    assert "Words of gender exchanged in 21 items" in str(found)
    command = ["audit", str(checkpoint), str(data), "--output", str(tmp_path / "out"), "--draws", "0", "--text-probes"]
    assert [one["probe"] for one in run([*command, "--json"], capsys)["text_probes"]] == ["gender", "origin", "colour"]
    assert "pairs of queries" in (tmp_path / "out" / "report.html").read_text()


def test_bad_arguments_are_refused(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, data = places
    (tmp_path / "notes.txt").write_text("mine")
    command = ["audit", str(checkpoint), str(data), "--output", str(tmp_path)]
    refused(command, capsys, ["--output", "has 1 other file, such as notes.txt; give a folder for the audit"])
    refused([*command[:-1], str(tmp_path / "new"), "-k", "0"], capsys, ["-k", "at least 1"])
    with pytest.raises(ValueError, match="draws=0"):
        xcat_rec.audit(checkpoint, data, rerank="sample=0.1")


def test_causes_with_and_without_promotions(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, data = places
    found = xcat_rec.audit(checkpoint, data, tmp_path / "one", draws=0, causal=True)
    assert found.causal is not None and found.causal.promotions is None and "no promotions" in found.causal.note
    command = ["audit", str(checkpoint), str(data), "--output", str(tmp_path / "two"), "--draws", "0", "--causal"]
    assert run([*command, "--json"], capsys) == json.loads(json.dumps(found.to_dict()))
    page = (tmp_path / "one" / "report.html").read_text()
    assert "importance of the history" in page and "without the latest event" in page and "no promotions" in page
    changes = json.loads((tmp_path / "one" / "audit.json").read_text())["causal"]["history"]["changes"]
    assert [one["change"] for one in changes][:1] == ["without the latest event"]
    promotions = promotion_effects(panel(1, hidden=1.0)[0])
    shown = promotions_section(promotions)
    assert "do not rely on this effect" in shown and "would have happened anyway" in shown
    assert shown.count("expected 0") == 6 and all(one.split(":")[0][:40] in shown for one in promotions.assumptions)


def test_the_card_gets_the_section_and_its_numbers_agree(places: tuple[Path, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(places[0], tmp_path / "checkpoint")
    with pytest.raises(ValueError, match=r"no README\.md with a heading Audit; give the folder"):
        xcat_rec.audit(folder, places[1], card=True)
    card = folder / "README.md"
    card.write_text("# Model\n\n## Audit\n\nTables of training.\n\n## Training\n\nText.\n", encoding="utf-8")
    for rule in ("popularity-discount=1", None):
        found = xcat_rec.audit(folder, places[1], draws=0, card=True, rerank=rule)
    text = card.read_text(encoding="utf-8")
    assert text.count("### Lists in detail") == 1 == text.count(BEGIN) and "PopularityDiscount" not in text
    assert text.index("Tables of training.") < text.index(BEGIN) < text.index(END) < text.index("## Training")
    own = found.purposes["next"].models["XCat"]
    assert f"| XCat | {own.quality.mean:.4f} [" in text and f"| {own.popularity.arp.mean:,.1f} [" in text
    report = xcat_rec.evaluate(folder, places[1], ks=[10]).report
    counts = xcat_rec.load(folder).model.model.items.item_counts.cpu().numpy()
    assert report.top is not None  # the tables of training and the section have one definition of popularity
    assert audit_popularity(report.top, counts).average == pytest.approx(own.popularity.arp.mean, abs=1e-9)
    assert audit_popularity(report.top, counts).gini == pytest.approx(own.popularity.gini, abs=1e-9)
    with pytest.raises(ValueError, match="is a recommender; give its folder"):
        xcat_rec.audit(xcat_rec.load(folder), places[1], card=True)

"""Names of the catalogue in texts."""

from __future__ import annotations

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from xcat_rec.tokenization.interests.entities import Entity, EntityMatcher, ModelEntities


def names(matcher: EntityMatcher, text: str) -> list[str]:
    return [found.name for found in matcher.find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My SONY Ericsson", ["Sony Ericsson"]),
        ("sonya, sony. Xsony sony-ericsson", ["Sony", "Sony"]),
        ("买了新耳机和Sony手机", ["耳机", "Sony"]),
        ("bag office, bag of rice", ["bag", "bag of"]),
        ("Caf&eacute; M", ["Café"]),
        ("m, 100", []),
        ("", []),
    ],
)
def test_the_longest_separate_name_is_found(text: str, expected: list[str]) -> None:
    matcher = EntityMatcher(
        {"brand": ["Sony", "Sony Ericsson", "100", "M", "Café"], "category": ["耳机", "bag", "bag of"]}
    )
    assert names(matcher, text) == expected


def test_positions_refer_to_the_cleaned_text() -> None:
    (found,) = EntityMatcher({"brand": ["acme"]}).find("<b>İ</b>  ACME tent")
    assert (found.kind, found.start, found.end) == ("brand", 2, 6)


def brute_force(patterns: list[str], text: str) -> list[str]:
    found, place = [], 0
    while place < len(text):
        here = [
            p for p in patterns
            if text.startswith(p, place) and (place == 0 or not text[place - 1].isalnum() or not p[0].isalnum())
            and (place + len(p) == len(text) or not text[place + len(p)].isalnum() or not p[-1].isalnum())
        ]  # fmt: skip
        best = max(here, key=len, default=None)
        if best is not None:
            found.append(best)
        place += len(best) if best is not None else 1
    return found


@given(st.lists(st.text("xy ", min_size=2, max_size=5), max_size=6), st.text("xy .", max_size=20))
def test_matches_equal_those_of_a_brute_force_search(patterns: list[str], text: str) -> None:
    cleaned = sorted(
        {" ".join(p.split()) for p in patterns if len(" ".join(p.split())) > 1 and any(len(w) > 1 for w in p.split())}
    )
    plain = " ".join(text.split())
    assert names(EntityMatcher({"brand": cleaned}), text) == brute_force(cleaned, plain)


def test_the_catalogue_gives_brands_parts_of_paths_and_attributes() -> None:
    items = pl.DataFrame({
        "brand": ["Acme", None], "category": ["Sports_and_Outdoors > Tents", "Mugs"],
        "attributes": [{"color": "red", "size": 3}, {"color": "Acme", "size": None}],
    })  # fmt: skip
    matcher = EntityMatcher.of_catalogue(items, ("brand", "category", "attributes", "absent"))
    found = [(one.kind, one.name) for one in matcher.find("red acme tents, sports and outdoors, mugs 3")]
    assert found == [
        ("attributes", "red"), ("brand", "Acme"), ("category", "Tents"), ("category", "Sports and Outdoors"),
        ("category", "Mugs"),
    ]  # fmt: skip
    assert EntityMatcher({}).find("anything") == []


WORDS = {"camp": "B-Brand", "##more": "I-Brand", "acme": "B-Brand", "tents": "B-Category", "and": "O", "red": "O"}
POSITIONS = 16


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A one-layer BERT with fixed labels for six word pieces."""
    folder = str(tmp_path_factory.mktemp("tagger"))
    vocabulary = {piece: n for n, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    pieces = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )
    labels = ["O", "B-Brand", "I-Brand", "B-Category"]
    torch.manual_seed(0)
    model = BertForTokenClassification(BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=POSITIONS, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(labels)), label2id={name: n for n, name in enumerate(labels)},
    ))  # fmt: skip
    inside = torch.tensor([labels.index(label) for label in WORDS.values()])
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        order = torch.randint(len(inside), (32, POSITIONS - 2))
        ends = torch.full((32, 1), 2), torch.full((32, 1), 3)
        outside = torch.zeros(32, 1, dtype=torch.long)
        optimizer.zero_grad()
        target = torch.cat([outside, inside[order], outside], 1)
        model(input_ids=torch.cat([ends[0], order + 4, ends[1]], 1), labels=target).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_token_classifier_finds_its_entities(tagger: str) -> None:
    """Pieces of a word are one name; positions refer to the cleaned text; kinds are in lower case."""
    found = ModelEntities(tagger).find("red <b>campmore</b> and&nbsp;acme  tents")
    plain = "red campmore and acme tents"
    expected = [("brand", "campmore"), ("brand", "acme"), ("category", "tents")]
    assert found == [Entity(k, n, plain.index(n), plain.index(n) + len(n)) for k, n in expected]
    assert ModelEntities(tagger).find("") == [] == ModelEntities(tagger).find("red and red")


def test_a_text_longer_than_the_model_is_read_to_its_end(tagger: str) -> None:
    text = "acme and red " * 3 * POSITIONS + "campmore tents"
    found = ModelEntities(tagger).find(text)
    assert [one.name for one in found] == ["acme"] * 3 * POSITIONS + ["campmore", "tents"]
    assert [text[one.start : one.end] for one in found] == [one.name for one in found]

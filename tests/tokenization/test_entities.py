"""Names of the catalogue in texts."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xcat_rec.tokenization.entities import EntityMatcher


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
def test_the_longest_name_that_stands_alone_is_found(text: str, expected: list[str]) -> None:
    matcher = EntityMatcher(
        {"brand": ["Sony", "Sony Ericsson", "100", "M", "Café"], "category": ["耳机", "bag", "bag of"]}
    )
    assert names(matcher, text) == expected


def test_places_are_those_of_the_cleaned_text() -> None:
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
def test_it_finds_what_a_search_at_every_place_finds(patterns: list[str], text: str) -> None:
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

"""Arguments of recommending that are wrong are refused by name."""

from __future__ import annotations

import pytest

import xcat_rec
from xcat_rec import XCatRecommender
from xcat_rec.cli.argument_options import with_options
from xcat_rec.ranking.pipelines import ItemRecommendationPipeline
from xcat_rec.training.preparation.options import PreparationOptions
from xcat_rec.training.preparation.prepare import prepare_training

from ..tiny_shop import SMALL, save_text_encoder, shop


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> XCatRecommender:
    encoder = str(save_text_encoder(tmp_path_factory.mktemp("encoder")))
    prepared = prepare_training(shop(10), PreparationOptions(text_encoder=encoder, config=SMALL))
    return XCatRecommender(prepared.model, prepared.processor)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ratings": [float("inf")]}, "ratings of history 0 holds the rating inf; give numbers"),
        ({"ratings": ["five"]}, "ratings of history 0 holds a value of type str"),
        ({"explain": "no"}, "explain is 'no'; give True, False, 'history' or 'query'"),
        ({"exclude_seen": "no"}, "exclude_seen is a value of type str"),
        ({"cross_category": 1}, "cross_category is a value of type int"),
        ({"cold_boost": float("nan")}, "cold_boost is nan; give a number"),
        ({"on_unknown": "raise"}, "on_unknown is 'raise'; give one of popular"),
        ({"k": 2.5}, "k is 2.5; give a whole number"),
    ],
)
def test_wrong_keywords_are_refused_by_name(wrong, message, recommender):
    pipe = ItemRecommendationPipeline(recommender.model, recommender.processor)
    for call in (recommender.recommend, pipe):
        with pytest.raises(ValueError, match=message):
            call(["item-01"], **wrong)


def test_inputs_that_are_no_histories_are_refused(recommender):
    pipe = ItemRecommendationPipeline(recommender.model, recommender.processor)
    for inputs in (None, 5):
        with pytest.raises(ValueError, match="give a list of item ids, or a list of such lists"):
            pipe(inputs)
    with pytest.raises(ValueError, match="histories is empty; give at least one history"):
        recommender.processor([])


def test_unknown_gaps_name_their_remedy(recommender):
    found = recommender.recommend(["item-01", "item-02"], timestamps=[None, 1_700_000_000])
    assert any("give timestamps= for all events" in note for note in found.notes)


def test_half_characters_are_named(recommender):
    half = "anna\ud800"
    session = recommender.session("anna")
    calls = {
        "history 0: the item id at place 1": lambda: recommender.recommend(["item-01", half]),
        "event_types of history 0: a type": lambda: recommender.recommend(["item-01"], event_types=[half]),
        "user": lambda: recommender.session(half),
        "item_id": lambda: session.append(half),
        "event_id": lambda: session.append("item-01", event_id=half),
        "item": lambda: session.hide(half),
        "remember: text": lambda: session.remember(half),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=rf"^{name} has half a character \(a lone surrogate\) at place 4; give"):
            call()
    with pytest.raises(ValueError, match=r"^items: the value 'xxxxx' \(masked\) has half a character"):
        recommender.add_items({"item_id": [half], "title": ["a tent"]})
    assert not session.events and not session.stated
    for ids in ([half], [half] * 1000):  # looked up one by one, and by Arrow
        with pytest.raises(ValueError, match="are not items of the catalogue"):
            recommender.delete_items(ids)


def test_a_hidden_item_that_the_catalogue_lacks_is_noted(recommender, caplog):
    session = recommender.session("hider")
    session.hide("item-01")
    assert not caplog.messages
    session.hide("nope")
    assert caplog.messages == [
        "item is hidden, but the catalogue does not have it; check its id, unless it is added later"
    ]
    assert len(session.stated) == 2


def test_a_new_column_of_added_items_is_noted(recommender):
    recommender = XCatRecommender(recommender.model, recommender.processor)
    added = recommender.add_items({"item_id": ["new"], "title": ["tents"], "brand": ["b"], "titel": ["x"]})
    assert added.notes[0] == (
        "items, column titel: it is new, and other items have no value in it; check its name, or leave it out"
    )
    assert recommender.add_items({"item_id": ["new"], "titel": ["y"]}).notes == ()


@pytest.mark.parametrize("wrong", [None, 7, ["a"]])
def test_a_checkpoint_is_a_text_or_a_path(wrong):
    with pytest.raises(ValueError, match=r"checkpoint is .*; give a folder, or NAMESPACE/NAME"):
        xcat_rec.load(wrong)


def test_an_event_needs_an_item(recommender):
    for empty in ("", "  "):
        with pytest.raises(ValueError, match="item_id is empty; give the id of an item"):
            recommender.session("anna").append(empty)


@pytest.mark.parametrize("name", ["ratings", "history", "exclude_seen", "k", "timestamp", "labels"])
def test_score_catalogue_refuses_inputs_that_make_no_difference(name, recommender):
    inputs = recommender.processor([["item-01", "item-02"]], ratings=[[1.0, 5.0]])
    assert "rating_ids" in inputs
    expected = recommender.model.score_catalogue(**inputs)
    for model in (recommender.model, recommender.model.model):
        with pytest.raises(TypeError, match=f"score_catalogue has no input '{name}'; the processor makes inputs of"):
            model.score_catalogue(**inputs, **{name: [1.0]})
        assert model.score_catalogue(**inputs, **{name: None}, return_dict=True).equal(expected)


@pytest.mark.parametrize("wrong", ["5", ["five"], [True], [float("inf")], [1, 2]])
def test_the_processor_refuses_ratings_as_recommend_does(wrong, recommender):
    told = []
    for call in (lambda: recommender.recommend(["item-01"], ratings=wrong),
                 lambda: recommender.processor([["item-01"]], ratings=[wrong])):  # fmt: skip
        with pytest.raises(ValueError, match="ratings of history 0") as caught:
            call()
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_the_remedies_of_unknown_users_are_named_alike(recommender):
    with pytest.raises(ValueError, match="on_unknown='popular' for popular items, or on_unknown='skip'") as caught:
        recommender.recommend(["kite"], on_unknown="error")
    told = with_options(str(caught.value), "recommend")
    assert "--on-unknown popular for popular items, or --on-unknown skip to leave these users out" in told

"""Bodies of requests, as pydantic reads and OpenAPI documents them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictFloat,
    StrictInt,
    StringConstraints,
    Tag,
)

from .ids import MOST_OF_ID, checked_id


def _stripped(given: str) -> str:
    """An id of a path as the logs store it, also one that is no longer taken, so that its user can be deleted."""
    if not given.strip():
        raise ValueError("an id is empty; give one")
    return given.strip()


Id = Annotated[str, StringConstraints(min_length=1, max_length=MOST_OF_ID), AfterValidator(checked_id)]
_PathId = Annotated[str, StringConstraints(min_length=1), AfterValidator(_stripped)]
ItemInPath = Annotated[_PathId, Path(description="Its id, percent-encoded; slashes may stay.", examples=["1082185"])]
UserInPath = Annotated[_PathId, Path(description="Its id, percent-encoded; slashes may stay.", examples=["anna"])]
Word = Literal["familiar", "balanced", "adventurous"]
Time = StrictInt | StrictFloat | str


class Body(BaseModel):
    """A body whose unknown fields are errors, because a misspelt option would be ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ListOptions(Body):
    """Options of a list; see `XCatRecommender.recommend`."""

    k: StrictInt = Field(10, ge=1, description="Number of recommendations.")
    filters: list[str] = Field([], max_length=100, description="Conditions on the catalogue.", examples=[["price<20"]])
    explore: Word | Annotated[float, Field(ge=0, le=1)] | None = Field(None, description="The knob for varied lists.")
    rerank: str | None = Field(None, max_length=1000, description="Rules.", examples=["mmr=0.1,calibrate=0.5"])
    exclude_seen: bool = Field(True, description="Leave out what the customer has had.")
    cross_category: bool = Field(False, description="Only categories that are new to the customer.")
    only_categories: list[str] | None = Field(None, max_length=1000)
    exclude_categories: list[str] = Field([], max_length=1000)
    only_items: list[Id] | None = Field(
        None, max_length=10_000, description="Ids of the items to recommend from, such as those in stock."
    )
    allow_sensitive: list[str] = Field(
        [], max_length=100, description="Sensitive categories that are allowed.", examples=[["alcohol"]]
    )
    profile: bool = Field(
        True,
        description='False or "off": the same list for everybody, so items that the user had or hid may be in it. '
        "No events are read, and nothing is logged.",
    )
    cold_boost: float | None = Field(
        None,
        description="Added to the scores of items without purchases in the training, in place of the checkpoint's.",
    )
    explain: bool | Literal["history", "query"] = Field(
        True, description="Give the events that carry each item, and the words of the query; or one of both."
    )
    log: bool = Field(True, description="Log the list, so that reactions can refer to it.")


class RecommendBody(ListOptions):
    """A list for a user whose events the service has, or for a history."""

    user_id: Id | None = None
    history: list[Id] | None = Field(None, max_length=10_000, description="Item ids, oldest first.")
    query: str | None = Field(None, max_length=2_000, description="What the customer asks for.")
    event_types: list[str] | None = Field(None, max_length=10_000)
    timestamps: list[Time | None] | None = Field(None, max_length=10_000)

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={"examples": [{"history": ["1082185", "995242"], "k": 5}, {"user_id": "anna", "k": 5}]},
    )


class QueryBody(RecommendBody):
    """A list for what a customer asks."""

    query: str = Field(..., min_length=1, max_length=2_000)

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [{"query": "warm tent for two", "user_id": "anna"}, {"query": "双人帐篷", "k": 5}]
        },
    )


class ChatBody(Body):
    """A turn of a dialogue."""

    message: str = Field(..., min_length=1, max_length=20_000, description="What the customer writes.")
    state: dict[str, Any] | None = Field(None, description="The state of the last answer; none for a new dialogue.")
    user_id: Id | None = None
    history: list[Id] | None = Field(None, max_length=10_000, description="Item ids, oldest first.")
    k: StrictInt = Field(5, ge=1, description="Number of recommendations.")
    filters: list[str] = Field([], max_length=100, description="Conditions on the catalogue.", examples=[["price<20"]])
    log: bool = Field(True, description="Log the list, so that reactions can refer to it.")

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {"message": "tents under 100 dollars, not red", "user_id": "anna"},
                {"message": "便宜一点的", "state": {"understood": {"language": "zh", "categories": ["帐篷"]}}},
            ]
        },
    )


class BatchBody(Body):
    """Several lists in one call."""

    requests: list[RecommendBody] = Field(
        ..., min_length=1, examples=[[{"history": ["1082185"], "k": 5}, {"user_id": "anna", "k": 5}]]
    )


class EventBody(Body):
    """An event of a user, or a reaction to a list."""

    user_id: Id = Field(..., examples=["anna"])
    item_id: Id = Field(..., examples=["1082185"])
    event_type: str = Field("", max_length=100, description="Type, such as purchase; hide leaves the item out.")
    timestamp: Time | None = Field(
        None, description="Seconds or milliseconds since 1970, or ISO 8601; now if left out."
    )
    rating: float | None = None
    text: str = Field("", max_length=20_000, description="Text written at the event, such as a review.")
    event_id: str = Field("", max_length=512, description="Id in the shop; an event that comes twice counts once.")
    impression_id: str | None = Field(None, max_length=64, description="The list in which the item was shown.")


class EventsBody(Body):
    """Several events in one call."""

    events: list[EventBody] = Field(
        ..., min_length=1, examples=[[{"user_id": "anna", "item_id": "1082185", "event_type": "purchase"}]]
    )


EventOrEvents = Annotated[
    Annotated[EventBody, Tag("event")] | Annotated[EventsBody, Tag("events")],
    Discriminator(lambda body: "events" if isinstance(body, dict) and "events" in body else "event"),
]
"""One event, or a body with `events`; an error is about the one that was meant."""


class ExplainBody(Body):
    """Why an item is recommended."""

    item_id: Id = Field(..., examples=["1023720"])
    user_id: Id | None = None
    history: list[Id] | None = Field(None, max_length=10_000, examples=[["1082185", "995242"]])
    language: Literal["en", "zh"] = Field("en", description="Language of the sentence.")
    words: bool = Field(False, description="Find the words of the texts, too, which takes longer.")
    exclude_seen: bool = Field(True, description="False to explain an item of the history.")


class ClickBody(Body):
    """Items that are shown to a user whose events the service has, or after a history."""

    items: list[Id] = Field(..., min_length=1, max_length=10_000, description="Ids of the shown items.")
    user_id: Id | None = None
    history: list[Id] | None = Field(None, max_length=10_000, description="Item ids, oldest first.")
    event_types: list[str] | None = Field(None, max_length=10_000)
    timestamps: list[Time | None] | None = Field(None, max_length=10_000)
    context: dict[str, Any] = Field(
        {}, max_length=1000, description="Context columns of the model: a value per item, or one value for all."
    )

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={"examples": [{"history": ["1082185", "995242"], "items": ["1023720", "981760"]}]},
    )


class SimilarBody(Body):
    """Items like an item."""

    item_id: Id = Field(..., examples=["1082185"])
    k: StrictInt = Field(10, ge=1)
    filters: list[str] = Field([], max_length=100)


class ItemsBody(Body):
    """Items to add or change: one object per item, with the columns of a table of items."""

    items: list[dict[str, Any]] = Field(
        ..., min_length=1, examples=[[{"item_id": "new-1", "title": "Red tent for two", "price": 49.0}]]
    )


class CheckpointBody(Body):
    """The checkpoint to serve from now on."""

    checkpoint: str = Field(..., min_length=1, max_length=4096, examples=["/models/new-checkpoint"])
    index: str | None = Field(None, max_length=4096, description="Folder of its index, or its qdrant URL.")

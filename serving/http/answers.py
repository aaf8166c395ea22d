"""Bodies of answers, for the documentation of the service."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ReasonAnswer(BaseModel):
    """An item of the history that carries a recommendation."""

    item_id: str
    title: str
    weight: float


class ItemAnswer(BaseModel):
    """One recommended item."""

    item_id: str
    score: float
    title: str
    category: str | None
    because: list[ReasonAnswer]
    words: list[str] = []
    price: float | str | None = None
    propensity: float | None = Field(None, description="Of the place, if the list was drawn at random.")


class ListAnswer(BaseModel):
    """A list."""

    impression_id: str | None = Field(description="Id for reactions; null if the list was not logged.")
    checkpoint: str = Field(description="Hash of the checkpoint that made the list.")
    basis: str
    notes: list[str]
    recommendations: list[ItemAnswer]


class ChatAnswer(ListAnswer):
    """A turn of a dialogue; the list is empty if the answer asks back."""

    answer: str = Field(description="The answer in the language of the customer.")
    understood: dict[str, Any] = Field(description="The wishes and limits in force.")
    state: dict[str, Any] = Field(description="What the next turn sends along.")


class ListsAnswer(BaseModel):
    """Several lists, in the order of the requests."""

    lists: list[ListAnswer]


class ClickAnswer(BaseModel):
    """A shown item."""

    item_id: str
    probability: float = Field(description="That the user clicks it.")


class ClicksAnswer(BaseModel):
    """Shown items, in the order of the request."""

    checkpoint: str
    notes: list[str]
    predictions: list[ClickAnswer]


class EventsAnswer(BaseModel):
    """What became of events."""

    accepted: int
    duplicates: int


class ItemsAnswer(BaseModel):
    """What became of items."""

    items: int
    new: int
    catalogue: int = Field(description="Items that lists can have now; deleted ones are not among them.")
    notes: list[str] = Field([], description="Values that could not be used, such as a price in words.")


class DeletedItemsAnswer(BaseModel):
    """How many items were in lists before."""

    deleted: int


class DeletedUserAnswer(BaseModel):
    """What became of a user."""

    deleted: bool


class UserAnswer(BaseModel):
    """Everything that the service has of a user."""

    user_id: str
    events: list[dict[str, Any]]
    stated: list[dict[str, Any]] = Field(description="Such as hidden items.")
    impressions: list[dict[str, Any]] = Field(description="Lists that were shown.")
    reactions: list[dict[str, Any]]


class ExplanationAnswer(BaseModel):
    """Why an item is recommended; see docs/explain.md for the other fields."""

    model_config = ConfigDict(extra="allow")

    checkpoint: str
    item_id: str
    title: str
    sentence: str
    rank: int | None = Field(description="Place in the list of all items, from 1.")
    because: list[ReasonAnswer]


class InputAnswer(BaseModel):
    """An input that lists go by."""

    name: str
    meaning: str
    change: str


class ParametersAnswer(BaseModel):
    """What lists go by."""

    inputs: list[InputAnswer]
    not_used: str
    delete: str


class InfoAnswer(BaseModel):
    """Facts about the service."""

    checkpoint: str
    fingerprint: str
    items: int = Field(description="Items that lists can have; deleted ones are not among them.")
    index: str = Field(description="Kind of the index.")
    settings: dict[str, Any] = Field(description="Without secrets.")


class CheckpointAnswer(BaseModel):
    """The checkpoint that answers from now on."""

    checkpoint: str
    fingerprint: str


class StatusAnswer(BaseModel):
    """The state of the process."""

    status: str


class ErrorAnswer(BaseModel):
    """An error."""

    error: str = Field(description="What is wrong and what to do.")
    error_type: str = Field(description="Kind, for programs, such as invalid, unknown, overloaded or unavailable.")


_ERRORS = {
    400: "The body cannot be decoded.",
    401: "The key is missing or wrong.",
    404: "There is no such item or user.",
    408: "The body did not arrive in time.",
    413: "The body or the batch is too large.",
    422: "A value cannot be used.",
    429: "Too many requests wait.",
    503: "The service cannot answer now: it stops, or its store does not answer.",
}
_RETRY = {"Retry-After": {"description": "Seconds until the next try.", "schema": {"type": "integer"}}}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of error answers: the given ones, and those of all routes that compute."""
    return error_answers(400, 401, 408, 413, 422, 429, 503, *statuses)


def error_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of error answers by their statuses."""
    return {
        status: {
            "model": ErrorAnswer, "description": _ERRORS[status], "headers": _RETRY if status in (429, 503) else {},
        }
        for status in sorted(statuses)
    }  # fmt: skip

"""Bodies of answers, for the documentation of the service."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


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


class EventsAnswer(BaseModel):
    """What became of events."""

    accepted: int
    duplicates: int


class ItemsAnswer(BaseModel):
    """What became of items."""

    items: int
    new: int
    catalogue: int
    notes: list[str] = Field([], description="Values that could not be used, such as a price in words.")


class ErrorAnswer(BaseModel):
    """An error."""

    error: str
    error_type: str


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of the error answers of a route, with those that every route has."""
    return {status: {"model": ErrorAnswer} for status in (400, 401, 413, 422, 429, 503, *statuses)}

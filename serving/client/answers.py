"""Answers of the service as data; fields of a newer service that this version does not know are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeVar

from ...modeling_xcat.list_text_xcat import printed_items
from .transport import OTHER, RequestFailedError

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Answer:
    """An answer that is read from JSON."""

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Self:
        """Read the fields of an answer."""
        return cls(**{one.name: answer[one.name] for one in fields(cls) if one.name in answer})


@dataclass(frozen=True)
class ListReason(_Answer):
    """An item of the history that carries a recommendation.

    Args:
        item_id: Its id.
        title: Its title.
        weight: Share of the odds that is lost without it, from 0 to 1.
    """

    item_id: str
    title: str
    weight: float


@dataclass(frozen=True)
class RecommendedItem(_Answer):
    """An item of a list.

    Args:
        item_id: Its id.
        score: Its score.
        title: Its title.
        category: Its category.
        because: The items of the history that carry it.
        words: Words of the query that raise its score.
        price: Its price, if it is known.
        currency: Currency of the price.
        propensity: Probability of the item in its place, if the list was drawn at random.
    """

    item_id: str
    score: float
    title: str
    category: str | None = None
    because: tuple[ListReason, ...] = ()
    words: tuple[str, ...] = ()
    price: float | str | None = None
    currency: str | None = None
    propensity: float | None = None

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Self:
        """Read the fields of an answer."""
        reasons = tuple(map(ListReason.read, a_list(answer.get("because", []))))
        return super().read({**answer, "because": reasons, "words": tuple(answer.get("words", ()))})


@dataclass(frozen=True)
class RecommendedList(_Answer):
    """A list; iterate over it for its items.

    Args:
        impression_id: Id that events about its items refer to; None if the list was not logged.
        checkpoint: Hash of the checkpoint that made it.
        basis: What it was made from, such as history or popular.
        notes: Notes for a reader of the list.
        recommendations: Its items, best first.
    """

    impression_id: str | None
    checkpoint: str
    basis: str
    notes: tuple[str, ...] = ()
    recommendations: tuple[RecommendedItem, ...] = ()

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Self:
        """Read the fields of an answer."""
        items = tuple(map(RecommendedItem.read, a_list(answer["recommendations"])))
        return super().read({**answer, "notes": tuple(a_list(answer["notes"])), "recommendations": items})

    def __str__(self) -> str:
        return printed_items(self.recommendations, self.notes)

    def __iter__(self) -> Iterator[RecommendedItem]:
        return iter(self.recommendations)

    def __len__(self) -> int:
        return len(self.recommendations)

    def __getitem__(self, place: int) -> RecommendedItem:
        return self.recommendations[place]

    @property
    def item_ids(self) -> list[str]:
        """Ids of the items, best first."""
        return [item.item_id for item in self.recommendations]


@dataclass(frozen=True)
class ChatAnswer(RecommendedList):
    """A turn of a dialogue; the list is empty if the answer asks back.

    Args:
        answer: The answer in the language of the customer.
        understood: The wishes and limits in force.
        state: What the next turn sends along.
    """

    answer: str = ""
    understood: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredEvents(_Answer):
    """What became of events.

    Args:
        accepted: Events that were stored.
        duplicates: Events that the service had already.
    """

    accepted: int
    duplicates: int


@dataclass(frozen=True)
class ItemsAnswer(_Answer):
    """What became of items.

    Args:
        items: Items of the request.
        new: Items that were not in the catalogue.
        catalogue: Items of the catalogue now.
        notes: Values that could not be used.
    """

    items: int
    new: int
    catalogue: int
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Self:
        """Read the fields of an answer."""
        return super().read({**answer, "notes": tuple(a_list(answer.get("notes", [])))})


Answer = TypeVar("Answer", bound=_Answer)


def a_list(value: Any) -> list[Any]:
    """A value that has to be a list.

    Raises:
        TypeError: If it is something else.
    """
    if not isinstance(value, list):
        raise TypeError(f"a list was expected, and it is {type(value).__name__}")
    return value


def understood(path: str, read: Callable[[], Result]) -> Result:
    """Read an answer.

    Args:
        path: What was asked, for the error.
        read: Reads it.

    Raises:
        RequestFailedError: If it has other fields or types than the answers of a service.
    """
    try:
        return read()
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise RequestFailedError(
            200, f"the answer to {path} is not that of a service: {reason}; check url", OTHER
        ) from error

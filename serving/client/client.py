"""XCatClient: requests to a running `xcat serve`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

from .answers import Answer, ChatAnswer, ItemsAnswer, RecommendedList, StoredEvents, a_list, understood
from .transport import RequestFailedError, Transport


class XCatClient:
    """A client of the service; it needs the standard library alone, and can be used from several threads.

    A request that is refused as busy (429, 503) or whose connection breaks is sent again, after the seconds of
    `Retry-After` at least. Events get an `event_id` before they are sent, so a repetition stores none twice. A list
    that is asked for again is logged twice, and one of the two was shown to nobody.

    Args:
        url: Address of the service.
        api_key: One of its keys; None if it has none.
        timeout: Seconds of one attempt, from the connection to the end of the answer. So a request takes
            `(retries + 1) * timeout + max_wait` seconds at most.
        retries: Times that a request is sent again.
        backoff: Seconds before the first repetition; they double each time.
        max_wait: Seconds that one request may spend on waiting between repetitions; a longer `Retry-After` is an error
            at once.

    Raises:
        ValueError: If the address or a number is invalid.

    All requests raise `RequestFailedError` if the service refuses them or if the answer is not that of a service, and
    `ConnectionError` if nothing answers in time.

    Example (not run: it needs a service):
        client = XCatClient("http://127.0.0.1:8000")
        client.add_event("anna", "1082185", event_type="purchase")
        shown = client.recommend("anna", k=5)
        client.add_event("anna", shown[0].item_id, event_type="click", impression_id=shown.impression_id)
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        retries: int = 4,
        backoff: float = 0.25,
        max_wait: float = 30.0,
    ) -> None:
        headers = {} if api_key is None else {"X-API-Key": api_key}
        self._transport = Transport(url, headers, timeout, retries, backoff, max_wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection of this thread."""
        self._transport.close()

    def recommend(
        self, user_id: str | None = None, *, history: Sequence[str] | None = None, k: int = 10, **options: Any
    ) -> RecommendedList:
        """Recommend items to a user whose events the service has, or for a history.

        Args:
            user_id: The user.
            history: Item ids, oldest first, instead of the user; with neither, popular items.
            k: Number of recommendations.
            **options: Other fields of `POST /recommend`, such as `filters=["price<20"]`.
        """
        return self._read(RecommendedList, "/recommend", _list_body(user_id, history, k, options))

    def query(
        self,
        query: str,
        user_id: str | None = None,
        *,
        history: Sequence[str] | None = None,
        k: int = 10,
        **options: Any,
    ) -> RecommendedList:
        """Recommend items for what a customer asks.

        Args:
            query: What is asked for, in English or Chinese.
            user_id: As in `recommend`.
            history: As in `recommend`.
            k: Number of recommendations.
            **options: As in `recommend`.
        """
        body = {"query": query, **_list_body(user_id, history, k, options)}
        return self._read(RecommendedList, "/query", body)

    def chat(
        self,
        message: str,
        user_id: str | None = None,
        *,
        history: Sequence[str] | None = None,
        state: Mapping[str, Any] | None = None,
        k: int = 5,
        **options: Any,
    ) -> ChatAnswer:
        """A turn of a dialogue; the service keeps none, so give the `state` of the last answer.

        Args:
            message: What the customer writes, in English or Chinese.
            user_id: As in `recommend`.
            history: As in `recommend`.
            state: `state` of the last answer; None for a new dialogue.
            k: Number of recommendations.
            **options: Other fields of `POST /chat`, such as `filters=["price<20"]`.
        """
        body = {"message": message, "state": state, **_list_body(user_id, history, k, options)}
        return self._read(ChatAnswer, "/chat", body)

    def recommend_many(self, requests: Sequence[Mapping[str, Any]]) -> list[RecommendedList]:
        """Several lists in one request.

        Args:
            requests: Bodies of `POST /recommend`.
        """
        path = "/recommend/batch"
        found = self._post(path, {"requests": [dict(one) for one in requests]})
        return understood(path, lambda: [RecommendedList.read(one) for one in a_list(found["lists"])])

    def add_event(self, user_id: str, item_id: str, **details: Any) -> StoredEvents:
        """Store an event; when this returns, it is on the disk of the service and in every later list.

        Args:
            user_id: The user.
            item_id: The item.
            **details: Other fields of `POST /events`: `event_type`, `timestamp`, `impression_id`, ...
        """
        return self.add_events([{"user_id": user_id, "item_id": item_id, **details}])

    def add_events(self, events: Sequence[Mapping[str, Any]]) -> StoredEvents:
        """Store events, all or none.

        Args:
            events: Bodies of `POST /events`; one without an `event_id` gets a new one.
        """
        named = [{"event_id": uuid4().hex, **event} for event in events]
        return self._read(StoredEvents, "/events", {"events": named})

    def explain(
        self, item_id: str, user_id: str | None = None, *, history: Sequence[str] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Explain why an item is recommended; see `Explanation.to_dict` for the answer.

        Args:
            item_id: The item.
            user_id: As in `recommend`.
            history: As in `recommend`.
            **options: Other fields of `POST /explain`: `language`, `words`, `exclude_seen`.
        """
        return self._post("/explain", {"item_id": item_id, **_person(user_id, history), **options})

    def click_probability(
        self,
        items: Sequence[str],
        user_id: str | None = None,
        *,
        history: Sequence[str] | None = None,
        context: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> list[float]:
        """Probabilities that a user clicks items that are shown, in their order.

        Args:
            items: Ids of the shown items.
            user_id: As in `recommend`.
            history: As in `recommend`.
            context: Context columns of the model: a value per item, or one value for all.
            **options: Other fields of `POST /click-probability`: `event_types`, `timestamps`.
        """
        path, person = "/click-probability", _person(user_id, history)
        found = self._post(path, {"items": list(items), "context": dict(context or {}), **person, **options})
        return understood(path, lambda: [float(one["probability"]) for one in a_list(found["predictions"])])

    def similar(self, item_id: str, k: int = 10, *, filters: Sequence[str] = ()) -> RecommendedList:
        """Items that are recommended to somebody whose only event is an item.

        Args:
            item_id: The item.
            k: Number of recommendations.
            filters: Conditions on the catalogue.
        """
        return self._read(RecommendedList, "/similar", {"item_id": item_id, "k": k, "filters": list(filters)})

    def add_items(self, items: Sequence[Mapping[str, Any]]) -> ItemsAnswer:
        """Add or change items; they are in the next list.

        Args:
            items: One mapping per item, with the columns of a table of items.
        """
        return self._read(ItemsAnswer, "/items", {"items": [dict(item) for item in items]})

    def delete_item(self, item_id: str) -> bool:
        """Leave an item out of all later lists; returns False if it is unknown or was left out already."""
        found = self._delete(f"/items/{quote(item_id, safe='')}")
        return found is not None and understood("/items", lambda: bool(found["deleted"]))

    def user(self, user_id: str) -> dict[str, Any] | None:
        """Everything that the service has of a user; None if it has nothing."""
        try:
            found: dict[str, Any] = self._transport.send("GET", f"/users/{quote(user_id, safe='')}")
        except RequestFailedError as error:
            if error.status != 404:
                raise
            return None
        return found

    def delete_user(self, user_id: str) -> bool:
        """Delete everything of a user; returns False if there is nothing (left)."""
        return self._delete(f"/users/{quote(user_id, safe='')}") is not None

    def parameters(self) -> dict[str, Any]:
        """What lists go by, and how a customer can change it."""
        return self._get("/parameters")

    def info(self) -> dict[str, Any]:
        """Checkpoint, catalogue and settings of the service."""
        return self._get("/info")

    def load_checkpoint(self, checkpoint: str, index: str | None = None) -> str:
        """Let the service load another checkpoint; returns its hash when lists come from it.

        Args:
            checkpoint: A folder on the machine of the service, or NAMESPACE/NAME on the hub.
            index: Folder of its index there; None for an index in memory.
        """
        found = self._post("/checkpoint", {"checkpoint": checkpoint, "index": index})
        return understood("/checkpoint", lambda: str(found["fingerprint"]))

    def is_ready(self) -> bool:
        """Whether the service can answer now; asks once."""
        try:
            return bool(self._transport.send("GET", "/health/ready", retries=0))
        except (RequestFailedError, ConnectionError):
            return False

    def _read(self, kind: type[Answer], path: str, body: Mapping[str, Any]) -> Answer:
        found = self._post(path, body)
        return understood(path, lambda: kind.read(found))

    def _get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.send("GET", path)
        return found

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.send("POST", path, body)
        return found

    def _delete(self, path: str) -> dict[str, Any] | None:
        """The answer; None if there is no such thing, as after an earlier attempt whose answer was lost."""
        try:
            found: dict[str, Any] = self._transport.send("DELETE", path)
        except RequestFailedError as error:
            if error.status != 404:
                raise
            return None
        return found


def _person(user_id: str | None, history: Sequence[str] | None) -> dict[str, Any]:
    if isinstance(history, str):
        raise ValueError("history is a list of item ids; got a plain string, so put it into a list")
    given = {"user_id": user_id, "history": None if history is None else list(history)}
    return {name: value for name, value in given.items() if value is not None}


def _list_body(
    user_id: str | None, history: Sequence[str] | None, k: int, options: Mapping[str, Any]
) -> dict[str, Any]:
    return {**_person(user_id, history), "k": k, **options}

"""The routes of the service: each reads a body, computes in the gate, and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from .answers import (
    ChatAnswer,
    CheckpointAnswer,
    ClicksAnswer,
    DeletedItemsAnswer,
    DeletedUserAnswer,
    EventsAnswer,
    ExplanationAnswer,
    InfoAnswer,
    ItemsAnswer,
    ListAnswer,
    ListsAnswer,
    ParametersAnswer,
    StatusAnswer,
    UserAnswer,
    error_answers,
    errors,
)
from .bodies import (
    BatchBody,
    ChatBody,
    CheckpointBody,
    ClickBody,
    EventOrEvents,
    EventsBody,
    ExplainBody,
    ItemInPath,
    ItemsBody,
    QueryBody,
    RecommendBody,
    SimilarBody,
    UserInPath,
)
from .engine import Engine
from .errors import TooLargeError, store_guard
from .gate import Gates
from .parameters import parameters
from .readiness import Readiness
from .telemetry import Telemetry

Result = TypeVar("Result")


class Routes:
    """The routes.

    Args:
        engine: The engine.
        gates: The gates before it.
        telemetry: The metrics.
    """

    def __init__(self, engine: Engine, gates: Gates, telemetry: Telemetry) -> None:
        self.engine, self.gates, self.telemetry = engine, gates, telemetry
        self.router = APIRouter()
        self._lists()
        self._catalogue()
        self._users()
        self._service()

    async def compute(self, request: Request, call: Callable[[], Result]) -> Result:
        """Compute in the gate of the model."""
        with store_guard():
            return await self.gates.model.run(call, request.state.timing, request.is_disconnected)

    async def changed(self, request: Request, call: Callable[[], Result]) -> Result:
        """Change the catalogue, in the gate of the model; a change takes longer than a list, so it may wait longer."""
        with store_guard():
            return await self.gates.model.run(call, request.state.timing, request.is_disconnected, patient=True)

    async def stored(self, request: Request, call: Callable[[], Result]) -> Result:
        """Compute in the gate of the store."""
        with store_guard():
            return await self.gates.store.run(call, request.state.timing, request.is_disconnected)

    async def lists(self, request: Request, bodies: Sequence[RecommendBody]) -> list[dict[str, Any]]:
        """Make the lists of a call, together with those of other calls, and log them."""
        plain = [one.model_dump() for one in bodies]
        timing, engine, gates = request.state.timing, self.engine, self.gates
        with store_guard():
            found = await gates.model.run_together(engine.make_lists, plain, timing, request.is_disconnected)
            if any(one.impression is not None for one in found):
                await gates.store.run_together(engine.log_lists, found, timing)
        for one in found:
            self.telemetry.list(one.answer["basis"])
        return [one.answer for one in found]

    def _limit(self, name: str, count: int) -> None:
        if count > self.engine.settings.max_batch:
            raise TooLargeError(f"{name} has {count:,} entries; {self.engine.settings.max_batch:,} are the limit")

    def _lists(self) -> None:
        router, engine = self.router, self.engine

        async def listed(body: RecommendBody, request: Request) -> Response:
            return _json((await self.lists(request, [body]))[0])

        @router.post("/recommend", response_model=ListAnswer, responses=errors())
        async def recommend(body: RecommendBody, request: Request) -> Response:
            """Recommend items to a user or for a history."""
            return await listed(body, request)

        @router.post("/query", response_model=ListAnswer, responses=errors())
        async def query(body: QueryBody, request: Request) -> Response:
            """Recommend items for what a customer asks, in English or Chinese."""
            return await listed(body, request)

        @router.post("/chat", response_model=ChatAnswer, responses=errors())
        async def chat(body: ChatBody, request: Request) -> Response:
            """Answer a turn of a dialogue, in English or Chinese; the next turn sends its `state` back."""
            found = await self.compute(request, lambda: engine.chat(body.model_dump()))
            self.telemetry.turn(found["understood"]["request"], found["understood"]["language"])
            if found["recommendations"]:
                self.telemetry.list(found["basis"])
            return _json(found)

        @router.post("/recommend/batch", response_model=ListsAnswer, responses=errors())
        async def batch(body: BatchBody, request: Request) -> Response:
            """Several lists in one call."""
            self._limit("requests", len(body.requests))
            return _json({"lists": await self.lists(request, body.requests)})

        @router.post("/explain", response_model=ExplanationAnswer, responses=errors())
        async def explain(body: ExplainBody, request: Request) -> Response:
            """The events that carry a recommendation, and what its rank would be without them."""
            return _json(await self.compute(request, lambda: engine.explain(body.model_dump())))

        @router.post("/click-probability", response_model=ClicksAnswer, responses=errors())
        async def click_probability(body: ClickBody, request: Request) -> Response:
            """Probabilities that a user clicks items that are shown, for a checkpoint that predicts clicks."""
            return _json(await self.compute(request, lambda: engine.click_probability(body.model_dump())))

        @router.post("/similar", response_model=ListAnswer, responses=errors(404))
        async def similar(body: SimilarBody, request: Request) -> Response:
            """Items that are recommended to somebody whose only event is this item."""
            return _json(await self.compute(request, lambda: engine.similar(body.item_id, body.k, body.filters)))

    def _catalogue(self) -> None:
        router, engine = self.router, self.engine

        @router.post("/items", response_model=ItemsAnswer, responses=errors())
        async def add(body: ItemsBody, request: Request) -> Response:
            """Add or change items by their texts; they are in the next list."""
            self._limit("items", len(body.items))
            return _json(await self.changed(request, lambda: engine.add_items(body.items)))

        @router.delete("/items/{item_id:path}", response_model=DeletedItemsAnswer, responses=errors(404))
        async def delete(item_id: ItemInPath, request: Request) -> Response:
            """Leave an item out of all later lists."""
            return _json({"deleted": await self.changed(request, lambda: engine.delete_items([item_id]))})

    def _users(self) -> None:
        router, engine = self.router, self.engine

        @router.post("/events", response_model=EventsAnswer, responses=errors())
        async def events(body: EventOrEvents, request: Request) -> Response:
            """Add events of users. Once answered, they are stored, and in every later list; after an error none is."""
            given = body.events if isinstance(body, EventsBody) else [body]
            self._limit("events", len(given))
            plain = [event.model_dump() for event in given]
            timing, gates = request.state.timing, self.gates
            with store_guard():
                new = await gates.store.run_together(engine.append_many, plain, timing, request.is_disconnected)
            for one in new:
                self.telemetry.event("accepted" if one else "duplicate")
            return _json({"accepted": sum(new), "duplicates": len(new) - sum(new)})

        @router.get("/users/{user_id:path}", response_model=UserAnswer, responses=errors(404))
        async def export(user_id: UserInPath, request: Request) -> Response:
            """Everything that the service has of a user."""
            return _json(await self.stored(request, lambda: engine.export_user(user_id)))

        @router.delete("/users/{user_id:path}", response_model=DeletedUserAnswer, responses=errors(404))
        async def forget(user_id: UserInPath, request: Request) -> Response:
            """Delete everything of a user."""
            await self.stored(request, lambda: engine.delete_user(user_id))
            return _json({"deleted": True})

    def _service(self) -> None:
        router, engine = self.router, self.engine

        @router.get("/parameters", response_model=ParametersAnswer, responses=error_answers(401))
        async def show_parameters() -> Response:
            """What lists go by, and how a customer can change it."""
            return _json(parameters(engine.current.recommender))

        @router.get("/info", response_model=InfoAnswer, responses=error_answers(401))
        async def info() -> Response:
            """Checkpoint, catalogue and settings."""
            return _json(engine.info())

        @router.post("/checkpoint", response_model=CheckpointAnswer, responses=errors())
        async def swap(body: CheckpointBody) -> Response:
            """Load another checkpoint; requests are answered from the old one until it is ready."""
            deployed = await asyncio.to_thread(engine.swap, body.checkpoint, body.index)
            return _json({"checkpoint": deployed.checkpoint, "fingerprint": deployed.fingerprint})

        @router.get("/health/live", response_model=StatusAnswer)
        async def live() -> Response:
            """Whether the process answers."""
            return _json({"status": "live"})

        readiness = Readiness(engine.log, engine.settings.timeout)

        @router.get("/health/ready", response_model=StatusAnswer, responses=error_answers(503))
        async def ready() -> Response:
            """Whether the service can answer: its store can be read and written."""
            await readiness.check()
            return _json({"status": "ready"})

        @router.get("/metrics", response_class=PlainTextResponse, responses=error_answers(401))
        async def metrics() -> Response:
            """Metrics in the text format of Prometheus."""
            return Response(self.telemetry.text(), media_type=CONTENT_TYPE_LATEST)


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")

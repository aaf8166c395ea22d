"""Desk: what the page asks for, answered by the engine, the metrics and the feedback log of the service."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ...modeling_xcat.conditions_xcat import Condition
from ...ranking.recommender import XCatRecommender
from ...tokenization.vocabulary import NUM_SPECIAL_ROWS
from ..chat.answers import shown_state
from ..chat.state import ChatState
from ..feedback import FeedbackLog, FeedbackSummary, Reaction
from ..http.engine import Engine
from ..http.errors import InvalidRequestError, ServiceError
from ..http.gate import Gate, Timing
from ..http.settings import ServeSettings
from ..http.telemetry import Telemetry
from ..space_catalogue import Catalogue
from .texts import Language
from .traffic import RouteTraffic, metrics_of, read_traffic

FOUND, AGAIN, NEW, LISTED = 6, 6, 10, 8
"""Items per search, in "buy again", in "new for you", and in the tables of the operator."""
KEPT_LISTS, _LOOK_EVERY = 100_000, 1_000
"""Lists that the page keeps in its memory, the latest ones, and lists after which the older ones are forgotten."""
MOST_PICKED = 200
"""Items of a history that the page keeps, the latest ones."""
WIDTHS = (720, 300)
"""Widths of the attention picture in pixels, for a wide and a narrow screen."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Sources:
    """Where the operator's view has its figures from, if not from the visits of the page.

    Args:
        log: Feedback log of a service, a SQLite file that is only read.
        service: Address of a running service, whose metrics are read.
        key: API key of the service.
    """

    log: Path | None = None
    service: str | None = None
    key: str | None = None


@dataclass
class Visit:
    """What a visitor has chosen and was shown.

    Args:
        history: Item ids, oldest first.
        hidden: Item ids that no list may have.
        made: What the lists were made for; None before the first.
        again: Recommendations from the history.
        new: The answer with the other recommendations; None before the first.
        open: Id of the item whose explanation is shown; "" for none.
        why: Its explanation: `sentence`, `rank`, and `pictures`, one per width.
        chat: Turns of the dialogue: `message` and `answer`.
        state: State of the dialogue; None for a new one.
    """

    history: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    made: Any = None
    again: list[dict[str, Any]] = field(default_factory=list)
    new: dict[str, Any] | None = None
    open: str = ""
    why: dict[str, Any] = field(default_factory=dict)
    chat: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] | None = None

    def add(self, item: str) -> None:
        """Put an item at the end of the history."""
        self.history = [*(one for one in self.history if one != item), item][-MOST_PICKED:]


@dataclass(frozen=True)
class Wanted:
    """What a list should be like.

    Args:
        explore: The knob.
        wish: A query; "" for none.
        only_new: Whether only categories that the history lacks.
    """

    explore: str = "balanced"
    wish: str = ""
    only_new: bool = False


@dataclass(frozen=True)
class Overview:
    """Figures for the operator.

    Args:
        routes: Requests per route.
        feedback: Counts of lists and reactions.
        shown: (title, lists, reactions) of the most shown items.
        never: (title, training events) of the most popular items that were in no list.
        num_never: Items that were in no list.
        num_items: Items of the catalogue.
        error: Why the service could not be asked; "" if it was.
    """

    routes: list[RouteTraffic]
    feedback: FeedbackSummary
    shown: list[tuple[str, int, int]]
    never: list[tuple[str, int]]
    num_never: int
    num_items: int
    error: str = ""


class Desk:
    """Answers the page, with the engine, metrics and feedback log of the service, in memory.

    Args:
        checkpoint: Folder or name of the checkpoint.
        other: Another checkpoint to compare it with; None for none.
        sources: Where the operator's view has its figures from.
        pictures: Whether pictures of items are loaded from the web addresses in the catalogue.
        recommender: The loaded checkpoint; None to load it.

    Raises:
        OSError: If a checkpoint or the log cannot be read.
        ValueError: If one of them is no such thing.
    """

    def __init__(
        self,
        checkpoint: str,
        other: str | None = None,
        sources: Sources | None = None,
        *,
        pictures: bool = False,
        recommender: XCatRecommender | None = None,
    ) -> None:
        self.sources, self.pictures = sources or Sources(), pictures
        settings = ServeSettings(port=0)
        self.engine = Engine(checkpoint, settings, recommender)
        self.other = None if other is None else Engine(other, settings)
        self.gate = Gate(settings.workers, settings.max_waiting, settings.timeout)
        self.telemetry = Telemetry(self.gate)
        assert isinstance(self.engine.feedback, FeedbackLog)  # that of a store in memory
        self.log = self._own = self.engine.feedback
        self._logged = 0
        if self.sources.log is not None:
            self.log = FeedbackLog(self.sources.log, reading=True)
        self.recommender = self.engine.current.recommender
        vocabulary = self.recommender.vocabulary
        self.catalogue = catalogue_of(self.recommender)
        self.other_catalogue = self.catalogue if self.other is None else catalogue_of(self.other.current.recommender)
        codes = vocabulary.category_codes[NUM_SPECIAL_ROWS:]
        sold = np.where(codes >= 0, self.catalogue.counts, 0)
        sizes = np.bincount(np.maximum(codes, 0), sold, len(vocabulary.categories))
        self.categories = list(vocabulary.categories)
        self.frequent_categories = [self.categories[code] for code in np.argsort(-sizes, kind="stable")[:3]]

    @property
    def reads_wishes(self) -> bool:
        """Whether the model reads what a customer asks for, or texts of users."""
        return reads_wishes(self.recommender)

    @property
    def example(self) -> list[str]:
        """A history to begin with: the most popular items."""
        return self.catalogue.search("", 3)[0]

    async def ask(self, route: str, call: Callable[[], Result]) -> Result:
        """Compute in the gate, and count the request.

        Args:
            route: Name of the request in the metrics.
            call: The computation.

        Raises:
            ServiceError: If it is refused, or a value cannot be used.
        """
        timing, begin, status = Timing(), time.perf_counter(), 500
        try:
            found = await self.gate.run(call, timing)
            status = 200
            return found
        except ServiceError as error:
            status = error.status
            raise
        finally:
            self.telemetry.request(route, status, time.perf_counter() - begin, timing)

    def lists(self, visit: Visit, wanted: Wanted) -> None:
        """Fill a visit with both lists; "new for you" is logged. What has not changed is not computed again."""
        made = (tuple(visit.history), tuple(visit.hidden), wanted)
        if made == visit.made:
            return
        visit.made, visit.open, visit.why = made, "", {}
        visit.again = self._again(visit)
        visit.new = self._new(self.engine, visit, wanted, log=True)
        self.telemetry.list(visit.new["basis"])

    def _again(self, visit: Visit) -> list[dict[str, Any]]:
        """The known items of the history, the likeliest purchase first."""
        known = {item for item in visit.history if item in self.catalogue and item not in visit.hidden}
        if not known:
            return []
        request = {
            "history": visit.history, "k": min(AGAIN, len(known)), "only_items": known, "exclude_seen": False,
            "explain": False, "log": False,
        }  # fmt: skip
        found: list[dict[str, Any]] = self.engine.recommend([request])[0]["recommendations"]
        return found

    def _new(self, engine: Engine, visit: Visit, wanted: Wanted, *, log: bool) -> dict[str, Any]:
        recommender = engine.current.recommender
        request: dict[str, Any] = {
            "history": visit.history, "k": NEW, "explore": wanted.explore, "filters": _without(recommender, visit),
            "cross_category": wanted.only_new and bool(recommender.vocabulary.categories), "log": log,
        }  # fmt: skip
        found = engine.recommend([request | wish_of(recommender, wanted.wish)])[0]
        if log:
            self._limit()
        return found

    def _limit(self) -> None:
        """Count a logged list, and now and then forget the oldest ones, so that the memory of the page is bounded."""
        self._logged += 1
        if self._logged % _LOOK_EVERY == 0:
            self._own.keep_latest(KEPT_LISTS)

    def compared(self, visit: Visit, wanted: Wanted) -> tuple[dict[str, Any], dict[str, Any]]:
        """The list of each checkpoint for the same history; neither is logged.

        A checkpoint that reads no wishes gets none; its answer has `ignored` then.
        """
        assert self.other is not None
        first = self._new(self.engine, visit, wanted, log=False)
        ignored = bool(wanted.wish.strip()) and not reads_wishes(self.other.current.recommender)
        other = self._new(self.other, visit, replace(wanted, wish="") if ignored else wanted, log=False)
        return first, {**other, "ignored": ignored}

    def unknown(self, visit: Visit) -> list[int]:
        """Items of the history that each of the checkpoints does not know."""
        engines = [self.engine] if self.other is None else [self.engine, self.other]
        return [int(one.current.recommender.unknown_items([visit.history])[0]) for one in engines]

    def explain(self, visit: Visit, item: str, wanted: Wanted, language: Language) -> None:
        """Fill a visit with the explanation of an item.

        Raises:
            InvalidRequestError: If it cannot be explained.
        """
        wish = wish_of(self.recommender, wanted.wish)
        try:
            found = self.recommender.explain(
                visit.history, item, query=wish.get("query"), texts=wish.get("texts"), language=language,
                exclude_seen=item not in visit.history,
            )  # fmt: skip
        except ValueError as error:
            raise InvalidRequestError(str(error)) from error
        pictures = [found.heat_map(width=width) for width in WIDTHS]
        visit.open, visit.why = item, {"sentence": found.sentence, "rank": found.rank, "pictures": pictures}
        self.react(visit, item, "click")

    def react(self, visit: Visit, item: str, kind: str) -> None:
        """Log a reaction to an item of the latest lists; to an item that they do not have, there is none."""
        lists = filter(None, [visit.new, *(turn["answer"] for turn in visit.chat[::-1])])
        shown = next((one for one in lists if item in {got["item_id"] for got in one["recommendations"]}), None)
        if shown is None:
            return
        try:
            new = self.engine.feedback.react(Reaction(shown["impression_id"], item, kind, int(time.time())))
        except ValueError:  # the page has already forgotten this list
            return
        self.telemetry.event("accepted" if new else "duplicate")

    def say(self, visit: Visit, message: str) -> None:
        """Fill a visit with another turn of its dialogue.

        Raises:
            InvalidRequestError: If the message is empty.
        """
        request = {
            "message": message, "state": visit.state, "user_id": None, "history": visit.history, "k": 5,
            "filters": _without(self.recommender, visit), "log": True,
        }  # fmt: skip
        answer = self.engine.chat(request)
        if answer["impression_id"] is not None:
            self._limit()
        self.telemetry.turn(answer["understood"]["request"], answer["understood"]["language"])
        visit.state = answer["state"]
        answer["in_force"] = shown_state(ChatState.from_dict(answer["state"]).understood)
        visit.chat = [*visit.chat, {"message": message, "answer": answer}][-50:]

    def overview(self) -> Overview:
        """Figures for the operator."""
        text, error = self.telemetry.text().decode(), ""
        if self.sources.service is not None:
            key = {} if self.sources.key is None else {"X-API-Key": self.sources.key}
            try:
                text = metrics_of(self.sources.service, key)
            except ConnectionError as failure:
                text, error = "", str(failure)
        summary = self.log.summary()
        title, counts = self.catalogue.title, self.catalogue.counts
        never = np.ones(len(counts), dtype=bool)
        rows = self.recommender.vocabulary.encode(list(summary.shown)) - NUM_SPECIAL_ROWS
        never[rows[rows >= 0]] = False
        popular = np.argsort(-counts[never], kind="stable")[:LISTED]
        ids = self.recommender.vocabulary.column("item_id").take(never.nonzero()[0][popular]).to_pylist()
        most = list(summary.shown.items())[:LISTED]
        shown = [(title(item), number, summary.reacted.get(item, 0)) for item, number in most]
        missing = [(title(item), int(count)) for item, count in zip(ids, counts[never][popular], strict=True)]
        return Overview(
            read_traffic(text), summary, shown, missing, int(never.sum()), len(counts), error
        )  # fmt: skip

    def close(self) -> None:
        """End the threads, and close the logs."""
        asyncio.run(self.gate.close(1.0))
        self.engine.close()
        if self.other is not None:
            self.other.close()
        if self.log is not self.engine.feedback:
            self.log.close()


def catalogue_of(recommender: XCatRecommender) -> Catalogue:
    """The catalogue of a recommender, for visitors."""
    vocabulary = recommender.vocabulary
    counts = recommender.model.model.items.item_counts[-vocabulary.num_items :]
    return Catalogue(vocabulary.table, counts.cpu().numpy())


def reads_queries(recommender: XCatRecommender) -> bool:
    """Whether a model was fitted to read what a customer asks for."""
    asks = recommender.model.model.asks
    return asks is not None and bool(asks.is_fitted)


def reads_wishes(recommender: XCatRecommender) -> bool:
    """Whether a model reads what a customer asks for, or texts of users."""
    model = recommender.model.model
    return reads_queries(recommender) or bool(recommender.processor.reads_texts and model.reads_user_texts)


def wish_of(recommender: XCatRecommender, wish: str) -> dict[str, str]:
    """A wish as an argument of `recommend`: a query, or a text of the user for a model that reads only these."""
    if not wish.strip():
        return {}
    return {"query" if reads_queries(recommender) else "texts": wish.strip()}


def _without(recommender: XCatRecommender, visit: Visit) -> Sequence[Condition]:
    """The condition that leaves hidden items out."""
    known = tuple(item for item in visit.hidden if not recommender.unknown_items([[item]])[0])
    return [Condition("item_id", "not in", known)] if known else []


def share_text(part: float, whole: float) -> str:
    """A share in per cent, with two digits that count.

    Example:
        >>> share_text(1, 3), share_text(1, 68_000), share_text(0, 0)
        ('33 %', '0.0015 %', '0 %')
    """
    percent = 100 * part / whole if whole else 0.0
    digits = 0 if percent >= 10 or percent == 0 else 1 - math.floor(math.log10(percent))
    return f"{percent:.{digits}f} %"

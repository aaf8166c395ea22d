"""Turns of dialogues: each is answered from the message, and from the state that the client sends along."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ..chat.catalogue import ChatCatalogue
from ..chat.session import ChatSession
from ..chat.state import ChatState
from ..chat.turn import ChatTurn
from .errors import InvalidRequestError

if TYPE_CHECKING:
    from pathlib import Path

    from ...ranking.recommender import XCatRecommender


class Chats:
    """Answers turns; it keeps the words of the catalogue, and nothing of a dialogue.

    Args:
        support_log: Table with the columns `question` and `answer`; None to answer no questions about service.
    """

    def __init__(self, support_log: Path | None = None) -> None:
        self._support_log = support_log
        self._reading = threading.Lock()
        self._catalogue: ChatCatalogue | None = None

    def turn(self, recommender: XCatRecommender, request: dict[str, Any]) -> tuple[ChatTurn, ChatState, list[str]]:
        """Answer a turn.

        Args:
            recommender: The recommender.
            request: Fields of `ChatBody`.

        Returns:
            The turn, the state after it, and the history that it was answered for.

        Raises:
            InvalidRequestError: If a value cannot be used.
        """
        user, given = request["user_id"], request["history"]
        if user is not None and given is not None:
            raise InvalidRequestError("give user_id or history, not both; post events of the user to /events")
        try:
            session = None if user is None else recommender.session(user)
            history = (
                list(given or ())
                if session is None
                else [event.item_id for event in session.sessions.record(session.user).events]
            )
            filters = [*request["filters"], *(() if session is None else session.filters)]
            state = None if request["state"] is None else ChatState.from_dict(request["state"])
            chat = ChatSession(
                recommender, k=request["k"], history=history, filters=filters, state=state,
                catalogue=self.catalogue(recommender),
            )  # fmt: skip
            return chat.say(request["message"]), chat.state, history
        except (ValueError, TypeError) as error:
            raise InvalidRequestError(str(error)) from error

    def catalogue(self, recommender: XCatRecommender) -> ChatCatalogue:
        """The catalogue as it is now; after each change it is read again, which takes a second per 70,000 items.

        Raises:
            OSError: If the support log cannot be read.
            ValueError: If it is no such table.
        """
        recommender.follow()  # decisions of people until now
        found = self._catalogue
        if found is None or not found.is_current(recommender):
            with self._reading:
                if self._catalogue is None or not self._catalogue.is_current(recommender):
                    self._catalogue = ChatCatalogue(recommender, self._support_log)
                found = self._catalogue
        return found

"""UserSessions: the part of a recommender that follows users event by event."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .session import Session, Sessions

if TYPE_CHECKING:
    from ..recommender import XCatRecommender


class UserSessions:
    """The part of a recommender that follows users event by event."""

    _sessions: Sessions | None = None

    @property
    def sessions(self) -> Sessions:
        """The users and their log; a log in memory, unless another one was set or loaded with `state=`."""
        if self._sessions is None:
            self._sessions = Sessions(cast("XCatRecommender", self))
        return self._sessions

    @sessions.setter
    def sessions(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def session(self, user: str) -> Session:
        """The session of a user: `append` adds an event, and `recommend` costs one step of the encoder per new event.

        Args:
            user: Id of the user, known or new.

        Raises:
            ValueError: If the id is missing or empty.
        """
        return self.sessions.session(user)

    def delete(self, user: str) -> bool:
        """Delete every event and statement of a user; returns whether there was anything.

        Args:
            user: Id of the user.
        """
        return self.sessions.delete(user)

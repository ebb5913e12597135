"""Errors as the command line prints them: one line, then one per wrong field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ursa.errors import UrsaError

NOT_FOUND = 404


class CommandFailed(UrsaError):
    """The command could not do what it was asked; `notes` are printed below the message."""

    def __init__(self, message: str, notes: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.notes = tuple(notes)


class Different(CommandFailed):
    """What was compared is not the same; the differences were printed, nothing else is to be said."""

    def __init__(self) -> None:
        super().__init__("")


class ServerRefused(CommandFailed):
    """The control plane answered with an error."""

    def __init__(self, status: int, body: str, problem: Mapping[str, Any] | None) -> None:
        self.status, self._body, self._problem = status, body, problem
        if problem is None or "title" not in problem:
            super().__init__(f"({status}): {body.strip()}")
            return
        notes = [f"* {p.get('field', '')}: {p.get('reason', '')}" for p in problem.get("invalid_parameters", ())]
        super().__init__(f"{problem['title']} ({problem.get('detail', '')})", notes)

    @property
    def no_such_call(self) -> bool:
        """Whether the server does not know the call at all, rather than what it is about."""
        return self.status == NOT_FOUND and (self._problem is None or "title" not in self._problem)

    def about(self, what: str) -> ServerRefused:
        """The same error, with what it is about in front of its message."""
        found = ServerRefused(self.status, self._body, self._problem)
        found.args, found.notes = (f"{what}: {self}",), self.notes
        return found


class Unreachable(CommandFailed):
    """The control plane could not be reached at all."""


class OutOfTime(Unreachable):
    """The control plane did not answer in time."""

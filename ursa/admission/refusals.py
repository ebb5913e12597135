"""Why a write is refused beyond "the resource is not valid": at which stage, and a mesh that is not there."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from ursa.errors import Conflict, InvalidResource, NotFound, Violation


class Stage(enum.Enum):
    """How far a write got; the API words its answer after it."""

    READING = "reading"
    """The document itself is wrong."""
    CREATING = "creating"
    """The document is fine, but the object cannot be added to what is there."""
    UPDATING = "updating"
    """The document is fine, but the object there cannot become this one."""
    RELABELLING = "relabelling"
    """An immutable label would change."""
    DELETING = "deleting"
    """Something else still needs the object."""


class Refused(InvalidResource):
    """A write was refused at a stage after reading."""

    def __init__(self, stage: Stage, violations: Sequence[Violation]) -> None:
        self.stage = stage
        super().__init__(violations)


class NotAsExpected(Conflict):
    """The object is not at the version that the writer has seen."""


class MeshNotFound(NotFound):
    """The mesh that a path names does not exist."""


def refuse(stage: Stage, violations: Sequence[Violation]) -> None:
    """Raises Refused when there are violations."""
    if violations:
        raise Refused(stage, violations)

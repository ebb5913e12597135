"""Where a client is: what its policies compare zones and tags of instances with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a client.

    Attributes:
        zone: its zone.
        tags: its own tags, one value of each, as far as policies ask for them.
    """

    zone: str = ""
    tags: tuple[tuple[str, str], ...] = ()


NOWHERE = Place()

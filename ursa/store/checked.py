"""Keeps what does not have the shape of its kind away from everything that relies on that shape.

What the API and peers bring is checked before it is stored. What stands in a store may have been put there by anybody
else, and the first function that meets a number where a list should be would stop whatever it is part of, at every
start anew.
"""

from __future__ import annotations

from collections.abc import Callable

from ursa.model.resource import Resource
from ursa.store.contract import Damaged, Store, Stored
from ursa.store.inspecting import Inspecting

Objection = Callable[[Resource], str]
"""What is wrong with the shape of a resource, empty if nothing is."""


class CheckedStore(Inspecting):
    """See `Store`."""

    def __init__(self, inner: Store, objection: Objection) -> None:
        super().__init__(inner)
        self._objection = objection

    def inspect(self, resource: Resource) -> Stored:
        reason = self._objection(resource)
        return Damaged(resource.key, resource.version, reason) if reason else resource

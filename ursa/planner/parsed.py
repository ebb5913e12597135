"""Parsed forms of stored resources: made once per stored version, so that identity tells whether something changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ursa.model.resource import Resource, ResourceKey
from ursa.view.view import Touched

T = TypeVar("T")


class Parsed(Generic[T]):
    """The parsed form of each resource's current version."""

    def __init__(self, parse: Callable[[Resource], T]) -> None:
        self._parse = parse
        self._forms: dict[ResourceKey, tuple[Resource, T]] = {}

    def __call__(self, resource: Resource) -> T:
        """The parsed form; the same object as before while the resource is the same."""
        known = self._forms.get(resource.key)
        if known is not None and known[0] is resource:
            return known[1]
        form = self._parse(resource)
        self._forms[resource.key] = (resource, form)
        return form

    def forget(self, touched: Touched) -> None:
        """Drops what a step of the view deleted."""
        for key, change in touched.changes.items():
            if change.after is None:
                self._forms.pop(key, None)

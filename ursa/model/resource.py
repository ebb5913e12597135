"""A stored object and its key: the unit that every store, stream and API of Ursa moves.

Resources are values. Nobody changes one in place; `with_…` methods return a new one, so that a view, a session and a
request can hold the same object without copying it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from ursa.model.json import JsonObject

T = TypeVar("T")

EMPTY: Mapping[str, str] = MappingProxyType({})


class ResourceKey(NamedTuple):
    """Identity of a resource in one control plane. `mesh` is empty for kinds of global scope."""

    kind: str
    mesh: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.mesh}/{self.name}" if self.mesh else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Resource:
    """An object of any kind.

    Attributes:
        kind: Kuma's type name, such as `MeshTimeout`.
        mesh: name of the mesh, empty for kinds of global scope.
        name: name in the store of this control plane (a synced object has a hashed one).
        spec: the canonical JSON of the spec: proto3 JSON mapping for protobuf kinds (lowerCamelCase, zero values
            omitted, 64-bit numbers as strings), the document itself for JSON kinds.
        labels: all labels, computed ones included.
        status: canonical JSON of the status, or None for kinds without one.
        version: store revision of the last change, 0 while not stored.
        created: nanoseconds since the epoch, UTC; 0 while not stored.
        modified: the same for the last change.
    """

    kind: str
    mesh: str
    name: str
    spec: JsonObject = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    status: JsonObject | None = None
    version: int = 0
    created: int = 0
    modified: int = 0
    _form: object = field(default=None, init=False, repr=False, compare=False)

    def form(self, of: type[T], parse: Callable[[Resource], T]) -> T:
        """What `parse` makes of this resource, remembered: the same object for as long as this one lives.

        Meant for the one typed form that a kind has; another type asked for takes the place of the first.
        """
        known = self._form
        if not isinstance(known, of):
            known = parse(self)
            object.__setattr__(self, "_form", known)
        return known

    @property
    def key(self) -> ResourceKey:
        """The identity of this resource."""
        return ResourceKey(self.kind, self.mesh, self.name)

    @property
    def display_name(self) -> str:
        """The name its author gave it, which differs from `name` once it was synced between control planes."""
        return self.labels.get("kuma.io/display-name") or self.name

    def same_content(self, other: Resource) -> bool:
        """Whether spec, labels and status are equal; versions and times do not count."""
        return self.spec == other.spec and self.labels == other.labels and self.status == other.status

    def with_spec(self, spec: JsonObject) -> Resource:
        """A copy with another spec."""
        return replace(self, spec=spec)

    def with_labels(self, labels: Mapping[str, str]) -> Resource:
        """A copy with other labels (replaced as a whole)."""
        return replace(self, labels=labels)

    def with_status(self, status: JsonObject | None) -> Resource:
        """A copy with another status."""
        return replace(self, status=status)

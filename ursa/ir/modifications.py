"""Changes that users make by hand to finished resources: what is changed, how, and who said so.

Values are messages of Envoy, already read: whoever writes a patch writes Envoy's own configuration.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from google.protobuf.message import Message

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | Mapping[str, JsonValue] | None"


class Part(enum.Enum):
    """What a modification is about."""

    CLUSTER = "cluster"
    LISTENER = "listener"
    NETWORK_FILTER = "networkFilter"
    HTTP_FILTER = "httpFilter"
    VIRTUAL_HOST = "virtualHost"


class Operation(enum.Enum):
    """What it does; filters stand in a list, so that they are added in a place."""

    ADD = "Add"
    REMOVE = "Remove"
    PATCH = "Patch"
    ADD_FIRST = "AddFirst"
    ADD_LAST = "AddLast"
    ADD_BEFORE = "AddBefore"
    ADD_AFTER = "AddAfter"


@dataclass(frozen=True, slots=True)
class Match:
    """To what a modification applies; what is empty does not matter.

    Attributes:
        name: of the thing itself.
        origin: of the resource it is in.
        listener: name of the listener that a filter is in.
        tags: that the listener has to have.
        route_config: name of the route configuration that a virtual host is in.
    """

    name: str = ""
    origin: str = ""
    listener: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    route_config: str = ""


@dataclass(frozen=True, slots=True)
class JsonPatch:
    """One operation on the JSON form of a message (RFC 6902)."""

    op: str
    path: str
    value: JsonValue = None
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Modification:
    """One change.

    Attributes:
        value: what is added, or merged into what is there.
        json_patches: instead of a value to merge.
        origin: of the resources it adds.
        said_by: who wants it, for people.
        place: where that is said.
    """

    part: Part
    operation: Operation
    match: Match
    value: Message | None
    json_patches: tuple[JsonPatch, ...]
    origin: str
    said_by: str
    place: str


@dataclass(frozen=True, slots=True)
class RawResource:
    """A whole resource that a user wrote; `said_by` names the policy."""

    type_url: str
    name: str
    body: bytes
    said_by: str


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Patches:
    """Everything that is changed by hand in a proxy's configuration; compared by identity.

    Attributes:
        profiles: what is kept of the generated configuration, None for all of it.
        raw: added to that.
        modifications: in their order.
    """

    profiles: tuple[str, ...] | None
    raw: tuple[RawResource, ...]
    modifications: tuple[Modification, ...]

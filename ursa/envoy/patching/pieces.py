"""Resources on the workbench: taken apart only when somebody touches them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TypeAlias

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf.message import Message

from ursa.envoy import types
from ursa.envoy.listeners import TAGS_METADATA
from ursa.envoy.values import serialised

MESSAGES: MappingProxyType[str, type[Message]] = MappingProxyType(
    {types.CLUSTER: Cluster, types.LISTENER: Listener, types.ROUTE: RouteConfiguration}
)
"""What can be modified."""


class Piece:
    """One resource.

    Attributes:
        origin: the part of the planner that made it.
        changed_by: who changed it last, empty for nobody.
    """

    __slots__ = ("_body", "_message", "_type_url", "changed_by", "name", "origin")

    def __init__(self, type_url: str, name: str, origin: str, body: bytes, *, changed_by: str = "") -> None:
        """Args: a resource that comes from a user is changed from the start."""
        self._type_url, self.name, self.origin, self._body = type_url, name, origin, body
        self.changed_by = changed_by
        self._message: Message | None = None

    @property
    def message(self) -> Message:
        """The resource taken apart; whoever changes it says so in `changed_by`."""
        if self._message is None:
            self._message = MESSAGES[self._type_url]()
            self._message.ParseFromString(self._body)
        return self._message

    @property
    def body(self) -> bytes:
        """The resource as bytes."""
        return serialised(self.message) if self.changed_by else self._body

    @property
    def tags(self) -> dict[str, str]:
        """Tags of a listener."""
        assert isinstance(self.message, Listener)
        fields = self.message.metadata.filter_metadata[TAGS_METADATA].fields
        return {key: value.string_value for key, value in fields.items()}


Pieces: TypeAlias = dict[str, dict[str, Piece]]
"""All resources of a proxy, or of one half of its configuration, by type and name."""

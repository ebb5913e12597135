"""The list of living replicas, kept in a Config that never leaves the control plane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.view.view import View

CONFIG = "cp-catalog"


@dataclass(frozen=True, slots=True, order=True)
class Replica:
    """One process of a control plane, and where others reach it.

    It is the same replica however many streams it serves, so these do not count when replicas are compared.
    """

    id: str
    address: str
    port: int
    leader: bool = False
    streams: int = field(default=0, compare=False)

    @property
    def document(self) -> JsonObject:
        """As the catalogue has it."""
        return {
            "id": self.id,
            "address": self.address,
            "interCpPort": self.port,
            "leader": self.leader,
            "streams": self.streams,
        }


def read_catalogue(view: View) -> tuple[Replica, ...]:
    """All replicas by id; a list that cannot be read is empty."""
    config = view.get("Config", "", CONFIG)
    try:
        listed = orjson.loads(str(config.spec.get("config", ""))).get("instances", ()) if config is not None else ()
        return tuple(sorted(_read(one) for one in listed))
    except (ValueError, LookupError, TypeError, AttributeError):
        return ()


def _read(one: JsonObject) -> Replica:
    return Replica(
        str(one["id"]),
        str(one["address"]),
        int(one["interCpPort"]),
        bool(one.get("leader")),
        int(one.get("streams", 0)),
    )


def find_replica(view: View, instance: str) -> Replica | None:
    """The replica of this name, if it is listed."""
    return next((one for one in read_catalogue(view) if one.id == instance), None)


def catalogue_config(replicas: Iterable[Replica]) -> Resource:
    """The Config of a list."""
    instances = [one.document for one in sorted(replicas)]
    return Resource("Config", "", CONFIG, {"config": orjson.dumps({"instances": instances}).decode()})

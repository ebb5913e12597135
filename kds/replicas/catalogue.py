"""The list of living replicas, kept in a Config that never leaves the control plane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.view.view import View

CONFIG = "cp-catalog"


@dataclass(frozen=True, slots=True, order=True)
class Replica:
    """One process of a control plane, and where others reach it."""

    id: str
    address: str
    port: int
    leader: bool = False

    @property
    def document(self) -> JsonObject:
        """As the catalogue has it."""
        return {"id": self.id, "address": self.address, "interCpPort": self.port, "leader": self.leader}


def read_catalogue(view: View) -> tuple[Replica, ...]:
    """All replicas by id; a list that cannot be read is empty."""
    config = view.get("Config", "", CONFIG)
    try:
        listed = orjson.loads(str(config.spec.get("config", ""))).get("instances", ()) if config is not None else ()
        return tuple(
            sorted(
                Replica(str(one["id"]), str(one["address"]), int(one["interCpPort"]), bool(one.get("leader")))
                for one in listed
            )
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return ()


def find_replica(view: View, instance: str) -> Replica | None:
    """The replica of this name, if it is listed."""
    return next((one for one in read_catalogue(view) if one.id == instance), None)


def catalogue_config(replicas: Iterable[Replica]) -> Resource:
    """The Config of a list."""
    instances = [one.document for one in sorted(replicas)]
    return Resource("Config", "", CONFIG, {"config": orjson.dumps({"instances": instances}).decode()})

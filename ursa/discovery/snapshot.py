"""Everything one client should have at one moment; what makers of snapshots import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ursa.discovery.entry import Entry, entry
from ursa.discovery.layers import Difference, Layers, difference, entries, version
from ursa.discovery.resource_set import ResourceSet

__all__ = ["Difference", "Entry", "Layers", "ResourceSet", "Snapshot", "difference", "entry"]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Resources by type, in layers. A type that is not a key is not known yet, which is not the same as empty."""

    EMPTY: ClassVar[Snapshot]

    layers: Mapping[str, Layers] = field(default_factory=dict)

    def entries(self, type_url: str) -> Iterator[Entry]:
        """All resources of a type."""
        return entries(self.layers.get(type_url, ()))

    def version(self, type_url: str) -> str:
        """Hash over all resources of a type."""
        return version(self.layers.get(type_url, ()))


Snapshot.EMPTY = Snapshot()

"""How a client spreads its traffic over localities: which zone's instances come first, and which never."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Affinity:
    """Instances of the client's zone that have a tag in common with the client, and their weight."""

    key: str
    value: str
    weight: int


@dataclass(frozen=True, slots=True)
class Failover:
    """Where traffic goes at a priority: to these zones, or to all but these."""

    priority: int
    zones: frozenset[str] = frozenset()
    all_but: bool = False

    def covers(self, zone: str) -> bool:
        """Whether a zone is one of them."""
        return (zone in self.zones) is not self.all_but


@dataclass(frozen=True, slots=True)
class Localities:
    """What a policy says about localities.

    Attributes:
        zone: the client's; empty if all zones are alike.
        ordered: whether zones come in the order of `failover`, and those in none of its steps never.
        affinity: strongest first.
        failover: steps in their order.
        weighted: whether localities get shares by their weights.
        overprovisioning: how soon the next priority helps out, in percent.
        merged: name of the one locality that all other zones are, where a proxy in between knows their order.
    """

    zone: str = ""
    ordered: bool = False
    affinity: tuple[Affinity, ...] = ()
    failover: tuple[Failover, ...] = ()
    weighted: bool = False
    overprovisioning: int | None = None
    merged: str = ""

"""Who a proxy is in what it tells others of itself, and who collects that."""

from __future__ import annotations

from dataclasses import dataclass

from ursa.policies.core.collectors import Collectors


@dataclass(frozen=True, slots=True)
class Speaker:
    """A proxy as logs and traces name it.

    Attributes:
        service: the first of its services.
        log_pipe: where its launcher takes lines for collectors that Envoy does not speak to itself.
    """

    service: str
    address: str
    mesh: str
    log_pipe: str


@dataclass(frozen=True, slots=True)
class Logbook:
    """Who writes, and the collectors that records go to, which become part of the same share of a plan."""

    speaker: Speaker
    collectors: Collectors

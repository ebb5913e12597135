"""Logs of both halves of a sidecar's plan: who writes them, to which collectors, and those beside outbounds."""

from __future__ import annotations

from collections.abc import Iterable

from ursa.ir import origins
from ursa.ir.listener import OUTBOUND, Listener
from ursa.ir.plan import ProxyPlan
from ursa.model.dataplane import Dataplane
from ursa.model.labels import SERVICE_TAG
from ursa.model.mesh import Mesh
from ursa.planner import names
from ursa.planner.inputs import PassThrough, ProxyFacts
from ursa.policies.core.collectors import Collectors
from ursa.policies.core.log_formats import EXTERNAL, PASS_THROUGH
from ursa.policies.core.matching import Matched, destination_rules, inbound_conf
from ursa.policies.core.policy import Effective, Policy
from ursa.policies.core.speaker import Logbook, Speaker
from ursa.policies.core.subject import pairs
from ursa.policies.legacy.matching import for_destination
from ursa.policies.legacy.places import Policies
from ursa.policies.legacy.traffic_log import KIND as TRAFFIC_LOG
from ursa.policies.legacy.traffic_log import log_traffic
from ursa.policies.mesh_access_log.effect import KIND as MESH_ACCESS_LOG
from ursa.policies.mesh_access_log.effect import collector_endpoints, log_pass_through


def speaker_of(dataplane: Dataplane, mesh: str, facts: ProxyFacts) -> Speaker:
    """A sidecar as logs name it."""
    pipe = names.access_log_pipe(facts.workdir, dataplane.name, mesh)
    return Speaker(dataplane.identifying_service, dataplane.address, mesh, pipe)


def logbook(speaker: Speaker, known: Iterable[str] = ()) -> Logbook:
    """A fresh logbook; `known` collectors have clusters in the other share of the plan."""
    return Logbook(speaker, Collectors(origins.ACCESS_LOG, known))


def pass_through(matched: Iterable[Matched], policies: Policies, dataplane: Dataplane) -> PassThrough:
    """The policies for connections that no outbound takes."""
    logs = next((of for of in matched if of.outbound and of.outbound[0].kind == MESH_ACCESS_LOG), Matched())
    legacy = for_destination(policies.get(TRAFFIC_LOG, ()), dataplane.tag_sets, PASS_THROUGH)
    return PassThrough(logs.outbound, legacy)


def known_collectors(matched: Iterable[Matched], dataplane: Dataplane, passing: PassThrough) -> tuple[str, ...]:
    """The collectors that the own half of a plan makes clusters for, in its order."""
    found = [
        inbound_conf(policies)
        for of in matched
        for position in range(len(dataplane.inbounds))
        if (policies := _logs(of.on_inbound(position)))
    ]
    found.append(_conf(passing))
    return tuple(endpoint for one in found if one is not None for endpoint in collector_endpoints(one.conf))


def log_beside_outbounds(plan: ProxyPlan, origin: str, passing: PassThrough, mesh: Mesh, book: Logbook) -> None:
    """Logs what passes the outward listeners of one part of the planner, and adds the collectors of the logbook."""
    conf = _conf(passing)
    for listener in plan.listeners_of(origin):
        if listener.direction == OUTBOUND:
            _log(listener, conf, passing, mesh, book)
    plan.add(*book.collectors.clusters)


def _log(listener: Listener, conf: Effective | None, passing: PassThrough, mesh: Mesh, book: Logbook) -> None:
    if passing.legacy is not None:
        log_traffic(listener, passing.legacy, mesh, speaker=book.speaker, destination=EXTERNAL)
    if conf is not None:
        log_pass_through(listener, conf.conf, book)


def _conf(passing: PassThrough) -> Effective | None:
    return destination_rules(passing.policies).lookup(pairs({SERVICE_TAG: PASS_THROUGH})) if passing.policies else None


def _logs(policies: Iterable[Policy]) -> list[Policy]:
    return [policy for policy in policies if policy.kind == MESH_ACCESS_LOG]
